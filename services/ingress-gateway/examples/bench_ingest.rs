//! How many webhooks a second the gateway takes, on disk before each answer, beside the predecessors' stack:
//! `bench_ingest <folder of our binaries> <python> <baseline.py>`, with `TEST_DATABASE_URL` and `TEST_REDIS_URL`.
//!
//! An open loop: each request has its time, and its latency counts from then, however long the one before took. All
//! systems take the same bodies with the same signatures on the same machine, the generator included, one after another
//! in each round. `RATE=<webhooks a second>,..` makes such runs of ours alone. What a system takes is the highest rate of
//! which 99 of 100 are answered within 30 ms, all with 2xx.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod system;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use sqlx::{Connection as _, Executor as _};
use system::{PEERS, System, WAIT};
use testkit::load::{figure, migrate, open_loop, peak_mib, request, rounds};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

const P99: Duration = Duration::from_millis(30);
const CONNECTIONS: usize = 128;
const RUN: Duration = Duration::from_secs(4);

/// The rate of the published latency, and the first and the last that are tried.
const RATE: f64 = 2_000.0;
const LEAST: f64 = 100.0;
const MOST: f64 = 40_000.0;
/// Sockets that send a byte a second, and the rate of honest requests beside them.
const SLOW_SOCKETS: usize = 2_000;
const RATE_BESIDE_SLOW: f64 = 500.0;
/// By how much a rate is more than the one before.
const STEP: f64 = 1.1;

/// Our gateway over a database that has been migrated.
async fn gateway(binaries: &Path, folder: &Path, database: &str, redis: &str) -> anyhow::Result<System> {
    migrate(binaries, database, redis)?;
    System::gateway(Command::new(binaries.join("ingress-gateway")).env("REDIS_URL", redis), folder, database).await
}

/// Leaves the database as one that has run for long: nothing of the one before is left to be cleaned up, and its log has
/// files enough. Each new one is 16 MiB of zeros that whoever writes waits for, at a rate of 12,000 once a second.
async fn settle(database: &str) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(database).await?;
    let logged =
        "select count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000))) from generate_series(1, 900)";
    for statement in [logged, "vacuum analyze", "checkpoint"] {
        connection.execute(statement).await.context(statement)?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(binaries), Some(python), Some(baseline)) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("give the folder of our binaries, a python and baseline.py");
    };
    let database = std::env::var("TEST_DATABASE_URL").context("TEST_DATABASE_URL")?;
    let redis = std::env::var("TEST_REDIS_URL").context("TEST_REDIS_URL")?;
    let folder = tempfile::tempdir()?;
    if let Ok(rate) = std::env::var("RATE") {
        // Runs of ours, to look at.
        settle(&database).await?;
        let (ours, mut runs) = (gateway(&binaries, folder.path(), &database, &redis).await?, Runs::default());
        for rate in rate.split(',') {
            let outcome =
                runs.once(&ours, rate.parse().context("RATE is webhooks a second, or several rates")?).await?;
            println!(
                "{rate}/s: p50 {:.2} ms, p99 {:.2} ms, {} failed, {} late",
                outcome.p50_ms, outcome.p99_ms, outcome.failed, outcome.late
            );
        }
        return Ok(());
    }
    let mut runs = Runs::default();
    let (mut rates, mut durable, mut fast, mut at_rate) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut beside_slow, mut memory) = (Vec::new(), Vec::new());
    for round in 0..rounds()? {
        settle(&database).await?;
        let ours = gateway(&binaries, folder.path(), &database, &redis).await?;
        let rate = runs.highest(&ours, rates.last().copied()).await?;
        settle(&database).await?;
        at_rate.push(runs.once(&ours, RATE).await?.p99_ms);
        let slow_sockets = SlowSockets::open(ours.address, ours.path).await?;
        let beside = runs.once(&ours, RATE_BESIDE_SLOW).await?;
        ensure!(beside.failed == 0, "{} honest requests failed beside slow sockets", beside.failed);
        beside_slow.push(beside.p99_ms);
        memory.push(peak_mib(ours.process.id())?);
        ensure!(slow_sockets.held() >= SLOW_SOCKETS / 2, "only {} slow sockets were open", slow_sockets.held());
        drop(slow_sockets);
        drop(ours);
        settle(&database).await?;
        let python_durable = System::python(&python, &baseline, Some(&database)).await?;
        let slow = runs.highest(&python_durable, durable.last().map(|ratio| rate / ratio)).await?;
        drop(python_durable);
        let python_fast = System::python(&python, &baseline, None).await?;
        let quick = runs.highest(&python_fast, fast.last().map(|ratio| rate / ratio)).await?;
        drop(python_fast);
        println!(
            "round {round}: ours {rate:.0}/s, FastAPI durable {slow:.0}/s, FastAPI without a database {quick:.0}/s"
        );
        rates.push(rate);
        durable.push(rate / slow);
        fast.push(rate / quick);
    }
    figure("ingest_durable_per_s", "per_s", &mut rates);
    figure("ingest_p99_ms", "ms", &mut at_rate);
    figure("ingest_ratio_durable_python", "", &mut durable);
    figure("ingest_ratio_fast_python", "", &mut fast);
    figure("slow_sockets_honest_p99_ms", "ms", &mut beside_slow);
    figure("slow_sockets_gateway_mib", "MiB", &mut memory);
    Ok(())
}

/// What one run at a constant rate gave.
struct Outcome {
    p50_ms: f64,
    p99_ms: f64,
    /// Answers that were no 2xx, and requests that failed.
    failed: usize,
    /// Requests that were sent more than `P99` late, because all connections waited.
    late: usize,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.failed == 0 && self.late == 0 && self.p99_ms <= P99.as_secs_f64() * 1e3
    }
}

/// Runs, which never use a message id twice.
#[derive(Default)]
struct Runs {
    sent: usize,
}

impl Runs {
    /// The highest rate that a system takes, sought from what it took before.
    async fn highest(&mut self, system: &System, before: Option<f64>) -> anyhow::Result<f64> {
        let mut rate = before.unwrap_or(500.0).clamp(LEAST, MOST);
        let mut good = self.once(system, rate).await?.is_good();
        while !good && rate > LEAST {
            rate /= STEP;
            good = self.once(system, rate).await?.is_good();
        }
        // One bad run may be chance, two are not.
        let mut step = if before.is_some() { STEP } else { STEP * STEP * STEP };
        loop {
            let next = rate * step;
            if next > MOST {
                return Ok(rate);
            }
            if self.once(system, next).await?.is_good() || self.once(system, next).await?.is_good() {
                rate = next;
            } else if step > STEP {
                step = STEP;
            } else {
                return Ok(rate);
            }
        }
    }

    async fn once(&mut self, system: &System, rate: f64) -> anyhow::Result<Outcome> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
        let count = (rate * RUN.as_secs_f64()) as usize;
        let first = self.sent;
        self.sent += count;
        // Signed before they are due: the generator takes as little as it can of what it measures.
        let requests = (0..count).map(|number| request(system.path, first + number, PEERS));
        let requests = requests.collect::<anyhow::Result<_>>()?;
        let sent = open_loop(system.address, requests, rate, CONNECTIONS, WAIT).await?;
        let mut times: Vec<Duration> = sent.iter().map(|sent| sent.took).collect();
        times.sort_unstable();
        let part = |hundredth| times.get(times.len() * hundredth / 100).copied().unwrap_or(WAIT).as_secs_f64() * 1e3;
        Ok(Outcome {
            p50_ms: part(50),
            p99_ms: part(99),
            failed: sent.iter().filter(|sent| !sent.taken).count(),
            late: sent.iter().filter(|sent| sent.late > P99).count(),
        })
    }
}

/// Sockets that send a byte a second, half of them in the head and half in the body of a request; who is shut out comes
/// again. They end with their owner.
struct SlowSockets {
    senders: Vec<tokio::task::JoinHandle<()>>,
    open: Arc<AtomicUsize>,
}

impl Drop for SlowSockets {
    fn drop(&mut self) {
        self.senders.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl SlowSockets {
    /// Gives them when all have been connected once.
    async fn open(address: SocketAddr, path: &'static str) -> anyhow::Result<Self> {
        let open = Arc::new(AtomicUsize::new(0));
        let mut senders = Vec::new();
        for number in 0..SLOW_SOCKETS {
            let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n");
            let rest = if number % 2 == 0 { "" } else { "content-length: 1000\r\n\r\n" };
            let (first, counted) = (head + rest, Arc::clone(&open));
            let mut stream = Some(TcpStream::connect(address).await?);
            senders.push(tokio::spawn(async move {
                loop {
                    if let Some(mut stream) = stream.take() {
                        counted.fetch_add(1, Ordering::Relaxed);
                        let mut sent = stream.write_all(first.as_bytes()).await;
                        while sent.is_ok() {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                            sent = stream.write_all(b"a").await;
                        }
                        counted.fetch_sub(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    stream = TcpStream::connect(address).await.ok();
                }
            }));
        }
        Ok(Self { senders, open })
    }

    /// How many are open.
    fn held(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}
