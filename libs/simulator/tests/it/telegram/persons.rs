//! What persons do, and how the business hears of it.

use super::*;

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
