//! Limits of requests and connections, and the end of the service.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Gateway, PATIENCE, signature};

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

async fn ask(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.expect("written");
    read_answer(stream).await;
}

/// Reads the answer to one [`REQUEST`]; the connection stays open.
async fn read_answer(stream: &mut TcpStream) {
    let (mut answer, mut part) = (String::new(), [0; 4096]);
    while !answer.ends_with('}') {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut part)).await.expect("an answer in time");
        let read = read.expect("an answer");
        assert_ne!(read, 0, "closed after `{answer}`");
        answer.push_str(str::from_utf8(&part[..read]).expect("UTF-8"));
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn raw(gateway: &Gateway, request: &[u8]) -> String {
    let address = gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request).await.expect("written");
    let mut answer = Vec::new();
    // A reset after the answer is fine.
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    let _ = reading.await.expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_an_encoded_one_415() {
    let gateway = Gateway::start().await;
    for (length, status) in [(1024 * 1024, 200), (1024 * 1024 + 1, 413)] {
        let body = vec![b' '; length];
        let request = gateway.post("/webhook").header("x-hub-signature-256", signature(&body)).body(body);
        assert_eq!(request.send().await.expect("an answer").status(), status);
    }
    let encoded = gateway.post("/webhook").header("content-encoding", "gzip").body("x").send().await;
    assert_eq!(encoded.expect("an answer").status(), 415);
    let mut endless = b"POST /webhook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend_from_slice(format!("8000\r\n{}\r\n", "x".repeat(0x8000)).as_bytes());
    }
    assert!(raw(&gateway, &endless).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn headers_over_the_limit_are_431() {
    let gateway = Gateway::start().await;
    let long = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(17 * 1024));
    assert!(raw(&gateway, long.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn slow_senders_are_cut_off() {
    let gateway =
        Gateway::start_with("[webhook]\nheader_read_timeout = \"300ms\"\nbody_read_timeout = \"300ms\"").await;
    let started = Instant::now();
    assert_eq!(raw(&gateway, b"").await, "", "a silent socket is closed");
    let half = raw(&gateway, b"POST /webhook HTTP/1.1\r\nhost: x\r\nx-sl").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "{half}");
    let body =
        raw(&gateway, b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\nx").await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn connections_are_limited_and_come_free_again() {
    let gateway = Gateway::start_with("[webhook]\nconnections_max = 2\nheader_read_timeout = \"1h\"").await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let connect = async || TcpStream::connect(&address).await.expect("a connection");
    // Connections are accepted in their order: once the second is answered, the silent one is counted.
    let (silent, mut busy) = (connect().await, connect().await);
    ask(&mut busy).await;
    let mut further = connect().await;
    further.write_all(REQUEST).await.expect("written");
    // Many answers on the second connection are time enough for one on the further connection.
    for _ in 0..50 {
        ask(&mut busy).await;
    }
    let early = further.try_read(&mut [0; 1]).expect_err("no answer while both places are taken");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    drop(silent);
    read_answer(&mut further).await;
}

#[tokio::test]
async fn the_service_ends_when_told_to_also_with_idle_connections() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/health").send().await.expect("an answer").status(), 200);
    gateway.shutdown.cancel();
    tokio::time::timeout(PATIENCE, gateway.serving).await.expect("in time").expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_method_of_a_strangers_choice_is_no_label() {
    service_kit::telemetry::render_metrics();
    let gateway = Gateway::start().await;
    let method = reqwest::Method::from_bytes(b"BREW").expect("a method");
    let response = gateway.client.request(method, format!("{}/health", gateway.url)).send().await;
    assert_eq!(response.expect("an answer").status(), 405);
    let metrics = service_kit::telemetry::render_metrics();
    assert!(metrics.contains(r#"http_requests_total{method="other",path="/health",status="405"} 1"#), "{metrics}");
    assert!(!metrics.contains("BREW"));
}
