//! Each service as an operator meets it: probes, health, reflection, keys.

use std::net::SocketAddr;

use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    process::get_status,
    world::{Deployment, KEY, World},
};

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).expect("a URL").connect().await.expect("it listens")
}

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {KEY}").parse().expect("a header"));
    request
}

async fn listed(address: SocketAddr) -> Vec<String> {
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let request = with_key(tokio_stream::once(ask));
    let mut client = ServerReflectionClient::new(channel(address).await);
    let mut answers = client.server_reflection_info(request).await.expect("reflection").into_inner();
    match answers.message().await.expect("an answer").and_then(|answer| answer.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => list.service.into_iter().map(|s| s.name).collect(),
        other => panic!("no list: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_grpc_service_lists_itself_and_says_its_health() {
    let world = World::start(Deployment::Cluster).await;
    let own: [&[&str]; 3] = [
        &[
            "dragoman.catalog.v1.CatalogService",
            "dragoman.embedding.v1.EmbeddingService",
            "dragoman.embedding.v1.VectorService",
        ],
        &["dragoman.conversation.v1.ConversationService"],
        &["dragoman.admin.v1.AdminService"],
    ];
    for (address, own) in world.grpc.expect("a cluster").into_iter().zip(own) {
        let listed = listed(address).await;
        let mut health = HealthClient::new(channel(address).await);
        for name in own.iter().copied().chain([""]) {
            assert!(name.is_empty() || listed.iter().any(|known| known == name), "{name} in {listed:?}");
            let answer = health.check(HealthCheckRequest { service: name.to_owned() }).await.expect("no key is needed");
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_its_key_is_refused() {
    use proto::conversation::v1::{ListConversationsRequest, conversation_service_client::ConversationServiceClient};
    let world = World::start(Deployment::Cluster).await;
    let [_, conversation, _] = world.grpc.expect("a cluster");
    let mut client = ConversationServiceClient::new(channel(conversation).await);
    let refused = client.list_conversations(ListConversationsRequest::default()).await.expect_err("no key");
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    client.list_conversations(with_key(ListConversationsRequest::default())).await.expect("with its key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_tells_ready_from_gone() {
    for deployment in [Deployment::One, Deployment::Cluster] {
        let mut world = World::start(deployment).await;
        for name in world.names() {
            let healthcheck = |world: &World| world.command(name).arg("healthcheck").status().expect("it runs").code();
            assert_eq!(healthcheck(&world), Some(0), "{name}");
            let ops = world.ops(name);
            for path in ["/livez", "/readyz", "/metrics"] {
                assert_eq!(get_status(ops, path), Some(200), "{name}{path}");
            }
            world.process(name).kill();
            assert_eq!(healthcheck(&world), Some(1), "{name}");
        }
    }
}
