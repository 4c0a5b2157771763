//! The lag that an autoscaler reads is how many bells wait, whatever somebody did to the stream: on the `redis-server` of
//! PATH, and on the one that TEST_REDIS_8 names.

use std::time::{Duration, Instant};

use coordination::Coordination;
use domain::ConversationId;

use crate::{
    conformance::{eventually, hear, ready},
    server::Server,
};

const STREAM: &str = "test_whatsapp_stream_inbound";
const GROUP: &str = "workers";

/// Ten bells with ids of their own, four of them delivered.
async fn rung(server: &Server) -> Coordination {
    let coordination = ready(server).await;
    for number in 1..=10 {
        let (id, conversation) = (format!("{number}-1"), ConversationId::new().to_string());
        server.cli(&["XADD", STREAM, &id, "conversation", &conversation]);
    }
    assert_eq!(hear(&mut coordination.listen("first"), 4).await.len(), 4);
    coordination
}

/// What KEDA reads; none when the server tells no lag.
fn lag_told(server: &Server) -> Option<usize> {
    let told = server.cli(&["XINFO", "GROUPS", STREAM]);
    let mut lines = told.lines().skip_while(|line| *line != "lag");
    lines.nth(1).and_then(|lag| lag.parse().ok())
}

/// Entries behind the last delivered one.
fn waiting(server: &Server) -> usize {
    let told = server.cli(&["XINFO", "GROUPS", STREAM]);
    let last = told.lines().skip_while(|line| *line != "last-delivered-id").nth(1).expect("the group is there");
    let entries = server.cli(&["--json", "XRANGE", STREAM, &format!("({last}"), "+"]);
    serde_json::from_str::<Vec<serde_json::Value>>(&entries).expect("entries").len()
}

fn servers() -> Vec<String> {
    let second = std::env::var("TEST_REDIS_8").ok().filter(|path| !path.is_empty());
    ["redis-server".to_owned()].into_iter().chain(second).collect()
}

type Abuse = fn(&mut Server);

const ABUSES: [(&str, usize, Abuse); 11] = [
    ("nothing", 6, |_| {}),
    ("a waiting entry deleted", 5, |server| {
        server.cli(&["XDEL", STREAM, "8-1"]);
    }),
    ("the last delivered entry deleted", 6, |server| {
        server.cli(&["XDEL", STREAM, "4-1"]);
    }),
    ("every second entry deleted", 3, |server| {
        server.cli(&["XDEL", STREAM, "2-1", "4-1", "6-1", "8-1", "10-1"]);
    }),
    ("trimmed by length into what waits", 3, |server| {
        server.cli(&["XTRIM", STREAM, "MAXLEN", "=", "3"]);
    }),
    ("trimmed to nothing", 0, |server| {
        server.cli(&["XTRIM", STREAM, "MAXLEN", "=", "0"]);
    }),
    ("group made anew at the end", 0, |server| {
        server.cli(&["XGROUP", "DESTROY", STREAM, GROUP]);
        server.cli(&["XGROUP", "CREATE", STREAM, GROUP, "$"]);
    }),
    ("group made anew in the middle", 5, |server| {
        server.cli(&["XGROUP", "DESTROY", STREAM, GROUP]);
        server.cli(&["XGROUP", "CREATE", STREAM, GROUP, "5-1"]);
    }),
    ("flushed", 0, |server| {
        server.cli(&["FLUSHALL"]);
    }),
    ("killed and started again from its append-only file", 6, |server| {
        server.kill();
        server.restart();
    }),
    ("its append-only file written anew, killed and started again", 6, |server| {
        server.cli(&["BGREWRITEAOF"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let done =
            |info: &str| ["in_progress", "scheduled"].iter().all(|at| info.contains(&format!("aof_rewrite_{at}:0")));
        while !done(&server.cli(&["INFO", "persistence"])) {
            assert!(Instant::now() < deadline, "the rewrite ends");
            std::thread::yield_now();
        }
        server.kill();
        server.restart();
    }),
];

#[tokio::test]
async fn the_lag_that_autoscalers_read_is_right_after_every_abuse() {
    for program in servers() {
        for (abuse, expected, act) in ABUSES {
            let mut server = Server::start_program(&program);
            let coordination = rung(&server).await;
            act(&mut server);
            eventually(async || coordination.group_state().await.is_ok()).await;
            let state = coordination.group_state().await.expect("there");
            assert_eq!(state.lag, Some(expected as i64), "{program}, {abuse}: told to us");
            assert_eq!((lag_told(&server), waiting(&server)), (Some(expected), expected), "{program}, {abuse}");
            // It stays right as more comes and goes.
            coordination.ring(ConversationId::new(), None);
            eventually(async || waiting(&server) == expected + 1).await;
            assert_eq!(lag_told(&server), Some(expected + 1), "{program}, {abuse}: one more");
            assert_eq!(hear(&mut coordination.listen("second"), 1).await.len(), 1);
            assert_eq!(lag_told(&server), Some(expected), "{program}, {abuse}: one less");
        }
    }
}

#[tokio::test]
async fn a_stream_too_long_to_be_counted_is_left_as_it_is() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let fill = "for i = 1, 5000 do redis.call('XADD', KEYS[1], i .. '-1', 'a', 'b') end";
    server.cli(&["EVAL", fill, "1", STREAM]);
    server.cli(&["XGROUP", "SETID", STREAM, GROUP, "2500-1"]);
    assert_eq!(lag_told(&server), None);
    assert_eq!(coordination.group_state().await.expect("there").lag, None);
}
