//! Server-sent events: `accepted`, `delta`, `tool`, `message`, `done`, `error`, `reset`.
//!
//! `id` is the place up to which the client has seen everything that is stored, whatever the event; so a client can
//! go on from any of them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use domain::ConversationId;
use futures::{Stream, StreamExt as _, stream};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    caller::{Caller, unavailable},
    messages::{Place, message},
    streams::Slot,
    watch::{Seen, Watch},
};
use crate::{Shared, respond};

/// A comment keeps proxies from closing a stream that is quiet.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The stream of one message ends after this; the client goes on with `Last-Event-ID`.
const ANSWER_STREAM_MAX: Duration = Duration::from_secs(300);

/// `GET /api/v1/chat/{conversation_id}/events`
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Path(conversation): Path<String>,
    headers: HeaderMap,
) -> Response {
    let caller = match Caller::identify(&shared, &headers, None).await {
        Ok(caller) => caller,
        Err(error) => return error.respond(),
    };
    let Ok(conversation) = conversation.parse::<ConversationId>() else {
        return no_conversation();
    };
    let own = match caller.find_conversation(&shared, conversation).await {
        Ok(Some(own)) => own,
        Ok(None) => return no_conversation(),
        Err(error) => return unavailable(&error),
    };
    let place = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(Place::parse)) {
        None => Place::default(),
        // A place that does not exist yet would hide what comes.
        Some(Some(place)) => place.min(Place::behind(own.next_seq)),
        Some(None) => return respond::problem(StatusCode::BAD_REQUEST, "`Last-Event-ID` is not one of ours"),
    };
    let Some(slot) = shared.streams.open(&caller.stream_owners(&shared.config.chat)) else {
        return too_many();
    };
    let watch = Watch::open(&shared, caller.account, conversation, place, None).await;
    let first = event("reset", place, &json!({ "conversation_id": conversation }));
    caller.signed(answer(&shared, first, watch, slot, None))
}

/// True when `Accept` names `text/event-stream`.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).flat_map(|accept| accept.split(',')).any(
        |range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
            named && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
        },
    )
}

/// The stream of one message that was accepted, until it is answered.
pub(crate) fn of_message(
    shared: &Shared,
    conversation: ConversationId,
    seq: i64,
    watch: Watch,
    slot: Slot,
) -> Response {
    let data = json!({ "conversation_id": conversation, "seq": seq });
    let first = event("accepted", watch.place(), &data);
    answer(shared, first, watch, slot, Some(Instant::now() + ANSWER_STREAM_MAX))
}

pub(crate) fn no_conversation() -> Response {
    respond::problem(StatusCode::NOT_FOUND, "there is no such conversation")
}

pub(crate) fn too_many() -> Response {
    let response = respond::problem(StatusCode::TOO_MANY_REQUESTS, "too many streams are open");
    respond::retry_after(response, Duration::from_secs(5))
}

fn answer(shared: &Shared, first: Event, watch: Watch, slot: Slot, until: Option<Instant>) -> Response {
    let stopping = shared.stopping.clone();
    let events = stream::once(std::future::ready(first))
        .chain(following(watch, slot, until))
        .map(Ok::<_, Infallible>)
        .take_until(stopping.cancelled_owned());
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

struct Streaming {
    watch: Watch,
    until: Option<Instant>,
    trace: Option<Value>,
    /// Held as long as the stream is open.
    _slot: Slot,
}

/// Everything a watch sees, as events, up to its end.
fn following(watch: Watch, slot: Slot, until: Option<Instant>) -> impl Stream<Item = Event> {
    let streaming = Streaming { watch, until, trace: None, _slot: slot };
    stream::unfold(Some(streaming), async |streaming| {
        let mut streaming = streaming?;
        let (event, more) = streaming.next().await;
        Some((event, more.then_some(streaming)))
    })
}

impl Streaming {
    /// The next event, and whether more can follow.
    async fn next(&mut self) -> (Event, bool) {
        loop {
            let seen = match self.until {
                Some(until) => match tokio::time::timeout_at(until, self.watch.next()).await {
                    Ok(seen) => seen,
                    Err(_) => {
                        return (
                            self.event("error", &json!({ "error": "the answer takes longer; go on from here" })),
                            false,
                        );
                    }
                },
                None => self.watch.next().await,
            };
            return match seen {
                Ok(Seen::Message(place, reply)) => {
                    (self.event("message", &message(self.watch.conversation(), place, &reply)), true)
                }
                Ok(Seen::Live(kind, data)) => (self.event(kind, &data), true),
                Ok(Seen::Reset) => (self.event("reset", &json!({})), true),
                Ok(Seen::Trace(trace)) => {
                    self.trace = Some(trace);
                    continue;
                }
                Ok(Seen::Done) => {
                    let mut data = json!({});
                    if let Some(trace) = self.trace.take().filter(|_| self.watch.debug()) {
                        data["operation"] = trace;
                    }
                    (self.event("done", &data), false)
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a stream ends: the store cannot be read"
                    );
                    (self.event("error", &json!({ "error": "the service cannot answer now" })), false)
                }
            };
        }
    }

    fn event(&self, kind: &str, data: &Value) -> Event {
        event(kind, self.watch.place(), data)
    }
}

fn event(kind: &str, place: Place, data: &Value) -> Event {
    Event::default().event(kind).id(place.to_string()).data(data.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_event_stream_is_one() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.5", true),
            ("text/event-stream;q=0", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wanted(&headers), expected, "{accept}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }
}
