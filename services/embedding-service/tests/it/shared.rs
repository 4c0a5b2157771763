//! Vectors that replicas keep for each other, in a real Redis.

use std::path::Path;

use embedding_service::{Config, SharedCacheConfig};
use proto::embedding::v1 as vectors;
use secrecy::SecretString;

use crate::{
    remote::{Model, fused},
    support::*,
};

fn sharing(model: &Model, folder: &Path, redis: &testkit::Redis) -> Config {
    let mut config = model.config(folder);
    config.embedding.dimensions = Some(256);
    config.shared_cache = SharedCacheConfig {
        url: SecretString::from(redis.url()),
        prefix: redis.prefix().to_owned(),
        ..SharedCacheConfig::default()
    };
    config
}

async fn vector(service: &Service, text: &str) -> Vec<u8> {
    let request = vectors::EmbedRequest { text: text.into(), ..Default::default() };
    service.embedding("acme-key").embed(request).await.expect("a vector").into_inner().vector.to_vec()
}

/// Waits until a second replica, that has nothing, needs no request for this text: the first one shares without waiting.
async fn is_shared(model: &Model, redis: &testkit::Redis, text: &str) {
    let shared = async {
        loop {
            let folder = tempfile::tempdir().expect("a folder");
            let config = sharing(model, folder.path(), redis);
            let service = Service::start_with(config, sqlite(folder.path()).await).await;
            model.server.forget_requests();
            vector(&service, text).await;
            service.stop().await;
            if model.server.embedding_requests().is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, shared).await.expect("it is shared");
}

#[tokio::test]
async fn second_replica_asks_for_nothing_that_the_first_one_has_but_for_what_people_say() {
    let redis = testkit::Redis::shared().await.expect("Redis");
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let one = Service::start_with(sharing(&model, folder.path(), &redis), sqlite(folder.path()).await).await;
    import(&one, "acme-key", "rooms", &rooms()).await;
    let first = fused(&one, "list rooms").await;
    let free = vector(&one, "free rooms").await;
    is_shared(&model, &redis, "free rooms").await;

    let elsewhere = tempfile::tempdir().expect("a folder");
    let config = sharing(&model, elsewhere.path(), &redis);
    let two = Service::start_with(config, one.store.clone()).await;
    model.server.forget_requests();
    let second = fused(&two, "list rooms").await;
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(vector(&two, "free rooms").await, free);
    let inputs: Vec<String> =
        model.server.embedding_requests().into_iter().flat_map(|request| request.inputs).collect();
    assert_eq!(inputs, ["list rooms"]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn redis_that_goes_away_costs_a_request_and_no_answer() {
    let mut redis = testkit::Redis::start().await.expect("Redis");
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = Service::start_with(sharing(&model, folder.path(), &redis), sqlite(folder.path()).await).await;
    let before = vector(&service, "free rooms").await;
    is_shared(&model, &redis, "free rooms").await;
    assert!(redis.kill());
    assert_eq!(vector(&service, "free rooms").await, before, "from the file");
    model.server.forget_requests();
    vector(&service, "something else").await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    fused(&service, "list rooms").await;
    assert_eq!(model.server.embedded_inputs(), 1 + 6 + 40 + 1);
    let store = service.store.clone();
    service.stop().await;

    // Nor does a start without it wait.
    model.server.forget_requests();
    let service = Service::start_with(sharing(&model, folder.path(), &redis), store).await;
    assert_eq!(vector(&service, "something else").await.len(), 1_024);
    assert_eq!(model.server.embedding_requests().len(), 0);
    service.stop().await;
}
