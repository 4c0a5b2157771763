//! A stream that breaks a thousand times shows what is stored: nothing is missing, nothing comes twice.

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::support::{Gateway, PATIENCE, answer, session_cookie, text};

const PATH: &str = "/api/v1/chat";
const CUTS: usize = 1_000;
/// A reader gets one byte more with each connection, up to this many: every byte of the first events is a last one once.
const BYTES_MAX: usize = 420;
const PARTS: usize = 3;

/// What a browser keeps: the events that came whole, and the id of the last one.
#[derive(Default)]
struct Reader {
    last_id: Option<String>,
    shown: Vec<String>,
}

impl Reader {
    /// Takes what came of one connection; a half event at its end is none.
    fn take(&mut self, came: &[u8]) {
        let came = String::from_utf8_lossy(came);
        let Some((whole, _)) = came.rsplit_once("\n\n") else { return };
        for block in whole.split("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim());
            if let Some(id) = field("id:") {
                self.last_id = Some(id.to_owned());
            }
            if field("event:") == Some("message") {
                let data: Value = serde_json::from_str(field("data:").expect("data")).expect("JSON");
                self.shown.push(data["text"].as_str().expect("a text").to_owned());
            }
        }
    }
}

/// The first bytes of a connection, up to `most`, or up to where `enough` says so.
async fn read(response: reqwest::Response, most: usize, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut bytes, mut came) = (response.bytes_stream(), Vec::new());
    while came.len() < most && !enough(&came) {
        let chunk = tokio::time::timeout(PATIENCE, bytes.next()).await.expect("bytes in time");
        let Some(Ok(chunk)) = chunk else { break };
        came.extend_from_slice(&chunk);
    }
    came.truncate(most);
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cuts_leave_no_gap_and_no_repeat() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"\n[ai]\nrate_limit = 100000").await;
    let first = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let conversation =
        first.json::<Value>().await.expect("JSON")["conversation_id"].as_str().expect("an id").to_owned();
    let id = conversation.parse().expect("an id");
    let turn = async |number: usize| {
        if number > 1 {
            let go_on = json!({"message": "Again", "conversation_id": conversation});
            let posted = gateway.post(PATH).header("cookie", &cookie).json(&go_on).send().await.expect("an answer");
            assert!(posted.status().is_success(), "{}", posted.status());
        }
        let replies = |seq: i64| (0..PARTS).map(|part| text(&format!("{seq}-{part} čaj"))).collect();
        answer(&gateway.store, &gateway.coordination, id, &replies).await;
    };
    let connect = async |last: Option<&str>| loop {
        let request = gateway.get(&format!("{PATH}/{conversation}/events")).header("cookie", &cookie);
        let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
        let response = request.send().await.expect("an answer");
        // The connection that was cut a moment ago still counts.
        if response.status() != 429 {
            assert_eq!(response.status(), 200);
            return response;
        }
        tokio::task::yield_now().await;
    };

    let (mut reader, mut turns) = (Reader::default(), 0);
    for cut in 0..CUTS {
        // There is always more to come than one connection shows; half of it comes while somebody reads.
        let stored = turns * PARTS;
        let answering = async {
            if stored < reader.shown.len() + 8 {
                turn(turns + 1).await;
                turn(turns + 2).await;
                2
            } else {
                0
            }
        };
        let last = reader.last_id.clone();
        let reading = async { read(connect(last.as_deref()).await, 1 + cut % BYTES_MAX, |_| false).await };
        let (answered, came) = tokio::join!(answering, reading);
        turns += answered;
        reader.take(&came);
    }
    let stored: Vec<String> =
        (1..=turns).flat_map(|seq| (0..PARTS).map(move |part| format!("{seq}-{part} čaj"))).collect();
    let last = reader.last_id.clone();
    let end = stored.last().expect("answers").clone();
    let came = read(connect(last.as_deref()).await, usize::MAX, |came| {
        let came = String::from_utf8_lossy(came);
        came.contains(&end) && came.ends_with("\n\n")
    });
    let came = if reader.shown.last() == Some(&end) { Vec::new() } else { came.await };
    reader.take(&came);
    let wrong = reader.shown.iter().zip(&stored).filter(|(shown, stored)| shown != stored).count()
        + reader.shown.len().abs_diff(stored.len());
    println!("figure stream_cuts {CUTS}");
    println!("figure stream_cuts_wrong {wrong}");
    assert!(stored.len() > CUTS / 2, "enough was shown: {}", stored.len());
    assert_eq!(reader.shown, stored);
}
