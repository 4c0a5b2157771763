//! How webhooks reach the business.

use super::*;

#[tokio::test]
async fn webhooks_have_to_be_lawful() {
    let bot = start(|config| (config.allow_http, config.allow_any_port) = (false, false)).await;
    let url = |url: &str| json!({ "url": url });
    let secret = |secret: String| json!({"url": "https://bot.example/hook", "secret_token": secret});
    for (body, wrong) in [
        (url("http://bot.example/hook"), "bad webhook: An HTTPS URL must be provided for webhook"),
        (url("https://bot.example:444/hook"), "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"),
        (url("ftp://bot.example/hook"), "invalid webhook URL specified"),
        (secret("a b".to_owned()), "secret token contains unallowed characters"),
        (secret("a".repeat(257)), "secret token is too long"),
    ] {
        assert_eq!(bot.refused("setWebhook", body).await, (400, format!("Bad Request: {wrong}")));
    }
    for port in [443, 80, 88, 8443] {
        bot.ok("setWebhook", url(&format!("https://bot.example:{port}/hook"))).await;
    }
    let body = json!({
        "url": "https://bot.example/hook", "secret_token": "a-B_9", "max_connections": 7, "allowed_updates": ["message"],
    });
    assert_eq!(bot.call("setWebhook", body.clone()).await.1["description"], "Webhook was set");
    assert_eq!(bot.call("setWebhook", body).await.1["description"], "Webhook is already set");
    let info = bot.ok("getWebhookInfo", json!({})).await;
    let expected = json!({
        "url": "https://bot.example/hook", "has_custom_certificate": false, "pending_update_count": 0,
        "max_connections": 7, "allowed_updates": ["message"],
    });
    assert_eq!(info, expected);
    assert_eq!(bot.call("deleteWebhook", json!({})).await.1["description"], "Webhook was deleted");
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["url"], "");
}

/// What a bot got, and how many at once.
#[derive(Clone, Default)]
struct Hook {
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Hook {
    /// Serves a bot that refuses the first `refusals` updates; each waits for a permit of `gate` before its answer.
    async fn serve(&self, refusals: usize, gate: Arc<Semaphore>) -> String {
        let left = Arc::new(AtomicUsize::new(refusals));
        let own = self.clone();
        let hook = async move |headers: HeaderMap, Json(body): Json<Value>| {
            own.got.lock().expect("no panic").push((headers, body));
            let inside = own.inside.fetch_add(1, Ordering::SeqCst) + 1;
            own.most.fetch_max(inside, Ordering::SeqCst);
            gate.acquire().await.expect("open").forget();
            own.inside.fetch_sub(1, Ordering::SeqCst);
            let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if refuse { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        };
        format!("{}/hook", serve(Router::new().route("/hook", post(hook))).await)
    }

    fn bodies(&self) -> Vec<Value> {
        self.got.lock().expect("no panic").iter().map(|(_, body)| body.clone()).collect()
    }

    fn texts(&self) -> Vec<String> {
        let text = |body: &Value| body["message"]["text"].as_str().unwrap_or_default().to_owned();
        self.bodies().iter().map(text).collect()
    }
}

fn open() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(10_000))
}

#[tokio::test]
async fn updates_are_posted_with_the_secret_until_they_are_taken() {
    let bot = start(|_| {}).await;
    let hook = Hook::default();
    let url = hook.serve(2, open()).await;
    bot.ok("setWebhook", json!({"url": url, "secret_token": "s3cret"})).await;
    bot.say(ANA, Said::text("hi"));
    let taken = |chat: &simulator::phone::Chat| chat.bubbles[0].tick == Tick::Delivered;
    bot.telegram.wait_for(ANA, LIMIT, taken).await.expect("delivered");
    let got = hook.got.lock().expect("no panic").clone();
    assert_eq!(got.len(), 3);
    for (headers, body) in &got {
        assert_eq!(headers["x-telegram-bot-api-secret-token"].to_str().ok(), Some("s3cret"));
        assert_eq!((&body["update_id"], &body["message"]["text"]), (&json!(700_000_001), &json!("hi")));
    }
    assert_eq!(bot.telegram.webhooks()[0].statuses, [503, 503, 200]);
    let info = bot.ok("getWebhookInfo", json!({})).await;
    assert_eq!(info["last_error_message"], "Wrong response from the webhook: 503 Service Unavailable");
    assert_eq!((&info["last_error_date"], &info["pending_update_count"]), (&json!(1_790_000_000), &json!(0)));
}

#[tokio::test]
async fn an_update_that_nobody_takes_is_given_up() {
    let bot = start(|config| config.attempts = 3).await;
    let hook = Hook::default();
    let url = hook.serve(usize::MAX, open()).await;
    bot.telegram.set_webhook(Webhook::new(url.parse().expect("a URL"), "s"));
    bot.say(ANA, Said::text("hi"));
    assert!(bot.telegram.settled(LIMIT).await);
    assert_eq!(hook.bodies().len(), 3);
    assert_eq!(bot.telegram.chat(ANA).bubbles[0].tick, Tick::Failed);
    assert!(!bot.telegram.webhooks()[0].taken);
}

#[tokio::test]
async fn one_chat_is_served_serially_and_chats_in_parallel() {
    let bot = start(|_| {}).await;
    let hook = Hook::default();
    let gate = Arc::new(Semaphore::new(0));
    let url = hook.serve(0, gate.clone()).await;
    bot.ok("setWebhook", json!({"url": url, "max_connections": 2})).await;
    for text in ["a1", "a2"] {
        bot.say(ANA, Said::text(text));
    }
    bot.say(MARKO, Said::text("m1"));
    bot.say("444444444", Said::text("x1"));
    // Nothing is answered yet: only as many are inside as there are connections, and one of each chat.
    let mut got = hook.texts();
    while got.len() < 2 {
        tokio::task::yield_now().await;
        got = hook.texts();
    }
    assert_eq!(hook.texts().iter().filter(|text| text.starts_with('a')).count(), 1);
    gate.add_permits(4);
    assert!(bot.telegram.settled(LIMIT).await);
    assert_eq!(hook.most.load(Ordering::SeqCst), 2);
    let texts = hook.texts();
    let at = |text: &str| texts.iter().position(|own| own == text).expect("posted");
    assert!(at("a1") < at("a2"), "{texts:?}");
}

#[tokio::test]
async fn a_refused_update_holds_up_its_own_chat_only() {
    let bot = start(|config| config.attempts = 3).await;
    let hook = Hook::default();
    let url = hook.serve(1, open()).await;
    bot.telegram.set_webhook(Webhook::new(url.parse().expect("a URL"), "s"));
    for text in ["a1", "a2"] {
        bot.say(ANA, Said::text(text));
    }
    assert!(bot.telegram.settled(LIMIT).await);
    assert_eq!(hook.texts(), ["a1", "a1", "a2"]);
}

#[tokio::test]
async fn repeats_carry_the_same_id_and_content() {
    let bot = start(|_| {}).await;
    let hook = Hook::default();
    let url = hook.serve(0, open()).await;
    assert!(!bot.telegram.say_again(ANA, "1"));
    bot.telegram.set_webhook(Webhook::new(url.parse().expect("a URL"), "s"));
    let id = bot.telegram.say_copies(ANA, Said::text("hi"), 16).expect("said");
    assert!(bot.telegram.settled(LIMIT).await);
    assert!(bot.telegram.say_again(ANA, &id) && !bot.telegram.say_again(MARKO, &id));
    bot.say(MARKO, Said::text("hi"));
    bot.say(ANA, Said::Edit { message: id, text: "ho".to_owned() });
    assert!(bot.telegram.settled(LIMIT).await);
    let mut contents = BTreeMap::<i64, Vec<Value>>::new();
    for body in hook.bodies() {
        contents.entry(body["update_id"].as_i64().expect("an id")).or_default().push(body);
    }
    let counts: Vec<usize> = contents.values().map(Vec::len).collect();
    assert_eq!(counts, [17, 1, 1]);
    assert!(contents.values().all(|same| same.iter().all(|body| *body == same[0])));
    assert_eq!(bot.telegram.chat(ANA).bubbles.len(), 1);
}

#[tokio::test]
async fn held_updates_go_out_in_the_order_that_is_wished() {
    let bot = start(|_| {}).await;
    let hook = Hook::default();
    let url = hook.serve(0, open()).await;
    bot.ok("setWebhook", json!({"url": url, "max_connections": 1})).await;
    bot.telegram.hold_updates();
    for (peer, text) in [(ANA, "a1"), (ANA, "a2"), (MARKO, "m1"), (MARKO, "m2")] {
        bot.say(peer, Said::text(text));
    }
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["pending_update_count"], 4);
    bot.telegram.release_updates(Order::LastFirst);
    assert!(bot.telegram.settled(LIMIT).await);
    let texts = hook.texts();
    assert_eq!((texts.len(), texts[0].as_str()), (4, "m1"), "{texts:?}");
    let at = |text: &str| texts.iter().position(|own| own == text).expect("posted");
    assert!(at("a1") < at("a2") && at("m1") < at("m2"), "{texts:?}");
    let delay = Duration::from_millis(50);
    bot.telegram.set_update_delay(delay);
    let said = Instant::now();
    bot.say(ANA, Said::text("a3"));
    assert!(bot.telegram.settled(LIMIT).await);
    assert!(said.elapsed() >= delay);
}

#[tokio::test]
async fn another_webhook_takes_over_what_waits_and_it_can_be_dropped() {
    let bot = start(|config| (config.attempts, config.retry_wait) = (1_000, Duration::from_millis(1))).await;
    let (deaf, hearing) = (Hook::default(), Hook::default());
    let url = deaf.serve(usize::MAX, open()).await;
    bot.ok("setWebhook", json!({ "url": url })).await;
    bot.say(ANA, Said::text("lost"));
    bot.ok("setWebhook", json!({"url": format!("{url}?again"), "drop_pending_updates": true})).await;
    assert!(bot.telegram.settled(LIMIT).await);
    bot.say(ANA, Said::text("kept"));
    let url = hearing.serve(0, open()).await;
    bot.ok("setWebhook", json!({ "url": url })).await;
    assert!(bot.telegram.settled(LIMIT).await);
    assert_eq!(hearing.texts(), ["kept"]);
    // Without a webhook it waits for a poll, which gets nothing while updates are held.
    bot.ok("deleteWebhook", json!({})).await;
    bot.say(ANA, Said::text("later"));
    bot.telegram.hold_updates();
    assert_eq!(bot.ok("getUpdates", json!({})).await, json!([]));
    bot.telegram.release_updates(Order::AsMade);
    assert_eq!(bot.heard().await[0]["message"]["text"], "later");
}
