//! The web chat's room: nothing to verify, nothing to send.

use channels::{Channel, SendOutcome, web::Web};
use domain::{Choice, Micros, OutboxId, Reply, Tenant};
use http::HeaderMap;

#[tokio::test]
async fn web_chat_takes_no_webhook_and_sends_nothing() {
    let web = Channel::Web(Web);
    let account = "web:site".parse().expect("an account");
    assert_eq!(web.name(), "web");
    assert!(web.verify(&HeaderMap::new(), b"{}").is_err());
    assert!(web.parse(&Tenant::new("default").expect("a name"), &account, b"{}", Micros(0)).is_err());
    let sent = web.send("peer", OutboxId::new(), &Reply::default(), std::time::Duration::from_secs(1)).await;
    assert!(matches!(sent, SendOutcome::Rejected { .. }));
}

#[test]
fn web_chat_keeps_text_and_all_buttons_in_one_part() {
    let choices = (0..12).map(|n| Choice { id: n.to_string(), title: "x".repeat(50), description: None }).collect();
    let reply = Reply { text: "y".repeat(9_000), choices, ..Reply::default() };
    assert_eq!(Channel::Web(Web).render(&reply), std::slice::from_ref(&reply));
    assert!(Channel::Web(Web).render(&Reply::default()).is_empty());
}
