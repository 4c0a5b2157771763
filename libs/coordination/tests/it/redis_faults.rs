//! What only Redis can suffer: a deleted stream, a dead server, a full queue.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use coordination::{Away, Coordination};
use domain::ConversationId;

use crate::{
    conformance::{eventually, hear, ready},
    server::{Server, connect},
};

const STREAM: &str = "test_whatsapp_stream_inbound";

#[tokio::test]
async fn a_deleted_stream_is_told_and_healed() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let mut listener = coordination.listen("only");
    coordination.ring(ConversationId::new(), None);
    hear(&mut listener, 1).await;
    assert_eq!(server.cli(&["DEL", STREAM]), "1");
    eventually(async || listener.next(1).await == Err(Away::GroupLost)).await;
    assert_eq!(coordination.ensure_group().await, Ok(true));
    assert_eq!(coordination.ensure_group().await, Ok(false));
    assert!(coordination.group_state().await.expect("there").recreated, "the sweeper hears of it");
    assert!(!coordination.group_state().await.expect("there").recreated, "once");
    coordination.bells_were_lost();
    assert!(coordination.group_state().await.expect("there").recreated, "again, when nobody rang");
    let conversation = ConversationId::new();
    coordination.ring(conversation, None);
    assert_eq!(hear(&mut listener, 1).await[0].conversation, conversation);
}

#[tokio::test]
async fn a_stream_deleted_under_a_waiting_listener_is_told() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let mut listener = coordination.listen("only");
    coordination.ring(ConversationId::new(), None);
    hear(&mut listener, 1).await;
    let waiting = tokio::spawn(async move {
        loop {
            match listener.next(1).await {
                Ok(_) => {}
                Err(away) => return away,
            }
        }
    });
    eventually(async || server.cli(&["INFO", "clients"]).contains("blocked_clients:1")).await;
    server.cli(&["DEL", STREAM]);
    let told = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("in time").expect("no panic");
    assert_eq!(told, Away::GroupLost);
}

#[tokio::test]
async fn a_lost_group_is_told_to_the_sweeper_even_if_nobody_listens() {
    let server = Server::start();
    let coordination = ready(&server).await;
    server.cli(&["FLUSHALL"]);
    assert!(coordination.group_state().await.expect("made again").recreated);
}

#[tokio::test]
async fn trimming_takes_neither_pending_nor_waiting_bells_and_leaves_the_lag_true() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let mut listener = coordination.listen("only");
    for _ in 0..10 {
        coordination.ring(ConversationId::new(), None);
    }
    let bells = hear(&mut listener, 6).await;
    for bell in &bells[..3] {
        listener.ack(bell).await.expect("acknowledged");
    }
    eventually(async || server.cli(&["XLEN", STREAM]) == "10").await;
    assert_eq!(coordination.trim().await, Ok(3));
    assert_eq!(server.cli(&["XLEN", STREAM]), "7");
    assert_eq!(coordination.group_state().await.expect("there").lag, Some(4));
    for bell in &bells[3..] {
        listener.ack(bell).await.expect("acknowledged");
    }
    assert_eq!(coordination.trim().await, Ok(2), "the last delivered one stays");
    assert_eq!(coordination.group_state().await.expect("there").lag, Some(4));
    assert_eq!(hear(&mut listener, 4).await.len(), 4);
}

#[tokio::test]
async fn a_living_consumer_keeps_its_bells() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let (mut living, mut other) = (coordination.listen("living"), coordination.listen("other"));
    coordination.ring(ConversationId::new(), None);
    let held = hear(&mut living, 1).await;
    let idle_min = Duration::from_secs(1);
    tokio::time::sleep(idle_min).await;
    coordination.ring(ConversationId::new(), None);
    let more = hear(&mut living, 1).await;
    assert_eq!(other.autoclaim(idle_min, 10).await, Ok(Vec::new()), "it has just read");
    assert_eq!(living.autoclaim(idle_min, 0).await, Ok(Vec::new()), "no slot is free");
    assert_eq!(living.autoclaim(idle_min, 10).await, Ok(held.clone()), "its own it meets again");
    tokio::time::sleep(idle_min).await;
    let both = other.autoclaim(idle_min, 10).await.expect("claimed");
    assert_eq!(both, [held, more].concat());
}

#[tokio::test]
async fn a_consumer_is_removed_only_when_it_holds_nothing() {
    let server = Server::start();
    let coordination = ready(&server).await;
    let mut listener = coordination.listen("old");
    coordination.ring(ConversationId::new(), None);
    let bells = hear(&mut listener, 1).await;
    assert_eq!(coordination.remove_consumers(Duration::ZERO).await, Ok(0));
    listener.ack(&bells[0]).await.expect("acknowledged");
    assert_eq!(coordination.remove_consumers(Duration::from_secs(3600)).await, Ok(0));
    assert_eq!(coordination.remove_consumers(Duration::ZERO).await, Ok(1));
}

#[tokio::test]
async fn a_stray_entry_is_acknowledged_and_skipped() {
    let server = Server::start();
    let coordination = ready(&server).await;
    server.cli(&["XADD", STREAM, "*", "conversation", "not-an-id"]);
    let conversation = ConversationId::new();
    coordination.ring(conversation, None);
    let mut listener = coordination.listen("only");
    assert_eq!(hear(&mut listener, 1).await[0].conversation, conversation);
    eventually(async || server.cli(&["XPENDING", STREAM, "workers"]).starts_with('1')).await;
}

#[tokio::test]
async fn nothing_waits_for_a_server_that_is_away_and_all_resumes_when_it_is_back() {
    let mut server = Server::start();
    let coordination = ready(&server).await;
    let mut listener = coordination.listen("only");
    coordination.ring(ConversationId::new(), None);
    let bells = hear(&mut listener, 1).await;
    server.kill();
    let started = Instant::now();
    eventually(async || coordination.ping().await.is_err()).await;
    assert!(matches!(listener.ack(&bells[0]).await, Err(Away::Unreachable(_))));
    eventually(async || matches!(listener.next(1).await, Err(Away::Unreachable(_)))).await;
    assert_eq!(coordination.allow("k", 1, Duration::from_secs(60)).await, Ok(()));
    assert!(coordination.allow("k", 1, Duration::from_secs(60)).await.is_err(), "each process limits alone");
    assert_eq!(coordination.cached("k").await, None);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    server.restart();
    eventually(async || coordination.ping().await.is_ok()).await;
    let conversation = ConversationId::new();
    coordination.ring(conversation, None);
    assert_eq!(hear(&mut listener, 1).await[0].conversation, conversation);
}

#[tokio::test]
async fn a_full_queue_drops_rings_at_once_and_counts_them() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    check_full(connect(nowhere), 5_000).await;
    check_full(Coordination::memory(), 20_000).await;
}

async fn check_full(coordination: Coordination, rings: u64) {
    let started = Instant::now();
    for _ in 0..rings {
        coordination.ring(ConversationId::new(), None);
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(coordination.bells_dropped() >= rings / 2, "{}", coordination.bells_dropped());
}
