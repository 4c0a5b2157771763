//! What the business sends, and what is refused of it.

use super::*;

#[tokio::test]
async fn what_the_real_api_refuses_is_refused() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    meta.add_template(reminder());
    let picture = meta.add_media("image/png", b"png");
    let long = |count: usize| "č".repeat(count);
    let with = |key: &str, value: Value| {
        let mut body = text("hi");
        body[key] = value;
        body
    };
    let without = |key: &str| {
        let mut body = text("hi");
        body.as_object_mut().expect("an object").remove(key);
        body
    };
    let many = |count: usize| buttons((0..count).map(|n| button(&n.to_string(), &format!("b {n}"))).collect());
    let row = |id: &str, title: &str, small: &str| {
        list(json!([{"rows": [{"id": id, "title": title, "description": small}]}]))
    };
    let framed = |part: &str, value: Value| {
        let mut body = many(1);
        body["interactive"][part] = value;
        body
    };
    let body_of = |mut message: Value, count: usize| {
        message["interactive"]["body"]["text"] = json!(long(count));
        message
    };
    for (what, body, code) in [
        ("text of 4096", text(&long(4096)), 0),
        ("text of 4097", text(&long(4097)), 100),
        ("emoji count twice", text(&"🚗".repeat(2049)), 100),
        ("blank text", text(" "), 100),
        ("no text", message("text", json!({"preview_url": true})), 131_008),
        ("text that is a number", message("text", json!({"body": 5})), 100),
        ("a preview", message("text", json!({"body": "hi", "preview_url": true})), 0),
        ("preview that is no flag", message("text", json!({"body": "hi", "preview_url": "yes"})), 100),
        ("without a type", without("type"), 0),
        ("without a product", without("messaging_product"), 100),
        ("other product", with("messaging_product", json!("messenger")), 100),
        ("without a recipient", without("to"), 131_008),
        ("without content", without("text"), 131_008),
        ("recipient with a plus", with("to", json!("+385911234567")), 131_009),
        ("recipient that is a number", with("to", json!(385_911_234_567_u64)), 131_009),
        ("to oneself", with("to", json!(BUSINESS)), 131_021),
        ("to a group", with("recipient_type", json!("group")), 100),
        ("unknown field", with("message", json!("hi")), 100),
        ("content of another type", with("image", json!({"id": picture})), 100),
        ("unknown field inside", with("text", json!({"body": "hi", "text": "hi"})), 100),
        ("unknown type", message("poll", json!({})), 100),
        ("callback data of 512", with("biz_opaque_callback_data", json!(long(512))), 0),
        ("callback data of 513", with("biz_opaque_callback_data", json!(long(513))), 100),
        ("answer to nothing", with("context", json!({"message_id": "wamid.none"})), 131_009),
        ("three buttons", many(3), 0),
        ("four buttons", many(4), 131_009),
        ("no button", many(0), 131_009),
        ("title of 20", buttons(json!([button("a", &long(20))])), 0),
        ("title of 21", buttons(json!([button("a", &long(21))])), 131_009),
        ("no title", buttons(json!([{"type": "reply", "reply": {"id": "a"}}])), 131_008),
        ("id of 256", buttons(json!([button(&long(256), "a")])), 0),
        ("id of 257", buttons(json!([button(&long(257), "a")])), 131_009),
        ("one id twice", buttons(json!([button("a", "x"), button("a", "y")])), 131_009),
        ("one title twice", buttons(json!([button("a", "x"), button("b", "x")])), 131_009),
        ("body of 1024 over buttons", body_of(many(1), 1024), 0),
        ("body of 1025 over buttons", body_of(many(1), 1025), 131_009),
        ("footer of 60", framed("footer", json!({"text": long(60)})), 0),
        ("footer of 61", framed("footer", json!({"text": long(61)})), 131_009),
        ("header of 60", framed("header", json!({"type": "text", "text": long(60)})), 0),
        ("header of 61", framed("header", json!({"type": "text", "text": long(61)})), 131_009),
        ("header with a picture", framed("header", json!({"type": "image", "image": {"id": picture}})), 0),
        ("header with a lost picture", framed("header", json!({"type": "image", "image": {"id": "1"}})), 131_009),
        ("ten rows", list(json!([{"rows": rows(10)}])), 0),
        ("eleven rows", list(json!([{"rows": rows(11)}])), 131_009),
        (
            "eleven rows in two sections",
            list(json!([{"title": "a", "rows": rows(10)}, {"title": "b", "rows": [{"id": "x", "title": "x"}]}])),
            131_009,
        ),
        ("sections without titles", list(json!([{"rows": rows(1)}, {"rows": [{"id": "x", "title": "x"}]}])), 131_008),
        (
            "one id in two sections",
            list(json!([{"title": "a", "rows": rows(1)}, {"title": "b", "rows": rows(1)}])),
            131_009,
        ),
        ("row at its limits", row(&long(200), &long(24), &long(72)), 0),
        ("row title of 25", row("a", &long(25), "x"), 131_009),
        ("row id of 201", row(&long(201), "a", "x"), 131_009),
        ("description of 73", row("a", "a", &long(73)), 131_009),
        ("body of 4096 over a list", body_of(list(json!([{"rows": rows(1)}])), 4096), 0),
        ("body of 4097 over a list", body_of(list(json!([{"rows": rows(1)}])), 4097), 131_009),
        ("picture", message("image", json!({"id": picture, "caption": long(1024)})), 0),
        ("caption of 1025", message("image", json!({"id": picture, "caption": long(1025)})), 100),
        ("picture by link", message("image", json!({"link": "https://files.example/a.png"})), 0),
        ("picture by a link of no kind", message("image", json!({"link": "file:///etc/passwd"})), 131_009),
        ("picture from nowhere", message("image", json!({})), 131_008),
        ("picture by both", message("image", json!({"id": picture, "link": "https://files.example/a"})), 100),
        ("picture as audio", message("audio", json!({"id": picture})), 131_009),
        ("sound with a caption", message("audio", json!({"link": "https://files.example/a", "caption": "x"})), 100),
        ("sticker with a caption", message("sticker", json!({"link": "https://files.example/a", "caption": "x"})), 100),
        ("document", message("document", json!({"id": picture, "filename": "a.png"})), 0),
        ("place", message("location", json!({"latitude": 45.8, "longitude": "15.9", "name": "Zagreb"})), 0),
        ("null for what is absent", message("location", json!({"latitude": 1, "longitude": 1, "name": null})), 0),
        ("place off the earth", message("location", json!({"latitude": 95, "longitude": 15})), 131_009),
        ("half a place", message("location", json!({"latitude": 45.8})), 131_008),
        ("card", message("contacts", json!([{"name": {"formatted_name": "Ana H", "first_name": "Ana"}}])), 0),
        ("card of a formatted name", message("contacts", json!([{"name": {"formatted_name": "Ana H"}}])), 131_008),
        ("no card", message("contacts", json!([])), 100),
        ("reaction to nothing", message("reaction", json!({"message_id": "wamid.none", "emoji": "👍"})), 131_009),
        ("template", template("reminder", &["Ana", "9"]), 0),
        ("unknown template", template("farewell", &["Ana"]), 132_001),
        ("template with one word too few", template("reminder", &["Ana"]), 132_000),
        ("template with lines", template("reminder", &["Ana\n", "9"]), 100),
        ("template of a strange name", template("Reminder!", &[]), 131_009),
    ] {
        let before = meta.sends().len();
        let (status, got, answer) = told(send(&base, &body).await).await;
        assert_eq!(got, code, "{what}: {answer}");
        if code == 0 {
            assert_eq!(status, 200, "{what}");
            assert_eq!(answer["messaging_product"], "whatsapp");
            assert_eq!(answer["contacts"][0], json!({"input": ANA, "wa_id": ANA}));
            assert_eq!(answer["messages"][0]["id"], meta.sends()[before].id, "{what}");
        } else {
            let error = &answer["error"];
            assert_eq!(status, if code == 132_001 { 404 } else { 400 }, "{what}");
            assert_eq!((error["type"].as_str(), error["fbtrace_id"].is_string()), (Some("OAuthException"), true));
            assert!(error["message"].as_str().is_some_and(|text| text.starts_with(&format!("(#{code}) "))), "{error}");
            assert_eq!(error["error_data"]["messaging_product"], "whatsapp");
            assert!(error["error_data"]["details"].as_str().is_some_and(|details| !details.is_empty()), "{error}");
            assert_eq!(meta.sends().len(), before, "{what}");
        }
    }
}

#[tokio::test]
async fn token_number_and_path_have_to_be_right() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let ask = async |path: &str, token: &str| {
        let request = client().post(format!("{base}{path}")).header("authorization", token).json(&text("hi"));
        told(request.send().await.expect("an answer")).await
    };
    let right = format!("/v23.0/{NUMBER}/messages");
    assert_eq!(ask(&right, "Bearer token").await.0, 200);
    for token in ["Bearer other", "bearer token", "App token", ""] {
        let (status, code, body) = ask(&right, token).await;
        assert_eq!((status, code), (401, 190), "{token}: {body}");
    }
    let (status, code, body) = ask("/v23.0/999/messages", "Bearer token").await;
    assert_eq!((status, code, &body["error"]["error_subcode"]), (400, 100, &json!(33)));
    assert_eq!(body["error"]["type"], "GraphMethodException");
    for path in [format!("/23.0/{NUMBER}/messages"), format!("/v23/{NUMBER}/messages"), "/other".to_owned()] {
        assert_eq!(ask(&path, "Bearer token").await.1, 2500, "{path}");
    }
    let wrong = client().get(format!("{base}{right}")).bearer_auth("token").send().await.expect("an answer");
    assert_eq!(told(wrong).await.2["error"]["error_subcode"], 33);
    let form = client().post(format!("{base}{right}")).bearer_auth("token").body(text("hi").to_string());
    let (_, code, body) = told(form.send().await.expect("an answer")).await;
    assert_eq!(code, 100);
    assert_eq!(body["error"]["error_data"]["details"], "The parameter messaging_product is required.");
    assert_eq!(meta.sends().len(), 1);
}

#[tokio::test]
async fn a_repeated_send_is_shown_twice() {
    let (meta, base, _) = start(|config| config.reads = Reads::WhenShown).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    meta.say(ANA, Said::text("hi"));
    let mut body = text("hello");
    body["biz_opaque_callback_data"] = json!("ours");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, _, answer) = told(send(&base, &body).await).await;
        ids.push(answer["messages"][0]["id"].as_str().expect("an id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert!(meta.settled(LIMIT).await);
    let shown: Vec<String> = meta.chat(ANA).answers().map(|bubble| bubble.id.clone()).collect();
    assert_eq!(shown, ids);
    let statuses = statuses(&meta);
    assert_eq!(words(&statuses).len(), 4);
    for status in &statuses {
        assert_eq!(status["biz_opaque_callback_data"], "ours");
        assert_eq!((status["recipient_id"].as_str(), status["timestamp"].as_str()), (Some(ANA), Some("1795338000")));
        assert_eq!(status["pricing"]["category"], "service");
        assert_eq!(status["conversation"]["expiration_timestamp"].is_string(), status["status"] == "sent");
        assert!(ids.iter().any(|id| status["id"] == *id));
    }
}

#[tokio::test]
async fn outside_the_window_only_templates_arrive() {
    let (meta, base, hands) = start(|_| {}).await;
    meta.add_template(reminder());
    send(&base, &text("nobody wrote yet")).await;
    assert_eq!((words(&statuses(&meta)), meta.sends()[0].shown), (vec!["failed"], false));
    let first = meta.say(ANA, Said::text("hi"));
    hands.on(24 * 3600);
    send(&base, &text("in time")).await;
    assert!(meta.sends()[1].shown);
    hands.on(1);
    meta.say(ANA, Said::Reaction { to: first, emoji: Some("👍".to_owned()) }); // opens nothing
    let (status, _, answer) = told(send(&base, &text("too late")).await).await;
    assert_eq!(status, 200);
    let failed = statuses(&meta).pop().expect("a status");
    assert_eq!((failed["status"].as_str(), &failed["id"]), (Some("failed"), &answer["messages"][0]["id"]));
    assert_eq!(failed["errors"][0]["code"], 131_047);
    assert_eq!(failed["errors"][0]["title"], "Re-engagement message");
    assert!(failed["errors"][0]["error_data"]["details"].is_string() && failed.get("conversation").is_none());
    meta.set_refusals(Refusals::InAnswer);
    assert_eq!(told(send(&base, &text("too late")).await).await.1, 131_047);
    assert_eq!(told(send(&base, &template("reminder", &["Ana", "9"])).await).await.1, 0);
    let chat = meta.chat(ANA);
    let answers: Vec<&str> = chat.answers().map(|bubble| bubble.text.as_str()).collect();
    assert_eq!(answers, ["in time", "Hello Ana, tomorrow at 9?"]);
    assert_eq!(chat.find_choice("Yes").map(|(id, _)| id), Some("yes-1".to_owned()));
    assert_eq!(chat.find_choice("No").map(|(id, _)| id), Some("No".to_owned()));
    meta.say(ANA, Said::text("here again"));
    assert_eq!(told(send(&base, &text("welcome")).await).await.1, 0);
}

#[tokio::test]
async fn an_unreachable_number_is_told_in_a_status_or_in_the_answer() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    meta.set_unreachable(ANA);
    assert_eq!(send(&base, &text("hi")).await.status(), StatusCode::OK);
    assert_eq!(statuses(&meta)[0]["errors"][0]["code"], 131_026);
    meta.set_refusals(Refusals::InAnswer);
    let (status, code, _) = told(send(&base, &text("hi")).await).await;
    assert_eq!((status, code, meta.sends().len()), (400, 131_026, 1));
    assert_eq!(meta.chat(ANA).answers().count(), 0);
}

#[tokio::test]
async fn one_pair_is_limited_when_told_so() {
    let (meta, base, hands) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let code = async || told(send(&base, &text("hi")).await).await.1;
    for _ in 0..60 {
        assert_eq!(code().await, 0);
    }
    meta.set_pair_rate(Some(PairRate { every: Duration::from_secs(6), burst: 2 }));
    assert_eq!([code().await, code().await, code().await], [0, 0, 131_056]);
    hands.on(5);
    assert_eq!(code().await, 131_056);
    hands.on(1);
    assert_eq!([code().await, code().await], [0, 131_056]);
    meta.say("385990000001", Said::text("hi"));
    let mut other = text("hi");
    other["to"] = json!("385990000001");
    assert_eq!(told(send(&base, &other).await).await.1, 0);
}

#[tokio::test]
async fn sends_fail_on_command() {
    let (meta, base, _) = start(|_| {}).await;
    let id = meta.say(ANA, Said::text("hi"));
    let url = format!("{base}/v23.0/{NUMBER}/messages");
    let post = || client().post(&url).bearer_auth("token").json(&text("hi")).send();
    meta.refuse_next(130_429, 2);
    for _ in 0..2 {
        let (status, code, body) = told(post().await.expect("an answer")).await;
        assert_eq!((status, code), (400, 130_429));
        assert_eq!(body["error"]["message"], "(#130429) Rate limit hit");
    }
    meta.faults().next("POST messages", Fault::CutBefore);
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": id});
    assert_eq!(send(&base, &read).await.status(), StatusCode::OK, "read marks have orders of their own");
    assert!(post().await.is_err());
    assert_eq!(meta.sends().len(), 0);
    meta.faults().next("POST messages", Fault::CutAfter);
    assert!(post().await.is_err());
    assert_eq!(meta.sends().len(), 1);
    meta.faults().next("POST messages", Fault::Status { status: 429, retry_after: Some(3) });
    let refused = post().await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().ok()), (429, Some("3")));
    meta.faults().next("POST messages", Fault::StatusAfter(500));
    let (status, code, _) = told(post().await.expect("an answer")).await;
    assert_eq!((status, code, meta.sends().len()), (500, 131_000, 2));
    meta.faults().next("POST read", Fault::Status { status: 503, retry_after: None });
    assert_eq!(send(&base, &read).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(meta.faults().is_clear());
}

#[tokio::test]
async fn a_read_mark_turns_ticks_and_shows_typing_for_a_while() {
    let (meta, base, hands) = start(|_| {}).await;
    let (_, webhook) = business(0).await;
    meta.set_webhook(webhook);
    let ids =
        [meta.say(ANA, Said::text("hi")), meta.say(ANA, Said::text("still there?")), meta.say(ANA, Said::text("?"))];
    let mark = |id: &str| json!({"messaging_product": "whatsapp", "status": "read", "message_id": id});
    let typing = |kind: &str| {
        let mut mark = mark(&ids[1]);
        mark["typing_indicator"] = json!({"type": kind});
        mark
    };
    assert!(meta.settled(LIMIT).await);
    assert_eq!(told(send(&base, &mark("wamid.unknown")).await).await.1, 131_009);
    assert_eq!(told(send(&base, &typing("voice")).await).await.1, 100);
    assert_eq!(told(send(&base, &mark(&ids[1])).await).await.2, json!({"success": true}));
    let ticks: Vec<Tick> = meta.chat(ANA).bubbles.iter().map(|bubble| bubble.tick).collect();
    assert_eq!(ticks, [Tick::Read, Tick::Read, Tick::Delivered]);
    assert!(!meta.typing(ANA));
    send(&base, &typing("text")).await;
    hands.on(24);
    assert!(meta.typing(ANA));
    hands.on(1);
    assert!(!meta.typing(ANA));
    send(&base, &typing("text")).await;
    send(&base, &text("here")).await;
    assert!(!meta.typing(ANA));
    let answer = meta.chat(ANA).last_answer().map(|bubble| bubble.id.clone()).expect("an answer");
    assert_eq!(told(send(&base, &mark(&answer)).await).await.1, 131_009, "it is ours");
    let event = meta.say(ANA, Said::Reaction { to: answer, emoji: None });
    assert_eq!(told(send(&base, &mark(&event)).await).await.1, 0);
}
