//! Logs, metrics and trace context.
//!
//! Logs go to stderr as JSON or text; metrics are read from `/metrics`; spans carry W3C trace context from webhook to
//! reply, through gRPC metadata, the message in the inbox and the field of a bell. Spans are exported by OTLP where a
//! receiver is configured; without one they give ids, which log lines carry.

mod export;
mod fields;
mod otlp;

use std::{
    collections::HashMap,
    io::{IsTerminal as _, stderr},
    sync::OnceLock,
    time::Duration,
};

use domain::telemetry::{Kind, Metric, Unit, metric, span};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tracing::{Level, Metadata, Span, field, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, FilterFn, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use export::{LangfuseConfig, OtlpConfig, OtlpProtocol};

use crate::config::{Problems, Validate};

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Seconds; from a cache hit to a slow model.
const BUCKETS_SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// As the semantic conventions advise for `gen_ai.client.token.usage`.
const BUCKETS_TOKENS: [f64; 11] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// How often histograms are folded together, so that they do not grow between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// At the end, each receiver gets so long for the spans that still wait.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Least level that is logged, or directives such as `info,store=debug`.
    pub level: String,
    /// Form of a log line.
    pub format: LogFormat,
    /// Where spans go.
    pub otlp: OtlpConfig,
    /// Where the spans of turns and model calls go as well.
    pub langfuse: LangfuseConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::default(),
            otlp: OtlpConfig::default(),
            langfuse: LangfuseConfig::default(),
        }
    }
}

impl Validate for TelemetryConfig {
    /// `EnvFilter` takes a bare word that is no level for a target, and then silences everything else.
    fn validate(&self, problems: &mut Problems) {
        let is_level = |part: &str| LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level));
        let directives = self.directives();
        let known = directives.split(',').all(|part| part.contains('=') || is_level(part));
        if !known || EnvFilter::try_new(&directives).is_err() {
            problems.add(
                "level",
                format!("must be one of {}, or directives such as `info,store=debug`", LEVELS.join(", ")),
            );
        }
        problems.within("otlp", |problems| self.otlp.validate(problems));
        problems.within("langfuse", |problems| self.langfuse.validate(problems));
    }
}

impl TelemetryConfig {
    /// The directives as `EnvFilter` reads them: it takes a blank for a part of a target's name.
    fn directives(&self) -> String {
        let parts: Vec<&str> = self.level.split(',').map(str::trim).collect();
        parts.join(",")
    }
}

/// Names of the levels, from silence to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What was installed; ended by [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    upkeep: JoinHandle<()>,
}

/// Installs log subscriber, tracer and metrics recorder. Whatever the log level, spans are made: they carry the trace
/// from service to service, and their ids are in the log lines. A receiver that cannot be set up is told in the log
/// and left out. The first call of a process wins; later ones (several
/// services in one process) change nothing. Call it inside the runtime.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Telemetry {
    let (provider, failed) = export::provider(service, &config.otlp, &config.langfuse);
    let tracer = provider.tracer(service);
    let (filter, bad) = match EnvFilter::try_new(config.directives()) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let lines = match config.format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .fmt_fields(fields::SpanFields)
            .with_writer(stderr)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(stderr().is_terminal())
            .with_writer(stderr)
            .boxed(),
    };
    let exported = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Contexts are asked of spans; OpenTelemetry's own stack of them costs at each poll.
        .with_context_activation(false)
        .with_filter(spans());
    // A line that is logged names its spans, at whatever level lines are logged.
    let lines = lines.with_filter(filter.or(spans()));
    let installed = tracing_subscriber::registry().with(lines).with(exported).try_init().is_ok();
    if let (true, Some(error)) = (installed, bad) {
        tracing::warn!(level = %config.level, %error, "the log level is not understood; using info");
    }
    for error in failed {
        tracing::error!(error = &error as &dyn std::error::Error, "spans are not exported: see [telemetry]");
    }
    let handle = metrics_handle();
    let upkeep = tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            handle.run_upkeep();
        }
    });
    Telemetry { provider, upkeep }
}

/// Spans of ours and of the level that we make them with; no events: log lines do not leave with the spans.
fn spans() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    fn ours(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && *metadata.level() <= Level::INFO
    }
    filter_fn(ours as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

impl Telemetry {
    /// Hands over the spans that wait, within a few seconds, and ends.
    pub async fn shutdown(self) {
        self.upkeep.abort();
        let provider = self.provider;
        // It blocks while the receivers take what is left.
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_MAX));
        match tokio::time::timeout(FLUSH_MAX * 3, flushed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::debug!(%error, "not all spans were handed over"),
            Ok(Err(_)) | Err(_) => tracing::debug!("not all spans were handed over in time"),
        }
    }
}

/// All metrics in Prometheus's text form.
pub fn render_metrics() -> String {
    metrics_handle().render()
}

fn metrics_handle() -> PrometheusHandle {
    METRICS
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS_SECONDS)
                .and_then(|builder| {
                    let tokens = Matcher::Full(metric::GEN_AI_CLIENT_TOKEN_USAGE.to_owned());
                    builder.set_buckets_for_metric(tokens, &BUCKETS_TOKENS)
                })
                .unwrap_or_else(|_| PrometheusBuilder::new())
                .build_recorder();
            let handle = recorder.handle();
            // An error means that the process brought its own recorder: then ours stays empty.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

/// Gives every metric its HELP text.
fn describe() {
    for Metric { name, kind, unit, help } in metric::ALL {
        let unit = match unit {
            Unit::Count => metrics::Unit::Count,
            Unit::Seconds => metrics::Unit::Seconds,
        };
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, unit, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, unit, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, unit, *help),
        }
    }
}

/// W3C `traceparent` of the current span; none outside a sampled trace.
pub fn traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// W3C `traceparent` of `span`.
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove("traceparent")
}

/// Makes `span` a child of the span that `traceparent` names; an unreadable one is ignored. Call it before the span
/// is entered. A span with an empty field `trace_id` gets it filled.
pub fn set_parent(span: &Span, traceparent: &str) {
    if let Some(context) = read(traceparent) {
        // An error means that no tracer is installed: nothing to connect then.
        let _ = span.set_parent(context);
    }
    record_trace_id(span);
}

/// The span in which messages are put into the inbox; its [`traceparent_of`] goes with them.
pub fn send_inbox(messages: usize) -> Span {
    let span = tracing::info_span!("send_inbox", otel.name = span::SEND_INBOX, otel.kind = "producer");
    set_messaging(&span, span::MESSAGING_SYSTEM, "send", span::INBOX);
    set(&span, "messaging.batch.message_count", i64::try_from(messages).unwrap_or(i64::MAX));
    span
}

/// Gives `span` the attributes of an operation (`send`, `process`) on a destination.
pub fn set_messaging(span: &Span, system: &str, operation: &'static str, destination: &str) {
    set(span, "messaging.system", system.to_owned());
    set(span, "messaging.operation.name", operation);
    set(span, "messaging.operation.type", operation);
    set(span, "messaging.destination.name", destination.to_owned());
}

/// Gives `span` an attribute that no log line of it needs.
pub fn set(span: &Span, name: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(name, value);
}

/// Links `span` to the span that `traceparent` names; an unreadable one is ignored.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(context) = read(traceparent) {
        span.add_link(context.span().span_context().clone());
    }
}

/// Fills the field `trace_id` of `span`, so that log lines carry it.
pub fn record_trace_id(span: &Span) {
    let context = span.context();
    let id = context.span().span_context().trace_id();
    if id != opentelemetry::trace::TraceId::INVALID {
        span.record("trace_id", field::display(id));
    }
}

fn read(traceparent: &str) -> Option<Context> {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.span().span_context().is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_through_a_text_and_back() {
        let provider = SdkTracerProvider::builder().build();
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
        tracing::subscriber::with_default(subscriber, || {
            let first = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            let span = tracing::info_span!("turn", trace_id = field::Empty);
            set_parent(&span, first);
            let next = traceparent_of(&span).expect("a trace");
            assert_eq!(next[..36], first[..36], "same trace");
            assert_ne!(next, first, "another span");
            assert_eq!(span.in_scope(traceparent), Some(next));
            let other = tracing::info_span!("turn");
            set_parent(&other, "nonsense");
            assert_ne!(traceparent_of(&other).expect("a trace of its own")[..36], first[..36]);
        });
        assert_eq!(traceparent(), None, "no subscriber, no trace");
    }

    #[test]
    fn a_level_is_a_known_name_or_belongs_to_a_target() {
        let check = |level: &str, valid: bool| {
            let mut problems = Problems::default();
            TelemetryConfig { level: level.to_owned(), ..TelemetryConfig::default() }.validate(&mut problems);
            assert_eq!(problems.is_empty(), valid, "{level:?}: {problems:?}");
        };
        for level in ["off", "error", "warn", "INFO", "debug", "trace", "info,store=debug", "info, store=debug"] {
            check(level, true);
        }
        for level in ["verbose", "", "info,", "info,store", "store=loud", "in fo"] {
            check(level, false);
        }
    }

    #[test]
    fn metrics_are_rendered_with_buckets_and_help() {
        render_metrics();
        metrics::histogram!(metric::TURN_DURATION).record(0.2);
        let text = render_metrics();
        assert!(text.contains("dragoman_turn_duration_seconds_bucket{le=\"0.25\"} 1"), "{text}");
        assert!(text.contains("# HELP dragoman_turn_duration_seconds Time from"), "{text}");
    }
}
