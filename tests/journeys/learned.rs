//! What people choose teaches the catalogue: on a document of a shop, whose backend is made from it.

use serde_json::{Value, json};
use simulator::{
    fleet::{ANA, MARKO},
    mock,
};
use tokio_util::sync::CancellationToken;

use crate::{
    database::count,
    world::{Deployment, World, whole},
};

/// Two lists of orders that the same words may mean.
fn shop() -> Value {
    let rows = json!({ "type": "array", "items": { "type": "object", "properties": {
        "id": { "type": "integer" }, "title": { "type": "string" } } } });
    let answer = json!({ "200": { "description": "ok", "content": { "application/json": { "schema": rows } } } });
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Shop", "version": "1" },
        "servers": [{ "url": "http://127.0.0.1" }],
        "paths": {
            "/orders/open": { "get": { "summary": "List open orders", "responses": answer } },
            "/orders/late": { "get": { "summary": "List late orders", "responses": answer } }
        }
    })
}

/// The deployment with the shop beside its own backend, the shop's backend, and the folder of its document.
async fn open_shop(deployment: Deployment, stop: &CancellationToken) -> (World, mock::Backend, tempfile::TempDir) {
    service_kit::install_crypto();
    let backend = mock::Backend::new(shop(), mock::Config::default());
    for (operation, title) in [("GET /orders/open", "A table"), ("GET /orders/late", "A lamp")] {
        backend.set_answer(operation, json!([{ "id": 1, "title": title }]));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (serving, stop) = (backend.clone(), stop.clone());
    tokio::spawn(async move { serving.serve(listener, stop).await });
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("shop.json").display().to_string();
    std::fs::write(&document, shop().to_string()).expect("written");
    let services: &[&str] = match deployment {
        Deployment::One => &["DRAGOMAN"],
        Deployment::Cluster => &["CONVERSATION_WORKER", "EMBEDDING_SERVICE", "INGRESS_GATEWAY"],
    };
    let keys = [("SOURCE", document.as_str()), ("BACKEND_URL", url.as_str()), ("ALLOW_PRIVATE_HOSTS", "true")];
    let variables: Vec<(String, &str)> = services
        .iter()
        .flat_map(|service| {
            keys.map(|(key, value)| (format!("{service}__TENANTS__DEFAULT__DOCUMENTS__SHOP__{key}"), value))
        })
        .collect();
    let environment: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    (World::start_in(deployment, &[], &environment).await, backend, folder)
}

async fn what_one_person_chose_the_next_one_is_not_asked(deployment: Deployment) {
    let stop = CancellationToken::new();
    let (world, backend, _folder) = open_shop(deployment, &stop).await;
    let called = |path: &str| backend.calls().iter().filter(|call| call.target == path).count();
    let mut ana = world.person(ANA);
    ana.says("which orders 4711?").await;
    ana.hears(&["Do you mean"]).await;
    assert!(backend.calls().is_empty(), "nothing is called on a guess");
    ana.taps("List late");
    ana.hears(&["A lamp"]).await;
    let kept = "select count(*) from catalog_examples where tenant = 'default' and text = 'which orders' \
                and operation = 'shop/GET /orders/late' and origin = 'accepted'";
    let mut marko = world.person(MARKO);
    // The catalogue looks at its database every 2 s: until it has, the sentence is asked about as before.
    let (mut answer, mut asked) = (String::new(), 0);
    while !answer.contains("A lamp") {
        assert!(asked < 200, "it is never learned: {answer}");
        marko.says("Which orders?").await;
        answer = whole(&marko.hears(&[""]).await);
        asked += 1;
    }
    assert_eq!(count(&world.database, kept).await, 1);
    assert_eq!(count(&world.database, "select count(*) from catalog_examples").await, 1);
    assert_eq!((called("/orders/late"), called("/orders/open")), (2, 0));
    marko.says("list open orders").await;
    marko.hears(&["A table"]).await;
    drop(world);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    what_one_person_chose_the_next_one_is_not_asked(Deployment::One).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_and_redis() {
    what_one_person_chose_the_next_one_is_not_asked(Deployment::Cluster).await;
}
