//! Every documented webhook of every platform, cut and with a bit flipped, posted as it is and signed anew: nothing of it
//! is answered with a 5xx, and what is refused leaves no row.
//!
//! Each body at some places, so that all bodies together are broken everywhere; at each byte and 64 bits with
//! `BROKEN=all`.

use futures::StreamExt as _;
use reqwest::RequestBuilder;
use serde_json::Value;

use sqlx::{Connection as _, SqliteConnection};

use crate::support::{Database, Gateway, SECRET, signature};

const ACCOUNTS: &str = r#"
[tenants.default.accounts."meta:main"]
channel = "meta"
phone_number_id = "4410001"
access_token = "token-of-the-tests-0123456789"
app_secrets = ["webhook-secret-of-the-tests"]
verify_token = "open sesame"
base_url = "http://127.0.0.1:9"

[tenants.default.accounts."telegram:main"]
channel = "telegram"
token = "70001:of-the-tests"
webhook_url = "https://bot.example.org/hooks/telegram"
webhook_secrets = ["webhook-secret-of-the-tests"]
base_url = "http://127.0.0.1:9"
"#;

/// Name, path and documented bodies of each platform.
const PLATFORMS: [(&str, &str, &str); 3] = [
    ("meta", "/webhook/meta/main", include_str!("../../../../libs/channels/tests/events/meta.jsonl")),
    ("infobip", "/webhook/infobip/main", include_str!("../../../../libs/channels/tests/events/infobip.jsonl")),
    ("telegram", "/hooks/telegram", include_str!("../../../../libs/channels/tests/events/telegram.jsonl")),
];
/// Every which byte is a cut, and every which of the 64 bits is flipped.
const STEP: usize = 61;
const BITS: usize = 64;
/// Requests at one time.
const AT_ONCE: usize = 16;

struct Broken {
    platform: &'static str,
    path: &'static str,
    /// The signature of the body as the platform sent it.
    signed: String,
    body: Vec<u8>,
}

impl Broken {
    fn request(&self, gateway: &Gateway, signature: &str) -> RequestBuilder {
        let header = match self.platform {
            "telegram" => "x-telegram-bot-api-secret-token",
            _ => "x-hub-signature-256",
        };
        gateway.post(self.path).header(header, signature).body(self.body.clone())
    }
}

fn broken() -> Vec<Broken> {
    let step = if std::env::var("BROKEN").is_ok_and(|all| all == "all") { 1 } else { STEP };
    let mut all = Vec::new();
    for (platform, path, lines) in PLATFORMS {
        for (number, line) in lines.lines().enumerate() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let whole = case["body"].to_string().into_bytes();
            let signed = signature(&whole);
            let cuts = (number % step..whole.len()).step_by(step).map(|end| whole[..end].to_vec());
            let flips = (number % step..BITS).step_by(step).map(|bit| {
                let mut flipped = whole.clone();
                flipped[bit * whole.len() / BITS] ^= 1 << (bit % 8);
                flipped
            });
            all.extend(cuts.chain(flips).map(|body| Broken { platform, path, signed: signed.clone(), body }));
        }
    }
    all
}

/// How many were answered with each status.
async fn statuses(requests: impl Iterator<Item = RequestBuilder>) -> Vec<(u16, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    let mut answers = futures::stream::iter(requests.map(status)).buffer_unordered(AT_ONCE);
    while let Some(status) = answers.next().await {
        *counts.entry(status).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// How it is answered in the end: 503 says that the disk is slow, and then platforms come again.
async fn status(request: RequestBuilder) -> u16 {
    for _ in 0..20 {
        let request = request.try_clone().expect("a body in memory");
        match request.send().await.expect("an answer").status().as_u16() {
            503 => {}
            status => return status,
        }
    }
    503
}

/// What a webhook can leave: messages, reports, and what cannot be read.
async fn rows(url: &str) -> i64 {
    let mut connection = SqliteConnection::connect(url).await.expect("the database");
    let count =
        "select (select count(*) from inbox) + (select count(*) from receipts) + (select count(*) from unreadable)";
    sqlx::query_scalar(count).fetch_one(&mut connection).await.expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_broken_webhook_is_answered_with_a_server_error_or_leaves_a_row_when_refused() {
    let file = testkit::Sqlite::new().expect("a folder");
    let url = file.url();
    let gateway = Gateway::start_on(Database::Sqlite(file), ACCOUNTS).await;
    let broken = broken();
    // Telegram signs no body: whoever knows the secret is believed.
    let signed: Vec<&Broken> = broken.iter().filter(|broken| broken.platform != "telegram").collect();
    assert_eq!(
        statuses(signed.iter().map(|broken| broken.request(&gateway, &broken.signed))).await,
        [(401, signed.len())],
        "the signature is another body's"
    );
    let telegram = broken.iter().filter(|broken| broken.platform == "telegram");
    let telegram: Vec<RequestBuilder> = telegram.map(|broken| broken.request(&gateway, "guess")).collect();
    let count = telegram.len();
    assert_eq!(statuses(telegram.into_iter()).await, [(401, count)]);
    assert_eq!(rows(&url).await, 0, "refused, and kept");
    let anew = broken.iter().map(|broken| {
        let proof = if broken.platform == "telegram" { SECRET.to_owned() } else { signature(&broken.body) };
        broken.request(&gateway, &proof)
    });
    assert_eq!(statuses(anew).await, [(200, broken.len())], "a believed body is never refused");
    assert!(rows(&url).await > 0, "what cannot be read is kept");
    println!("figure broken_webhooks {}", broken.len() * 2);
}
