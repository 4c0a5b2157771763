//! Spans on their way to OTLP receivers: which of them go, and with which of their fields.
//!
//! Off until a receiver is configured: then nothing is queued. A queue holds 2,048 spans and drops what does not fit
//! (`OTEL_BSP_*` change its sizes); a receiver that is away is tried again within the timeout of a batch, then the
//! batch is dropped, counted and told in the log once a minute. No log line becomes part of a span.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::Engine as _;
use domain::telemetry::{metric, span};
use opentelemetry::{KeyValue, trace::Status};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope},
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanEvents, SpanExporter},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::runtime::Handle;
use url::Url;

use super::otlp::{Receiver, ReceiverError};
use crate::config::{Problems, Validate};

/// A receiver that fails is told about so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Path that OTLP over HTTP has below the base URL.
const TRACES_PATH: &str = "/v1/traces";
/// Langfuse's base URL for OTLP.
const LANGFUSE_PATH: &str = "/api/public/otel";

/// `[telemetry.otlp]`: where spans go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// Base URL of the receiver; empty for none.
    pub endpoint: String,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Sent with each request: keys, mostly.
    pub headers: BTreeMap<String, SecretString>,
    /// Longest time for one batch, with its repetitions.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// PEM file of the authority behind an `https` receiver; over HTTP it adds to those of the system.
    pub certificate: PathBuf,
    /// Share of the traces that begin here and are exported, from 0 to 1. A trace that comes with a request follows
    /// what its caller decided.
    pub sample_ratio: f64,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            protocol: OtlpProtocol::default(),
            headers: BTreeMap::new(),
            timeout: Duration::from_secs(10),
            certificate: PathBuf::new(),
            sample_ratio: 1.0,
        }
    }
}

/// Form of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OtlpProtocol {
    /// gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// `[telemetry.langfuse]`: where the spans of turns and of model calls go as well, once both keys are there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LangfuseConfig {
    /// Base URL.
    pub host: String,
    /// User of the Basic auth.
    pub public_key: String,
    /// Its password.
    pub secret_key: SecretString,
}

impl Default for LangfuseConfig {
    fn default() -> Self {
        Self {
            host: "https://cloud.langfuse.com".to_owned(),
            public_key: String::new(),
            secret_key: SecretString::from(""),
        }
    }
}

impl Validate for OtlpConfig {
    fn validate(&self, problems: &mut Problems) {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            problems.add("sample_ratio", "must be from 0 to 1");
        }
        if self.timeout.is_zero() {
            problems.add("timeout", "must be more than 0s");
        }
        if self.endpoint.is_empty() {
            return;
        }
        match web_url(&self.endpoint) {
            None => problems.add("endpoint", "must be a URL such as http://collector:4317"),
            Some(url) => {
                let unchecked = url.scheme() == "https" && self.certificate.as_os_str().is_empty();
                if unchecked && self.protocol == OtlpProtocol::Grpc {
                    problems.add("certificate", "https over gRPC needs the PEM file of the receiver's authority here");
                }
            }
        }
        if let Err(name) = self.header_map() {
            problems.add("headers", format!("`{name}` cannot be sent as a header"));
        }
    }
}

impl Validate for LangfuseConfig {
    fn validate(&self, problems: &mut Problems) {
        if self.public_key.is_empty() != self.secret_key.expose_secret().is_empty() {
            problems.add("", "public_key and secret_key belong together");
        }
        if self.is_on() && web_url(&self.host).is_none() {
            problems.add("host", "must be a URL such as https://cloud.langfuse.com");
        }
    }
}

impl OtlpConfig {
    /// The headers, or the name of the first that cannot be sent.
    fn header_map(&self) -> Result<http::HeaderMap, String> {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = name.parse::<http::HeaderName>().ok().zip(value.expose_secret().parse().ok());
            let (key, mut value): (_, http::HeaderValue) = parsed.ok_or_else(|| name.clone())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    fn receiver(&self) -> Result<Receiver, ReceiverError> {
        let headers = self.header_map().map_err(ReceiverError::Header)?;
        let certificate = Some(self.certificate.as_path()).filter(|path| !path.as_os_str().is_empty());
        match self.protocol {
            OtlpProtocol::Grpc => Receiver::grpc(&self.endpoint, headers, certificate, self.timeout),
            OtlpProtocol::HttpProtobuf => {
                Receiver::http(&traces_url(&self.endpoint), headers, certificate, self.timeout)
            }
        }
    }
}

impl LangfuseConfig {
    fn is_on(&self) -> bool {
        !self.public_key.is_empty() && !self.secret_key.expose_secret().is_empty()
    }

    fn receiver(&self, timeout: Duration) -> Result<Receiver, ReceiverError> {
        let pair = format!("{}:{}", self.public_key, self.secret_key.expose_secret());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let mut value =
            http::HeaderValue::try_from(basic).map_err(|_| ReceiverError::Header("authorization".to_owned()))?;
        value.set_sensitive(true);
        let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let base = format!("{}{LANGFUSE_PATH}", self.host.trim_end_matches('/'));
        Receiver::http(&traces_url(&base), headers, None, timeout)
    }
}

fn web_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The URL that batches are posted to; a base URL gets the path that the protocol defines.
fn traces_url(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(TRACES_PATH) { base.to_owned() } else { format!("{base}{TRACES_PATH}") }
}

/// A provider with an exporter for each configured receiver, and what could not be set up. Inside the runtime.
pub(super) fn provider(
    service: &'static str,
    otlp: &OtlpConfig,
    langfuse: &LangfuseConfig,
) -> (SdkTracerProvider, Vec<ReceiverError>) {
    // `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win over what we are called.
    let named = std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
    let mut resource = Resource::builder();
    if !named {
        resource = resource.with_service_name(service);
    }
    let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
    let mut provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample_ratio))))
        .with_resource(resource);
    let mut failed = Vec::new();
    let mut add = |mut provider: opentelemetry_sdk::trace::TracerProviderBuilder, made, name, wanted| {
        match made {
            Ok(receiver) => {
                provider = provider
                    .with_span_processor(BatchSpanProcessor::builder(Exporter::new(name, receiver, wanted)).build());
            }
            Err(error) => failed.push(error),
        }
        provider
    };
    if !otlp.endpoint.is_empty() {
        provider = add(provider, otlp.receiver(), "otlp", everything as Wanted);
    }
    if langfuse.is_on() {
        provider = add(provider, langfuse.receiver(otlp.timeout), "langfuse", about_models as Wanted);
    }
    (provider.build(), failed)
}

type Wanted = fn(&SpanData) -> bool;

fn everything(_span: &SpanData) -> bool {
    true
}

/// Calls of models, and the turns that they belong to.
fn about_models(data: &SpanData) -> bool {
    data.name == span::PROCESS_INBOX || data.attributes.iter().any(|field| field.key.as_str() == span::GEN_AI_OPERATION)
}

/// Leaves a span what the table of fields allows: nothing that somebody wrote, and no line of the log.
fn allowed(mut data: SpanData) -> SpanData {
    data.attributes.retain(|field| span::ATTRIBUTES.contains(&field.key.as_str()));
    data.events = SpanEvents::default();
    if matches!(data.status, Status::Error { .. }) {
        data.status = Status::error("");
    }
    data
}

/// Hands batches to one receiver.
struct Exporter {
    name: &'static str,
    receiver: Arc<Receiver>,
    wanted: Wanted,
    runtime: Handle,
    resource: ResourceAttributesWithSchema,
    told_at: Mutex<Option<Instant>>,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Exporter {
    fn new(name: &'static str, receiver: Receiver, wanted: Wanted) -> Self {
        Self {
            name,
            receiver: Arc::new(receiver),
            wanted,
            runtime: Handle::current(),
            resource: ResourceAttributesWithSchema::default(),
            told_at: Mutex::new(None),
        }
    }

    /// Counts spans that were lost, and says so once a minute.
    fn lost(&self, spans: u64, reason: &str) {
        metrics::counter!(metric::SPANS_LOST, "receiver" => self.name).increment(spans);
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            *told_at = Some(Instant::now());
            let (receiver, every_s) = (self.name, TOLD_EVERY.as_secs());
            tracing::warn!(receiver, spans, reason, every_s, "spans were not delivered; see [telemetry.{receiver}]");
        }
    }
}

impl SpanExporter for Exporter {
    /// Called on the thread of the queue, which has no runtime: the request runs on ours.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans: Vec<SpanData> = batch.into_iter().filter(self.wanted).map(allowed).collect();
        if spans.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let receiver = Arc::clone(&self.receiver);
        let delivery = async move { receiver.deliver(ExportTraceServiceRequest { resource_spans }).await };
        match self.runtime.spawn(delivery).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(refused)) => {
                self.lost(refused, "the receiver refused them");
                Ok(())
            }
            Ok(Err(reason)) => {
                self.lost(count, &reason);
                Err(OTelSdkError::InternalFailure(reason))
            }
            Err(ended) => Err(OTelSdkError::InternalFailure(ended.to_string())),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(otlp: OtlpConfig) -> String {
        let mut problems = Problems::default();
        otlp.validate(&mut problems);
        format!("{problems:?}")
    }

    #[test]
    fn a_receiver_is_a_url_and_https_over_grpc_names_its_authority() {
        let at = |endpoint: &str| OtlpConfig { endpoint: endpoint.to_owned(), ..OtlpConfig::default() };
        for good in ["", "http://collector:4317", "http://127.0.0.1:4317/"] {
            assert!(!problems(at(good)).contains("otlp") && !problems(at(good)).contains("must"), "{good}");
        }
        for bad in ["collector:4317", "ftp://collector", "http://"] {
            assert!(problems(at(bad)).contains("must be a URL"), "{bad}");
        }
        assert!(problems(at("https://collector:4317")).contains("PEM"));
        let by_http = OtlpConfig { protocol: OtlpProtocol::HttpProtobuf, ..at("https://collector:4318") };
        assert!(!problems(by_http).contains("PEM"));
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert!(problems(OtlpConfig { sample_ratio: ratio, ..OtlpConfig::default() }).contains("from 0 to 1"));
        }
        let headers = BTreeMap::from([("not a name".to_owned(), SecretString::from("x"))]);
        assert!(problems(OtlpConfig { headers, ..at("http://collector:4317") }).contains("not a name"));
    }

    #[test]
    fn langfuse_is_on_with_both_keys_alone() {
        let keys = |public: &str, secret: &str| LangfuseConfig {
            public_key: public.to_owned(),
            secret_key: SecretString::from(secret),
            ..LangfuseConfig::default()
        };
        for (config, on, valid) in [
            (keys("", ""), false, true),
            (keys("p", ""), false, false),
            (keys("", "s"), false, false),
            (keys("p", "s"), true, true),
        ] {
            let mut problems = Problems::default();
            config.validate(&mut problems);
            assert_eq!((config.is_on(), problems.is_empty()), (on, valid), "{config:?}");
        }
    }

    #[test]
    fn a_base_url_gets_the_path_of_traces_once() {
        for base in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(traces_url(base), "http://c:4318/v1/traces");
        }
    }
}
