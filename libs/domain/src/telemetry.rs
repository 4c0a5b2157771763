//! The names of our telemetry, all in one place: metrics, spans and their attributes.
//!
//! Names that others define are those of OpenTelemetry's semantic conventions, version 1.44: HTTP, RPC and database are
//! stable there, `gen_ai.*` and `messaging.*` still in development, which is why they are pinned here. In Prometheus's
//! form dots are `_` and the base unit is the suffix. Ours are `dragoman_<noun>_<unit>`, and those of the programs that
//! Dragoman took over from keep their names. No id of a user or conversation is a label.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; its name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// What a metric counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds, as a duration or since 1970.
    Seconds,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// In Prometheus's form.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// Its HELP text.
    pub help: &'static str,
}

/// A constant for each name, and the table of all: `/// <help> <kind> <unit> <constant> = <name>;`.
macro_rules! metrics {
    ($(#[doc = $help:literal] $kind:ident $unit:ident $name:ident = $text:literal;)+) => {
        $(#[doc = $help] pub const $name: &str = $text;)+

        /// All metrics.
        pub const ALL: &[Metric] =
            &[$(Metric { name: $text, kind: Kind::$kind, unit: Unit::$unit, help: $help.trim_ascii() },)+];
    };
}

/// Metrics. `tests/support/verify/metrics.py` reads this table for dashboards and alerts.
pub mod metric {
    use super::{Kind, Metric, Unit};

    metrics! {
        // The public listener.
        /// Requests to the public listener, by method, route and status.
        Counter Count HTTP_REQUESTS = "http_requests_total";
        /// Time to answer a request to the public listener, by method and route.
        Histogram Seconds HTTP_REQUEST_DURATION = "http_request_duration_seconds";
        /// Requests to the public listener that are not answered yet.
        Gauge Count HTTP_REQUESTS_ACTIVE = "http_requests_active";
        /// Requests to the public listener, by status.
        Counter Count APP_REQUESTS = "app_requests_total";
        /// Time to answer a request to the public listener.
        Histogram Seconds APP_REQUEST_DURATION = "app_request_duration_seconds";
        /// Webhooks by channel, and what became of them.
        Counter Count WEBHOOKS = "webhooks_total";
        /// Updates that wait at the platform for a webhook of ours, by account.
        Gauge Count WEBHOOK_PENDING = "webhook_pending_updates";
        /// Messages that people sent, by channel.
        Counter Count MESSAGES_RECEIVED = "messages_received_total";
        /// Thumbs that people gave to answers, `up` or `down`; a changed one counts again.
        Counter Count FEEDBACK = "dragoman_feedback_total";

        // As the semantic conventions define them.
        /// Time to answer an HTTP request (http.server.request.duration).
        Histogram Seconds HTTP_SERVER_REQUEST_DURATION = "http_server_request_duration_seconds";
        /// Time until a backend answered an HTTP request (http.client.request.duration).
        Histogram Seconds HTTP_CLIENT_REQUEST_DURATION = "http_client_request_duration_seconds";
        /// Time to answer a call of a service of ours (rpc.server.call.duration).
        Histogram Seconds RPC_SERVER_CALL_DURATION = "rpc_server_call_duration_seconds";
        /// Time until a service of ours answered a call (rpc.client.call.duration).
        Histogram Seconds RPC_CLIENT_CALL_DURATION = "rpc_client_call_duration_seconds";
        /// Time of a statement, the wait for a connection included (db.client.operation.duration).
        Histogram Seconds DB_CLIENT_OPERATION_DURATION = "db_client_operation_duration_seconds";
        /// Time until a model answered (gen_ai.client.operation.duration).
        Histogram Seconds GEN_AI_CLIENT_OPERATION_DURATION = "gen_ai_client_operation_duration_seconds";
        /// Tokens of one question to a model and of its answer (gen_ai.client.token.usage).
        Histogram Count GEN_AI_CLIENT_TOKEN_USAGE = "gen_ai_client_token_usage";

        // Model and assistant.
        /// Messages that were answered, by who decided the answer: model or dialogue.
        Counter Count AI_CHAT_REQUESTS = "ai_chat_requests_total";
        /// Time from a message's acceptance to its answer, by who decided it: model or dialogue.
        Histogram Seconds AI_RESPONSE_DURATION = "ai_response_duration_seconds";
        /// Questions that the model left without an answer, by model and class of error.
        Counter Count AI_ERRORS = "ai_errors_total";
        /// Tokens of questions and answers, by model.
        Counter Count AI_TOKENS_USED = "ai_tokens_used_total";

        // Turns and the doorbell.
        /// Turns by how they ended.
        Counter Count TURNS = "dragoman_turns_total";
        /// Time from a message's acceptance to the commit of its answer.
        Histogram Seconds TURN_DURATION = "dragoman_turn_duration_seconds";
        /// Turns that were put off because something they need was away.
        Counter Count TURNS_POSTPONED = "dragoman_turns_postponed_total";
        /// Turns that panicked.
        Counter Count TURNS_PANICKED = "dragoman_turns_panicked_total";
        /// Conversations that have something to do and that nobody works on, by the database.
        Gauge Count BACKLOG_CONVERSATIONS = "dragoman_backlog_conversations";
        /// Bells that nobody has heard yet, as the autoscaler sees them.
        Gauge Count DOORBELL_LAG = "dragoman_doorbell_lag";
        /// Bells that were dropped; the sweeper rings for them.
        Counter Count BELLS_DROPPED = "dragoman_bells_dropped_total";
        /// Bells that the sweeper rang again.
        Counter Count SWEEPER_RINGS = "dragoman_sweeper_rings_total";
        /// Events for watchers that were dropped.
        Counter Count FEED_EVENTS_DROPPED = "dragoman_feed_events_dropped_total";
        /// 1 when Redis may forget bells: see its appendonly and maxmemory-policy.
        Gauge Count REDIS_SETTINGS_UNSAFE = "dragoman_redis_settings_unsafe";
        /// Conversations that this worker works on.
        Gauge Count WORKER_BUSY_CONVERSATIONS = "dragoman_worker_busy_conversations";
        /// Leases that this worker holds.
        Gauge Count WORKER_LEASES = "dragoman_worker_leases";
        /// Leases that another worker took over.
        Counter Count WORKER_LEASES_FENCED = "dragoman_worker_leases_fenced_total";
        /// Writes that were refused because another worker has the conversation.
        Counter Count WRITES_FENCED = "dragoman_writes_fenced_total";
        /// Bells whose conversation was busy or finished.
        Counter Count WORKER_CLAIMS_LOST = "dragoman_worker_claims_lost_total";
        /// Conversations with much to do that let others go first.
        Counter Count WORKER_YIELDS = "dragoman_worker_yields_total";

        // Backends and platforms.
        /// Calls of backends by document and end.
        Counter Count BACKEND_CALLS = "dragoman_backend_calls_total";
        /// Time of a call of a backend by document, its token included.
        Histogram Seconds BACKEND_CALL_DURATION = "dragoman_backend_call_duration_seconds";
        /// Calls that a worker had begun and left without a result.
        Counter Count CALLS_RESUMED = "dragoman_calls_resumed_total";
        /// Answers given to a platform, by channel and end.
        Counter Count OUTBOUND_SENDS = "dragoman_outbound_sends_total";
        /// Time to give an answer to a platform, by channel.
        Histogram Seconds SEND_DURATION = "dragoman_send_duration_seconds";
        /// Answers of which nobody knows whether they arrived, by channel.
        Counter Count OUTBOUND_UNKNOWN = "dragoman_outbound_unknown_total";
        /// Times that sending stopped for a while because a platform failed, by channel.
        Counter Count OUTBOUND_PAUSES = "dragoman_outbound_pauses_total";
        /// Answers that were held for an operator.
        Counter Count OUTBOUND_HELDS = "dragoman_outbound_held_total";
        /// Answers that wait for an operator.
        Gauge Count OUTBOUND_HELD = "dragoman_outbound_held";

        /// Messages that nobody asked for, by category and outcome: accepted or refused first, then sent, template or failed.
        Counter Count NOTIFICATIONS = "dragoman_notifications_total";

        // Embeddings.
        /// Looks into the cache of vectors, by result.
        Counter Count EMBEDDING_CACHE = "embedding_cache_total";
        /// Sentences that wanted a vector for their search, by result.
        Counter Count EMBEDDING_QUESTIONS = "embedding_questions_total";
        /// Requests to the embedding model, by purpose and result.
        Counter Count EMBEDDING_REQUESTS = "embedding_requests_total";
        /// Texts that the embedding model gave vectors for, by purpose.
        Counter Count EMBEDDING_TEXTS = "embedding_texts_total";
        /// Texts of operations that have no vector yet.
        Gauge Count EMBEDDING_PENDING_TEXTS = "embedding_pending_texts";
        /// When vectors are asked for again, in seconds since 1970; 0 when nothing waits.
        Gauge Seconds EMBEDDING_RESUMES_AT = "embedding_resumes_at_seconds";
        /// Calls that were refused because too many waited.
        Counter Count EMBEDDING_SERVICE_REFUSED = "embedding_service_refused_total";

        // Telemetry itself.
        /// Spans that a receiver did not take, by receiver.
        Counter Count SPANS_LOST = "dragoman_spans_lost_total";

        // The database and the console.
        /// Connections to the database that are in use.
        Gauge Count DB_CONNECTIONS_ACTIVE = "db_connections_active";
        /// Sign-ins at the console, by end.
        Counter Count CONSOLE_SIGN_INS = "dragoman_console_sign_ins_total";
        /// Requests to the console that were refused, by reason.
        Counter Count CONSOLE_REFUSED = "dragoman_console_refused_total";
    }
}

/// Spans: names that are no route or method, and every attribute that may leave the process.
pub mod span {
    /// Our own queues, as the messaging conventions call a system.
    pub const MESSAGING_SYSTEM: &str = "dragoman";
    /// What waits for an answer.
    pub const INBOX: &str = "inbox";
    /// What tells a worker where something waits.
    pub const BELLS: &str = "bells";
    /// Messages are stored; their trace context goes with them.
    pub const SEND_INBOX: &str = "send inbox";
    /// A worker has a conversation, for the bell that it heard.
    pub const PROCESS_BELLS: &str = "process bells";
    /// One turn: the answer to the messages that it is linked to.
    pub const PROCESS_INBOX: &str = "process inbox";
    /// The transaction that ends a turn.
    pub const COMMIT: &str = "commit turn";
    /// Marks the spans of model calls.
    pub const GEN_AI_OPERATION: &str = "gen_ai.operation.name";

    /// The attributes that are exported; any other field of a span stays in the log. None holds what a person wrote,
    /// an address of a person, or a secret. URLs are not among them: their paths and queries hold both.
    pub const ATTRIBUTES: &[&str] = &[
        "account",
        "attempt",
        "conversation.id",
        "epoch",
        "error.type",
        "gen_ai.conversation.id",
        GEN_AI_OPERATION,
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "messaging.batch.message_count",
        "messaging.destination.name",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
        "rpc.method",
        "rpc.status_code",
        "rpc.system.name",
        "seq",
        "server.address",
        "server.port",
        "texts",
        "url.template",
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn metrics_are_named_once_and_by_prometheuss_rules() {
        let names: BTreeSet<_> = metric::ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), metric::ALL.len());
        for Metric { name, kind, unit, help } in metric::ALL {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(*unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with(['.', ')']) && help.trim() == *help, "{name}: {help:?}");
        }
    }
}
