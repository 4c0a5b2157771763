//! The switches over real databases: a change is seen without a restart, and a database that is away changes nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ai::{Health, Model, Switch, Switches, Told, Values, tell};
use domain::Tenant;
use store::{Role, Store, StoreConfig, audit::Actor};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

async fn store(url: &str) -> Store {
    let config = StoreConfig { url: url.to_owned(), max_connections: 4, connect_wait: PATIENCE, role: Role::Worker };
    let store = Store::connect(&config).await.expect("a database");
    store.migrate_up().await.expect("tables");
    store
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let file = testkit::Sqlite::new().expect("a folder");
                super::$name(super::store(&file.url()).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
                super::$name(super::store(&server.database().await.expect("a database")).await).await;
            })+
        }
    };
}

on_both_engines!(
    a_change_is_followed_until_it_is_cleared,
    a_database_that_is_away_changes_nothing,
    a_service_tells_its_start_and_how_its_model_is,
);

/// Waits until the tenant's values are so.
async fn until(switches: &Switches, of: &Tenant, is: impl Fn(Values) -> bool) {
    let mut changes = switches.changes();
    let known = async {
        while !is(switches.of(of)) {
            changes.changed().await.expect("it is followed");
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("in time");
}

async fn a_change_is_followed_until_it_is_cleared(store: Store) {
    let (acme, stop) = (tenant("acme"), CancellationToken::new());
    let switches = Switches::new(store.clone(), Values::default());
    let following = tokio::spawn(switches.clone().follow(stop.clone()));
    assert!(switches.of(&acme).enabled);
    store.set_switch(&acme, "AI_ENABLED", "false", &Actor::from("ana")).await.expect("set");
    until(&switches, &acme, |values| !values.enabled).await;
    assert!(switches.of(&tenant("other")).enabled, "an operator of one tenant changes nothing for another");
    assert!(store.clear_switch(&acme, "AI_ENABLED", &Actor::from("ana")).await.expect("cleared"));
    until(&switches, &acme, |values| values.enabled).await;
    stop.cancel();
    following.await.expect("no panic");
}

async fn a_database_that_is_away_changes_nothing(store: Store) {
    let acme = tenant("acme");
    let switches = Switches::new(store.clone(), Values::default());
    store.set_switch(&acme, "AI_RATE_LIMIT", "7", &Actor::from("ana")).await.expect("set");
    switches.look().await.expect("read");
    store.close().await;
    switches.look().await.expect_err("it is away");
    assert_eq!(switches.of(&acme).rate_limit.get(), 7);
}

async fn a_service_tells_its_start_and_how_its_model_is(store: Store) {
    let told = Told { service: "worker", start: Values::default(), uses: &[Switch::Enabled, Switch::Debug] };
    tell(store.clone(), Told { service: "gateway", ..told }, None, CancellationToken::new()).await;
    let (health, probes) = (Arc::new(Health::default()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&probes);
    let model = Model {
        provider: "openai",
        health: Arc::clone(&health),
        probe: Box::new(move || {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        }),
    };
    let stop = CancellationToken::new();
    let telling = tokio::spawn(tell(store.clone(), told, Some(model), stop.clone()));
    let word = async |is_failing: bool| {
        let waiting = async {
            loop {
                let all = store.ai_services().await.expect("a list");
                let worker = all.iter().map(|(told, _)| told).find(|told| told.service == "worker");
                let model = worker.and_then(|told| told.model.clone());
                if let Some(model) = model.filter(|model| model.failing.is_some() == is_failing) {
                    return (model, all.len());
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("in time")
    };
    let (model, services) = word(false).await;
    assert_eq!((model.provider.as_str(), services), ("openai", 2));
    assert_eq!(probes.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        health.failed("the model is away");
    }
    assert_eq!(word(true).await.0.failing.as_deref(), Some("the model is away"), "at once, not with the next look");
    health.answered();
    word(false).await;
    assert_eq!(probes.load(Ordering::SeqCst), 1, "calls tell it: nothing more was asked");
    let all = store.ai_services().await.expect("a list");
    let starts =
        |name: &str| all.iter().find(|(told, _)| told.service == name).map(|(told, _)| told.start_values.clone());
    let expected = [("AI_DEBUG".to_owned(), "false".to_owned()), ("AI_ENABLED".to_owned(), "true".to_owned())].into();
    assert_eq!(starts("worker"), Some(expected));
    assert_eq!(starts("gateway"), starts("worker"));
    stop.cancel();
    telling.await.expect("no panic");
}
