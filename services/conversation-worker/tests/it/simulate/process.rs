//! A process as the simulation has it: whatever it does passes here, and may be delayed, stopped or ended.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use faults::Watch;
use tokio::{sync::Notify, time::Instant};

use super::world::World;

/// A worker or a gateway, from one start to its end.
pub struct Proc {
    pub name: String,
    world: Arc<World>,
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Default)]
struct State {
    dead: bool,
    stopped_until: Option<Instant>,
}

impl Proc {
    /// One that has just begun.
    pub fn new(name: String, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { name, world: Arc::clone(world), state: Mutex::default(), ended: Notify::new() })
    }

    /// Ends it as SIGKILL does: nothing of it passes any point any more.
    pub fn kill(&self) {
        self.state.lock().unwrap().dead = true;
        self.world.count(|stats| stats.kills += 1);
        self.world.log(|| format!("KILL {}", self.name));
        self.ended.notify_one();
    }

    /// True after its end.
    pub fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    async fn passes(&self, point: &'static str) {
        let world = &self.world;
        if point != "statement" {
            world.log(|| format!("{} {point}", self.name));
        }
        self.runs().await;
        if !world.is_calm() {
            if world.chance(&self.label("kill"), world.plan.kill) {
                self.kill();
            } else if world.chance(&self.label("stop"), world.plan.stop) {
                let length = world.pick(&self.label("stop length"), &[(200, 4_000), (4_000, 12_000), (28_000, 75_000)]);
                let length = world.time(&self.label("stop time"), length.0, length.1);
                self.stop(length);
            }
        }
        self.runs().await;
        let slow = world.draw(&self.label("slow"));
        if slow < 0.5 {
            tokio::time::sleep(world.time(&self.label("delay"), 1, 6)).await;
        } else if slow > 0.97 {
            tokio::time::sleep(world.time(&self.label("delay"), 20, 400)).await;
        }
        self.runs().await;
    }

    fn label(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }

    /// Stops it as SIGSTOP does.
    fn stop(&self, length: Duration) {
        self.world.count(|stats| stats.stops += 1);
        self.world.log(|| format!("STOP {} for {:.1} s", self.name, length.as_secs_f64()));
        self.state.lock().unwrap().stopped_until = Some(Instant::now() + length);
    }

    /// Comes back while it lives and is not stopped.
    async fn runs(&self) {
        loop {
            let until = {
                let state = self.state.lock().unwrap();
                if state.dead { None } else { Some(state.stopped_until.filter(|until| *until > Instant::now())) }
            };
            match until {
                None => std::future::pending().await,
                Some(None) => return,
                Some(Some(until)) => tokio::time::sleep_until(until).await,
            }
        }
    }
}

impl Watch for Proc {
    fn at<'a>(&'a self, point: &'static str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // A transaction is one step: others would wait for it in any case.
            if !point.ends_with(".inside") {
                self.passes(point).await;
            }
        })
    }

    fn loses(&self, point: &'static str) -> bool {
        let world = &self.world;
        let loses = !world.is_calm() && world.chance(&self.label("lose"), world.plan.answer_lost);
        if loses {
            world.count(|stats| stats.answers_lost += 1);
            world.log(|| format!("LOSE {} {point}", self.name));
        }
        loses
    }
}
