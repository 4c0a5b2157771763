//! What one seed decides, what happened, and the time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use coordination::Coordination;
use domain::Micros;
use store::Store;
use tokio::time::Instant;

use super::{backend::Effect, platform::Taken, process::Proc};

/// When every simulation begins: 2026-11-21T09:00:00Z.
const START: Micros = Micros(1_795_251_600_000_000);

/// What people talk about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages for the script of these tests, which reaches every point of the protocol.
    Script,
    /// Wishes with an effect, which the dialogue asks about, and their yes.
    Questions,
}

/// How the platform treats a part that it is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It takes it once: the reference.
    Key,
    /// It takes both, and its reports name our id.
    Echo,
    /// It takes both.
    Forget,
}

/// What a seed decides at the beginning.
#[derive(Clone, Debug)]
pub struct Plan {
    pub mode: Mode,
    pub hold: bool,
    pub kill: f64,
    pub stop: f64,
    pub answer_lost: f64,
    pub platform_fails: f64,
    pub backend_fails: f64,
    pub bell_lost: f64,
    pub restarts: bool,
    pub conversations: u64,
    pub messages: u64,
    pub slots: u64,
    pub calm_at: Duration,
}

/// What happened, over all seeds.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub seeds: u64,
    pub messages: u64,
    pub kills: u64,
    pub stops: u64,
    pub answers_lost: u64,
    pub restarts: u64,
    pub redelivered: u64,
    pub bells_lost: u64,
    pub unknown: u64,
    pub held: u64,
    pub dead_letters: u64,
    pub effects: u64,
    pub doubles: u64,
    pub questions: u64,
    pub foreign: u64,
    pub early: u64,
    pub fenced: u64,
}

impl Stats {
    fn fields(&mut self) -> [&mut u64; 17] {
        [
            &mut self.seeds,
            &mut self.messages,
            &mut self.kills,
            &mut self.stops,
            &mut self.answers_lost,
            &mut self.restarts,
            &mut self.redelivered,
            &mut self.bells_lost,
            &mut self.unknown,
            &mut self.held,
            &mut self.dead_letters,
            &mut self.effects,
            &mut self.doubles,
            &mut self.questions,
            &mut self.foreign,
            &mut self.early,
            &mut self.fenced,
        ]
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (mine, theirs) in self.fields().into_iter().zip(other.fields()) {
            *mine += *theirs;
        }
    }

    /// What must have happened in a run of many seeds.
    pub fn happened(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("kill", self.kills),
            ("pause", self.stops),
            ("lost answer of the database", self.answers_lost),
            ("restart", self.restarts),
            ("redelivery", self.redelivered),
            ("lost bell", self.bells_lost),
            ("unknown end of a send", self.unknown),
            ("held message", self.held),
            ("dead letter", self.dead_letters),
            ("effect", self.effects),
            ("double of a forgetful platform", self.doubles),
        ]
    }
}

/// What the outside saw.
#[derive(Default)]
pub struct Outside {
    /// Messages that were answered with 2xx, by their id: conversation's peer.
    pub acknowledged: BTreeMap<String, String>,
    /// Webhooks that are still to be answered with 2xx.
    pub open_hooks: usize,
    /// Parts that the platform took, in order.
    pub taken: Vec<Taken>,
    /// Effects in the backend, in order.
    pub effects: Vec<Effect>,
    /// What was said: user, words, when.
    pub said: Vec<(String, String, String, Micros)>,
}

/// One seed's world.
pub struct World {
    pub seed: u64,
    pub kind: Kind,
    pub plan: Plan,
    /// As nobody's process.
    pub store: Store,
    pub coordination: OnceLock<Coordination>,
    pub outside: Mutex<Outside>,
    pub stats: Mutex<Stats>,
    pub gateways: Mutex<Vec<Arc<Proc>>>,
    began: Instant,
    counts: Mutex<HashMap<String, u64>>,
    schedule: Mutex<Vec<String>>,
}

impl World {
    /// The world of a seed; call it inside its runtime.
    pub fn new(kind: Kind, seed: u64, store: Store) -> Self {
        let counts = Mutex::default();
        let mut world = Self {
            seed,
            kind,
            plan: Plan {
                mode: Mode::Key,
                hold: false,
                kill: 0.0,
                stop: 0.0,
                answer_lost: 0.0,
                platform_fails: 0.0,
                backend_fails: 0.0,
                bell_lost: 0.0,
                restarts: false,
                conversations: 1,
                messages: 1,
                slots: 1,
                calm_at: Duration::ZERO,
            },
            store,
            coordination: OnceLock::new(),
            outside: Mutex::default(),
            stats: Mutex::new(Stats { seeds: 1, ..Stats::default() }),
            gateways: Mutex::default(),
            began: Instant::now(),
            counts,
            schedule: Mutex::default(),
        };
        world.plan = Plan {
            mode: world.pick("mode", &[Mode::Key, Mode::Echo, Mode::Forget]),
            hold: world.chance("hold", 0.33),
            kill: world.pick("kill rate", &[0.0, 0.002, 0.006, 0.015]),
            stop: world.pick("stop rate", &[0.0, 0.002, 0.006]),
            answer_lost: world.pick("answer rate", &[0.0, 0.01, 0.05]),
            platform_fails: world.pick("platform rate", &[0.0, 0.1, 0.35]),
            backend_fails: world.pick("backend rate", &[0.0, 0.1, 0.4]),
            bell_lost: world.pick("bell rate", &[0.0, 0.1, 0.5]),
            restarts: world.chance("restarts", 0.4),
            conversations: world.range("conversations", 1, 4),
            messages: world.range("messages", 3, 9),
            slots: world.range("slots", 1, 4),
            calm_at: Duration::from_secs(world.range("calm", 12, 45)),
        };
        world
    }

    /// The next number in `[0, 1)` under this label. Each label has a row of its own, so that one draw more or less
    /// elsewhere changes nothing here.
    pub fn draw(&self, label: &str) -> f64 {
        let mut counts = self.counts.lock().unwrap();
        let count = match counts.get_mut(label) {
            Some(count) => count,
            None => counts.entry(label.to_owned()).or_default(),
        };
        *count += 1;
        let mut hash = mix(self.seed ^ mix(*count));
        for byte in label.bytes() {
            hash = mix(hash ^ u64::from(byte));
        }
        (hash >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&self, label: &str, probability: f64) -> bool {
        probability > 0.0 && self.draw(label) < probability
    }

    /// One of these.
    pub fn pick<T: Clone>(&self, label: &str, of: &[T]) -> T {
        of[(self.draw(label) * of.len() as f64) as usize].clone()
    }

    /// From `low` to below `high`.
    pub fn range(&self, label: &str, low: u64, high: u64) -> u64 {
        low + (self.draw(label) * (high - low) as f64) as u64
    }

    /// A time between these, in milliseconds.
    pub fn time(&self, label: &str, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(self.range(label, low_ms, high_ms))
    }

    /// Since the beginning.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Faults are over.
    pub fn is_calm(&self) -> bool {
        self.age() >= self.plan.calm_at
    }

    /// What every clock but the monotonic one shows.
    pub fn now(&self) -> Micros {
        START + self.age()
    }

    /// Notes what happened.
    pub fn log(&self, what: impl FnOnce() -> String) {
        let line = format!("{:>9.3} {}", self.age().as_secs_f64(), what());
        self.schedule.lock().unwrap().push(line);
    }

    /// All that was noted.
    pub fn schedule(&self) -> Vec<String> {
        std::mem::take(&mut self.schedule.lock().unwrap())
    }

    /// Counts.
    pub fn count(&self, add: impl FnOnce(&mut Stats)) {
        add(&mut self.stats.lock().unwrap());
    }
}

/// SplitMix64: Steele, Lea and Flood, 2014.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
