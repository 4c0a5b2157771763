//! One seed from its first message until all is quiet.

use std::{
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use conversation_worker::{App, Config, DEFAULTS, Parts};
use coordination::{Coordination, Trouble};
use domain::{ConversationId, Micros};
use faults::{Process, wire};
use serde_json::Value;
use service_kit::{
    config::{Args, load},
    tenants::OutboundUnknown,
};
use store::Store;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::{
    backend, check,
    decide::{OPERATIONS, decide},
    people, platform,
    process::Proc,
    world::{Kind, Stats, World},
};
use crate::bench::tenant;

/// Processes that take turns, and that take webhooks.
const WORKERS: u64 = 3;
const GATEWAYS: usize = 2;
/// A simulation that is not quiet by then is stuck.
const END: Duration = Duration::from_secs(2_000);
/// Between two looks whether all is quiet.
const LOOK: Duration = Duration::from_secs(5);

/// What one thread needs for many seeds.
pub struct Bench {
    store: Store,
    world: Arc<Mutex<Option<Arc<World>>>>,
    config: Config,
    /// Workers whose accounts and clients all others share: one that resends what it does not know of, one that holds it.
    first: [Arc<App>; 2],
}

/// What a seed came to.
pub struct Ran {
    pub wrong: Vec<String>,
    pub schedule: Vec<String>,
    pub stats: Stats,
}

impl Bench {
    /// A fresh database.
    pub fn new() -> Self {
        service_kit::install_crypto();
        let world: Arc<Mutex<Option<Arc<World>>>> = Arc::default();
        let clock = {
            let world = Arc::clone(&world);
            Arc::new(move || world.lock().unwrap().as_ref().map_or(Micros(0), |world| world.now()))
        };
        let store = runtime().block_on(Store::in_memory(clock)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        let file = "[catalog]\nurl = \"http://127.0.0.1:9\"\n\
            [tenants.default.accounts.\"infobip:main\"]\nchannel = \"infobip\"\nbase_url = \"http://127.0.0.1:9\"\n\
            api_key = \"fake-api-key-1\"\nsender = \"385990000000\"\nsimulated = true\n\
            [tenants.default.documents.demo]\nsource = \"demo.yaml\"\nbackend_url = \"http://127.0.0.1:9/backend\"\n\
            allow_private_hosts = true\ntimeout = \"10s\"\n";
        std::fs::write(&path, file).unwrap();
        let args = Args { config: Some(path), ..Args::default() };
        let config: Config =
            load("conversation-worker", DEFAULTS, &args, std::iter::empty()).unwrap_or_else(|error| panic!("{error}"));
        let first = [OutboundUnknown::Resend, OutboundUnknown::Hold].map(|policy| {
            let mut config = config.clone();
            config.tenants.0.get_mut(&tenant()).unwrap().outbound_unknown = policy;
            runtime().block_on(async {
                let parts = Parts { store: store.clone(), coordination: Coordination::memory() };
                Arc::new(App::new(config, parts).unwrap().with_operations(&OPERATIONS).await)
            })
        });
        Self { store, world, config, first }
    }

    /// Runs one seed.
    pub fn run(&mut self, kind: Kind, seed: u64) -> Ran {
        let runtime = runtime();
        let ran = runtime.block_on(async {
            self.store.clear().await.unwrap();
            let world = Arc::new(World::new(kind, seed, self.store.clone()));
            *self.world.lock().unwrap() = Some(Arc::clone(&world));
            set_up(&world);
            let mut config = self.config.clone();
            config.worker.slots = usize::try_from(world.plan.slots).unwrap();
            config.worker.burst = world.pick("burst", &[Duration::ZERO, Duration::from_millis(700)]);
            world.log(|| format!("{:?}", world.plan));
            for n in 0..GATEWAYS {
                let first = Proc::new(format!("g{n}"), &world);
                world.gateways.lock().unwrap().push(Arc::clone(&first));
                tokio::spawn(keep_gateway(Arc::clone(&world), n, first));
            }
            for n in 0..world.range("workers", 1, WORKERS + 1) {
                let first = Arc::clone(&self.first[usize::from(world.plan.hold)]);
                tokio::spawn(keep_worker(Arc::clone(&world), n, config.clone(), first));
            }
            people::talk(&world);
            let quiet = until_quiet(&world).await;
            let mut wrong = check::check(&world).await;
            if !quiet {
                wrong.insert(0, format!("not quiet after {} s", END.as_secs()));
            }
            Ran { wrong, schedule: world.schedule(), stats: world.stats.lock().unwrap().clone() }
        });
        wire::set(None);
        faults::draw_from(None);
        *self.world.lock().unwrap() = None;
        drop(runtime);
        ran
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Network, bells and chance of this thread.
fn set_up(world: &Arc<World>) {
    let outside = Arc::clone(world);
    wire::set(Some(Arc::new(move |request| {
        let world = Arc::clone(&outside);
        let path = request.url().path().to_owned();
        let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap_or_default().to_owned());
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Box::pin(async move {
            match path.strip_prefix("/backend") {
                Some(path) => backend::answer(world, path.to_owned(), key.unwrap_or_default(), body).await,
                None => platform::answer(world, path, body).await,
            }
        })
    })));
    let chance = Arc::clone(world);
    faults::draw_from(Some(Rc::new(move || chance.draw("jitter"))));
    let (clock, bells) = (Arc::clone(world), Arc::clone(world));
    let trouble = Trouble {
        now: Box::new(move || clock.now()),
        copies: Box::new(move |conversation| copies(&bells, conversation)),
    };
    world.coordination.set(Coordination::troubled(trouble)).ok().unwrap();
}

/// A ring is heard, lost, heard twice, or heard later.
fn copies(world: &Arc<World>, conversation: ConversationId) -> usize {
    if world.is_calm() || !world.chance("bell", world.plan.bell_lost) {
        return 1;
    }
    match world.pick("bell how", &["lost", "lost", "twice", "later"]) {
        "twice" => 2,
        "later" => {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                tokio::time::sleep(world.time("bell later", 10, 20_000)).await;
                world.coordination.get().unwrap().ring(conversation, None);
            });
            0
        }
        _ => {
            world.count(|stats| stats.bells_lost += 1);
            0
        }
    }
}

async fn keep_gateway(world: Arc<World>, n: usize, mut process: Arc<Proc>) {
    loop {
        process.ended().await;
        tokio::time::sleep(world.time("gateway start", 100, 5_000)).await;
        process = Proc::new(format!("g{n}"), &world);
        world.gateways.lock().unwrap()[n] = Arc::clone(&process);
    }
}

/// A worker that is started again whenever it ends, and now and then stopped in good order.
async fn keep_worker(world: Arc<World>, n: u64, config: Config, first: Arc<App>) {
    tokio::time::sleep(world.time("worker start", 1, 500)).await;
    loop {
        let process = Proc::new(format!("w{n}"), &world);
        let store = world.store.of_process(Process::watched(process.clone()));
        let coordination = world.coordination.get().unwrap().clone();
        let app = App::like(&first, config.clone(), Parts { store, coordination }).unwrap();
        let app = app.with_decide(decide(&world, &process));
        let shutdown = CancellationToken::new();
        world.log(|| format!("{} begins", process.name));
        let mut running = tokio::spawn(app.take_turns(shutdown.clone()));
        let restart = world.plan.restarts && !world.is_calm();
        let restart = if restart { world.time("restart", 1_000, 60_000) } else { END * 2 };
        tokio::select! {
            biased;
            () = process.ended() => running.abort(),
            () = tokio::time::sleep(restart) => {
                world.count(|stats| stats.restarts += 1);
                world.log(|| format!("TERM {}", process.name));
                shutdown.cancel();
                tokio::select! {
                    biased;
                    () = process.ended() => running.abort(),
                    _ = &mut running => {}
                    () = tokio::time::sleep(config.worker.grace) => {
                        process.kill();
                        running.abort();
                    }
                }
            }
        }
        tokio::time::sleep(world.time("worker start", 500, 20_000)).await;
    }
}

/// Waits until all that was said is answered and sent, and nobody has anything more to say.
async fn until_quiet(world: &World) -> bool {
    let open = "select cast(count(*) as text) as text from ( \
        select id from conversations where next_seq > done_seq or unsent > 0 \
        union all select conversation from alarms where due_at is not null)";
    let mut quiet = 0;
    while world.age() < END {
        tokio::time::sleep(LOOK).await;
        let hooks = world.outside.lock().unwrap().open_hooks;
        let idle = hooks == 0 && world.store.texts(open).await.unwrap() == ["0"];
        // What the backend does late comes within ten seconds.
        quiet = if idle { quiet + 1 } else { 0 };
        if quiet >= 3 && world.is_calm() {
            return true;
        }
    }
    let rows = "select json_object('next', next_seq, 'done', done_seq, 'unsent', unsent, 'wake_at', wake_at, 'until', lease_until) \
        as text from conversations";
    let hooks = world.outside.lock().unwrap().open_hooks;
    world.log(|| format!("{hooks} webhooks are open"));
    for row in world.store.texts(rows).await.unwrap() {
        world.log(|| row);
    }
    false
}
