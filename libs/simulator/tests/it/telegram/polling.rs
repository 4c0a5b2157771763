//! Updates that the bot asks for.

use super::*;

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
