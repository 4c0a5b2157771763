//! Delivers batches of spans by OTLP, over gRPC or as protobuf over HTTP.

use std::{io, path::Path, time::Duration};

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, trace_service_client::TraceServiceClient,
};
use prost::Message as _;
use rand::RngExt as _;
use tokio::time::Instant;
use tonic::{
    Code,
    metadata::MetadataMap,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

/// Pause before the second try; doubled each time, with jitter.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Answers are read up to here; an honest one has a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A receiver that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiverError {
    /// A header has characters that cannot be sent.
    #[error("the header {0} cannot be sent")]
    Header(String),
    /// The certificate cannot be read.
    #[error("cannot read the certificate")]
    Pem(#[source] io::Error),
    /// The URL cannot be called.
    #[error("the endpoint cannot be called")]
    Endpoint(#[source] tonic::transport::Error),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// One receiver of spans.
pub(super) struct Receiver {
    transport: Transport,
    timeout: Duration,
}

enum Transport {
    Grpc { client: TraceServiceClient<Channel>, headers: HeaderMap },
    Http { client: reqwest::Client, url: String, headers: HeaderMap },
}

/// A try that failed.
struct Failed {
    reason: String,
    again: bool,
}

impl Receiver {
    /// Over gRPC; connects at the first batch. Inside the runtime.
    pub fn grpc(
        endpoint: &str,
        headers: HeaderMap,
        certificate: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, ReceiverError> {
        let mut endpoint = Endpoint::from_shared(endpoint.to_owned()).map_err(ReceiverError::Endpoint)?;
        if let Some(path) = certificate {
            let pem = std::fs::read(path).map_err(ReceiverError::Pem)?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).map_err(ReceiverError::Endpoint)?;
        }
        let client = TraceServiceClient::new(endpoint.connect_timeout(timeout).connect_lazy());
        Ok(Self { transport: Transport::Grpc { client, headers }, timeout })
    }

    /// As protobuf posted to `url`.
    pub fn http(
        url: &str,
        headers: HeaderMap,
        certificate: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, ReceiverError> {
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = certificate {
            let pem = std::fs::read(path).map_err(ReceiverError::Pem)?;
            client = client.add_root_certificate(reqwest::Certificate::from_pem(&pem).map_err(ReceiverError::Client)?);
        }
        let client = client.build().map_err(ReceiverError::Client)?;
        Ok(Self { transport: Transport::Http { client, url: url.to_owned(), headers }, timeout })
    }

    /// Delivers a batch, again and again within the timeout where that may help; gives how many spans were refused.
    ///
    /// # Errors
    /// Why the batch was not taken.
    pub async fn deliver(&self, batch: ExportTraceServiceRequest) -> Result<u64, String> {
        let ends = Instant::now() + self.timeout;
        let mut pause = RETRY_PAUSE;
        loop {
            let failed = match tokio::time::timeout_at(ends, self.send(&batch)).await {
                Ok(Ok(answer)) => return Ok(refused(&answer)),
                Ok(Err(failed)) => failed,
                Err(_elapsed) => return Err(format!("no answer within {:?}", self.timeout)),
            };
            if !failed.again || Instant::now() + pause >= ends {
                return Err(failed.reason);
            }
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause *= 2;
        }
    }

    async fn send(&self, batch: &ExportTraceServiceRequest) -> Result<ExportTraceServiceResponse, Failed> {
        match &self.transport {
            Transport::Grpc { client, headers } => {
                let mut request = tonic::Request::new(batch.clone());
                *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
                let answer = client.clone().export(request).await.map_err(|status| Failed {
                    again: matches!(
                        status.code(),
                        Code::Unavailable
                            | Code::Cancelled
                            | Code::DeadlineExceeded
                            | Code::Aborted
                            | Code::OutOfRange
                            | Code::DataLoss
                    ),
                    reason: format!("{:?}: {}", status.code(), status.message()),
                })?;
                Ok(answer.into_inner())
            }
            Transport::Http { client, url, headers } => {
                let away = |error: reqwest::Error| Failed { reason: cause(&error), again: true };
                let request = client
                    .post(url)
                    .headers(headers.clone())
                    .header(http::header::CONTENT_TYPE, "application/x-protobuf")
                    .body(batch.encode_to_vec());
                let mut response = request.send().await.map_err(away)?;
                let status = response.status().as_u16();
                if !response.status().is_success() {
                    return Err(Failed {
                        reason: format!("status {status}"),
                        again: matches!(status, 429 | 502..=504),
                    });
                }
                let mut answer = Vec::new();
                while let Some(chunk) = response.chunk().await.map_err(away)? {
                    if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                        break;
                    }
                    answer.extend_from_slice(&chunk);
                }
                // A success that cannot be read is one.
                Ok(ExportTraceServiceResponse::decode(answer.as_slice()).unwrap_or_default())
            }
        }
    }
}

fn refused(answer: &ExportTraceServiceResponse) -> u64 {
    answer.partial_success.as_ref().map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

/// The innermost cause: the outer ones name the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receiver_that_is_away_or_refuses_costs_no_more_than_the_timeout_and_says_why() {
        crate::install_crypto();
        let limit = Duration::from_millis(200); // less than the first pause: one try
        let batch = ExportTraceServiceRequest::default;
        let away = Receiver::grpc("http://127.0.0.1:1", HeaderMap::new(), None, limit).expect("a client");
        let reason = away.deliver(batch()).await.expect_err("nobody listens");
        assert!(reason.starts_with("Unavailable"), "{reason}");
        let strict = testkit::otlp::Receiver::start("Bearer right").await.expect("a port");
        let wrong = HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer wrong".parse().expect("a header"))]);
        let patient = Duration::from_secs(60); // a refusal is not tried again
        let refused = Receiver::grpc(strict.url(), wrong, None, patient).expect("a client");
        let reason = refused.deliver(batch()).await.expect_err("it is refused");
        assert!(reason.starts_with("Unauthenticated"), "{reason}");
        let url = format!("{}/elsewhere", strict.url());
        let lost = Receiver::http(&url, HeaderMap::new(), None, patient).expect("a client");
        assert_eq!(lost.deliver(batch()).await, Err("status 404".to_owned()));
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let hangs = Receiver::http(&url, HeaderMap::new(), None, limit).expect("a client");
        assert_eq!(hangs.deliver(batch()).await, Err("no answer within 200ms".to_owned()));
    }
}
