//! How fast the vectors' service is: `make bench-embedding`, which calls `bench_embedding DATA PYTHON PEERS`.
//!
//! The service is a process of its own on one core, callers are this process on another, and the peers (Qdrant edge and
//! hnswlib, called in process) run on the service's core while it is idle. What is compared is measured in turns, five
//! times, and a figure is the median of the rounds' ratios. Rates that are compared are calls a second of processor time,
//! which is what one core does that has nothing else to do; so other programs on the machine do not count. Rates by the
//! clock are printed beside. DATA has the vectors of tests/support/bench-vectors/data.py. Behind PEERS may stand the parts
//! that are wanted: `wide`, `many`, `inserts` (with `many`), `filters`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

mod servers;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use domain::Tenant;
use embedding_service::{
    vectors::{self, Collections, Limits, Point, Question, Room, Schema},
    work::Work,
};
use prost_types::{Struct, Value, value::Kind};
use proto::embedding::v1::{self as pb, vector_service_client::VectorServiceClient};
use servers::{serve, serve_empty};
use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};
use vector_index::{Distance, Index, Search};

/// As in the service; the bare server that it is compared with has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const K: i32 = 10;
const MESSAGE_POINTS: usize = 500;
const CALLERS: usize = 16;

type Client = VectorServiceClient<Channel>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => runtime.block_on(serve(Path::new(folder))),
        ["empty"] => runtime.block_on(serve_empty()),
        [data, python, peers, ref parts @ ..] => {
            let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
            runtime.block_on(bench(&Bench { data: Path::new(data), python, peers }, wanted));
        }
        _ => panic!("bench_embedding DATA PYTHON PEERS [PART ..]"),
    }
}

struct Bench<'a> {
    data: &'a Path,
    python: &'a str,
    peers: &'a str,
}

impl Bench<'_> {
    /// Its own program, or a peer, on a core.
    fn spawn(&self, core: Option<usize>, arguments: &[&str]) -> Process {
        Process::start(core, std::env::current_exe().unwrap().to_str().unwrap(), arguments)
    }

    fn peer(&self, core: Option<usize>, name: &str) -> Process {
        Process::start(core, self.python, &[self.peers, self.data.to_str().unwrap(), name])
    }
}

async fn bench(bench: &Bench<'_>, wanted: impl Fn(&str) -> bool) {
    let cores = std::thread::available_parallelism().unwrap().get();
    let server_core = (Command::new("taskset").arg("--version").output().is_ok() && cores > 1).then_some(cores - 1);
    if let Some(core) = server_core {
        let pid = std::process::id().to_string();
        let others = format!("0-{}", core - 1);
        let pinned = Command::new("taskset").args(["-a", "-p", "-c", &others, &pid]).stdout(Stdio::null()).status();
        assert!(pinned.unwrap().success());
    } else {
        println!("no taskset, or one core: service and callers are not kept apart");
    }
    let folder = tempfile::tempdir_in(bench.data).unwrap();
    if wanted("wide") {
        wide(bench, server_core, &folder.path().join("wide")).await;
    }
    let (base, queries) = (Matrix::read(bench.data, "base_384.f32"), Matrix::read(bench.data, "query_384.f32"));
    let rows: Vec<&[f32]> = base.rows().take(100_000).collect();
    if wanted("many") {
        many(bench, server_core, &folder.path().join("many"), &rows, &queries, wanted("inserts")).await;
    }
    if wanted("filters") {
        filters_and_deletes(&folder.path().join("in_process"), &rows, &queries).await;
    }
}

/// A thousand vectors of 1536 values.
async fn wide(bench: &Bench<'_>, core: Option<usize>, folder: &Path) {
    let (base, queries) = (Matrix::read(bench.data, "base_1536.f32"), Matrix::read(bench.data, "query_1536.f32"));
    let rows: Vec<&[f32]> = base.rows().take(1_000).collect();
    let empty = bench.spawn(core, &["empty"]);
    let served = bench.spawn(core, &["serve", folder.to_str().unwrap()]);
    let (ours, nothing) = (served.client().await, empty.client().await);
    fill(&ours, "wide", &rows).await;
    settle(&ours, "wide").await;
    let requests = Requests::new("wide", &queries);
    let mut qdrant = bench.peer(core, "qdrant");
    let alone = in_process(&rows, &queries);
    let (mut overhead, mut share, mut against) = (Vec::new(), Vec::new(), Vec::new());
    let mut rates = [1, CALLERS, 256].map(|callers| (callers, Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (callers, ours_rates, empty_rates) in &mut rates {
            let called = empty.load(&nothing, &requests, *callers).await;
            let done = served.load(&ours, &requests, *callers).await;
            if *callers == 1 {
                overhead.push(done.p50_us / (called.p50_us + alone()));
            }
            if *callers == CALLERS {
                share.push(done.core_rate / called.core_rate);
                against.push(done.core_rate / qdrant.ask("round").parse::<f64>().unwrap());
            }
            ours_rates.push([done.rate, done.core_rate]);
            empty_rates.push([called.rate, called.core_rate]);
        }
    }
    for (callers, ours, empty) in &mut rates {
        rate(&format!("grpc_1k_1536_rate_{callers}_callers"), ours);
        rate(&format!("grpc_empty_1536_rate_{callers}_callers"), empty);
    }
    figure("in_process_1k_1536_p50", alone(), "us");
    spread("grpc_overhead_ratio", &mut overhead);
    spread("grpc_1k_1536_share", &mut share);
    spread("grpc_1k_vs_qdrant", &mut against);
}

/// A hundred thousand of 384; and how searches go while others are inserted.
async fn many(
    bench: &Bench<'_>,
    core: Option<usize>,
    folder: &Path,
    rows: &[&[f32]],
    queries: &Matrix,
    with_inserts: bool,
) {
    let folder = folder.to_str().unwrap();
    let served = bench.spawn(core, &["serve", folder]);
    let ours = served.client().await;
    let before = served.processor_time();
    let took = fill(&ours, "many", rows).await;
    figure("inserts_per_s", rows.len() as f64 / took.as_secs_f64(), "per_s");
    figure("inserts_per_core_s", rows.len() as f64 / (served.processor_time() - before).as_secs_f64(), "per_s");
    settle(&ours, "many").await;
    figure(
        "inserts_in_order_per_core_s",
        rows.len() as f64 / (served.processor_time() - before).as_secs_f64(),
        "per_s",
    );
    let requests = Requests::new("many", queries);
    let mut hnswlib = bench.peer(core, "hnswlib");
    let mut against = Vec::new();
    let mut rates = [1, CALLERS, 256].map(|callers| (callers, Vec::new()));
    for _ in 0..ROUNDS {
        for (callers, rates) in &mut rates {
            let done = served.load(&ours, &requests, *callers).await;
            if *callers == CALLERS {
                against.push(done.core_rate / hnswlib.ask("round").parse::<f64>().unwrap());
            }
            rates.push([done.rate, done.core_rate]);
        }
    }
    for (callers, rates) in &mut rates {
        rate(&format!("grpc_100k_rate_{callers}_callers"), rates);
    }
    spread("grpc_100k_vs_hnswlib", &mut against);
    drop(hnswlib);
    if !with_inserts {
        return;
    }
    serving_inserts(&served, &ours, &requests, rows, "one_core").await;
    drop(served);

    // Both cores for both, as two of one machine would have it.
    let served = bench.spawn(None, &["serve", folder]);
    if let Some(core) = core {
        let pid = std::process::id().to_string();
        let all = format!("0-{core}");
        Command::new("taskset").args(["-a", "-p", "-c", &all, &pid]).stdout(Stdio::null()).status().unwrap();
    }
    let ours = served.client().await;
    settle(&ours, "many").await;
    serving_inserts(&served, &ours, &requests, rows, "").await;
}

/// The time of a search while 50,000 points a second and more go into another collection, over that before. The rate that
/// is told runs to the last acknowledgement, so more are offered.
async fn serving_inserts(served: &Process, ours: &Client, requests: &Requests, rows: &[&[f32]], label: &str) {
    const RATE: f64 = 55_000.0;
    let name = |of: &str| if label.is_empty() { of.to_owned() } else { format!("{of}_{label}") };
    create(ours, "beside", rows[0].len()).await;
    let (mut ratios, mut reached) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let quiet = served.load(ours, requests, 1).await;
        let mut client = ours.clone();
        let messages = messages("beside", &rows[..MESSAGE_POINTS * 100]);
        let writing = tokio::spawn(async move {
            let started = Instant::now();
            let count = messages.len() * MESSAGE_POINTS;
            // Messages are due at fixed times; one that the service takes late is sent late.
            let paced = futures::stream::unfold((messages.into_iter(), 0u32), move |(mut messages, sent)| async move {
                let message = messages.next()?;
                let due = started + Duration::from_secs_f64(f64::from(sent) * MESSAGE_POINTS as f64 / RATE);
                tokio::time::sleep_until(due.into()).await;
                Some((message, (messages, sent + 1)))
            });
            client.upsert(paced).await.unwrap();
            count as f64 / started.elapsed().as_secs_f64()
        });
        let busy = served.load(ours, requests, 1).await;
        ratios.push(busy.p50_us / quiet.p50_us);
        reached.push(writing.await.unwrap());
        settle(ours, "beside").await;
    }
    spread(&name("serving_insert_p50_ratio"), &mut ratios);
    figure(&name("serving_insert_rate"), median(&mut reached), "per_s");
}

/// A filter that keeps a tenth, and a collection of which a tenth was deleted, over the same without; in process, as the
/// service's handler asks.
async fn filters_and_deletes(folder: &Path, rows: &[&[f32]], queries: &Matrix) {
    let limits = Limits { collections_max: 9, points_max: 1_000_000, bytes_max: u64::MAX, graph_bytes_max: usize::MAX };
    let collections = Arc::new(Collections::open(folder, limits).unwrap());
    let (tenant, name) = (Tenant::new("acme").unwrap(), "many");
    let partition_field = "tenant".to_owned();
    let schema = Schema { dimension: rows[0].len(), distance: Distance::Cosine, partition_field };
    collections.create(&tenant, name, &schema).unwrap();
    for (at, rows) in rows.chunks(1_000).enumerate() {
        let point = |(row, vector): (usize, &&[f32])| {
            let text = |number: usize| Value { kind: Some(Kind::StringValue(number.to_string())) };
            let number = at * 1_000 + row;
            let fields = [("tenant".to_owned(), text(number % 10)), ("other".to_owned(), text(number / 7 % 10))];
            Point { id: format!("p{number}"), vector: vector.to_vec(), payload: Some(Struct { fields: fields.into() }) }
        };
        let points: Vec<Point> = rows.iter().enumerate().map(point).collect();
        collections.upsert(&tenant, name, &points).unwrap();
    }
    let collection = collections.find(&tenant, name).unwrap();
    let quiet = async || {
        let (mut before, mut same) = (collection.stats(), 0);
        while same < 6 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = collection.stats();
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
    };
    quiet().await;
    let work = Work::new(std::num::NonZeroUsize::MIN, 16);
    let p50 = async |filter: Option<&str>| {
        let value = Value { kind: Some(Kind::StringValue("3".to_owned())) };
        let filter = filter.map(|field| Struct { fields: [(field.to_owned(), value)].into() });
        let mut times = Vec::new();
        for query in queries.rows().take(1_000) {
            let question = Question { vector: query.to_vec(), k: 10, filter: filter.clone(), exact: false };
            let started = Instant::now();
            let found = vectors::ask(&collection, &work, vec![question], Room::new(1 << 20), None).await;
            times.push(started.elapsed().as_secs_f64() * 1e6);
            assert_eq!(found.unwrap().unwrap()[0].len(), 10);
        }
        median(&mut times)
    };
    let (mut partition, mut scattered, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let all = p50(None).await;
        partition.push(all / p50(Some("tenant")).await);
        scattered.push(all / p50(Some("other")).await);
        whole.push(all);
    }
    spread("filter_10pct_speedup", &mut partition);
    spread("filter_10pct_scattered_speedup", &mut scattered);
    let ids: Vec<String> = (0..rows.len()).step_by(10).map(|number| format!("p{number}")).collect();
    collections.remove(&tenant, name, &ids).unwrap();
    quiet().await;
    let whole = median(&mut whole);
    let mut deleted = Vec::new();
    for _ in 0..ROUNDS {
        deleted.push(p50(None).await / whole);
    }
    spread("deleted_10pct_slowdown", &mut deleted);
}

/// The median time of a search without the service, measured anew at each call.
fn in_process(rows: &[&[f32]], queries: &Matrix) -> impl Fn() -> f64 {
    let index = Index::in_memory(vector_index::Config::new(rows[0].len(), Distance::Cosine)).unwrap();
    let ids: Vec<String> = (0..rows.len()).map(|row| format!("p{row}")).collect();
    let points = ids.iter().zip(rows).map(|(id, vector)| vector_index::Point { id, tenant: 0, payload: &[], vector });
    index.upsert(&points.collect::<Vec<_>>()).unwrap();
    index.compact_fully().unwrap();
    let snapshot = index.snapshot();
    move || {
        let time = |query: &[f32]| {
            let started = Instant::now();
            std::hint::black_box(snapshot.search(&Search::new(query, 10)).unwrap());
            started.elapsed().as_secs_f64() * 1e6
        };
        median(&mut queries.rows().take(1_000).map(time).collect::<Vec<_>>())
    }
}

struct Load {
    rate: f64,
    /// Calls a second of the server's processor time.
    core_rate: f64,
    p50_us: f64,
}

struct Requests(Vec<pb::SearchRequest>);

impl Requests {
    fn new(name: &str, queries: &Matrix) -> Self {
        let request = |query: &[f32]| pb::SearchRequest {
            collection: name.to_owned(),
            vector: bytes(query).into(),
            k: K,
            ..Default::default()
        };
        Self(queries.rows().take(1_000).map(request).collect())
    }
}

/// So many callers, each with one call at a time, for a second: how many calls, and the median time of one in us.
async fn call(client: &Client, requests: &Requests, callers: usize) -> (usize, f64) {
    let end = Instant::now() + Duration::from_secs(1);
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut running = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (mut client, times) = (client.clone(), Arc::clone(&times));
        let requests: Vec<_> = requests.0.iter().cycle().skip(caller * 61).take(100).cloned().collect();
        running.spawn(async move {
            let mut mine = Vec::new();
            for request in requests.iter().cycle() {
                let started = Instant::now();
                if started >= end {
                    break;
                }
                let answer = client.search(request.clone()).await.unwrap().into_inner();
                assert_eq!(answer.hits.len(), 10);
                mine.push(started.elapsed().as_secs_f64() * 1e6);
            }
            times.lock().await.extend(mine);
        });
    }
    while running.join_next().await.is_some() {}
    let mut times = times.lock().await;
    (times.len(), median(&mut times))
}

async fn create(client: &Client, name: &str, dimension: usize) {
    let request = pb::CreateCollectionRequest {
        name: name.to_owned(),
        dimension: dimension as i32,
        distance: pb::Distance::Cosine.into(),
        partition_field: String::new(),
    };
    client.clone().create_collection(request).await.unwrap();
}

fn messages(name: &str, rows: &[&[f32]]) -> Vec<pb::UpsertRequest> {
    let message = |(at, rows): (usize, &[&[f32]])| {
        let point = |(row, vector): (usize, &&[f32])| pb::Point {
            id: format!("p{}", at * MESSAGE_POINTS + row),
            vector: bytes(vector).into(),
            ..Default::default()
        };
        pb::UpsertRequest { collection: name.to_owned(), points: rows.iter().enumerate().map(point).collect() }
    };
    rows.chunks(MESSAGE_POINTS).enumerate().map(message).collect()
}

/// Stores rows; how long that took.
async fn fill(client: &Client, name: &str, rows: &[&[f32]]) -> Duration {
    create(client, name, rows[0].len()).await;
    let messages = messages(name, rows);
    let started = Instant::now();
    let stored = client.clone().upsert(futures::stream::iter(messages)).await.unwrap().into_inner();
    assert_eq!(stored.upserted_count as usize, rows.len());
    started.elapsed()
}

/// Waits until a collection is in order: the service tidies it when nobody has written to it for two seconds, and gives
/// it a graph when it is large.
async fn settle(client: &Client, name: &str) {
    const GRAPH_FROM: i64 = 80_000;
    let (mut before, mut same) = (None::<pb::GetStatsResponse>, 0);
    while same < 6 || before.as_ref().is_some_and(|stats| stats.point_count >= GRAPH_FROM && stats.linked_count == 0) {
        let request = pb::GetStatsRequest { collection: name.to_owned() };
        let now = client.clone().get_stats(request).await.unwrap().into_inner();
        same = if before.as_ref() == Some(&now) { same + 1 } else { 0 };
        before = Some(now);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A process on a core of its own that says `ready ..` and then answers lines.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    ready: String,
    started: Instant,
}

impl Process {
    fn start(core: Option<usize>, program: &str, arguments: &[&str]) -> Self {
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string(), program]);
                command
            }
            None => Command::new(program),
        };
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "{program} did not start");
        }
        let ready = line.trim_start_matches("ready ").trim().to_owned();
        Self { child, input, output, ready, started: Instant::now() }
    }

    async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(self.ready.clone()).unwrap().tcp_nodelay(true);
        VectorServiceClient::new(endpoint.connect().await.unwrap())
    }

    async fn load(&self, client: &Client, requests: &Requests, callers: usize) -> Load {
        let (began, before) = (Instant::now(), self.processor_time());
        let (calls, p50_us) = call(client, requests, callers).await;
        let (took, used) = (began.elapsed(), self.processor_time() - before);
        Load { rate: calls as f64 / took.as_secs_f64(), core_rate: calls as f64 / used.as_secs_f64(), p50_us }
    }

    /// What its threads have used; as the clock says where nobody counts it.
    fn processor_time(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let of_thread = |thread: std::fs::DirEntry| {
            let numbers = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            numbers.split(' ').next()?.parse::<u64>().ok()
        };
        match threads {
            Ok(threads) => Duration::from_nanos(threads.flatten().filter_map(of_thread).sum()),
            Err(_) => self.started.elapsed(),
        }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Each of them ends with its input.
        self.input = None;
        self.child.wait().unwrap();
    }
}

/// Rows of one length: `rows u64 | dimension u64 | f32 ..`.
struct Matrix {
    values: Vec<f32>,
    dimension: usize,
}

impl Matrix {
    fn read(folder: &Path, name: &str) -> Self {
        let path: PathBuf = folder.join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, values) = bytes.split_at(16);
        let dimension = u64::from_le_bytes(head[8..].try_into().unwrap()) as usize;
        let values = values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        Self { values, dimension }
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension)
    }
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn figure(name: &str, value: f64, unit: &str) {
    println!("figure {name} {value:.1} {unit}");
}

/// A rate by the clock, and by processor time.
fn rate(name: &str, rates: &mut [[f64; 2]]) {
    let column = |at: usize| median(&mut rates.iter().map(|rate| rate[at]).collect::<Vec<_>>());
    figure(name, column(0), "per_s");
    figure(&format!("{name}_by_processor_time"), column(1), "per_s");
}

/// A ratio, and how far its rounds lie apart.
fn spread(name: &str, ratios: &mut [f64]) {
    let middle = median(ratios);
    println!("{name}: rounds from {:.2} to {:.2}", ratios[0], ratios[ratios.len() - 1]);
    println!("figure {name} {middle:.2}");
}
