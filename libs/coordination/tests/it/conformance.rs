//! What both kinds promise.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use coordination::{Away, Bell, CACHE_VALUE_BYTES_MAX, Coordination, FeedEvent, Listener};
use domain::ConversationId;
use futures::StreamExt as _;
use serde_json::json;

use crate::server::Server;

const LIMIT: Duration = Duration::from_secs(10);
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Runs each case over both kinds, as a test of its own.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(coordination::Coordination::memory()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                let server = crate::server::Server::start();
                super::$name(super::ready(&server).await).await;
            })*
        }
    };
}

both!(
    each_bell_reaches_one_listener,
    an_acknowledged_bell_is_gone_and_a_dead_consumers_bell_is_claimed,
    a_cancelled_wait_loses_no_bell,
    silence_is_no_error,
    the_group_tells_what_waits_and_what_was_delivered,
    watchers_hear_their_conversation_only,
    a_bucket_and_a_pause_limit,
    a_cached_value_has_a_lifetime_and_a_size,
);

/// A coordination whose connection and group are there.
pub async fn ready(server: &Server) -> Coordination {
    let coordination = server.coordination();
    eventually(async || coordination.ensure_group().await.is_ok() && coordination.group_state().await.is_ok()).await;
    coordination
}

/// Asks until it is so; fails after [`LIMIT`].
pub async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.expect("it becomes so in time");
}

/// Bells until there are `count`; a listener that is still connecting is asked again.
pub async fn hear(listener: &mut Listener, count: usize) -> Vec<Bell> {
    let mut bells = Vec::new();
    let hearing = async {
        while bells.len() < count {
            match listener.next(count - bells.len()).await {
                Ok(heard) => bells.extend(heard),
                Err(Away::Unreachable(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(Away::GroupLost) => panic!("the group is there"),
            }
        }
    };
    tokio::time::timeout(LIMIT, hearing).await.expect("bells in time");
    bells
}

async fn each_bell_reaches_one_listener(coordination: Coordination) {
    let (mut first, mut second) = (coordination.listen("first"), coordination.listen("second"));
    let rung: BTreeSet<ConversationId> = (0..20).map(|_| ConversationId::new()).collect();
    for conversation in &rung {
        coordination.ring(*conversation, Some(TRACE));
    }
    let heard = [hear(&mut first, 8).await, hear(&mut second, 12).await].concat();
    assert_eq!(heard.len(), 20);
    assert_eq!(heard.iter().map(|bell| bell.conversation).collect::<BTreeSet<_>>(), rung);
    assert!(heard.iter().all(|bell| bell.traceparent.as_deref() == Some(TRACE)));
    assert_eq!(coordination.bells_dropped(), 0);
}

async fn an_acknowledged_bell_is_gone_and_a_dead_consumers_bell_is_claimed(coordination: Coordination) {
    let (mut dead, mut living) = (coordination.listen("dead"), coordination.listen("living"));
    let [done, left] = [ConversationId::new(), ConversationId::new()];
    coordination.ring(done, None);
    coordination.ring(left, None);
    let bells = hear(&mut dead, 2).await;
    dead.ack(&bells[0]).await.expect("acknowledged");
    drop(dead);
    assert_eq!(living.autoclaim(Duration::from_secs(3600), 10).await, Ok(Vec::new()), "it may still be at work");
    let claimed = living.autoclaim(Duration::ZERO, 10).await.expect("claimed");
    assert_eq!(claimed, bells[1..]);
    living.ack(&claimed[0]).await.expect("acknowledged");
    let mut third = coordination.listen("third");
    assert_eq!(third.autoclaim(Duration::ZERO, 10).await, Ok(Vec::new()));
}

async fn a_cancelled_wait_loses_no_bell(coordination: Coordination) {
    let mut listener = coordination.listen("only");
    let (warm, conversation) = (ConversationId::new(), ConversationId::new());
    coordination.ring(warm, None);
    hear(&mut listener, 1).await;
    tokio::time::timeout(Duration::from_millis(20), listener.next(1)).await.expect_err("nothing rings yet");
    coordination.ring(conversation, None);
    assert_eq!(hear(&mut listener, 1).await[0].conversation, conversation);
}

async fn silence_is_no_error(coordination: Coordination) {
    let mut listener = coordination.listen("only");
    coordination.ring(ConversationId::new(), None);
    hear(&mut listener, 1).await; // it is connected
    assert_eq!(listener.next(1).await, Ok(Vec::new()), "nobody rang");
}

async fn the_group_tells_what_waits_and_what_was_delivered(coordination: Coordination) {
    let mut listener = coordination.listen("only");
    let state = coordination.group_state().await.expect("there");
    assert_eq!((state.last_delivered_at, state.recreated), (None, false));
    for _ in 0..5 {
        coordination.ring(ConversationId::new(), None);
    }
    let lag = async |lag| {
        eventually(async || coordination.group_state().await.expect("there").lag == Some(lag)).await;
    };
    lag(5).await;
    hear(&mut listener, 3).await;
    lag(2).await;
    let delivered = coordination.group_state().await.expect("there").last_delivered_at.expect("three were");
    assert!(delivered.seconds() > 1_700_000_000, "{delivered:?}");
}

async fn watchers_hear_their_conversation_only(coordination: Coordination) {
    let [watched, other] = [ConversationId::new(), ConversationId::new()];
    let event = |seq| FeedEvent { kind: "delta".to_owned(), seq, epoch: 7, data: json!({ "text": "čšž" }) };
    let first = coordination.subscribe(watched).await;
    let mut second = coordination.subscribe(watched).await;
    drop(first);
    let hearing = async {
        // A subscription of Redis may need a moment after its first connection: the first event is repeated till then.
        let mut repeat = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                heard = second.next() => break heard,
                _ = repeat.tick() => coordination.publish(watched, event(1)),
            }
        }
    };
    assert_eq!(tokio::time::timeout(LIMIT, hearing).await.expect("in time"), Some(event(1)));
    coordination.publish(other, event(2));
    coordination.publish(watched, event(3));
    let after = async {
        loop {
            match second.next().await {
                Some(repeated) if repeated.seq == 1 => {}
                other => break other,
            }
        }
    };
    assert_eq!(tokio::time::timeout(LIMIT, after).await.expect("in time"), Some(event(3)));
}

async fn a_bucket_and_a_pause_limit(coordination: Coordination) {
    let per = Duration::from_secs(600);
    for _ in 0..3 {
        assert_eq!(coordination.allow("sender", 3, per).await, Ok(()));
    }
    let wait = coordination.allow("sender", 3, per).await.expect_err("empty");
    assert!(wait > Duration::from_secs(150) && wait <= Duration::from_secs(200), "{wait:?}");
    assert_eq!(coordination.allow("another", 3, per).await, Ok(()));
    coordination.pause("another", Duration::from_secs(60)).await;
    coordination.pause("another", Duration::from_secs(5)).await;
    let wait = coordination.allow("another", 3, per).await.expect_err("paused");
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_secs(60), "{wait:?}");
}

async fn a_cached_value_has_a_lifetime_and_a_size(coordination: Coordination) {
    let long = Duration::from_secs(60);
    coordination.cache("kept", Bytes::from_static(b"\x00value"), long).await;
    assert_eq!(coordination.cached("kept").await.as_deref(), Some(&b"\x00value"[..]));
    assert_eq!(coordination.cached("absent").await, None);
    coordination.cache("large", Bytes::from(vec![1; CACHE_VALUE_BYTES_MAX + 1]), long).await;
    assert_eq!(coordination.cached("large").await, None);
    coordination.cache("never", Bytes::from_static(b"x"), Duration::ZERO).await;
    assert_eq!(coordination.cached("never").await, None);
    coordination.cache("short", Bytes::from_static(b"x"), Duration::from_millis(30)).await;
    eventually(async || coordination.cached("short").await.is_none()).await;
}
