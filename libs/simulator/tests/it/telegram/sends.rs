//! What the business sends, and what is refused of it.

use super::*;

#[tokio::test]
async fn the_token_opens_and_methods_are_found_in_any_case() {
    let bot = start(|_| {}).await;
    let get = async |path: String| {
        let response = client().get(format!("{}{path}", bot.base)).send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
    };
    let (status, me) = get(format!("/bot{TOKEN}/getme")).await;
    assert_eq!((status, &me["result"]["id"], &me["result"]["is_bot"]), (200, &json!(110_201_543), &json!(true)));
    let unauthorized = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    assert_eq!(get("/bot1:wrong/getMe".to_owned()).await, (401, unauthorized.clone()));
    assert_eq!(get("/file/bot1:wrong/photos/file_1.jpg".to_owned()).await, (401, unauthorized));
    assert_eq!(get(format!("/bot{TOKEN}/sendNothing")).await.1["error_code"], 404);
    assert_eq!(get("/elsewhere".to_owned()).await.1["description"], "Not Found");
}

#[tokio::test]
async fn what_the_real_api_refuses_is_refused() {
    let bot = Bot::greeted(|_| {}).await;
    let long = |count: usize| "č".repeat(count);
    let html = |text: &str| json!({"chat_id": ANA, "text": text, "parse_mode": "HTML"});
    let markdown = |text: &str| json!({"chat_id": ANA, "text": text, "parse_mode": "MarkdownV2"});
    let entity = |kind: &str, offset: i64, length: i64| {
        with("entities", json!([{"type": kind, "offset": offset, "length": length}]))
    };
    let rows = |row: usize, rows: usize| {
        let row: Vec<Value> = (0..row).map(|n| key(&format!("b{n}"), "d")).collect();
        with("reply_markup", inline(vec![row; rows].into()))
    };
    let button = |button: Value| with("reply_markup", inline(json!([[button]])));
    for (what, body, wrong) in [
        ("a text", to(ANA, "hi"), None),
        ("text of 4096", to(ANA, &long(4096)), None),
        ("text of 4097", to(ANA, &long(4097)), Some("message is too long")),
        ("emoji count twice", to(ANA, &"🚗".repeat(2049)), Some("message is too long")),
        ("4096 after markup", html(&format!("<b>{}</b>", long(4096))), None),
        ("no text", json!({"chat_id": ANA}), Some("message text is empty")),
        ("white space", to(ANA, " \n "), Some("text must be non-empty")),
        ("no chat", json!({"text": "hi"}), Some("chat_id is empty")),
        ("a stranger", to(MARKO, "hi"), Some("chat not found")),
        ("a name", with("chat_id", json!("@ana")), Some("chat not found")),
        ("a mode", with("parse_mode", json!("XML")), Some("unsupported parse_mode")),
        ("open tag", html("<b>x"), Some("can't parse entities: Can't find end tag corresponding to start tag \"b\"")),
        ("tag", html("<x>x</x>"), Some("can't parse entities: Unsupported start tag \"x\" at byte offset 0")),
        ("markdown", markdown("*a* \\- b"), None),
        (
            "reserved",
            markdown("1.0"),
            Some("can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'"),
        ),
        ("markup before chat", json!({"chat_id": 1, "text": "1.0", "parse_mode": "MarkdownV2"}), Some("can't parse")),
        ("entity", entity("bold", 0, 2), None),
        (
            "entity beyond",
            entity("bold", 0, 3),
            Some("entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 3"),
        ),
        ("entity of what", entity("shiny", 0, 2), Some("can't parse MessageEntity: Unsupported type specified")),
        ("a button", button(key("Yes", &"d".repeat(64))), None),
        ("data of 65 bytes", button(key("Yes", &format!("{}č", "d".repeat(63)))), Some("BUTTON_DATA_INVALID")),
        ("no data", button(key("Yes", "")), Some("Text buttons are unallowed in the inline keyboard")),
        ("no action", button(json!({"text": "Yes"})), Some("can't parse inline keyboard button: Text buttons")),
        (
            "two actions",
            button(json!({"text": "Yes", "url": "https://a.b/", "callback_data": "d"})),
            Some("exactly one"),
        ),
        (
            "no title",
            button(json!({"callback_data": "d"})),
            Some("can't parse inline keyboard button: Can't find field"),
        ),
        ("empty title", button(key(" ", "d")), Some("inline keyboard button text must be non-empty")),
        ("flat rows", with("reply_markup", inline(json!([key("Yes", "d")]))), Some("must be an Array of Arrays")),
        ("a hundred", rows(4, 25), None),
        ("more", rows(4, 26), Some("reply markup is too long")),
        ("nine in a row", rows(9, 1), Some("reply markup is too long")),
        ("markup that is text", with("reply_markup", json!("{")), Some("can't parse reply keyboard markup JSON")),
        ("reply", with("reply_parameters", json!({"message_id": 1})), None),
        (
            "reply to nothing",
            with("reply_parameters", json!({"message_id": 99})),
            Some("message to be replied not found"),
        ),
        (
            "reply if there is one",
            with("reply_parameters", json!({"message_id": 99, "allow_sending_without_reply": true})),
            None,
        ),
    ] {
        let before = bot.telegram.sends().len();
        match wrong {
            None => {
                let message = bot.ok("sendMessage", body).await;
                assert_eq!(message["chat"]["id"].to_string(), ANA, "{what}");
                assert_eq!(bot.telegram.sends().len(), before + 1, "{what}");
            }
            Some(wrong) => {
                let (status, text) = bot.refused("sendMessage", body).await;
                assert_eq!(status, 400, "{what}");
                assert!(text.starts_with("Bad Request: ") && text.contains(wrong), "{what}: {text}");
                assert_eq!(bot.telegram.sends().len(), before, "{what}");
            }
        }
    }
    assert_eq!(bot.telegram.oddities(), Vec::<String>::new());
}

#[tokio::test]
async fn other_methods_refuse_too() {
    let bot = Bot::greeted(|_| {}).await;
    let photo = bot.telegram.add_media("image/jpeg", b"jpeg");
    let chat = |rest: Value| {
        let mut body = json!({ "chat_id": ANA });
        body.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        body
    };
    for (method, body, wrong) in [
        ("sendChatAction", chat(json!({"action": "typing"})), None),
        ("sendChatAction", chat(json!({"action": "thinking"})), Some("wrong parameter action in request")),
        ("sendPhoto", chat(json!({"photo": photo, "caption": "č".repeat(1024)})), None),
        ("sendPhoto", chat(json!({"photo": photo, "caption": "č".repeat(1025)})), Some("message caption is too long")),
        ("sendPhoto", chat(json!({})), Some("there is no photo in the request")),
        ("sendDocument", chat(json!({"document": "unknown"})), Some("wrong file identifier/HTTP URL specified")),
        ("sendLocation", chat(json!({"latitude": 45.8, "longitude": 15.9})), None),
        ("sendLocation", chat(json!({"latitude": 45.8})), Some("longitude is empty")),
        ("sendLocation", chat(json!({"latitude": 91, "longitude": 15.9})), Some("wrong location specified")),
        ("getFile", json!({}), Some("file_id not specified")),
        ("getFile", json!({"file_id": "unknown"}), Some("invalid file_id")),
        ("setMyCommands", json!({"commands": [{"command": "help", "description": "Help"}]}), None),
        (
            "setMyCommands",
            json!({"commands": [{"command": "Help!", "description": "Help"}]}),
            Some("BOT_COMMAND_INVALID"),
        ),
        ("setMyCommands", json!({"commands": [{"command": "help"}]}), Some("Can't find field \"description\"")),
        ("setMyCommands", json!({"commands": "none"}), Some("can't parse commands JSON object")),
        ("leaveChat", chat(json!({})), Some("chat member status can't be changed in private chats")),
        ("deleteMessage", chat(json!({"message_id": 99})), Some("message to delete not found")),
        ("deleteMessage", chat(json!({})), Some("message identifier is not specified")),
        ("editMessageText", chat(json!({"message_id": 99, "text": "a"})), Some("message to edit not found")),
        ("editMessageText", chat(json!({"message_id": 1, "text": "a"})), Some("message can't be edited")),
        ("editMessageText", chat(json!({"message_id": 1})), Some("message text is empty")),
    ] {
        match wrong {
            None => drop(bot.ok(method, body).await),
            Some(wrong) => {
                let (status, text) = bot.refused(method, body).await;
                assert!(status == 400 && text.contains(wrong), "{method}: {text}");
            }
        }
    }
    assert_eq!(bot.telegram.commands("").expect("commands")[0]["command"], "help");
    assert_eq!(bot.telegram.actions().len(), 1);
}

#[tokio::test]
async fn what_the_real_api_passes_over_is_noted() {
    let bot = Bot::greeted(|_| {}).await;
    bot.ok("sendMessage", with("disable_web_page_preview", json!(true))).await;
    bot.ok("sendMessage", with("entities", json!([{"type": "bold", "offset": 0, "length": 1, "size": 3}]))).await;
    bot.ok("sendMessage", with("reply_markup", inline(json!([[{"text": "a", "callback_data": "b", "id": "c"}]]))))
        .await;
    bot.ok("getUpdates", json!({"limit": 500, "allowed_updates": ["message", "messages"]})).await;
    let expected = [
        "sendMessage: unknown parameter disable_web_page_preview",
        "sendMessage: MessageEntity has an unknown field size",
        "sendMessage: InlineKeyboardButton has an unknown field id",
        "getUpdates: limit is not between 1 and 100",
        "getUpdates: allowed_updates has an unknown kind messages",
    ];
    assert_eq!(bot.telegram.oddities(), expected);
}

#[tokio::test]
async fn sends_are_shown_and_kept_with_their_entities() {
    let bot = Bot::greeted(|_| {}).await;
    let body = json!({
        "chat_id": ANA, "text": "🚗 <b>Sure?</b>", "parse_mode": "HTML",
        "reply_markup": inline(json!([[key("Yes", "y"), {"text": "Map", "url": "https://a.b/"}]])),
        "reply_parameters": {"message_id": 1},
    });
    let message = bot.ok("sendMessage", body).await;
    assert_eq!((&message["text"], &message["reply_to_message"]["text"]), (&json!("🚗 Sure?"), &json!("/start")));
    assert_eq!(message["entities"], json!([{"offset": 3, "length": 5, "type": "bold"}]));
    assert_eq!(message["from"]["username"], "dragoman_bot");
    let chat = bot.telegram.chat(ANA);
    let bubble = chat.last_answer().expect("a message");
    assert_eq!((bubble.text.as_str(), bubble.quoted.as_deref(), bubble.tick), ("🚗 Sure?", Some("1"), Tick::Delivered));
    assert!(matches!(&bubble.kind, Kind::Buttons { buttons } if buttons.len() == 2));
    assert_eq!(chat.find_choice("Yes"), Some(("y".to_owned(), bubble.id.clone())));
    let sent = bot.telegram.sends().pop().expect("a send");
    assert_eq!((sent.method, sent.to.as_str(), sent.message_id), ("sendMessage", ANA, bubble.id.clone()));
    assert_eq!((sent.text.as_str(), sent.entities[0]["type"].as_str()), ("🚗 Sure?", Some("bold")));
    assert_eq!(sent.params["parse_mode"], "HTML");
}

#[tokio::test]
async fn edits_change_the_bubble_in_place_and_deletions_take_it_away() {
    let bot = Bot::greeted(|_| {}).await;
    let sent = bot.ok("sendMessage", with("reply_markup", inline(json!([[key("Yes", "y")]])))).await;
    let id = sent["message_id"].clone();
    let edit = |text: &str| json!({"chat_id": ANA, "message_id": id, "text": text});
    let edited = bot.ok("editMessageText", edit("done")).await;
    assert_eq!((&edited["text"], edited.get("reply_markup")), (&json!("done"), None));
    assert!(edited["edit_date"].is_i64());
    let chat = bot.telegram.chat(ANA);
    assert_eq!((chat.bubbles.len(), chat.bubbles[1].text.as_str(), &chat.bubbles[1].kind), (2, "done", &Kind::Text));
    let same = "Bad Request: message is not modified: specified new message content and reply markup are exactly the \
                same as a current content and reply markup of the message";
    assert_eq!(bot.refused("editMessageText", edit("done")).await, (400, same.to_owned()));
    assert_eq!(bot.refused("editMessageText", edit(&"č".repeat(4097))).await.1, "Bad Request: MESSAGE_TOO_LONG");
    let keys = json!({"chat_id": ANA, "message_id": id, "reply_markup": inline(json!([[key("No", "n")]]))});
    assert_eq!(bot.ok("editMessageReplyMarkup", keys.clone()).await["text"], "done");
    assert_eq!(bot.telegram.chat(ANA).find_choice("No").map(|(data, _)| data), Some("n".to_owned()));
    assert_eq!(bot.refused("editMessageReplyMarkup", keys).await, (400, same.to_owned()));
    let other = json!({"chat_id": ANA, "message_id": id, "reply_markup": {"force_reply": true}});
    assert_eq!(bot.refused("editMessageReplyMarkup", other).await.1, "Bad Request: inline keyboard expected");
    let delete = json!({"chat_id": ANA, "message_id": id});
    assert_eq!(bot.ok("deleteMessage", delete.clone()).await, true);
    assert_eq!(bot.telegram.chat(ANA).bubbles.len(), 1);
    assert_eq!(bot.refused("deleteMessage", delete).await.0, 400);
    assert_eq!(bot.refused("editMessageText", edit("again")).await.1, "Bad Request: message to edit not found");
    bot.hands.forward(Duration::from_secs(49 * 60 * 60));
    let old = json!({"chat_id": ANA, "message_id": 1});
    assert_eq!(bot.refused("deleteMessage", old).await.1, "Bad Request: message can't be deleted for everyone");
}

#[tokio::test]
async fn a_bot_that_does_not_wait_is_refused_and_counted() {
    let bot = Bot::greeted(|config| config.limits = Some(Limits::default())).await;
    for _ in 0..3 {
        bot.ok("sendMessage", to(ANA, "hi")).await;
    }
    let (status, answer) = bot.call("sendMessage", to(ANA, "hi")).await;
    let expected = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
        "parameters": {"retry_after": 1},
    });
    assert_eq!((status, answer), (429, expected));
    assert_eq!(bot.telegram.early_calls(), 0);
    assert_eq!(bot.refused("getMe", json!({})).await.0, 429);
    bot.ok("getUpdates", json!({})).await;
    assert_eq!(bot.telegram.early_calls(), 1);
    bot.hands.forward(Duration::from_secs(1));
    bot.ok("sendMessage", to(ANA, "hi")).await;

    bot.telegram.set_limits(None);
    let order = Fault::Status { status: 429, retry_after: Some(7) };
    bot.telegram.faults().next("POST sendMessage", order);
    assert_eq!(bot.call("sendMessage", to(ANA, "hi")).await.1["parameters"]["retry_after"], 7);
    bot.hands.forward(Duration::from_millis(5_500));
    assert_eq!(bot.call("sendMessage", to(ANA, "hi")).await.1["parameters"]["retry_after"], 2);
    bot.hands.forward(Duration::from_millis(1_500));
    bot.ok("sendMessage", to(ANA, "hi")).await;
    assert_eq!(bot.telegram.early_calls(), 2);
}

#[tokio::test]
async fn faults_cut_before_and_after_acting() {
    let bot = Bot::greeted(|_| {}).await;
    let send = || client().post(format!("{}/bot{TOKEN}/sendMessage", bot.base)).json(&to(ANA, "hi")).send();
    bot.telegram.faults().next("POST sendMessage", Fault::CutBefore);
    assert!(send().await.is_err());
    assert_eq!(bot.telegram.sends().len(), 0);
    bot.telegram.faults().next("POST sendMessage", Fault::CutAfter);
    assert!(send().await.is_err());
    assert_eq!(bot.telegram.sends().len(), 1);
    bot.telegram.faults().next("POST sendMessage", Fault::StatusAfter(502));
    assert_eq!(bot.refused("sendMessage", to(ANA, "hi")).await, (502, "Bad Gateway".to_owned()));
    assert_eq!(bot.telegram.sends().len(), 2);
    bot.telegram.faults().next("POST getMe", Fault::Status { status: 500, retry_after: None });
    bot.ok("sendMessage", to(ANA, "hi")).await;
    assert_eq!(bot.refused("getMe", json!({})).await.0, 500);
}
