//! A server and a client of ours, against each other.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::Stream;
use proto::admin::v1::{
    ClearSwitchRequest, ClearSwitchResponse, DiscardDeadLetterRequest, DiscardDeadLetterResponse,
    ListDeadLettersRequest, ListDeadLettersResponse, ListSwitchesRequest, ListSwitchesResponse,
    ReplayDeadLetterRequest, ReplayDeadLetterResponse, SetSwitchRequest, SetSwitchResponse,
    admin_service_client::AdminServiceClient,
    admin_service_server::{AdminService, AdminServiceServer, SERVICE_NAME},
};
use service_kit::{
    Readiness,
    grpc::{AuthConfig, Caller, ClientConfig, GrpcConfig, GrpcServer, ServeError, StaticKey, channel, remaining},
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

type Seen = Arc<Mutex<Vec<(Caller, MetadataMap, Option<Duration>)>>>;

/// Records who calls; the page token says what to do.
#[derive(Clone, Default)]
struct Probe {
    seen: Seen,
    entered: Arc<Notify>,
}

#[tonic::async_trait]
impl AdminService for Probe {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let entry = (caller, request.metadata().clone(), remaining());
        self.seen.lock().expect("not poisoned").push(entry);
        self.entered.notify_one();
        match request.into_inner().page_token.as_str() {
            "hang" => std::future::pending().await,
            "panic" => panic!("as asked"),
            token => Ok(Response::new(ListDeadLettersResponse {
                dead_letters: Vec::new(),
                next_page_token: token.to_owned(),
            })),
        }
    }

    async fn replay_dead_letter(
        &self,
        _request: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        Ok(Response::new(ReplayDeadLetterResponse { seq: 1 }))
    }

    async fn discard_dead_letter(
        &self,
        _request: Request<DiscardDeadLetterRequest>,
    ) -> Result<Response<DiscardDeadLetterResponse>, Status> {
        Ok(Response::new(DiscardDeadLetterResponse {}))
    }

    async fn list_switches(
        &self,
        _request: Request<ListSwitchesRequest>,
    ) -> Result<Response<ListSwitchesResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn set_switch(&self, _request: Request<SetSwitchRequest>) -> Result<Response<SetSwitchResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn clear_switch(
        &self,
        _request: Request<ClearSwitchRequest>,
    ) -> Result<Response<ClearSwitchResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

struct Running {
    url: String,
    probe: Probe,
    readiness: Readiness,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

fn tenant() -> domain::Tenant {
    domain::Tenant::new("acme").expect("a name")
}

fn config() -> GrpcConfig {
    let key = |key: &str, services: &[&str]| StaticKey {
        key: Some(key.into()),
        sha256: None,
        tenant: tenant(),
        services: services.iter().map(|s| (*s).to_owned()).collect(),
    };
    GrpcConfig {
        keys: [("ops".to_owned(), key("right", &["admin"])), ("other".to_owned(), key("narrow", &["catalog"]))].into(),
        drain: Duration::from_millis(300),
        deadline_max: Duration::from_millis(500),
        ..GrpcConfig::default()
    }
}

async fn start(config: GrpcConfig, change: impl FnOnce(GrpcServer) -> GrpcServer) -> Running {
    service_kit::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (probe, readiness, shutdown) = (Probe::default(), Readiness::new("probe"), CancellationToken::new());
    let server =
        GrpcServer::new(&config).readiness(readiness.clone()).reflection(proto::DESCRIPTORS).services(&[SERVICE_NAME]);
    let routes = Routes::new(AdminServiceServer::new(probe.clone()));
    let served = tokio::spawn(change(server).serve(listener, routes, shutdown.clone()));
    Running { url, probe, readiness, shutdown, served }
}

fn client(url: &str, key: Option<&str>) -> AdminServiceClient<service_kit::grpc::Client> {
    let config = ClientConfig { api_key: key.map(Into::into), ..ClientConfig::new(url) };
    AdminServiceClient::new(channel(&config).expect("a client"))
}

fn list(token: &str) -> ListDeadLettersRequest {
    ListDeadLettersRequest { page_size: 0, page_token: token.to_owned() }
}

#[tokio::test]
async fn a_key_names_the_caller_and_what_it_may_call() {
    let running = start(config(), |server| server).await;
    client(&running.url, Some("right")).list_dead_letters(list("")).await.expect("allowed");
    let (caller, ..) = running.probe.seen.lock().expect("not poisoned")[0].clone();
    assert_eq!((caller.tenant, caller.name.as_str()), (tenant(), "ops"));
    for (key, code) in [
        (None, Code::Unauthenticated),
        (Some("wrong"), Code::Unauthenticated),
        (Some("narrow"), Code::PermissionDenied),
    ] {
        let status = client(&running.url, key).list_dead_letters(list("")).await.expect_err("refused");
        assert_eq!(status.code(), code, "{key:?}");
    }
    assert_eq!(running.probe.seen.lock().expect("not poisoned").len(), 1, "a refused call reaches no handler");
}

#[tokio::test]
async fn a_foreign_address_is_refused_although_its_key_is_right() {
    let running = start(config(), |server| server.allow_addresses(vec!["10.0.0.0/8".parse().expect("a net")])).await;
    let status = client(&running.url, Some("right")).list_dead_letters(list("")).await.expect_err("refused");
    assert_eq!(status.code(), Code::PermissionDenied);
    let running = start(config(), |server| server.allow_addresses(vec!["127.0.0.0/8".parse().expect("a net")])).await;
    client(&running.url, Some("right")).list_dead_letters(list("")).await.expect("allowed");
}

#[tokio::test]
async fn without_keys_a_server_is_for_loopback_only() {
    let off = GrpcConfig { auth: AuthConfig::Off { tenant: tenant() }, ..config() };
    let running = start(off.clone(), |server| server).await;
    client(&running.url, None).list_dead_letters(list("")).await.expect("loopback");
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let routes = Routes::new(AdminServiceServer::new(Probe::default()));
    let refused = GrpcServer::new(&off).serve(listener, routes, CancellationToken::new()).await;
    assert!(matches!(refused, Err(ServeError::OpenToAll(_))), "{refused:?}");
}

#[tokio::test]
async fn a_handler_that_hangs_ends_at_the_deadline_and_one_that_panics_is_an_internal_error() {
    let running = start(config(), |server| server).await;
    let mut client = client(&running.url, Some("right"));
    let status = client.list_dead_letters(list("hang")).await.expect_err("too long");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = client.list_dead_letters(list("panic")).await.expect_err("a panic");
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    client.list_dead_letters(list("")).await.expect("the server goes on");
}

#[tokio::test]
async fn a_call_carries_its_deadline() {
    let running = start(GrpcConfig { deadline_max: Duration::from_secs(60), ..config() }, |server| server).await;
    client(&running.url, Some("right")).list_dead_letters(list("")).await.expect("allowed");
    let (_, metadata, remaining) = running.probe.seen.lock().expect("not poisoned")[0].clone();
    assert_eq!(metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()), Some("10000m"));
    let remaining = remaining.expect("inside a call");
    assert!(remaining <= Duration::from_secs(10) && remaining > Duration::from_secs(5), "{remaining:?}");
}

#[tokio::test]
async fn health_follows_readiness_and_needs_no_key() {
    let running = start(config(), |server| server).await;
    let gate = running.readiness.register("database");
    let mut health = HealthClient::new(channel(&ClientConfig::new(&running.url)).expect("a client"));
    let request = HealthCheckRequest { service: SERVICE_NAME.to_owned() };
    let mut watch = health.watch(request).await.expect("a stream").into_inner();
    let mut next = async |wanted: ServingStatus| {
        while let Some(answer) = watch.message().await.expect("an answer") {
            if answer.status() == wanted {
                return;
            }
        }
        panic!("the stream ended before {wanted:?}");
    };
    next(ServingStatus::NotServing).await;
    gate.set(true);
    next(ServingStatus::Serving).await;
    running.shutdown.cancel();
    next(ServingStatus::NotServing).await;
}

#[tokio::test]
async fn an_open_stream_does_not_hold_the_exit() {
    let running = start(config(), |server| server).await;
    let mut health = HealthClient::new(channel(&ClientConfig::new(&running.url)).expect("a client"));
    let watch = health.watch(HealthCheckRequest::default()).await.expect("a stream").into_inner();
    running.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running.served).await;
    ended.expect("the drain has an end").expect("no panic").expect("no error");
    drop(watch);
}

#[tokio::test]
async fn a_running_call_is_finished_before_the_exit() {
    let running = start(GrpcConfig { drain: Duration::from_secs(5), ..config() }, |server| server).await;
    let mut client = client(&running.url, Some("right"));
    let call = tokio::spawn(async move { client.list_dead_letters(list("hang")).await });
    running.probe.entered.notified().await;
    running.shutdown.cancel();
    // It ends by its own deadline of 500 ms, not by the cut.
    let status = call.await.expect("no panic").expect_err("too long");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    running.served.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn reflection_lists_the_services_and_can_be_switched_off() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let ask = async |url: &str| -> Result<Vec<String>, Status> {
        let mut client = ServerReflectionClient::new(channel(&ClientConfig::new(url)).expect("a client"));
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let requests: Pin<Box<dyn Stream<Item = ServerReflectionRequest> + Send>> =
            Box::pin(futures::stream::iter([request]));
        let mut answers = client.server_reflection_info(requests).await?.into_inner();
        match answers.message().await?.and_then(|answer| answer.message_response) {
            Some(MessageResponse::ListServicesResponse(list)) => {
                Ok(list.service.into_iter().map(|service| service.name).collect())
            }
            other => panic!("{other:?}"),
        }
    };
    let running = start(config(), |server| server).await;
    let names = ask(&running.url).await.expect("reflection");
    assert!(names.iter().any(|name| name == SERVICE_NAME), "{names:?}");
    let running = start(GrpcConfig { reflection: false, ..config() }, |server| server).await;
    assert_eq!(ask(&running.url).await.expect_err("off").code(), Code::Unimplemented);
}
