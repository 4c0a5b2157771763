//! Free speech through a scripted model: the model chooses, everything that counts stays ours.

use std::time::{Duration, Instant};

use jiff::{ToSpan as _, Zoned, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use simulator::{
    fleet::ANA,
    model::{BadAnswer, Config, Reply, Server, When},
};
use tokio_util::sync::CancellationToken;

use crate::world::{Deployment, World};

const KEY: &str = "sk-of-the-journeys";
/// What only a model understands.
pub const WISH: &str = "what could I drive tomorrow, is anything left?";
pub const ANSWER: &str = "You can take the red Škoda Octavia or the white VW Caddy.";

/// A deployment whose model is scripted.
pub struct Free {
    pub world: World,
    pub model: Server,
    /// Ends the model's server.
    pub stop: tokio_util::sync::DropGuard,
}

impl Free {
    /// Starts both and waits until they are ready.
    pub async fn start(deployment: Deployment) -> Self {
        Self::start_in(deployment, &[]).await
    }

    /// The same with variables of every process.
    pub async fn start_in(deployment: Deployment, environment: &[(&str, &str)]) -> Self {
        let model = Server::new(Config::new(KEY));
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (serving, cancelled) = (model.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, cancelled).await });
        let settings = [
            ("MODEL__PROVIDER", "compatible"),
            ("MODEL__BASE_URL", url.as_str()),
            ("MODEL__API_KEY", KEY),
            ("MODEL__NAME", "gpt-4o-mini"),
            ("MODEL__FIRST_TOKEN", "1s"),
            ("MODEL__TIMEOUT", "2s"),
        ];
        let world = World::start_in(deployment, &settings, environment).await;
        Self { world, model, stop: stop.drop_guard() }
    }

    /// From now on the model answers `WISH`: it looks up and tells what came in the words of `ANSWER`.
    pub fn knows_the_wish(&self) {
        let whole = json!({ "from": format!("{}T00:00:00", day(1)), "to": format!("{}T00:00:00", day(2)) });
        self.model.script(When::user("drive").results(0), Reply::call_matching("Free vehicles", whole));
        self.model.script(When::any().results(1), ANSWER);
    }
}

/// The day so many days from today, where the fleet is.
pub fn day(ahead: i32) -> Date {
    let zone = TimeZone::get("Europe/Zagreb").expect("a known zone");
    Zoned::now().with_time_zone(zone).date() + ahead.days()
}

pub const BOTH: [Deployment; 2] = [Deployment::One, Deployment::Cluster];

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_the_model_chooses_is_told_in_its_words() {
    for deployment in BOTH {
        let free = Free::start(deployment).await;
        free.knows_the_wish();
        let mut ana = free.world.person(ANA);
        ana.says(WISH).await;
        ana.hears(&["red Škoda Octavia or the white"]).await;
        assert!(free.model.refused().is_empty(), "{:?}", free.model.refused());
        assert!(free.world.effects().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_the_model_chooses_waits_for_a_yes() {
    for deployment in BOTH {
        let free = Free::start(deployment).await;
        let day = day(1);
        let (from, to) = (format!("{day}T09:00:00"), format!("{day}T12:00:00"));
        let values = json!({ "from": from, "to": to, "vehicle_id": "the red van" });
        free.model.script(When::any().results(0), Reply::call_matching("Book a vehicle", values));
        let mut ana = free.world.person(ANA);
        ana.says("hey, would be great to have that red van tomorrow from nine to noon").await;
        let echo = ana.hears(&["ZG 9012-EF", "09:00", "12:00"]).await;
        assert!(!crate::world::whole(&echo).contains("veh_"));
        assert!(free.world.effects().is_empty(), "nothing runs before the yes");
        ana.taps("Yes");
        ana.hears(&["4711"]).await;
        assert_eq!(free.world.effects().len(), 1);
    }
}

/// Prints the figures that `make figures-model` shows.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_model_answers_the_turn_ends_in_an_answer() {
    let free = Free::start(Deployment::One).await;
    let (mut survived, mut slowest) = (0, Duration::ZERO);
    let mut ana = free.world.person(ANA);
    for bad in BadAnswer::ALL {
        free.model.behave();
        free.model.answer_badly(*bad, 50);
        let before = ana.chat().answers().count();
        let began = Instant::now();
        ana.says("Which vehicles are free tomorrow?").await;
        let heard = ana.hears(&[""]).await;
        slowest = slowest.max(began.elapsed());
        assert!(!heard.text.trim().is_empty(), "{bad:?}");
        assert!(ana.chat().answers().count() > before, "{bad:?}");
        survived += 1;
    }
    assert!(survived >= 30, "{survived}");
    assert!(free.world.effects().is_empty(), "{:?}", free.world.effects());
    let allowed = |target: &str| ["/vehicles", "/people", "/bookings"].iter().any(|path| target.contains(path));
    let outside: Vec<Value> = free
        .world
        .demo
        .fleet
        .calls()
        .iter()
        .filter(|call| !allowed(&call.operation))
        .map(|call| json!(call.operation))
        .collect();
    println!("figure model_bad_answers_survived {survived}");
    println!("figure model_panics {}", free.panics());
    println!("figure model_calls_outside_candidates {}", outside.len());
    println!("figure prompt_tokens_max_of_bad_answers {}", free.model.prompt_tokens_max());
    println!("figure model_slowest_answer_ms {}", slowest.as_millis());
    assert!(outside.is_empty(), "{outside:?}");
    assert_eq!(free.panics(), 0);
}

impl Free {
    fn panics(&self) -> usize {
        self.world.log_of("dragoman").matches("panicked").count()
    }
}
