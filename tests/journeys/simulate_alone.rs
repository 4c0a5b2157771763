//! `dragoman simulate --platform`: one platform alone, as a bot that is not ours meets it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::process::{PATIENCE, path_of};

/// A running simulator, and what it printed.
struct Simulator {
    child: Child,
    told: BTreeMap<String, String>,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Simulator {
    /// Starts it and reads up to its last secret.
    fn start(arguments: &[&str], last: &str) -> Self {
        service_kit::install_crypto();
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(path_of("dragoman"));
        command.env_clear().current_dir(folder.path()).arg("simulate").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("dragoman starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut told = BTreeMap::new();
        for line in lines.map_while(Result::ok) {
            let (name, value) = line.split_once('=').expect("name=value");
            told.insert(name.to_owned(), value.to_owned());
            if name == last {
                break;
            }
        }
        Self { child, told, client: reqwest::Client::new(), _folder: folder }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.told["api"])
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.at(path)).timeout(PATIENCE).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn post(&self, path: &str, body: &Value) -> u16 {
        let asked = self.client.post(self.at(path)).json(body).timeout(PATIENCE).send();
        asked.await.expect("an answer").status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_polls_a_telegram_that_runs_alone_and_meets_what_was_ordered() {
    let there = Simulator::start(&["--platform", "telegram"], "token");
    let bot = format!("/bot{}", there.told["token"]);
    let said = json!({"type": "text", "text": "hello bot"});
    assert_eq!(there.post("/phone/telegram/chat/222222222", &said).await, 202);
    let updates = there.get(&format!("{bot}/getUpdates?timeout=5")).await;
    assert_eq!(updates["result"][0]["message"]["text"], "hello bot");
    let order = json!({"api": [{"fault": {"kind": "status", "status": 429, "retry_after": 1}}]});
    assert_eq!(there.post("/simulator/faults", &order).await, 204);
    let refused = there.get(&format!("{bot}/getMe")).await;
    assert_eq!((&refused["error_code"], &refused["parameters"]["retry_after"]), (&json!(429), &json!(1)));
    let page = there.client.get(&there.told["phone"]).send().await.expect("the page");
    assert_eq!(page.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_webhooks_reach_a_bot_signed_with_the_given_secret() {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let hook = async move |headers: HeaderMap, body: Bytes| {
        let signature = headers.get("x-hub-signature-256").map(|value| value.to_str().expect("text").to_owned());
        heard.send((signature, serde_json::from_slice::<Value>(&body).expect("JSON"))).expect("the test waits");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let webhook = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(hook))).await });
    let there = Simulator::start(
        &["--platform", "meta", "--webhook", &webhook, "--secret", "shh", "--token", "t", "--verify-token", "v"],
        "verify_token",
    );
    assert_eq!((&*there.told["app_secret"], &*there.told["access_token"]), ("shh", "t"));
    let said = json!({"type": "text", "text": "hello bot"});
    assert_eq!(there.post("/phone/meta/chat/385911234567", &said).await, 202);
    let (signature, body) = tokio::time::timeout(PATIENCE, hears.recv()).await.expect("in time").expect("a webhook");
    assert!(signature.is_some_and(|signature| signature.starts_with("sha256=")));
    let message = &body["entry"][0]["changes"][0]["value"]["messages"][0];
    assert_eq!(message["text"]["body"], "hello bot");
    let sent = json!({"messaging_product": "whatsapp", "to": "385911234567", "type": "text", "text": {"body": "hi"}});
    let path = format!("/v23.0/{}/messages", there.told["phone_number_id"]);
    let asked = there.client.post(there.at(&path)).bearer_auth("t").json(&sent).send().await.expect("an answer");
    assert_eq!(asked.status().as_u16(), 200);
    let chat = there.get("/phone/meta/chat/385911234567").await;
    assert_eq!(chat["bubbles"][1]["text"], "hi");
}

#[test]
fn a_platform_that_has_to_be_told_where_to_post_says_so() {
    let output = Command::new(path_of("dragoman")).env_clear().args(["simulate", "--platform", "infobip"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--webhook is needed"));
}
