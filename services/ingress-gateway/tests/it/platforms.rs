//! Meta's and Telegram's webhooks at the door: who is believed, and on which path.

use channels::verify::{Algorithm, sign};
use serde_json::{Value, json};

use crate::support::{Gateway, SECRET, signature, tenant};

const ACCOUNTS: &str = r#"
[tenants.default.accounts."meta:main"]
channel = "meta"
phone_number_id = "100"
access_token = "token-of-the-tests-0123456789"
app_secrets = ["next-secret-of-the-tests", "webhook-secret-of-the-tests"]
verify_token = "open sesame"
base_url = "http://127.0.0.1:9"

[tenants.default.accounts."meta:second"]
channel = "meta"
phone_number_id = "200"
access_token = "token-of-the-tests-0123456789"
app_secrets = ["webhook-secret-of-the-tests"]
verify_token = "open sesame"
base_url = "http://127.0.0.1:9"

[tenants.default.accounts."meta:apart"]
channel = "meta"
phone_number_id = "300"
access_token = "token-of-the-tests-0123456789"
app_secrets = ["another-app-of-the-tests"]
verify_token = "open sesame"
base_url = "http://127.0.0.1:9"

[tenants.default.accounts."telegram:main"]
channel = "telegram"
token = "110201543:of-the-tests"
webhook_url = "https://bot.example.org/hooks/telegram-7"
webhook_secrets = ["now", "next"]
base_url = "http://127.0.0.1:9"
"#;

fn text(from: &str, id: &str) -> Value {
    json!({"from": from, "id": id, "type": "text", "text": {"body": "Hello"}})
}

fn meta(number: &str, messages: &[Value]) -> Vec<u8> {
    let value = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, "messages": messages});
    let change = json!({"field": "messages", "value": value});
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).to_string().into_bytes()
}

async fn peers(gateway: &Gateway, account: &str, peer: &str) -> bool {
    let account = account.parse().expect("an account");
    gateway.store.find_conversation(&tenant(), &account, peer).await.expect("the store").is_some()
}

#[tokio::test]
async fn meta_asks_whether_the_webhook_is_ours() {
    let gateway = Gateway::start_with(ACCOUNTS).await;
    let ask = async |path: &str, token: &str| {
        let query = [("hub.mode", "subscribe"), ("hub.challenge", "1158201444"), ("hub.verify_token", token)];
        let response = gateway.get(path).query(&query).send().await.expect("an answer");
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().expect("text").to_owned());
        (response.status().as_u16(), kind, response.text().await.expect("text"))
    };
    let (status, kind, body) = ask("/webhook/meta/main", "open sesame").await;
    assert_eq!((status, body.as_str()), (200, "1158201444"));
    assert!(kind.is_some_and(|kind| kind.starts_with("text/plain")));
    assert_eq!(ask("/webhook/meta/main", "guess").await.0, 403);
    assert_eq!(ask("/webhook/meta/nobody", "open sesame").await.0, 404);
    assert_eq!(ask("/webhook/infobip/main", "open sesame").await.0, 405);
}

#[tokio::test]
async fn numbers_of_one_app_share_its_webhook_and_no_other_app_gets_in() {
    let gateway = Gateway::start_with(ACCOUNTS).await;
    for (number, peer) in [("100", "385910000001"), ("200", "385910000002"), ("300", "385910000003")] {
        let body = meta(number, &[text(peer, "wamid.1")]);
        assert_eq!(gateway.webhook("/webhook/meta/main", body).await, 200, "a signed body is never refused");
    }
    assert!(peers(&gateway, "meta:main", "385910000001").await);
    assert!(peers(&gateway, "meta:second", "385910000002").await);
    assert!(!peers(&gateway, "meta:apart", "385910000003").await, "its app signs with another secret");
    let body = meta("300", &[text("385910000004", "wamid.1")]);
    let refused = gateway.post("/webhook/meta/apart").header("x-hub-signature-256", signature(&body)).body(body);
    assert_eq!(refused.send().await.expect("an answer").status(), 401);
    assert!(!peers(&gateway, "meta:apart", "385910000004").await);
}

#[tokio::test]
async fn both_secrets_of_a_rotation_are_believed() {
    let gateway = Gateway::start_with(ACCOUNTS).await;
    for (secret, expected) in [(SECRET, 200), ("next-secret-of-the-tests", 200), ("last-years-secret", 401)] {
        let body = meta("100", &[text("385910000001", secret)]);
        let mac = sign(Algorithm::Sha256, secret.as_bytes(), &body);
        let mac = mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let sent = gateway.post("/webhook/meta/main").header("x-hub-signature-256", format!("sha256={mac}")).body(body);
        assert_eq!(sent.send().await.expect("an answer").status(), expected, "{secret}");
    }
}

#[tokio::test]
async fn a_bot_is_reached_by_its_configured_path_with_the_secret_word() {
    let gateway = Gateway::start_with(ACCOUNTS).await;
    let update = |peer: i64| {
        let message = json!({
            "message_id": 1, "date": 0, "chat": {"id": peer, "type": "private"}, "from": {"id": peer}, "text": "Hello",
        });
        json!({"update_id": 1, "message": message})
    };
    let send = async |path: &str, secret: Option<&str>, update: Value| {
        let request = gateway.post(path).json(&update);
        let request = match secret {
            Some(secret) => request.header("x-telegram-bot-api-secret-token", secret),
            None => request,
        };
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(send("/hooks/telegram-7", Some("now"), update(1)).await, 200);
    assert_eq!(send("/webhook/telegram/main", Some("next"), update(2)).await, 200);
    assert_eq!(send("/hooks/telegram-7", Some("then"), update(3)).await, 401);
    assert_eq!(send("/hooks/telegram-7", None, update(3)).await, 401);
    assert_eq!(send("/hooks/telegram-8", Some("now"), update(3)).await, 404);
    assert_eq!(gateway.get("/hooks/telegram-7").send().await.expect("an answer").status(), 405);
    assert!(peers(&gateway, "telegram:main", "1").await && peers(&gateway, "telegram:main", "2").await);
    assert!(!peers(&gateway, "telegram:main", "3").await);
}
