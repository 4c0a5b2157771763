//! How webhooks reach the business.

use super::*;

/// The side of a business in a handshake.
async fn shake(RawQuery(query): RawQuery) -> axum::response::Response {
    let query = query.unwrap_or_default();
    let value = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    if (value("hub.mode"), value("hub.verify_token")) != (Some("subscribe"), Some("verify")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    value("hub.challenge").unwrap_or_default().to_owned().into_response()
}

#[tokio::test]
async fn a_handshake_wants_the_challenge_as_plain_text() {
    let (meta, ..) = start(|_| {}).await;
    assert_eq!(meta.verify().await, Handshake::NoWebhook);
    let quoted = async |query: RawQuery| {
        let response = shake(query).await;
        ([("content-type", "application/json")], response.into_body()).into_response()
    };
    let base = serve(
        Router::new()
            .route("/right", get(shake))
            .route("/json", get(quoted))
            .route("/page", get(async || "ok"))
            .route("/long", get(async || "1".repeat(100_000))),
    )
    .await;
    let set = |path: &str| {
        let url = format!("{base}{path}").parse().expect("a URL");
        meta.set_webhook(Webhook::new(url, "secret", "verify"));
    };
    for (path, expected) in [
        ("/right", Handshake::Accepted),
        ("/json", Handshake::NotPlainText),
        ("/page", Handshake::WrongChallenge),
        ("/long", Handshake::WrongChallenge),
        ("/nowhere", Handshake::Refused(404)),
    ] {
        set(path);
        assert_eq!(meta.verify().await, expected, "{path}");
    }
    set("/right");
    assert_eq!(meta.verify_as("guess").await, Handshake::Refused(403));
    meta.set_webhook(Webhook::new("http://127.0.0.1:1/".parse().expect("a URL"), "secret", "verify"));
    assert_eq!(meta.verify().await, Handshake::NoAnswer);
}

#[tokio::test]
async fn webhooks_are_ascii_signed_and_repeated_until_taken() {
    let (meta, ..) = start(|_| {}).await;
    let (posted, webhook) = business(2).await;
    meta.set_webhook(webhook);
    meta.set_name(ANA, "Ana Šarić");
    let id = meta.say(ANA, Said::text("Što/kada 🚗?"));
    let delivered = |chat: &Chat| chat.bubbles.iter().all(|bubble| bubble.tick == Tick::Delivered);
    meta.wait_for(ANA, LIMIT, delivered).await.expect("delivered");
    assert!(meta.settled(LIMIT).await);
    assert_eq!(meta.webhooks()[0].statuses, [503, 503, 200]);
    let posted = posted.lock().expect("no panic").clone();
    assert_eq!(posted.len(), 3);
    for (headers, body) in &posted {
        assert!(body.is_ascii() && body.contains(r"\u0160to\/kada \ud83d\ude97?"), "{body}");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("any key");
        mac.update(body.as_bytes());
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["x-hub-signature-256"].to_str().ok(), Some(expected.as_str()));
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (body["object"].as_str(), &body["entry"][0]["id"]),
            (Some("whatsapp_business_account"), &json!("102290129340398"))
        );
        assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
        assert_eq!(
            *value(&body),
            json!({
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": BUSINESS, "phone_number_id": NUMBER},
                "contacts": [{"profile": {"name": "Ana Šarić"}, "wa_id": ANA, "user_id": meta.user_id(ANA)}],
                "messages": [{
                    "type": "text", "text": {"body": "Što/kada 🚗?"}, "from": ANA, "from_user_id": meta.user_id(ANA),
                    "id": id, "timestamp": "1795338000",
                }],
            })
        );
    }
}

#[tokio::test]
async fn a_webhook_that_nobody_takes_is_given_up_and_copies_carry_one_id() {
    let (meta, ..) = start(|config| config.attempts = 3).await;
    let (posted, webhook) = business(3).await;
    meta.set_webhook(webhook);
    let lost = meta.say(ANA, Said::text("hi"));
    assert!(meta.settled(LIMIT).await);
    assert_eq!((bodies(&posted).len(), meta.chat(ANA).bubbles[0].tick), (3, Tick::Failed));
    meta.say_copies(ANA, Said::text("hi"), 16);
    assert!(meta.settled(LIMIT).await);
    let all = bodies(&posted);
    assert_eq!(all.len(), 19);
    assert!(all[3..].iter().all(|body| *body == all[3]));
    assert!(meta.say_again(&lost) && !meta.say_again("wamid.other"));
    assert!(meta.settled(LIMIT).await);
    assert_eq!(bodies(&posted)[19], all[0]);
    assert_eq!(meta.chat(ANA).bubbles.len(), 2);
    let delay = Duration::from_millis(30);
    meta.set_webhook_delay(delay);
    let before = Instant::now();
    meta.say(ANA, Said::text("later"));
    assert!(meta.settled(LIMIT).await && before.elapsed() >= delay);
}

#[tokio::test]
async fn gathered_webhooks_go_out_as_told() {
    for (bundle, posts, shape) in [
        (Bundle::Apart, 5, [1, 1, 1]),
        (Bundle::OneChange, 1, [1, 1, 2]),
        (Bundle::Changes, 1, [1, 5, 1]),
        (Bundle::Entries, 1, [5, 1, 1]),
    ] {
        let (meta, base, _) = start(|_| {}).await;
        let (posted, webhook) = business(0).await;
        meta.set_webhook(webhook);
        assert_eq!(meta.release(bundle), 0);
        meta.gather();
        meta.say(ANA, Said::text("one"));
        meta.say(ANA, Said::text("two"));
        send(&base, &text("hello")).await;
        assert!(meta.settled(LIMIT).await && bodies(&posted).is_empty(), "{bundle:?}");
        assert_eq!(meta.chat(ANA).bubbles[0].tick, Tick::Sending);
        assert_eq!(meta.release(bundle), 5, "two messages, and sent, delivered and read");
        assert!(meta.settled(LIMIT).await);
        let bodies = bodies(&posted);
        assert_eq!(bodies.len(), posts, "{bundle:?}");
        let count = |value: &Value| value.as_array().map_or(0, Vec::len);
        let first = &bodies[0]["entry"];
        assert_eq!(
            [count(first), count(&first[0]["changes"]), count(&value(&bodies[0])["messages"])],
            shape,
            "{bundle:?}"
        );
        if bundle == Bundle::OneChange {
            let value = value(&bodies[0]);
            assert_eq!((count(&value["contacts"]), count(&value["statuses"])), (1, 3));
        }
        assert!(
            meta.chat(ANA).bubbles.iter().filter(|bubble| bubble.mine).all(|bubble| bubble.tick == Tick::Delivered)
        );
        meta.say(ANA, Said::text("three"));
        assert!(meta.settled(LIMIT).await);
        assert_eq!(meta.webhooks().len(), posts + 1, "what comes later goes out at once");
    }
}

#[tokio::test]
async fn statuses_follow_the_phone_or_come_backward() {
    let (meta, base, _) = start(|config| config.reads = Reads::WhenShown).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    meta.say(ANA, Said::text("hi"));
    assert!(meta.settled(LIMIT).await);
    send(&base, &buttons(json!([button("yes-1", "Yes, do")]))).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta)), ["sent", "delivered"]);
    let chat = meta.chat(ANA);
    let bubble = chat.last_answer().expect("a message");
    assert_eq!(bubble.tick, Tick::Delivered);
    assert!(matches!(&bubble.kind, Kind::Buttons { buttons } if buttons[0].title == "Yes, do"));
    assert_eq!(chat.find_choice("Yes, do"), Some(("yes-1".to_owned(), bubble.id.clone())));
    meta.look(ANA);
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta)), ["sent", "delivered", "read"]);
    assert_eq!(meta.chat(ANA).last_answer().map(|bubble| bubble.tick), Some(Tick::Read));

    meta.set_status_order(StatusOrder::Backward);
    send(&base, &list(json!([{"rows": rows(2)}]))).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta))[3..], ["delivered", "sent"]);
    assert!(meta.chat(ANA).find_choice("row 1").is_some());
    meta.set_reads(Reads::AtOnce);
    send(&base, &text("hello")).await;
    assert!(meta.settled(LIMIT).await);
    assert_eq!(words(&statuses(&meta))[5..], ["read", "delivered", "sent"]);

    meta.set_status_order(StatusOrder::Forward);
    meta.set_status_copies(2);
    let before = statuses(&meta).len();
    send(&base, &text("hello")).await;
    assert!(meta.settled(LIMIT).await);
    let last = statuses(&meta);
    let count = |word: &str| words(&last[before..]).iter().filter(|status| **status == word).count();
    // The list that came backward is still unread, so it is read with this one.
    assert_eq!((count("sent"), count("delivered"), count("read")), (2, 2, 4));
}
