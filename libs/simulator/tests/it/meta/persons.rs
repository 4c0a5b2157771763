//! What persons do, and how the business hears of it.

use super::*;

#[tokio::test]
async fn each_thing_a_person_sends_has_its_shape() {
    let (meta, base, _) = start(|config| {
        config.user_ids = false;
        config.media_base = Some("https://files.example".parse().expect("a URL"));
    })
    .await;
    let first = meta.say(ANA, Said::text("hi"));
    let (_, _, answer) = told(send(&base, &text("hello")).await).await;
    let ours = answer["messages"][0]["id"].as_str().expect("an id").to_owned();
    let picture = meta.add_media("image/jpeg", b"jpeg");
    let hash = STANDARD.encode(Sha256::digest(b"jpeg"));
    let media = |media: &str, caption: Option<&str>, name: Option<&str>| Said::Media {
        media: media.to_owned(),
        id: picture.clone(),
        caption: caption.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let quoted = Some(ours.clone());
    let place = |name: Option<&str>| Said::Location {
        latitude: 45.5,
        longitude: -15.25,
        name: name.map(str::to_owned),
        address: None,
    };
    let cards = vec![Card { name: "Iva Horvat".to_owned(), phone: "+385 91 222".to_owned() }];
    let item = Item { id: "TEA".to_owned(), quantity: 2, price: 3.5, currency: "EUR".to_owned() };
    let context = json!({"from": BUSINESS, "id": ours});
    let title = "Yes".to_owned();
    for (said, kind, content, context) in [
        (
            Said::Text { text: "so".to_owned(), quoted: Some(first.clone()) },
            "text",
            json!({"body": "so"}),
            json!({"from": ANA, "id": first}),
        ),
        (
            Said::Button { id: "yes-1".to_owned(), title: title.clone(), quoted: quoted.clone() },
            "interactive",
            json!({"type": "button_reply", "button_reply": {"id": "yes-1", "title": "Yes"}}),
            context.clone(),
        ),
        (
            Said::Row {
                id: "r".to_owned(),
                title: title.clone(),
                description: Some("small".to_owned()),
                quoted: quoted.clone(),
            },
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "r", "title": "Yes", "description": "small"}}),
            context.clone(),
        ),
        (
            Said::QuickReply { payload: "p".to_owned(), title, quoted },
            "button",
            json!({"payload": "p", "text": "Yes"}),
            context,
        ),
        (media("image", Some("look"), None), "image", json!({"caption": "look"}), Value::Null),
        (media("video", None, None), "video", json!({}), Value::Null),
        (media("voice", Some("no"), None), "audio", json!({"voice": true}), Value::Null),
        (media("audio", None, None), "audio", json!({"voice": false}), Value::Null),
        (
            media("document", Some("all"), Some("a.pdf")),
            "document",
            json!({"caption": "all", "filename": "a.pdf"}),
            Value::Null,
        ),
        (media("sticker", Some("no"), None), "sticker", json!({"animated": false}), Value::Null),
        (
            place(Some("Zagreb")),
            "location",
            json!({"latitude": 45.5, "longitude": -15.25, "name": "Zagreb"}),
            Value::Null,
        ),
        (
            Said::Contacts { cards },
            "contacts",
            json!([{
                "name": {"formatted_name": "Iva Horvat", "first_name": "Iva", "last_name": "Horvat"},
                "phones": [{"phone": "+385 91 222", "wa_id": "38591222", "type": "CELL"}],
            }]),
            Value::Null,
        ),
        (
            Said::Reaction { to: ours.clone(), emoji: Some("👍".to_owned()) },
            "reaction",
            json!({"message_id": ours, "emoji": "👍"}),
            Value::Null,
        ),
        (Said::Reaction { to: ours.clone(), emoji: None }, "reaction", json!({"message_id": ours}), Value::Null),
        (
            Said::Edit { of: first.clone(), text: "hey".to_owned() },
            "edit",
            json!({"original_message_id": first, "message": {"type": "text", "text": {"body": "hey"}}}),
            Value::Null,
        ),
        (Said::Revoke { of: first.clone() }, "revoke", json!({"original_message_id": first}), Value::Null),
        (
            Said::Order { catalog: "7".to_owned(), items: vec![item], text: None },
            "order",
            json!({
                "catalog_id": "7", "text": "",
                "product_items": [{"product_retailer_id": "TEA", "quantity": 2, "item_price": 3.5, "currency": "EUR"}],
            }),
            Value::Null,
        ),
        (Said::Unsupported, "unsupported", json!({"type": "unknown"}), Value::Null),
        (Said::Raw { message: json!({"type": "future", "future": {"a": 1}}) }, "future", json!({"a": 1}), Value::Null),
        (Said::Raw { message: json!([1]) }, "unsupported", json!({"type": "unknown"}), Value::Null),
    ] {
        let id = meta.say(ANA, said);
        let webhook = meta.webhooks().pop().expect("a webhook").body;
        let value = value(&webhook);
        assert_eq!(value["contacts"], json!([{"profile": {"name": "Someone"}, "wa_id": ANA}]), "{kind}");
        let message = &value["messages"][0];
        assert_eq!((&message["id"], &message["from"], message["type"].as_str()), (&json!(id), &json!(ANA), Some(kind)));
        assert_eq!(message["timestamp"], "1795338000");
        assert_eq!(message["context"], context, "{kind}");
        let mut content = content;
        if ["image", "video", "audio", "document", "sticker"].contains(&kind) {
            content["mime_type"] = json!("image/jpeg");
            content["sha256"] = json!(hash);
            content["id"] = json!(picture);
            content["url"] = message[kind]["url"].clone();
            let url = message[kind]["url"].as_str().expect("a URL");
            assert!(url.starts_with("https://files.example/whatsapp_business/attachments/?mid="), "{url}");
        }
        assert_eq!(message[kind], content, "{kind}");
        if kind == "unsupported" {
            assert_eq!(message["errors"][0]["code"], 131_051);
        }
    }
    let chat = meta.chat(ANA);
    assert_eq!(
        (chat.bubbles[0].text.as_str(), &chat.bubbles[0].kind),
        ("", &Kind::Other { what: "revoked".to_owned() })
    );
}

#[tokio::test]
async fn an_edit_changes_what_stands_there_and_a_lost_file_is_not_found() {
    let (meta, base, _) = start(|_| {}).await;
    let words = meta.say(ANA, Said::text("hi"));
    // What the phone page posts.
    let page = json!({"type": "media", "media": "image", "url": "https://media.example/image", "caption": null});
    let picture = meta.say(ANA, serde_json::from_value(page).expect("a picture"));
    let sent = meta.webhooks().pop().expect("a webhook").body;
    let id = value(&sent)["messages"][0]["image"]["id"].as_str().expect("an id").to_owned();
    let request = client().get(format!("{base}/v23.0/{id}")).bearer_auth("token");
    assert_eq!(told(request.send().await.expect("an answer")).await.2["error"]["error_subcode"], 33);
    meta.say(ANA, Said::Edit { of: words, text: "hello".to_owned() });
    meta.say(ANA, Said::Edit { of: picture, text: "look".to_owned() });
    let edit = meta.webhooks().pop().expect("a webhook").body;
    assert_eq!(value(&edit)["messages"][0]["edit"]["message"]["image"]["caption"], "look");
    let texts: Vec<String> = meta.chat(ANA).bubbles.into_iter().map(|bubble| bubble.text).collect();
    assert_eq!(texts, ["hello", "look"]);
    assert!(serde_json::from_value::<Said>(json!({"type": "text", "text": "hi", "other": 1})).is_err());
}

#[tokio::test]
async fn a_hidden_number_is_written_to_by_its_user_id() {
    let (meta, base, _) = start(|_| {}).await;
    meta.hide_number(ANA, "ana.h");
    meta.say(ANA, Said::text("hi"));
    let user_id = meta.user_id(ANA);
    let said = meta.webhooks().pop().expect("a webhook").body;
    let message = &value(&said)["messages"][0];
    assert_eq!((message.get("from"), &message["from_user_id"]), (None, &json!(user_id)));
    let contact = json!({"profile": {"name": "Someone", "username": "ana.h"}, "user_id": user_id});
    assert_eq!(value(&said)["contacts"][0], contact);
    assert!(!said.to_string().contains(ANA));
    let mut body = text("hello");
    body.as_object_mut().expect("an object").remove("to");
    for (recipient, code) in [("HR.1", 131_026), ("385911234567", 131_009), (user_id.as_str(), 0)] {
        body["recipient"] = json!(recipient);
        let (_, got, answer) = told(send(&base, &body).await).await;
        assert_eq!(got, code, "{answer}");
        if code == 0 {
            assert_eq!(answer["contacts"][0], json!({"input": user_id, "user_id": user_id}));
        }
    }
    assert_eq!(meta.chat(ANA).last_answer().map(|bubble| bubble.text.clone()), Some("hello".to_owned()));
    let sent = statuses(&meta).pop().expect("a status");
    assert_eq!((sent.get("recipient_id"), &sent["recipient_user_id"]), (None, &json!(user_id)));
}
