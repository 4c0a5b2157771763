//! Strictness over HTTP: what is refused, and with which bodies.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;

const KEY: &str = "sk-test-0123456789abcdef";

async fn start() -> (Server, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let server = Server::new(Config { max_body_bytes: 20_000, max_prompt_tokens: 1_000, ..Config::new(KEY) });
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener, CancellationToken::new()).await });
    (server, base)
}

async fn post(url: &str, header: (&str, &str), body: &Value) -> (StatusCode, Value) {
    let request = reqwest::Client::new().post(url).header(header.0, header.1).json(body);
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

fn question(text: &str) -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn doors_open_to_their_own_key_only() {
    let (server, base) = start().await;
    let bearer = format!("Bearer {KEY}");
    let chat = format!("{base}/v1/chat/completions");
    let azure = format!("{base}/openai/deployments/chat/chat/completions?api-version=2024-10-21");
    for (url, header, status, code) in [
        (&chat, ("authorization", bearer.as_str()), 200, json!(null)),
        (&chat, ("authorization", "Bearer sk-other-0123456789abcdef"), 401, json!("invalid_api_key")),
        (&chat, ("api-key", KEY), 401, json!(null)),
        (&azure, ("api-key", KEY), 200, json!(null)),
        (&azure, ("authorization", &bearer), 401, json!("401")),
        (&azure.replace("2024", "2023"), ("api-key", KEY), 404, json!("404")),
        (&azure.replace("chat/chat", "x/chat"), ("api-key", KEY), 404, json!("DeploymentNotFound")),
        (&chat.replace("completions", "x"), ("authorization", &bearer), 404, json!(null)),
    ] {
        let (found, body) = post(url, header, &question("x")).await;
        assert_eq!((found.as_u16(), &body["error"]["code"]), (status, &code), "{url} {body}");
        assert!(!body.to_string().contains("other-0123456789"), "{body}");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn bodies_have_limits_and_are_json() {
    let (server, base) = start().await;
    let (url, header) = (format!("{base}/v1/chat/completions"), ("authorization", format!("Bearer {KEY}")));
    let header = (header.0, header.1.as_str());
    let (status, body) = post(&url, header, &question(&"x ".repeat(4_000))).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("context_length_exceeded")));
    let (status, _) = post(&url, header, &question(&"x ".repeat(40_000))).await;
    assert_eq!(status.as_u16(), 413);
    let client = reqwest::Client::new();
    for (kind, status) in [("text/plain", 415), ("application/json", 400)] {
        let request = client.post(&url).header(header.0, header.1).header("content-type", kind).body("{");
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), status, "{kind}");
    }
    assert_eq!(server.refused().len(), 2);
}

#[tokio::test]
async fn a_stream_has_the_chunks_that_openai_sends() {
    let (server, base) = start().await;
    server.script(When::user("vehicle 7"), Reply::call("get_vehicle", &json!({"id": 7})));
    let mut body = question("Vehicle 7, please");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let request = reqwest::Client::new().post(format!("{base}/v1/chat/completions")).bearer_auth(KEY).json(&body);
    let text = request.send().await.expect("an answer").text().await.expect("text");
    let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"], "get_vehicle");
    let end = &chunks[chunks.len() - 2];
    assert_eq!((&end["choices"][0]["finish_reason"], &end["usage"]), (&json!("tool_calls"), &json!(null)));
    let usage = &chunks[chunks.len() - 1];
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
}

#[tokio::test]
async fn scripts_fit_by_words_results_and_tools_and_are_used_up() {
    let (server, base) = start().await;
    server.script_times(When::user("hello"), 1, "First.");
    server.script(When::user("hello").offers("weather"), "With weather.");
    server.script(When::user("hello"), Reply::by(|asked| format!("You said {}", asked.last_user()).as_str().into()));
    server.otherwise("What?");
    let said = async |body: Value| {
        let url = format!("{base}/v1/chat/completions");
        let bearer = format!("Bearer {KEY}");
        let (_, body) = post(&url, ("authorization", bearer.as_str()), &body).await;
        body["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(said(question("Hello")).await, "First.");
    assert_eq!(said(question("Hello")).await, "You said Hello");
    assert_eq!(said(question("Bye")).await, "What?");
    let mut body = question("Hello");
    body["tools"] = json!([{"type": "function", "function": {"name": "f", "description": "The weather of a place"}}]);
    assert_eq!(said(body).await, "With weather.");
    assert!(server.prompt_tokens_max() > 20);
}

#[tokio::test]
async fn vectors_are_counted_and_their_inputs_checked() {
    let (server, base) = start().await;
    let (url, bearer) = (format!("{base}/v1/embeddings"), format!("Bearer {KEY}"));
    let model = "text-embedding-3-small";
    for (body, status) in [
        (json!({"model": model, "input": ["a", "b"]}), 200),
        (json!({"model": model, "input": "a", "encoding_format": "base64", "dimensions": 8}), 200),
        (json!({"model": model, "input": ""}), 400),
        (json!({"model": model, "input": []}), 400),
        (json!({"model": model, "input": ["a", ""]}), 400),
        (json!({"model": model, "input": "a", "dimensions": 257}), 400),
        (json!({"model": model, "input": "a", "encoding": "float"}), 400),
        (json!({"model": "gpt-4o-mini", "input": "a"}), 404),
    ] {
        let (found, answer) = post(&url, ("authorization", bearer.as_str()), &body).await;
        assert_eq!(found.as_u16(), status, "{body} {answer}");
    }
    assert_eq!((server.embedding_requests().len(), server.embedded_inputs()), (8, 3));
}
