//! How many webhooks a second the gateway itself takes, and whether its memory stays as it is:
//! `bench_gateway <python> <baseline.py>`.
//!
//! HTTP, signature, parse and accept, in front of a store that only remembers in memory; FastAPI does the same and
//! remembers nothing. Both take the same bodies over the same connections, one after another in each round, as fast as
//! they answer; the sender has the same two cores. `MESSAGES` (10,000,000) are then sent to ours to see its memory.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod system;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, bail, ensure};
use domain::{ConversationId, Incoming};
use futures::future::BoxFuture;
use ingress_gateway::{Accept, App, Config, DEFAULTS, Parts, SERVICE};
use service_kit::{cli, net};
use store::{Accepted, StoreError};
use system::{PEERS, System};
use testkit::load::{Connection, figure, request, resident_mib, rounds};
use tokio_util::sync::CancellationToken;

/// Set where this program is the gateway that is measured.
const SERVE: &str = "BENCH_SERVE";
const CONNECTIONS: usize = 64;
/// Webhooks of a measurement; FastAPI takes a tenth.
const BATCH: usize = 100_000;
/// Message ids that the store in memory remembers.
const IDS_MAX: usize = 100_000;

fn main() -> ExitCode {
    if std::env::var_os(SERVE).is_some() {
        return cli::main(SERVICE, "One gateway of this bench", DEFAULTS, serve);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("a runtime").and_then(|runtime| runtime.block_on(measure())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The gateway as it is, with a store in memory.
async fn serve(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let http = net::bind(SERVICE, "http.listen", config.http.listen).await?;
    let ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let parts = Parts::connect(&config).await?;
    parts.store.migrate_up().await?;
    let app = App::accepting(config, parts, Arc::new(InMemory::default()))?;
    app.serve(http, ops, shutdown).await
}

/// Numbers the messages of each conversation, and knows the ids of the last ones.
#[derive(Default)]
struct InMemory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    conversations: HashMap<String, (ConversationId, i64)>,
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Accept for InMemory {
    fn accept<'a>(&'a self, messages: &'a [Incoming]) -> BoxFuture<'a, Result<Vec<Accepted>, StoreError>> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = messages.iter().map(|message| remembered.accept(message)).collect();
        Box::pin(std::future::ready(Ok(accepted)))
    }
}

impl Remembered {
    fn accept(&mut self, message: &Incoming) -> Accepted {
        let (conversation, seq) =
            self.conversations.entry(message.peer.clone()).or_insert_with(|| (ConversationId::new(), 0));
        let duplicate = !self.ids.insert(message.provider_message_id.clone());
        if !duplicate {
            *seq += 1;
            self.order.push_back(message.provider_message_id.clone());
        }
        if self.order.len() > IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        Accepted { conversation: *conversation, seq: *seq, duplicate, ring: !duplicate }
    }
}

async fn measure() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(python), Some(baseline)) = (arguments.next(), arguments.next()) else {
        bail!("give a python and baseline.py");
    };
    let messages = std::env::var("MESSAGES").map_or(Ok(10_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite:{}", folder.path().join("gateway.db").display());
    let mut gateway = Command::new(std::env::current_exe()?);
    gateway.env(SERVE, "1").env("INGRESS_GATEWAY__COORDINATION__KIND", "memory");
    let ours = System::gateway(&mut gateway, folder.path(), &database).await?;
    let mut sender = Sender::default();
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..rounds()? {
        let rate = sender.send(&ours, BATCH).await?;
        let python = System::python(&python, &baseline, None).await?;
        let slow = sender.send(&python, BATCH / 10).await?;
        println!("round {round}: ours {rate:.0}/s, FastAPI {slow:.0}/s");
        rates.push(rate);
        ratios.push(rate / slow);
    }
    figure("gateway_webhooks_per_s", "per_s", &mut rates);
    figure("gateway_webhooks_ratio_python", "", &mut ratios);
    let (mut sent, mut memory) = (0, Vec::new());
    while sent < messages {
        sender.send(&ours, BATCH).await?;
        sent += BATCH;
        memory.push(resident_mib(ours.process.id())?);
        if sent % (10 * BATCH) == 0 {
            println!("after {sent} webhooks: {:.1} MiB", memory.last().copied().unwrap_or_default());
        }
    }
    // What the allocator keeps is there after the first tenth.
    let settled = memory.get(memory.len() / 10).copied().unwrap_or_default();
    let last = memory.last().copied().unwrap_or_default();
    println!("figure gateway_memory_messages {sent}");
    println!("figure gateway_memory_mib {last:.1} MiB");
    println!("figure gateway_memory_growth_mib {:.1} MiB", last - settled);
    Ok(())
}

/// Sends, and never uses a message id twice.
#[derive(Default)]
struct Sender {
    sent: usize,
}

impl Sender {
    /// So many webhooks, each connection as fast as it is answered; gives how many a second.
    async fn send(&mut self, system: &System, count: usize) -> anyhow::Result<f64> {
        let first = self.sent;
        self.sent += count;
        // Signed before: the sender takes as little as it can of what it measures.
        let requests = (0..count).map(|number| request(system.path, first + number, PEERS));
        let requests: Arc<Vec<Vec<u8>>> = Arc::new(requests.collect::<anyhow::Result<_>>()?);
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let connections =
            (0..CONNECTIONS).map(|_| one_connection(system.address, Arc::clone(&requests), Arc::clone(&next)));
        let taken: usize = futures::future::try_join_all(connections).await?.into_iter().sum();
        let took = begun.elapsed();
        ensure!(taken == count, "{} of {count} webhooks were not taken", count - taken);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        Ok(count as f64 / took.as_secs_f64())
    }
}

/// Gives how many were answered with a 2xx.
async fn one_connection(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<usize> {
    let mut connection = Connection::open(address).await?;
    let mut taken = 0;
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        taken += usize::from(connection.send(request).await?);
    }
    Ok(taken)
}
