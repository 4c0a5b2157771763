//! The demo fleet: a company's vehicles, bookings, mileage, damage and people, behind its own OpenAPI document.
//!
//! The document checks every request; the modules below hold the rules. State lives in memory as long as the value.

mod bookings;
mod people;
mod records;
mod seed;
mod state;
mod vehicles;
mod words;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use domain::{Clock, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::state::State;
pub use crate::backend::{Call, Guard};
use crate::{
    backend::{Acts, Answer, Asked, Backend, Problem},
    contract::Contract,
    faults::Faults,
    serve,
};

/// The OpenAPI 3.1 document, for a backend at `http://127.0.0.1:8090`; see [`document`].
pub const DOCUMENT: &str = include_str!("../fleet/openapi.yaml");
/// The overlay: a JSON array of `{operation, aliases, examples, risk?, public?, title?}` in English and Croatian.
pub const OVERLAY: &str = include_str!("../fleet/overlay.json");
/// Phone number of Ana Horvat, whom the journeys are about.
pub const ANA: &str = "385911234567";
/// Phone number of Marko Kovač.
pub const MARKO: &str = "385921234567";
/// Name of the header that names the tenant.
pub const TENANT_HEADER: &str = "x-tenant";
/// Look-up of a person, by [`IDENTITY_PARAMETER`].
pub const IDENTITY_OPERATION: &str = "GET /people";
/// Takes a phone number in digits.
pub const IDENTITY_PARAMETER: &str = "phone";
/// Operations that people use most.
pub const SUGGESTIONS: [&str; 3] = ["GET /vehicles/available", "POST /bookings", "GET /people/{person_id}/bookings"];
/// Sentences to begin with.
pub const SENTENCES: [&str; 3] =
    ["Which vehicles are free tomorrow?", "book the red van tomorrow 9-12", "prijavi 84300 km za octaviju"];

/// The document with the backend's and the token endpoint's real addresses.
pub fn document(backend: &Url, token: &Url) -> String {
    DOCUMENT
        .replace("http://127.0.0.1:8090/oauth2/token", token.as_str())
        .replace("http://127.0.0.1:8090", backend.as_str().trim_end_matches('/'))
}

/// Configuration of [`Fleet`].
#[derive(Clone)]
pub struct Config {
    /// Who may call.
    pub guard: Guard,
    /// Value that the header [`TENANT_HEADER`] must have; `None` asks for no header.
    pub tenant: Option<HeaderValue>,
    /// IANA name of the zone in which the seeded days begin and messages tell times.
    pub time_zone: String,
    /// The time; the seeded data stand around it.
    pub clock: Arc<dyn Clock>,
}

impl Default for Config {
    fn default() -> Self {
        Self { guard: Guard::Open, tenant: None, time_zone: "Europe/Zagreb".to_owned(), clock: Arc::new(SystemClock) }
    }
}

/// Why a fleet cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No such zone.
    #[error("`{0}` is no IANA time zone")]
    TimeZone(String, #[source] jiff::Error),
    /// The document in this crate is broken.
    #[error("the fleet's document cannot be read")]
    Document(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The backend. Cheap to clone; clones are the same fleet.
#[derive(Clone)]
pub struct Fleet(Arc<Backend<State>>);

impl Fleet {
    /// A freshly seeded fleet.
    ///
    /// # Errors
    /// [`FleetError`] for a time zone that does not exist.
    pub fn new(config: Config) -> Result<Self, FleetError> {
        let document: Value =
            serde_saphyr::from_str(DOCUMENT).map_err(|error| FleetError::Document(Box::new(error)))?;
        let zone = jiff::tz::TimeZone::get(&config.time_zone)
            .map_err(|error| FleetError::TimeZone(config.time_zone.clone(), error))?;
        let state = seed::state(config.clock.now(), zone);
        let tenant = config.tenant.map(|value| (HeaderName::from_static(TENANT_HEADER), value));
        let contract = Contract::new(document);
        Ok(Self(Arc::new(Backend::new(contract, config.guard, tenant, String::new(), config.clock, state))))
    }

    /// All operations, and the document itself at `GET /openapi.yaml` without credentials.
    pub fn router(&self) -> Router {
        let document = || async { ([(header::CONTENT_TYPE, "application/yaml")], DOCUMENT).into_response() };
        Router::new().route("/openapi.yaml", get(document)).merge(self.0.router())
    }

    /// Serves until `shutdown`.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(self.router(), listener, shutdown).await;
    }

    /// Serves the fleet and `other` routes, such as the token server's, until `shutdown`.
    pub async fn serve_with(&self, other: Router, listener: TcpListener, shutdown: CancellationToken) {
        serve::serve(other.merge(self.router()), listener, shutdown).await;
    }

    /// Orders for calls that go wrong: fail, hang, cut, hold.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Whether `Idempotency-Key` is honoured; true at first.
    pub fn honour_keys(&self, honour: bool) {
        self.0.honour_keys(honour);
    }

    /// Every call seen so far.
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls()
    }

    /// How often a request with this key changed something; the empty key counts requests without one.
    pub fn effects(&self, key: &str) -> usize {
        self.0.effects(key)
    }

    /// How often anything was changed.
    pub fn all_effects(&self) -> usize {
        self.0.all_effects()
    }

    /// How many operations the document has.
    pub fn operations(&self) -> usize {
        self.0.operations()
    }

    /// Books behind everybody's back, as a colleague would: returns the booking's number, or why not.
    ///
    /// # Errors
    /// The message for people, when the vehicle is taken or does not exist.
    pub fn book(&self, vehicle: &str, person: &str, from: jiff::Timestamp, to: jiff::Timestamp) -> Result<u64, String> {
        self.0.with(|state| state.book(vehicle, person, from, to, "", "en")).map_err(|problem| problem.detail)
    }
}

impl Acts for State {
    fn act(&mut self, asked: &Asked) -> Result<Answer, Problem> {
        let id = asked.operation.id.as_str();
        let answer = vehicles::act(self, id, asked)
            .or_else(|| bookings::act(self, id, asked))
            .or_else(|| records::act(self, id, asked))
            .or_else(|| people::act(self, id, asked));
        answer.unwrap_or_else(|| Err(Problem::new(501, "Not Implemented", format!("{id} is not there yet."))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_names_each_operation_once() {
        let overlay: Vec<Value> = serde_json::from_str(OVERLAY).expect("the overlay is JSON");
        let fleet = Fleet::new(Config::default()).expect("a fleet");
        let mut names: Vec<&str> = overlay.iter().filter_map(|entry| entry["operation"].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), overlay.len()), (fleet.operations(), fleet.operations()));
        assert!(names.len() >= 30);
    }
}
