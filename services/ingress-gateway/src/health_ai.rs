//! `GET /health/ai`: whether the models and Redis are there. It asks no model: the services that hold a model's key look
//! after it and write down how it is (`ai::tell`); this reads what they wrote, at most every few seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ai::SILENT_AFTER;
use axum::{Router, extract::State, response::Response, routing::get};
use coordination::Coordination;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::ai_services::AiService;
use tokio::sync::Mutex;

use crate::{Shared, respond};

/// An answer is given again for so long: a probe costs next to nothing, however often it comes.
const KEPT: Duration = Duration::from_secs(3);
/// Longest look; the answer comes within a second.
const LOOK_MAX: Duration = Duration::from_millis(900);
/// Providers that are always shown. Others are shown where they are configured.
const PROVIDERS: [&str; 3] = ["openai", "mistral", "google"];
const REDIS: &str = "redis";

/// The last answer. Held while somebody looks, so that all others wait for the same look.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<(Instant, Answer)>>);

/// State of each service, in the order shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer(Vec<(String, Health)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Healthy,
    Unhealthy,
    NotConfigured,
    /// The database did not say.
    Unknown,
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/health/ai", get(handle)).with_state(shared)
}

async fn handle(State(shared): State<Arc<Shared>>) -> Response {
    let mut known = shared.health_ai.0.lock().await;
    let answer = match known.as_ref() {
        Some((at, answer)) if at.elapsed() < KEPT => answer.clone(),
        _ => {
            let answer = look(&shared).await;
            *known = Some((Instant::now(), answer.clone()));
            answer
        }
    };
    drop(known);
    let code = if answer.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::json(code, &answer.body())
}

async fn look(shared: &Shared) -> Answer {
    let told = tokio::time::timeout(LOOK_MAX, shared.store.ai_services());
    let redis = async {
        match &shared.coordination {
            Coordination::Memory(_) => Health::NotConfigured,
            there @ Coordination::Redis(_) => match there.ping().await {
                Ok(()) => Health::Healthy,
                Err(_) => Health::Unhealthy,
            },
        }
    };
    let (told, redis) = tokio::join!(told, redis);
    let told = match told {
        Ok(Ok(told)) => Some(told),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the models' health cannot be read");
            None
        }
        Err(_) => None,
    };
    Answer::new(told.as_deref(), redis)
}

impl Answer {
    /// From what the services told and how long ago; none when that cannot be read.
    fn new(told: Option<&[(AiService, Duration)]>, redis: Health) -> Self {
        let unsaid = if told.is_some() { Health::NotConfigured } else { Health::Unknown };
        let mut services: Vec<(String, Health)> = PROVIDERS.map(|name| (name.to_owned(), unsaid)).into();
        for (one, age) in told.unwrap_or_default() {
            let Some(model) = &one.model else { continue };
            let is_well = model.failing.is_none() && *age < SILENT_AFTER;
            let health = if is_well { Health::Healthy } else { Health::Unhealthy };
            match services.iter_mut().find(|(name, _)| *name == model.provider) {
                // Two services may ask the same provider.
                Some((_, Health::Unhealthy)) => {}
                Some((_, known)) => *known = health,
                None => services.push((model.provider.clone(), health)),
            }
        }
        services.push((REDIS.to_owned(), redis));
        Self(services)
    }

    /// Whatever is configured is well.
    fn is_healthy(&self) -> bool {
        self.0.iter().all(|(_, health)| matches!(health, Health::Healthy | Health::NotConfigured))
    }

    fn body(&self) -> Value {
        let word = |health: &Health| match health {
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
            Health::NotConfigured => "not configured",
            Health::Unknown => "unknown",
        };
        let services: Map<String, Value> =
            self.0.iter().map(|(name, health)| (name.clone(), json!(word(health)))).collect();
        json!({ "healthy": self.is_healthy(), "services": services })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store::ai_services::ModelState;

    use super::*;

    fn told(provider: Option<&str>, failing: Option<&str>, age: u64) -> (AiService, Duration) {
        let model = provider.map(|name| ModelState { provider: name.into(), failing: failing.map(str::to_owned) });
        (AiService { service: String::new(), start_values: BTreeMap::new(), model }, Duration::from_secs(age))
    }

    fn check(all: Option<&[(AiService, Duration)]>, redis: Health, expected: Value) {
        assert_eq!(Answer::new(all, redis).body(), expected);
    }

    #[test]
    fn only_what_is_configured_counts() {
        let none = "not configured";
        check(
            Some(&[told(None, None, 900)]),
            Health::NotConfigured,
            json!({ "healthy": true, "services": { "openai": none, "mistral": none, "google": none, "redis": none } }),
        );
        check(
            Some(&[told(Some("openai"), None, 10), told(Some("azure"), Some("busy"), 10)]),
            Health::Healthy,
            json!({ "healthy": false, "services": { "openai": "healthy", "mistral": none, "google": none, "azure": "unhealthy", "redis": "healthy" } }),
        );
        check(
            Some(&[]),
            Health::Unhealthy,
            json!({ "healthy": false, "services": { "openai": none, "mistral": none, "google": none, "redis": "unhealthy" } }),
        );
    }

    #[test]
    fn whoever_falls_silent_or_fails_beside_others_is_unhealthy() {
        let openai = |all: &[(AiService, Duration)]| {
            Answer::new(Some(all), Health::NotConfigured).body()["services"]["openai"].clone()
        };
        assert_eq!(openai(&[told(Some("openai"), None, 59)]), "healthy");
        assert_eq!(openai(&[told(Some("openai"), None, 60)]), "unhealthy");
        for (first, second) in [(None, Some("away")), (Some("away"), None)] {
            assert_eq!(openai(&[told(Some("openai"), first, 0), told(Some("openai"), second, 0)]), "unhealthy");
        }
    }

    #[test]
    fn a_database_that_says_nothing_is_not_health() {
        let unknown = "unknown";
        check(
            None,
            Health::Healthy,
            json!({ "healthy": false, "services": { "openai": unknown, "mistral": unknown, "google": unknown, "redis": "healthy" } }),
        );
    }
}
