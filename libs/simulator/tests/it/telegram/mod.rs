use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use domain::{Clock, Micros};
use serde_json::{Value, json};
use simulator::{
    faults::Fault,
    phone::{Kind, Tick},
    telegram::{Config, Limits, NotSaid, Order, Said, Telegram, Webhook},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, listen, serve};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const ANA: &str = "222222222";
const MARKO: &str = "333333333";
const GROUP: &str = "-4567";

/// A clock that stands until it is moved.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn forward(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).expect("a short time"), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Micros {
        Micros(1_790_000_000_000_000 + self.0.load(Ordering::SeqCst))
    }
}

struct Bot {
    telegram: Telegram,
    base: String,
    hands: Hands,
}

async fn start(change: impl FnOnce(&mut Config)) -> Bot {
    let hands = Hands::default();
    let mut config = Config::local(TOKEN, "dragoman_bot");
    config.retry_wait = Duration::from_millis(5);
    config.clock = Arc::new(hands.clone());
    change(&mut config);
    let telegram = Telegram::new(config).expect("a platform");
    let (listener, base) = listen().await;
    let served = telegram.clone();
    tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
    Bot { telegram, base, hands }
}

impl Bot {
    async fn call(&self, method: &str, body: Value) -> (u16, Value) {
        let request = client().post(format!("{}/bot{TOKEN}/{method}", self.base)).json(&body);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// The result of a lawful call.
    async fn ok(&self, method: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, body.clone()).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{method} {body}: {answer}");
        answer["result"].clone()
    }

    /// Status and description of a refused one.
    async fn refused(&self, method: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.call(method, body.clone()).await;
        assert_eq!(answer["ok"], false, "{method} {body}: {answer}");
        assert_eq!(answer["error_code"], status, "{method} {body}: {answer}");
        (status, answer["description"].as_str().expect("a description").to_owned())
    }

    fn say(&self, peer: &str, said: Said) -> String {
        self.telegram.say(peer, said).expect("said")
    }

    /// The updates that wait, by `getUpdates`, which confirms them.
    async fn heard(&self) -> Vec<Value> {
        let updates = self.ok("getUpdates", json!({})).await;
        let updates = updates.as_array().expect("an array").clone();
        if let Some(last) = updates.last() {
            let next = last["update_id"].as_i64().expect("an id") + 1;
            self.ok("getUpdates", json!({ "offset": next })).await;
        }
        updates
    }

    async fn greeted(change: impl FnOnce(&mut Config)) -> Self {
        let bot = start(change).await;
        bot.say(ANA, Said::command("start"));
        bot
    }
}

fn to(chat: &str, text: &str) -> Value {
    json!({"chat_id": chat.parse::<i64>().expect("a number"), "text": text})
}

fn with(key: &str, value: Value) -> Value {
    let mut body = to(ANA, "hi");
    body[key] = value;
    body
}

fn inline(rows: Value) -> Value {
    json!({ "inline_keyboard": rows })
}

fn key(text: &str, data: &str) -> Value {
    json!({"text": text, "callback_data": data})
}

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
async fn a_press_is_answered_once_and_in_time() {
    let bot = Bot::greeted(|config| config.query_life = Duration::from_secs(60)).await;
    let sent = bot.ok("sendMessage", with("reply_markup", inline(json!([[key("Yes", "y")]])))).await;
    bot.heard().await;
    let (id, quoted) = bot.telegram.chat(ANA).find_choice("Yes").expect("a button");
    let press = Said::Button { id, title: "Yes".to_owned(), quoted: Some(quoted) };
    let query = bot.say(ANA, press.clone());
    let heard = bot.heard().await;
    let callback = &heard[0]["callback_query"];
    assert_eq!((callback["id"].as_str(), &callback["data"]), (Some(query.as_str()), &json!("y")));
    assert_eq!((callback["from"]["id"].to_string(), &callback["message"]), (ANA.to_owned(), &sent));
    assert!(callback["chat_instance"].is_string());
    assert_eq!(bot.telegram.chat(ANA).bubbles.len(), 2, "a press is no message");
    assert_eq!(bot.telegram.unanswered(), [query.as_str()]);
    let answer = |query: &str| json!({"callback_query_id": query, "text": "ok"});
    assert_eq!(bot.ok("answerCallbackQuery", answer(&query)).await, true);
    assert_eq!((bot.telegram.unanswered().len(), bot.telegram.answers()[0].text.as_str()), (0, "ok"));
    let old = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    assert_eq!(bot.refused("answerCallbackQuery", answer(&query)).await, (400, old.to_owned()));
    assert_eq!(bot.refused("answerCallbackQuery", answer("5")).await.1, old);
    let late = bot.say(ANA, press.clone());
    bot.hands.forward(Duration::from_secs(60));
    assert_eq!(bot.refused("answerCallbackQuery", answer(&late)).await.1, old);
    bot.heard().await;

    // A phone that is behind presses what is gone.
    bot.ok("deleteMessage", json!({"chat_id": ANA, "message_id": sent["message_id"]})).await;
    bot.say(ANA, press);
    let heard = bot.heard().await;
    let inaccessible = json!({"chat": sent["chat"], "message_id": sent["message_id"], "date": 0});
    assert_eq!(heard[0]["callback_query"]["message"], inaccessible);
    let never = Said::Button { id: "n".to_owned(), title: "No".to_owned(), quoted: None };
    assert_eq!(bot.telegram.say(ANA, never), Err(NotSaid::NoSuchButton));
}

#[tokio::test]
async fn who_blocks_the_bot_gets_nothing() {
    let bot = Bot::greeted(|_| {}).await;
    bot.heard().await;
    bot.telegram.set_blocked(ANA).expect("blocked");
    let member = &bot.heard().await[0]["my_chat_member"];
    assert_eq!(member["old_chat_member"]["status"], "member");
    assert_eq!(
        (&member["new_chat_member"]["status"], &member["new_chat_member"]["until_date"]),
        (&json!("kicked"), &json!(0))
    );
    assert_eq!(member["new_chat_member"]["user"]["id"], 110_201_543);
    let blocked = (403, "Forbidden: bot was blocked by the user".to_owned());
    assert_eq!(bot.refused("sendMessage", to(ANA, "hi")).await, blocked);
    assert_eq!(bot.refused("sendChatAction", json!({"chat_id": ANA, "action": "typing"})).await, blocked);
    assert_eq!(bot.telegram.say(ANA, Said::text("hi")), Err(NotSaid::Blocked));
    bot.say(ANA, Said::Unblock);
    assert_eq!(bot.heard().await[0]["my_chat_member"]["new_chat_member"]["status"], "member");
    bot.ok("sendMessage", to(ANA, "hi")).await;
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_names_its_new_id() {
    let bot = start(|_| {}).await;
    assert_eq!(bot.refused("sendMessage", to(GROUP, "hi")).await.1, "Bad Request: chat not found");
    bot.telegram.add_to_group(GROUP, "Drivers", ANA).expect("a group");
    bot.telegram.say_in(GROUP, ANA, Said::text("hi all")).expect("said");
    let heard = bot.heard().await;
    assert_eq!(heard[0]["my_chat_member"]["new_chat_member"]["status"], "member");
    assert_eq!(heard[1]["message"]["chat"], json!({"id": -4567, "title": "Drivers", "type": "group"}));
    bot.ok("sendMessage", to(GROUP, "hi")).await;
    let new = bot.telegram.migrate(GROUP, ANA).expect("a supergroup");
    let heard = bot.heard().await;
    assert_eq!(heard[0]["message"]["migrate_to_chat_id"].to_string(), new);
    assert_eq!(heard[1]["message"]["migrate_from_chat_id"], -4567);
    assert_eq!(heard[1]["message"]["chat"]["type"], "supergroup");
    let (status, answer) = bot.call("sendMessage", to(GROUP, "hi")).await;
    assert_eq!((status, answer["parameters"]["migrate_to_chat_id"].to_string()), (400, new.clone()));
    bot.ok("sendMessage", to(&new, "hi")).await;
    bot.ok("leaveChat", json!({"chat_id": new})).await;
    let left = "Forbidden: bot is not a member of the supergroup chat";
    assert_eq!(bot.refused("sendMessage", to(&new, "hi")).await, (403, left.to_owned()));
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

#[tokio::test]
async fn files_are_fetched_by_path_until_it_expires() {
    let bot = Bot::greeted(|_| {}).await;
    let file = bot.telegram.add_media("audio/ogg", b"ogg");
    bot.heard().await;
    bot.say(ANA, Said::Voice { file: file.clone(), duration: 2, caption: None });
    let voice = bot.heard().await[0]["message"]["voice"].clone();
    let id = voice["file_id"].clone();
    let found = bot.ok("getFile", json!({"file_id": id})).await;
    assert_eq!((&found["file_unique_id"], &found["file_size"]), (&voice["file_unique_id"], &json!(3)));
    let path = found["file_path"].as_str().expect("a path").to_owned();
    let get = async |path: &str| {
        let response = client().get(format!("{}/file/bot{TOKEN}/{path}", bot.base)).send().await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
    };
    assert_eq!(get(&path).await, (200, b"ogg".to_vec()));
    assert_eq!(get("voice/file_99.oga").await.0, 404);
    bot.telegram.faults().next("GET file", Fault::Status { status: 503, retry_after: None });
    assert_eq!(get(&path).await.0, 503);
    bot.telegram.expire_file_paths();
    assert_eq!(get(&path).await.0, 404);
    let again = bot.ok("getFile", json!({"file_id": id})).await["file_path"].as_str().expect("a path").to_owned();
    assert_ne!(again, path);
    assert_eq!(get(&again).await.0, 200);
    assert_eq!(bot.telegram.media_reads(), 2);
    let largest = bot.telegram.add_sized_media("video/mp4", 20 * 1024 * 1024);
    bot.ok("getFile", json!({"file_id": largest})).await;
    let larger = bot.telegram.add_sized_media("video/mp4", 20 * 1024 * 1024 + 1);
    assert_eq!(bot.refused("getFile", json!({"file_id": larger})).await.1, "Bad Request: file is too big");
    bot.telegram.drop_media();
    assert_eq!(bot.refused("getFile", json!({"file_id": id})).await.1, "Bad Request: invalid file_id");
}

#[tokio::test]
async fn a_file_can_come_with_the_call() {
    let bot = Bot::greeted(|_| {}).await;
    let part = |name: &str, rest: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n");
    let body = format!(
        "{}\r\n{ANA}\r\n{}\r\nattach://f1\r\n{}Content-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n",
        part("chat_id", ""),
        part("document", ""),
        part("f1", "; filename=\"a.pdf\""),
    );
    let request = client().post(format!("{}/bot{TOKEN}/sendDocument", bot.base));
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["result"]["document"]["file_name"], "a.pdf", "{answer}");
    let sent = bot.telegram.sends().pop().expect("a send");
    assert_eq!(
        (sent.files[0].media_type.as_str(), sent.files[0].content.as_slice()),
        ("application/pdf", b"%PDF".as_slice())
    );
    assert!(matches!(&bot.telegram.chat(ANA).bubbles[1].kind, Kind::Other { what } if what == "document"));
    assert_eq!(bot.telegram.oddities(), Vec::<String>::new());
    // The platform knows it from now on.
    let again = json!({"chat_id": ANA, "document": answer["result"]["document"]["file_id"]});
    bot.ok("sendDocument", again).await;
}

#[tokio::test]
async fn what_people_do_has_the_real_shape() {
    let bot = start(|_| {}).await;
    bot.telegram.set_name(ANA, "Ana Horvat");
    bot.telegram.set_language(ANA, "hr");
    let file = bot.telegram.add_media("image/jpeg", &[7; 1000]);
    let allowed = json!(["message", "edited_message", "message_reaction"]);
    bot.ok("getUpdates", json!({ "allowed_updates": allowed })).await;
    let first = bot.say(ANA, Said::text("see /help now"));
    for said in [
        Said::Photo { file: file.clone(), caption: Some("the door".to_owned()) },
        Said::Document { file: file.clone(), name: "door.jpg".to_owned(), caption: None },
        Said::Voice { file, duration: 3, caption: None },
        Said::Location { latitude: 45.8, longitude: 15.9 },
        Said::Contact { phone_number: "385911234567".to_owned(), first_name: "Ana".to_owned(), own: true },
        Said::Reply { text: "that one".to_owned(), to: first.clone() },
        Said::Edit { message: first.clone(), text: "see that".to_owned() },
        Said::Reaction { message: first.clone(), emoji: Some("👍".to_owned()) },
        Said::Reaction { message: first.clone(), emoji: None },
        Said::Raw { message: json!({"sticker": {"emoji": "🚗"}}) },
    ] {
        bot.say(ANA, said);
    }
    let heard = bot.heard().await;
    let from = json!({
        "id": 222_222_222, "is_bot": false, "first_name": "Ana", "last_name": "Horvat", "language_code": "hr",
    });
    let chat = json!({"id": 222_222_222, "first_name": "Ana", "last_name": "Horvat", "type": "private"});
    for (index, update) in heard.iter().enumerate() {
        assert_eq!(update["update_id"], 700_000_001 + index, "{update}");
        let fields: Vec<&String> = update.as_object().expect("an object").keys().collect();
        assert_eq!(fields.len(), 2, "{update}");
        let content = &update[fields[1]];
        let person = if fields[1] == "message_reaction" { &content["user"] } else { &content["from"] };
        assert_eq!((person, &content["chat"]), (&from, &chat), "{update}");
        assert_eq!(content["date"], 1_790_000_000, "{update}");
        assert!(content["message_id"].is_i64(), "{update}");
    }
    assert_eq!(heard[0]["message"]["entities"], json!([{"offset": 4, "length": 5, "type": "bot_command"}]));
    let sizes = heard[1]["message"]["photo"].as_array().expect("sizes");
    assert_eq!(
        (sizes.len(), &sizes[2]["file_size"], &heard[1]["message"]["caption"]),
        (3, &json!(1000), &json!("the door"))
    );
    assert!(sizes.iter().all(|size| size["width"].is_i64() && size["height"].is_i64() && size["file_id"].is_string()));
    let document = &heard[2]["message"]["document"];
    assert_eq!((&document["file_name"], &document["mime_type"]), (&json!("door.jpg"), &json!("image/jpeg")));
    assert_eq!(heard[3]["message"]["voice"]["duration"], 3);
    assert_eq!(heard[4]["message"]["location"], json!({"latitude": 45.8, "longitude": 15.9}));
    assert_eq!(heard[5]["message"]["contact"]["user_id"], 222_222_222);
    assert_eq!(heard[6]["message"]["reply_to_message"], heard[0]["message"]);
    let edited = &heard[7]["edited_message"];
    assert_eq!((&edited["text"], edited.get("entities")), (&json!("see that"), None));
    assert_eq!(edited["edit_date"], 1_790_000_000);
    let thumb = json!([{"type": "emoji", "emoji": "👍"}]);
    assert_eq!(
        (&heard[8]["message_reaction"]["old_reaction"], &heard[8]["message_reaction"]["new_reaction"]),
        (&json!([]), &thumb)
    );
    assert_eq!(
        (&heard[9]["message_reaction"]["old_reaction"], &heard[9]["message_reaction"]["new_reaction"]),
        (&thumb, &json!([]))
    );
    assert_eq!(heard[10]["message"]["sticker"]["emoji"], "🚗");
    let bubbles = bot.telegram.chat(ANA).bubbles;
    assert_eq!((bubbles.len(), bubbles[0].text.as_str(), bubbles[6].quoted.clone()), (8, "see that", Some(first)));
    assert!(bubbles.iter().all(|bubble| bubble.tick == Tick::Delivered), "a poll that goes on has taken them");
}

#[tokio::test]
async fn what_cannot_be_done_on_a_phone_is_not_done() {
    let bot = Bot::greeted(|_| {}).await;
    bot.ok("sendMessage", to(ANA, "hi")).await;
    let edit = |message: &str| Said::Edit { message: message.to_owned(), text: "a".to_owned() };
    let photo = Said::Photo { file: "unknown".to_owned(), caption: None };
    for (peer, said, wrong) in [
        ("Ana", Said::text("hi"), NotSaid::NoSuchChat),
        (GROUP, Said::text("hi"), NotSaid::NoSuchChat),
        (ANA, edit("99"), NotSaid::NoSuchMessage),
        (ANA, edit("2"), NotSaid::NotTheirs),
        (ANA, photo, NotSaid::NoSuchFile),
        (ANA, Said::Raw { message: json!(5) }, NotSaid::NoMessage),
    ] {
        assert_eq!(bot.telegram.say(peer, said.clone()), Err(wrong), "{said:?}");
    }
    // A reaction can be given; the bot hears of it only where it asked for it.
    bot.say(ANA, Said::Reaction { message: "1".to_owned(), emoji: Some("👍".to_owned()) });
    assert_eq!(bot.heard().await.len(), 1);
    let posted: Said =
        serde_json::from_value(json!({"type": "button", "id": "y", "title": "Yes", "quoted": null})).expect("a press");
    assert!(matches!(posted, Said::Button { .. }));
}

#[tokio::test]
async fn polls_confirm_by_offset_and_wait_for_what_comes() {
    let bot = start(|_| {}).await;
    for text in ["one", "two", "three"] {
        bot.say(ANA, Said::text(text));
    }
    let ids = |updates: &Value| -> Vec<i64> {
        updates.as_array().expect("an array").iter().filter_map(|update| update["update_id"].as_i64()).collect()
    };
    assert_eq!(ids(&bot.ok("getUpdates", json!({"limit": 2})).await), [700_000_001, 700_000_002]);
    assert_eq!(ids(&bot.ok("getUpdates", json!({})).await).len(), 3, "nothing was confirmed");
    assert_eq!(bot.telegram.chat(ANA).bubbles[0].tick, Tick::Sending);
    assert_eq!(ids(&bot.ok("getUpdates", json!({"offset": 700_000_002})).await), [700_000_002, 700_000_003]);
    assert_eq!(bot.telegram.chat(ANA).bubbles[0].tick, Tick::Delivered);
    assert_eq!(ids(&bot.ok("getUpdates", json!({"offset": -1})).await), [700_000_003]);
    assert_eq!(bot.ok("getWebhookInfo", json!({})).await["pending_update_count"], 1);
    let (waited, ()) = tokio::join!(bot.ok("getUpdates", json!({"offset": 700_000_004, "timeout": 50})), async {
        assert!(bot.telegram.settled(LIMIT).await); // the poll is there: it has confirmed
        bot.say(ANA, Said::text("four"));
    });
    assert_eq!(waited[0]["message"]["text"], "four");
    // What the bot does not ask for is not kept for it, from then on.
    bot.ok("getUpdates", json!({"offset": 700_000_005, "allowed_updates": ["callback_query"]})).await;
    bot.say(ANA, Said::text("five"));
    assert!(bot.telegram.settled(LIMIT).await);
    bot.ok("getUpdates", json!({"allowed_updates": []})).await;
    bot.say(ANA, Said::text("six"));
    assert_eq!(bot.ok("getUpdates", json!({})).await[0]["message"]["text"], "six");
    bot.hands.forward(Duration::from_secs(24 * 60 * 60));
    assert_eq!(bot.ok("getUpdates", json!({})).await, json!([]));
    assert!(bot.telegram.settled(LIMIT).await);
}

#[tokio::test]
async fn only_one_may_poll_and_none_beside_a_webhook() {
    let bot = start(|_| {}).await;
    let poll = json!({"timeout": 50});
    let first = bot.refused("getUpdates", poll.clone());
    let second = async {
        let mut changes = bot.telegram.changes();
        changes.changed().await.expect("the first polls");
        bot.refused("getUpdates", poll.clone()).await
    };
    let hook = async {
        let mut changes = bot.telegram.changes();
        for _ in 0..2 {
            changes.changed().await.expect("both poll");
        }
        bot.ok("setWebhook", json!({"url": "http://127.0.0.1:9/hook"})).await
    };
    let ((first, second), set) = tokio::join!(async { tokio::join!(first, second) }, hook);
    assert_eq!(set, true);
    assert_eq!(first.0, 409);
    assert!(first.1.starts_with("Conflict: terminated by "), "{}", first.1);
    assert_eq!(second.0, 409);
    let text =
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    assert_eq!(bot.refused("getUpdates", json!({})).await, (409, text.to_owned()));
    bot.ok("deleteWebhook", json!({})).await;
    bot.ok("getUpdates", json!({})).await;
}

#[tokio::test]
async fn a_later_poll_ends_the_earlier() {
    let bot = start(|_| {}).await;
    let mut changes = bot.telegram.changes();
    let early = bot.refused("getUpdates", json!({"timeout": 50}));
    let late = async {
        changes.changed().await.expect("the first polls");
        let late = bot.ok("getUpdates", json!({"timeout": 50}));
        let says = async {
            changes.changed().await.expect("the second polls");
            bot.say(ANA, Said::text("hi"));
        };
        tokio::join!(late, says).0
    };
    let (early, late) = tokio::join!(early, late);
    let text = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_eq!(early, (409, text.to_owned()));
    assert_eq!(late[0]["message"]["text"], "hi");
}

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
