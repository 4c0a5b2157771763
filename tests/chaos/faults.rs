//! What goes wrong during a run, on a schedule that one seed decides.

use std::{
    sync::{Arc, Mutex as Short, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use simulator::faults::Fault;
use sqlx::{Connection as _, PgConnection};
use tokio::{sync::Mutex, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{process::send_signal, proxy::FAULTS, town::Town};

/// Longer than a lease, which is 30 s.
const PAUSE: std::ops::Range<u64> = 33_000..40_000;
/// Others take the conversations of a stopped worker within this after its lease, though one of them is away too.
const TAKEN_MAX: Duration = Duration::from_secs(30);
/// A worker that goes on finds within this that its lease is gone.
const NOTICES: Duration = Duration::from_secs(5);
/// What a stopped worker had sent before is done within this.
const LANDS: Duration = Duration::from_millis(200);
/// How long workers in the middle of their work are looked for.
const AIM_MAX: Duration = Duration::from_secs(3);
/// Sends of each kind of message.
const SENDS: [&str; 2] = ["POST /whatsapp/1/message/text", "POST /whatsapp/1/message/interactive/buttons"];

/// A shared town.
pub type Shared = Arc<Mutex<Town>>;

/// How often each fault happens; none: never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    /// kill -9 of a service ...
    pub kill: Option<Duration>,
    /// ... so often at most.
    pub kills_max: usize,
    /// SIGSTOP of a worker past its lease.
    pub pause: Option<Duration>,
    /// Workers that are stopped at the same time, at most; 0 is 1 ...
    pub paused_max: u64,
    /// ... and how often for each of these places.
    pub pauses_max: usize,
    /// FLUSHALL, the stream deleted, Redis killed and started without its data, a failover to a replica that lacks the
    /// last writes; in turn.
    pub redis: Option<Duration>,
    /// FLUSHALL alone.
    pub flush: Option<Duration>,
    /// Redis is away once, for so long.
    pub outage: Option<Duration>,
    /// A failover by Sentinel, once, after so long.
    pub failover: Option<Duration>,
    /// kill -9 and SIGSTOP of PostgreSQL, in turn.
    pub postgres: Option<Duration>,
    /// A link becomes bad for some seconds.
    pub link: Option<Duration>,
    /// A send is taken, and its answer does not arrive.
    pub send: Option<Duration>,
}

/// A kill.
#[derive(Clone, Debug)]
pub struct Kill {
    /// Of whom.
    pub process: String,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All kills.
    pub kills: Vec<Kill>,
    /// Workers stopped past their lease.
    pub pauses: usize,
    /// What was done to Redis.
    pub redis: usize,
    /// Bad links.
    pub links: usize,
    /// Sends without an answer.
    pub sends: usize,
}

/// The faults of a run, until [`Faults::stop`].
pub struct Faults {
    tally: Arc<Short<Tally>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Hand {
    town: Shared,
    tally: Arc<Short<Tally>>,
    stop: CancellationToken,
}

impl Faults {
    /// Begins with the schedule.
    pub fn start(town: &Shared, schedule: Schedule, seed: u64) -> Self {
        let hand = Hand { town: town.clone(), tally: Arc::default(), stop: CancellationToken::new() };
        let mut tasks = JoinSet::new();
        let chance = |n: u64| StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(n));
        if let Some(every) = schedule.kill {
            tasks.spawn(kills(hand.clone(), every, schedule.kills_max, chance(1)));
        }
        if let Some(every) = schedule.pause {
            for n in 0..schedule.paused_max.max(1) {
                tasks.spawn(pauses(hand.clone(), every, schedule.pauses_max, chance(20 + n)));
            }
        }
        if let Some(every) = schedule.redis {
            tasks.spawn(redis(hand.clone(), every, chance(3)));
        }
        if let Some(every) = schedule.flush {
            tasks.spawn(flushes(hand.clone(), every, chance(7)));
        }
        if let Some(after) = schedule.failover {
            tasks.spawn(failover(hand.clone(), after));
        }
        if let Some(lasts) = schedule.outage {
            tasks.spawn(outage(hand.clone(), lasts));
        }
        if let Some(every) = schedule.postgres {
            tasks.spawn(postgres(hand.clone(), every, chance(4)));
        }
        if let Some(every) = schedule.link {
            tasks.spawn(links(hand.clone(), every, chance(5)));
        }
        if let Some(every) = schedule.send {
            tasks.spawn(sends(hand.clone(), every, chance(6)));
        }
        Self { tally: hand.tally, stop: hand.stop, tasks }
    }

    /// Ends it; what is broken is mended. Gives what happened.
    pub async fn stop(mut self) -> Tally {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.tally()
    }

    /// What happened so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Hand {
    /// Waits; false when the run is over.
    async fn wait(&self, every: Duration, chance: &mut StdRng) -> bool {
        let wait = every.mul_f64(chance.random_range(0.5..1.5));
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// A worker that holds a conversation now, and is not stopped.
    async fn catch_a_holder(&self, until: Instant, chance: &mut StdRng) -> Option<usize> {
        let database = self.town.lock().await.database.clone();
        let looks = async {
            loop {
                let Ok(mut db) = PgConnection::connect(&database).await else {
                    tokio::time::sleep(Duration::from_millis(100)).await; // it was killed
                    continue;
                };
                while let Ok(holders) = sqlx::query_as(HOLDERS).fetch_all(&mut db).await {
                    let town = self.town.lock().await;
                    let runs = |name: &String| town.processes.iter().position(|one| one.name == *name && !one.paused);
                    if let Some(at) = self.alive(holders).find_map(|name| runs(&name)) {
                        return at;
                    }
                    drop(town);
                    tokio::time::sleep(Duration::from_millis(chance.random_range(5..40))).await;
                }
            }
        };
        tokio::time::timeout_at(until.into(), looks).await.ok()
    }

    /// Those that live: a killed worker's lease outlives it, and the next one has its name.
    fn alive(&self, holders: Vec<(String, i64)>) -> impl Iterator<Item = String> {
        let kills = self.tally.lock().unwrap_or_else(PoisonError::into_inner).kills.clone();
        let lives = move |(name, at): &(String, i64)| kills.iter().all(|kill| kill.process != *name || kill.at < *at);
        holders.into_iter().filter(lives).map(|(name, _)| name)
    }

    async fn holds(&self, database: &str, process: &str) -> bool {
        let held = async {
            let mut db = PgConnection::connect(database).await?;
            sqlx::query_as(HOLDERS).fetch_all(&mut db).await
        };
        held.await.is_ok_and(|all| self.alive(all).any(|name| name == process))
    }

    /// Waits until nobody waits for this worker, which is stopped: a lease that is over and was not taken is still its own.
    async fn until_taken(&self, at: usize) {
        let (name, database) = {
            let town = self.town.lock().await;
            (town.processes[at].name.clone(), town.database.clone())
        };
        let waits = async || {
            let mut db = PgConnection::connect(&database).await?;
            sqlx::query_scalar::<_, bool>(WAITS).bind(&name).fetch_one(&mut db).await
        };
        while waits().await.unwrap_or(true) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops a worker in the middle of its work for a kill: tries until one is met, as most have just let go.
    async fn aim(&self, chance: &mut StdRng) -> Option<usize> {
        let until = Instant::now() + AIM_MAX;
        while Instant::now() < until {
            self.town.lock().await.ask_workers().await; // once stopped it cannot tell
            if let Some(at) = self.stop_a_holder(until, chance).await {
                return Some(at);
            }
        }
        None
    }

    /// SIGSTOP of a worker in the middle of its work, which counts as paused then; none when nobody works long enough.
    async fn stop_a_holder(&self, until: Instant, chance: &mut StdRng) -> Option<usize> {
        let at = self.catch_a_holder(until, chance).await?;
        let (name, database) = {
            let mut town = self.town.lock().await;
            if town.processes[at].paused {
                return None;
            }
            town.processes[at].pause();
            (town.processes[at].name.clone(), town.database.clone())
        };
        tokio::time::sleep(LANDS).await; // what it had sent to the database
        if self.holds(&database, &name).await {
            return Some(at);
        }
        let mut town = self.town.lock().await;
        town.processes[at].resume(); // it had just let go
        town.processes[at].paused = false;
        None
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn killed(&self, process: &str) {
        let kill = Kill { process: process.to_owned(), at: now() };
        self.note(|tally| tally.kills.push(kill));
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

async fn kills(hand: Hand, every: Duration, most: usize, mut chance: StdRng) {
    let mut done = 0;
    while done < most && hand.wait(every, &mut chance).await {
        done += 1;
        // Every second one looks for a worker in the middle of its work, stops it, looks again, and kills it then.
        let aimed = if done % 2 == 0 { hand.aim(&mut chance).await } else { None };
        let mut town = hand.town.lock().await;
        let at = match aimed {
            Some(at) => at,
            None => {
                let running: Vec<usize> = (0..town.processes.len()).filter(|at| !town.processes[*at].paused).collect();
                if running.is_empty() {
                    continue;
                }
                running[chance.random_range(0..running.len())]
            }
        };
        let name = town.processes[at].name.clone();
        if let Err(error) = town.kill(at).await {
            eprintln!("{name} was not started again: {error:#}");
        }
        hand.killed(&name);
    }
}

/// Stops a worker that holds a conversation, until after its lease.
async fn pauses(hand: Hand, every: Duration, most: usize, mut chance: StdRng) {
    let mut wait = every;
    let mut done = 0;
    while done < most && hand.wait(wait, &mut chance).await {
        let Some(at) = hand.stop_a_holder(Instant::now() + AIM_MAX, &mut chance).await else {
            wait = Duration::from_millis(50); // until one is found
            continue;
        };
        wait = every;
        done += 1;
        hand.note(|tally| tally.pauses += 1);
        let pause = Duration::from_millis(chance.random_range(PAUSE));
        tokio::time::sleep(pause).await; // to its end, though the run may be over: it has to find its lease gone
        // The first finds its lease taken; others may come back while it is over and not taken, or being taken.
        if done == 1 || chance.random_bool(0.5) {
            let taken = hand.until_taken(at);
            if tokio::time::timeout(TAKEN_MAX, taken).await.is_err() {
                eprintln!("nobody took over from a worker that was stopped for {:?}", pause + TAKEN_MAX);
            }
        }
        hand.town.lock().await.processes[at].resume();
        // It is not killed before it has found its lease gone, and told.
        tokio::time::sleep(NOTICES).await;
        let mut town = hand.town.lock().await;
        let process = &mut town.processes[at];
        process.told = process.metrics().await;
        process.paused = false;
    }
}

/// The processes that are answering a message, and when they claimed its conversation. Not those whose claim is all that is
/// seen of them: of a claim that was made and whose answer a bad link lost nobody knows, so nobody is fenced after it. One
/// that began long ago may have given up.
const HOLDERS: &str = "select l.process, l.at from conversations c join chaos_log l on l.conversation = c.id and \
    l.epoch = c.epoch and l.kind = 'claim' where c.owner is not null and c.next_seq > c.done_seq and c.lease_until > \
    (extract(epoch from clock_timestamp()) * 1000000)::bigint + 5000000 and exists (select from chaos_log b where \
    b.kind = 'begin' and b.conversation = c.id and b.process = l.process and b.n > l.n and b.at > \
    (extract(epoch from clock_timestamp()) * 1000000)::bigint - 3000000)";

/// Whether a conversation that this process claimed last is held and not answered.
const WAITS: &str = "select exists (select from conversations c join chaos_log l on l.conversation = c.id and \
    l.epoch = c.epoch and l.kind = 'claim' where c.owner is not null and c.next_seq > c.done_seq and l.process = $1)";

async fn redis(hand: Hand, every: Duration, mut chance: StdRng) {
    let mut round = 0;
    while hand.wait(every, &mut chance).await {
        let mut town = hand.town.lock().await;
        let done = match round % 4 {
            0 => command(&town.redis, &["FLUSHALL"]).await.map(drop),
            1 => command(&town.redis, &["DEL", "whatsapp_stream_inbound"]).await.map(drop),
            2 => {
                town.redis.kill();
                hand.killed("redis");
                town.redis.restart(&[]).await
            }
            _ => {
                let lag = Duration::from_millis(chance.random_range(50..1_500));
                town.fail_over(lag).await
            }
        };
        match done {
            Ok(()) => hand.note(|tally| tally.redis += 1),
            Err(error) => eprintln!("Redis: {error:#}"),
        }
        round += 1;
    }
}

async fn flushes(hand: Hand, every: Duration, mut chance: StdRng) {
    while hand.wait(every, &mut chance).await {
        // While Redis is away there is nothing to flush.
        if command(&hand.town.lock().await.redis, &["FLUSHALL"]).await.is_ok() {
            hand.note(|tally| tally.redis += 1);
        }
    }
}

/// Redis is away once, to the end of its time though the run may be over.
async fn outage(hand: Hand, lasts: Duration) {
    hand.town.lock().await.redis.kill();
    hand.killed("redis");
    tokio::time::sleep(lasts).await;
    if let Err(error) = hand.town.lock().await.redis.restart(&[]).await {
        eprintln!("Redis was not started again: {error:#}");
    }
}

/// A failover by Sentinel, once; nothing else happens meanwhile.
async fn failover(hand: Hand, after: Duration) {
    tokio::select! {
        () = tokio::time::sleep(after) => {}
        () = hand.stop.cancelled() => return,
    }
    match hand.town.lock().await.fail_over_by_sentinel(Duration::from_secs(1)).await {
        Ok(()) => hand.note(|tally| tally.redis += 1),
        Err(error) => eprintln!("{error:#}"),
    }
    hand.killed("redis");
}

/// A command for Redis, as it is typed; the beginning of its answer.
pub async fn command(redis: &testkit::Redis, words: &[&str]) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", redis.port()?)).await?;
    stream.write_all(format!("{}\r\n", words.join(" ")).as_bytes()).await?;
    let mut answer = [0; 64];
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    anyhow::ensure!(read > 0 && !answer.starts_with('-'), "{words:?}: {answer}");
    Ok(answer)
}

async fn postgres(hand: Hand, every: Duration, mut chance: StdRng) {
    let mut round = 0;
    while hand.wait(every, &mut chance).await {
        let town = hand.town.lock().await;
        if round % 2 == 0 {
            town.postgres.kill();
            hand.killed("postgres");
            if let Err(error) = town.postgres.restart().await {
                eprintln!("PostgreSQL was not started again: {error:#}");
            }
        } else {
            let ids = town.postgres.process_ids();
            ids.iter().for_each(|id| send_signal(*id, "STOP"));
            tokio::time::sleep(Duration::from_secs(chance.random_range(2..8))).await;
            ids.iter().for_each(|id| send_signal(*id, "CONT"));
        }
        round += 1;
    }
}

async fn links(hand: Hand, every: Duration, mut chance: StdRng) {
    while hand.wait(every, &mut chance).await {
        let at = {
            let town = hand.town.lock().await;
            let links = town.links();
            let at = links[chance.random_range(0..links.len())];
            town.proxies[at].set(FAULTS[chance.random_range(0..FAULTS.len())]);
            at
        };
        hand.note(|tally| tally.links += 1);
        tokio::time::sleep(Duration::from_millis(chance.random_range(500..8_000))).await;
        hand.town.lock().await.proxies[at].set(crate::proxy::Mode::Good);
    }
}

async fn sends(hand: Hand, every: Duration, mut chance: StdRng) {
    let infobip = hand.town.lock().await.infobip.clone();
    while hand.wait(every, &mut chance).await {
        // One at a time: cuts that pile up while a conversation waits would all meet its next send.
        if !infobip.faults().is_clear() {
            continue;
        }
        let operation = SENDS[usize::from(chance.random_range(0..4) == 0)];
        infobip
            .faults()
            .next(operation, if chance.random_bool(0.7) { Fault::CutAfter } else { Fault::StatusAfter(500) });
        hand.note(|tally| tally.sends += 1);
    }
}
