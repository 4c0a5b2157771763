//! The backend: `/keyed` and `/tickets` honour `Idempotency-Key`, `/once` does not.

use std::sync::Arc;

use domain::Micros;
use faults::wire::Answer;
use http::Response;
use serde_json::Value;

use super::world::World;

/// Something that happened there.
#[derive(Clone, Debug)]
pub struct Effect {
    pub key: String,
    /// `name` or `title` of the request.
    pub name: String,
    pub at: Micros,
}

/// One request.
pub async fn answer(world: Arc<World>, path: String, key: String, body: Value) -> Answer {
    let fails = !world.is_calm() && world.chance("backend fails", world.plan.backend_fails);
    let kind = if fails { world.pick("backend kind", &["lost", "early", "acted", "slow", "500"]) } else { "ok" };
    let name = body["name"].as_str().or(body["title"].as_str()).unwrap_or_default().to_owned();
    world.log(|| format!("backend: {path} {name} {kind}"));
    tokio::time::sleep(world.time("backend in", 10, 500)).await;
    let act = move |world: &World| {
        let mut outside = world.outside.lock().unwrap();
        if path != "/once" && outside.effects.iter().any(|effect| effect.key == key) {
            return;
        }
        world.log(|| format!("EFFECT {path} {name}"));
        outside.effects.push(Effect { key: key.clone(), name: name.clone(), at: world.now() });
    };
    match kind {
        "lost" => std::future::pending().await,
        "early" => Answer::NotSent,
        "acted" => {
            act(&world);
            Answer::Cut
        }
        "slow" => {
            let wait = world.time("backend slow", 1_000, 9_000);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                act(&world);
            });
            std::future::pending().await
        }
        "500" => {
            act(&world);
            is(500)
        }
        _ => {
            act(&world);
            is(201)
        }
    }
}

fn is(status: u16) -> Answer {
    let response = Response::builder().status(status).header("content-type", "application/json");
    Answer::Is(response.body(br#"{"id":7}"#.to_vec()).unwrap())
}
