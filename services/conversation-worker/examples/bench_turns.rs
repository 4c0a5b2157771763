//! How many turns one worker has in flight, what they cost in memory and time, and how many it takes a second beside
//! Celery: `bench_turns <folder of our binaries> <python> <celery_turns.py>`, with `TEST_DATABASE_URL` and
//! `TEST_REDIS_URL`.
//!
//! The model is a fake that answers after two seconds, or at once. First a wave: a thousand people write within two
//! seconds, so that all of them wait at one time, and the answers come in the two seconds after. Then messages come
//! steadily, and the rate is sought up to which the worker adds 50 ms to the model's time at most; there it begins as many
//! turns as it ends in the same second. A message goes the whole way: webhook, disk, bell,
//! search, model, commit, send to a fake of the platform. Celery's task does what the predecessors' did: it waits for the
//! model, writes one row, and posts the answer. `RATE=<messages a second>` makes one run of ours alone.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use domain::Micros;
use simulator::{
    faults::Fault,
    infobip::{self, Infobip},
    model,
};
use sqlx::{Connection as _, Executor as _, PgConnection};
use testkit::load::{API_KEY, SENDER, account, figure, free, migrate, open_loop, peak_mib, request, rounds};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const MODEL: Duration = Duration::from_secs(2);
/// Messages of a wave, and how many of them come a second.
const WAVE: usize = 1_000;
const WAVE_RATE: f64 = 500.0;
/// What a worker may add to the model's time, for 99 of 100.
const OVERHEAD: f64 = 50.0;
/// How long messages come at a rate; the first, the least and the most messages a second, and by how much a rate is more
/// than the one before. Nine steps from the first are 507, with 1,000 and some in flight.
const RUN: f64 = 10.0;
const FIRST: f64 = 68.0;
const LEAST: f64 = 16.0;
const MOST: f64 = 510.0;
/// Places of the worker: what it has in flight, and room for what a rate has beside it.
const SLOTS: usize = 1_250;
const STEP: f64 = 1.25;
/// Messages that come at once, where it counts how many are answered a second.
const AT_ONCE: usize = 2_000;
const CONNECTIONS: usize = 64;
const WAIT: Duration = Duration::from_secs(180);
const DOCUMENT: &str = include_str!("../../../tests/chaos/parcels.yaml");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(binaries), Some(python), Some(celery)) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("give the folder of our binaries, a python and celery_turns.py");
    };
    let database = std::env::var("TEST_DATABASE_URL").context("TEST_DATABASE_URL")?;
    let redis = std::env::var("TEST_REDIS_URL").context("TEST_REDIS_URL")?;
    let folder = tempfile::tempdir()?;
    let mut ours = Ours::start(&binaries, folder.path(), &database, &redis).await?;
    let (mut in_flight, mut rss, mut overhead) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rates, mut ratios, mut slow_ratios) = (Vec::new(), Vec::new(), Vec::new());
    // Clients, pools and catalogue are there afterwards.
    ours.run(Duration::ZERO, 200, 100.0).await?;
    if let Ok(rate) = std::env::var("RATE") {
        ours.at_rate(rate.parse().context("RATE is a number of messages a second")?).await?;
        return Ok(());
    }
    for round in 0..rounds()? {
        let wave = ours.run(MODEL, WAVE, WAVE_RATE).await?;
        in_flight.push(wave.in_flight);
        overhead.push(wave.overhead_p99_ms);
        rss.push(peak_mib(ours.worker)?);
        println!("wave {round}: {}", ours.line(&wave)?);
    }
    figure("turns_in_flight", "", &mut in_flight);
    figure("worker_rss_mib", "MiB", &mut rss);
    figure("turn_overhead_p99_ms", "ms", &mut overhead);
    let (mut in_flight, mut overhead) = (Vec::new(), Vec::new());
    let mut rate_before = FIRST;
    for round in 0..rounds()? {
        let outcome;
        (rate_before, outcome) = ours.highest(rate_before).await?;
        in_flight.push(outcome.in_flight);
        overhead.push(outcome.overhead_p99_ms);
        let slow = ours.run(MODEL, AT_ONCE, f64::INFINITY).await?.per_s;
        let rate = ours.run(Duration::ZERO, AT_ONCE, f64::INFINITY).await?.per_s;
        let peer = Celery { python: &python, app: &celery, database: &database, redis: &redis, sink: ours.platform };
        let gevent = peer.run("gevent", SLOTS, Duration::ZERO).await?;
        let prefork = peer.run("prefork", 4, Duration::ZERO).await?;
        let gevent_slow = peer.run("gevent", SLOTS, MODEL).await?;
        let prefork_slow = peer.run("prefork", 64, MODEL).await?;
        println!(
            "round {round}: ours {rate:.0}/s and {slow:.0}/s with a model of 2 s; Celery gevent {gevent:.0} and \
             {gevent_slow:.0}, prefork {prefork:.0} and {prefork_slow:.0}"
        );
        rates.push(rate);
        ratios.push(rate / gevent.max(prefork));
        slow_ratios.push(slow / gevent_slow.max(prefork_slow));
    }
    figure("turns_steady_in_flight", "", &mut in_flight);
    figure("turns_steady_overhead_p99_ms", "ms", &mut overhead);
    figure("turns_per_s", "per_s", &mut rates);
    figure("turns_ratio_celery", "", &mut ratios);
    figure("turns_ratio_celery_2s", "", &mut slow_ratios);
    Ok(())
}

/// What a run gave.
struct Outcome {
    /// Most questions that the model had at a time; a turn asks one.
    in_flight: f64,
    /// From accept to the first byte to the platform, less the model's time.
    overhead_p99_ms: f64,
    /// The same for half of them.
    overhead_p50_ms: f64,
    /// Answers a second, from the first accept to the last record.
    per_s: f64,
}

/// Gateway, worker and embedding-service, with fakes of model and platform.
struct Ours {
    children: Vec<Child>,
    worker: u32,
    gateway: SocketAddr,
    platform: SocketAddr,
    model: model::Server,
    database: String,
    sent: usize,
    _fakes: tokio_util::sync::DropGuard,
}

impl Drop for Ours {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ours {
    async fn start(binaries: &Path, folder: &Path, database: &str, redis: &str) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let infobip = Infobip::new(infobip::Config::new(API_KEY, SENDER))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let platform = listener.local_addr()?;
        let stopped = stop.clone();
        tokio::spawn(async move { infobip.serve(listener, stopped).await });
        let model = model::Server::new(model::Config::new(API_KEY));
        model.otherwise("Which number does the parcel have?");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let model_url = format!("http://{}/v1", listener.local_addr()?);
        let (serving, stopped) = (model.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, stopped).await });

        migrate(binaries, database, redis)?;
        let document = folder.join("parcels.yaml");
        std::fs::write(&document, DOCUMENT)?;
        let tenants = format!(
            "{}[tenants.default.documents.parcels]\nsource = \"{}\"\nbackend_url = \"http://{platform}\"\n\
             allow_private_hosts = true\nlanguages = [\"en\"]\n",
            account(&format!("http://{platform}")),
            document.display()
        );
        std::fs::write(folder.join("tenants.toml"), tenants)?;
        let (catalog, gateway) = (free()?, free()?);
        let keys = |service: &str| {
            [("KEY", API_KEY), ("TENANT", "default"), ("SERVICES", "[\"*\"]")]
                .map(|(name, value)| (format!("{service}__GRPC__KEYS__BENCH__{name}"), value.to_owned()))
        };
        let set = |name: &str, value: String| (name.to_owned(), value);
        let mut embedding = keys("EMBEDDING_SERVICE").to_vec();
        embedding.push(set("EMBEDDING_SERVICE__GRPC__LISTEN", catalog.to_string()));
        embedding.push(set("EMBEDDING_SERVICE__FILES__FOLDER", folder.join("files").display().to_string()));
        let mut worker = keys("CONVERSATION_WORKER").to_vec();
        worker.extend([
            set("CONVERSATION_WORKER__GRPC__LISTEN", free()?.to_string()),
            set("CONVERSATION_WORKER__CATALOG__URL", format!("http://{catalog}")),
            set("CONVERSATION_WORKER__CATALOG__API_KEY", API_KEY.to_owned()),
            set("CONVERSATION_WORKER__WORKER__SLOTS", SLOTS.to_string()),
            set("CONVERSATION_WORKER__WORKER__BURST", "0s".to_owned()),
            set("CONVERSATION_WORKER__MODEL__PROVIDER", "compatible".to_owned()),
            set("CONVERSATION_WORKER__MODEL__NAME", "gpt-4o-mini".to_owned()),
            set("CONVERSATION_WORKER__MODEL__API_KEY", API_KEY.to_owned()),
            set("CONVERSATION_WORKER__MODEL__BASE_URL", model_url),
        ]);
        let front = vec![set("INGRESS_GATEWAY__HTTP__LISTEN", gateway.to_string())];
        let mut ours = Self {
            children: Vec::new(),
            worker: 0,
            gateway,
            platform,
            model,
            database: database.to_owned(),
            sent: 0,
            _fakes: stop.drop_guard(),
        };
        for (service, variables) in
            [("embedding-service", embedding), ("conversation-worker", worker), ("ingress-gateway", front)]
        {
            let ops = free()?;
            let prefix = service.to_uppercase().replace('-', "_");
            let child = Command::new(binaries.join(service))
                .arg("--config")
                .arg(folder.join("tenants.toml"))
                .env("DATABASE_URL", database)
                .env("REDIS_URL", redis)
                .env(format!("{prefix}__OPS__LISTEN"), ops.to_string())
                .envs(variables)
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(folder.join(format!("{service}.log")))?)
                .spawn()?;
            if service == "conversation-worker" {
                ours.worker = child.id();
            }
            ours.children.push(child);
            let begun = Instant::now();
            while !reqwest::get(format!("http://{ops}/readyz")).await.is_ok_and(|answer| answer.status().is_success()) {
                ensure!(begun.elapsed() < WAIT, "{service} was not ready in time; see {}", folder.display());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(ours)
    }

    /// The highest rate with an overhead that is small enough, sought from one that was so before, and what it gave.
    async fn highest(&mut self, from: f64) -> anyhow::Result<(f64, Outcome)> {
        let (mut rate, mut best) = (from, self.at_rate(from).await?);
        while best.overhead_p99_ms > OVERHEAD && rate > LEAST {
            rate /= STEP;
            best = self.at_rate(rate).await?;
        }
        while rate * STEP <= MOST {
            let mut next = self.at_rate(rate * STEP).await?;
            // One bad run may be chance, two are not.
            if next.overhead_p99_ms > OVERHEAD {
                next = self.at_rate(rate * STEP).await?;
            }
            if next.overhead_p99_ms > OVERHEAD {
                break;
            }
            (rate, best) = (rate * STEP, next);
        }
        Ok((rate, best))
    }

    async fn at_rate(&mut self, rate: f64) -> anyhow::Result<Outcome> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
        let outcome = self.run(MODEL, (rate * RUN) as usize, rate).await?;
        println!("{rate:.0}/s: {}", self.line(&outcome)?);
        Ok(outcome)
    }

    fn line(&self, outcome: &Outcome) -> anyhow::Result<String> {
        let Outcome { in_flight, overhead_p50_ms, overhead_p99_ms, .. } = outcome;
        let peak = peak_mib(self.worker)?;
        Ok(format!(
            "{in_flight:.0} at a time, overhead p50 {overhead_p50_ms:.1} ms, p99 {overhead_p99_ms:.1} ms, the worker had \
             {peak:.0} MiB at most"
        ))
    }

    /// Sends messages of as many people at a rate, and waits until all are answered.
    async fn run(&mut self, model: Duration, count: usize, rate: f64) -> anyhow::Result<Outcome> {
        self.model.faults().clear();
        if !model.is_zero() {
            self.model.faults().times("POST /v1/chat/completions", usize::MAX, Fault::Delay(model));
        }
        let mut connection = PgConnection::connect(&self.database).await?;
        for table in ["inbox", "messages", "steps", "outbox", "conversations"] {
            connection.execute(sqlx::AssertSqlSafe(format!("analyze {table}"))).await?;
        }
        let first: i64 = sqlx::query_scalar("select coalesce(max(accepted_at), 0)::bigint from inbox")
            .fetch_one(&mut connection)
            .await?;
        self.model.forget_requests();
        let requests =
            (self.sent..self.sent + count).map(|number| request("/webhook/infobip/main", number, usize::MAX));
        let requests = requests.collect::<anyhow::Result<_>>()?;
        self.sent += count;
        let sent = open_loop(self.gateway, requests, rate, CONNECTIONS, WAIT).await?;
        ensure!(sent.iter().all(|sent| sent.taken), "the gateway refused a message");
        let begun = Instant::now();
        let answered = "select i.accepted_at::bigint, o.sending_at::bigint, o.sent_at::bigint from inbox i \
                        join outbox o on o.conversation = i.conversation and o.in_seq = i.seq and o.part = 1 \
                        where i.accepted_at > $1 and o.status = 'sent'";
        let rows = loop {
            let rows: Vec<(i64, i64, i64)> = sqlx::query_as(answered).bind(first).fetch_all(&mut connection).await?;
            if rows.len() >= count {
                break rows;
            }
            ensure!(begun.elapsed() < WAIT, "{} of {count} were answered", rows.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let mut overhead: Vec<i64> = rows.iter().map(|(accepted, sending, _)| sending - accepted).collect();
        overhead.sort_unstable();
        // A question is with the model for as long as the model takes.
        let mut changes: Vec<(Micros, i32)> =
            self.model.asked().iter().flat_map(|asked| [(asked.at, 1), (asked.at + model, -1)]).collect();
        changes.sort_unstable();
        let (mut now, mut most) = (0, 0);
        for (_, change) in changes {
            now += change;
            most = most.max(now);
        }
        let from = rows.iter().map(|row| row.0).min().unwrap_or_default();
        let to = rows.iter().map(|row| row.2).max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let overhead_ms =
            |share: usize| overhead[overhead.len() * share / 100] as f64 / 1e3 - model.as_secs_f64() * 1e3;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        Ok(Outcome {
            in_flight: f64::from(most),
            overhead_p99_ms: overhead_ms(99),
            overhead_p50_ms: overhead_ms(50),
            per_s: count as f64 / ((to - from) as f64 / 1e6),
        })
    }
}

/// The predecessors' worker.
struct Celery<'a> {
    python: &'a Path,
    app: &'a Path,
    database: &'a str,
    redis: &'a str,
    /// Where answers are posted; it refuses them, which costs the least.
    sink: SocketAddr,
}

impl Celery<'_> {
    /// Tasks a second.
    async fn run(&self, pool: &str, slots: usize, model: Duration) -> anyhow::Result<f64> {
        let folder = self.app.parent().context("a folder")?;
        let variables = [
            ("TURNS_DATABASE_URL", self.database.to_owned()),
            ("TURNS_BROKER_URL", self.redis.to_owned()),
            ("TURNS_SINK_URL", format!("http://{}/whatsapp/1/message/text", self.sink)),
            ("TURNS_MODEL_S", model.as_secs_f64().to_string()),
            ("TURNS_POOL", pool.to_owned()),
        ];
        let mut connection = PgConnection::connect(self.database).await?;
        connection
            .execute("create table if not exists baseline_turns (id text primary key, answer text not null); truncate baseline_turns")
            .await?;
        let mut worker = Command::new(self.python)
            .args(["-m", "celery", "-A", "celery_turns", "worker", "-P", pool, "-c", &slots.to_string(), "-l", "ERROR"])
            .args(["--without-gossip", "--without-mingle", "--without-heartbeat"])
            .current_dir(folder)
            .envs(variables.clone())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let feed = async |count: usize| -> anyhow::Result<()> {
            let count = count.to_string();
            let mut feeder = tokio::process::Command::new(self.python);
            feeder.arg(self.app).arg(count).current_dir(folder).envs(variables.clone());
            ensure!(feeder.status().await?.success(), "the tasks were not queued");
            Ok(())
        };
        let mut done = async |count: i64| -> anyhow::Result<()> {
            let begun = Instant::now();
            loop {
                let rows: i64 =
                    sqlx::query_scalar("select count(*) from baseline_turns").fetch_one(&mut connection).await?;
                if rows >= count {
                    return Ok(());
                }
                ensure!(begun.elapsed() < WAIT, "Celery did {rows} of {count}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let measured = async {
            // It is up, and its pools are full, afterwards.
            feed(slots.min(200)).await?;
            done(i64::try_from(slots.min(200))?).await?;
            let begun = Instant::now();
            feed(AT_ONCE).await?;
            done(i64::try_from(slots.min(200) + AT_ONCE)?).await?;
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            Ok::<_, anyhow::Error>(AT_ONCE as f64 / begun.elapsed().as_secs_f64())
        };
        let measured = measured.await;
        let _ = Command::new("kill").arg(worker.id().to_string()).status();
        let ended = Instant::now() + Duration::from_secs(10);
        while Instant::now() < ended && matches!(worker.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = worker.kill();
        let _ = worker.wait();
        measured
    }
}
