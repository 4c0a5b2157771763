//! A receiver of OTLP that is strict: spans that OpenTelemetry's specification does not allow are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1 as wire,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::{Request, Response, Status};

/// Path of Langfuse's OTLP.
const LANGFUSE_PATH: &str = "/api/public/otel/v1/traces";

/// Path of OTLP over gRPC.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/{method}";

/// A span as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// `service.name` of its resource.
    pub service: String,
    /// In hex.
    pub trace: String,
    /// In hex.
    pub id: String,
    /// In hex; none for a root.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// `server`, `client`, `producer`, `consumer` or `internal`.
    pub kind: &'static str,
    /// Attributes; numbers as text.
    pub fields: BTreeMap<String, String>,
    /// Spans that it is linked to.
    pub links: Vec<String>,
    /// Its status is an error.
    pub failed: bool,
}

/// Takes spans over gRPC, and as protobuf over HTTP where Langfuse does, both on one port.
#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

struct Inner {
    url: String,
    authorization: String,
    seen: watch::Sender<Seen>,
    serving: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Seen {
    spans: Vec<Span>,
    problems: Vec<String>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Listens on a free port of the loopback for requests with this `authorization`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(authorization: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (seen, _) = watch::channel(Seen::default());
        let door = Door { seen: seen.clone(), authorization: authorization.to_owned() };
        let app = axum::Router::new()
            .route_service(GRPC_PATH, TraceServiceServer::new(door.clone()))
            .route(LANGFUSE_PATH, post(by_http))
            .with_state(door);
        let serving = tokio::spawn(async move {
            // It ends with the runtime.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self(Arc::new(Inner { url, authorization: authorization.to_owned(), seen, serving })))
    }

    /// `http://address:port`.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// What requests have to carry.
    pub fn authorization(&self) -> &str {
        &self.0.authorization
    }

    /// Waits until the spans that came fulfil a condition; gives them.
    ///
    /// # Errors
    /// What came, when patience is over.
    pub async fn wait_for(
        &self,
        patience: Duration,
        condition: impl Fn(&[Span]) -> bool,
    ) -> Result<Vec<Span>, Vec<Span>> {
        let mut seen = self.0.seen.subscribe();
        let fulfilled = tokio::time::timeout(patience, seen.wait_for(|seen| condition(&seen.spans)));
        match fulfilled.await {
            Ok(Ok(seen)) => Ok(seen.spans.clone()),
            Ok(Err(_)) | Err(_) => Err(self.spans()),
        }
    }

    /// What came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.0.seen.borrow().spans.clone()
    }

    /// What was wrong with what came; empty is right.
    pub fn problems(&self) -> Vec<String> {
        self.0.seen.borrow().problems.clone()
    }
}

#[derive(Clone)]
struct Door {
    seen: watch::Sender<Seen>,
    authorization: String,
}

impl Door {
    fn take(&self, request: ExportTraceServiceRequest) {
        self.seen.send_modify(|seen| seen.add(request));
    }

    fn complain(&self, problem: &str) {
        self.seen.send_modify(|seen| seen.problems.push(problem.to_owned()));
    }
}

#[tonic::async_trait]
impl TraceService for Door {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if given != Some(self.authorization.as_str()) {
            self.complain("a call has the wrong authorization");
            return Err(Status::unauthenticated("wrong authorization"));
        }
        self.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn by_http(State(door): State<Door>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if header("authorization") != Some(door.authorization.as_str()) {
        door.complain("a request has the wrong authorization");
        return (StatusCode::UNAUTHORIZED, Vec::new());
    }
    if header(CONTENT_TYPE.as_str()) != Some("application/x-protobuf") {
        door.complain("a request has the wrong content type");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, Vec::new());
    }
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            door.take(request);
            (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
        }
        Err(error) => {
            door.complain(&format!("a body cannot be read: {error}"));
            (StatusCode::BAD_REQUEST, Vec::new())
        }
    }
}

impl Seen {
    fn add(&mut self, request: ExportTraceServiceRequest) {
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap_or_default();
            let resource = fields(&resource.attributes, &mut self.problems);
            let service = resource.get("service.name").cloned().unwrap_or_default();
            if service.is_empty() || service.starts_with("unknown_service") {
                self.problems.push("a resource has no service.name".to_owned());
            }
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.span(&service, span);
            }
        }
    }

    fn span(&mut self, service: &str, span: wire::Span) {
        let mut wrong = BTreeSet::new();
        let mut check = |holds: bool, what: &'static str| {
            if !holds {
                wrong.insert(what);
            }
        };
        let is_id = |id: &[u8], length: usize| id.len() == length && id.iter().any(|byte| *byte != 0);
        check(is_id(&span.trace_id, 16), "its trace id is none");
        check(is_id(&span.span_id, 8), "its id is none");
        check(span.parent_span_id.is_empty() || is_id(&span.parent_span_id, 8), "its parent's id is none");
        check(span.parent_span_id != span.span_id, "it is its own parent");
        check(!span.name.is_empty(), "it has no name");
        check(span.start_time_unix_nano > 0, "it has no beginning");
        check(span.end_time_unix_nano >= span.start_time_unix_nano, "it ends before it begins");
        check(span.dropped_attributes_count == 0, "attributes were dropped");
        check(span.events.is_empty(), "it carries lines of the log");
        let kind = match span.kind() {
            wire::span::SpanKind::Server => "server",
            wire::span::SpanKind::Client => "client",
            wire::span::SpanKind::Producer => "producer",
            wire::span::SpanKind::Consumer => "consumer",
            wire::span::SpanKind::Internal => "internal",
            wire::span::SpanKind::Unspecified => "unspecified",
        };
        check(kind != "unspecified", "it has no kind");
        let id = hex(&span.span_id);
        check(self.spans.iter().all(|known| known.id != id), "it came twice");
        for link in &span.links {
            check(is_id(&link.trace_id, 16) && is_id(&link.span_id, 8), "a link names no span");
        }
        for what in wrong {
            self.problems.push(format!("{service}: {:?}: {what}", span.name));
        }
        self.spans.push(Span {
            service: service.to_owned(),
            trace: hex(&span.trace_id),
            id,
            parent: Some(hex(&span.parent_span_id)).filter(|parent| !parent.is_empty()),
            name: span.name,
            kind,
            fields: fields(&span.attributes, &mut self.problems),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            failed: span.status.is_some_and(|status| status.code() == wire::status::StatusCode::Error),
        });
    }
}

fn fields(pairs: &[KeyValue], problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for pair in pairs {
        let value = match pair.value.as_ref().and_then(|AnyValue { value }| value.as_ref()) {
            Some(any_value::Value::StringValue(text)) => text.clone(),
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            Some(any_value::Value::DoubleValue(number)) => number.to_string(),
            Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
            other => format!("{other:?}"),
        };
        if fields.insert(pair.key.clone(), value).is_some() {
            problems.push(format!("the attribute {} is there twice", pair.key));
        }
    }
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
