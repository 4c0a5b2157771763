//! Limits of requests and connections, and the end of the service.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Gateway, PATIENCE, signature};

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
    let gateway = Gateway::start_with("[webhook]\nconnections_max = 2\nheader_read_timeout = \"500ms\"").await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&address).await.expect("a connection"));
    }
    let answer = raw(&gateway, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn the_service_ends_when_told_to_also_with_idle_connections() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/health").send().await.expect("an answer").status(), 200);
    gateway.shutdown.cancel();
    tokio::time::timeout(PATIENCE, gateway.serving).await.expect("in time").expect("no panic").expect("no error");
}
