//! The deployment under test: two gateways, three workers, two embedding-services, PostgreSQL and Redis as processes,
//! each dependency of each process behind a proxy of its own; the platform and the backend are ours.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use simulator::{
    infobip::{self, Infobip, Repeats, Webhook},
    mock, model,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    faults::command,
    process::{Process, counter, folder_of_binaries, free_address},
    proxy::{Mode, Proxy},
};

const DOCUMENT: &str = include_str!("parcels.yaml");
const OVERLAY: &str = include_str!("parcels-overlay.json");
const AUDIT: &str = include_str!("audit.sql");
const SENDER: &str = "385995550100";
const SECRET: &str = "the-webhooks-of-the-chaos-run";
const API_KEY: &str = "the-platform-of-the-chaos-run";
const KEY: &str = "the-worker-of-the-chaos-run";
/// Counters that are added up over all processes, the killed ones too as far as they were asked before.
const COUNTERS: [&str; 4] = [
    "dragoman_worker_leases_fenced_total",
    "dragoman_writes_fenced_total",
    "dragoman_outbound_unknown_total",
    "dragoman_calls_resumed_total",
];

/// What differs between runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How the platform treats a send that comes again.
    pub provider: Repeats,
    /// A send whose end stays unknown is held instead of sent again.
    pub hold: bool,
    /// Redis is found through a Sentinel, past the proxies.
    pub sentinel: bool,
    /// The workers ask a chat model.
    pub model: bool,
}

/// Everything.
pub struct Town {
    /// The platform and its phones.
    pub infobip: Infobip,
    /// The backend.
    pub backend: mock::Backend,
    /// The model, which is asked if the options say so. It knows nothing: the dialogue answers in its place.
    pub model: model::Server,
    model_url: Option<String>,
    /// The database's server.
    pub postgres: testkit::Postgres,
    /// The doorbell's server.
    pub redis: testkit::Redis,
    /// A second one, which copies the first.
    replica: testkit::Redis,
    /// Where it is asked who is the first, and its process.
    sentinel: Option<(SocketAddr, tokio::process::Child)>,
    /// All services.
    pub processes: Vec<Process>,
    /// All proxies.
    pub proxies: Vec<Proxy>,
    /// The database, past all proxies.
    pub database: String,
    /// Sums of [`COUNTERS`] of processes that are gone.
    counted: [u64; COUNTERS.len()],
    folder: tempfile::TempDir,
    _fakes: tokio_util::sync::DropGuard,
}

impl Town {
    /// Starts everything and waits until it is ready.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (postgres, redis) = (testkit::Postgres::start().await?, testkit::Redis::start().await?);
        let database = postgres.database().await?;
        let stop = CancellationToken::new();
        let gateways = [free_address()?, free_address()?];
        let front = Proxy::start("platform>gateways", gateways.to_vec()).await?;
        let (infobip, platform) = start_platform(front.address, options, stop.clone()).await?;
        let (backend, parcels) = start_backend(stop.clone()).await?;
        let (model, model_url) = start_model(stop.clone()).await?;
        let platform = Proxy::start("workers>platform", vec![platform]).await?;
        let parcels = Proxy::start("workers>backend", vec![parcels]).await?;
        for (name, text) in [("parcels.yaml", DOCUMENT), ("parcels-overlay.json", OVERLAY)] {
            std::fs::write(folder.path().join(name), text)?;
        }
        let tenants = tenants(&folder, platform.address, parcels.address, options);
        std::fs::write(folder.path().join("tenants.toml"), tenants)?;
        migrate(&database).await?;
        let mut town = Self {
            infobip,
            backend,
            model,
            model_url: options.model.then_some(model_url),
            redis,
            replica: testkit::Redis::start().await?,
            sentinel: None,
            processes: Vec::new(),
            proxies: vec![front, platform, parcels],
            counted: Default::default(),
            database,
            postgres,
            folder,
            _fakes: stop.drop_guard(),
        };
        town.replicate().await?;
        if options.sentinel {
            town.start_sentinel()?;
        }
        let embedding = [free_address()?, free_address()?];
        for (n, address) in embedding.iter().enumerate() {
            town.add_embedding_service(n + 1, *address).await?;
        }
        for n in 1..=3 {
            town.add_worker(n, &embedding).await?;
        }
        for (n, address) in gateways.iter().enumerate() {
            town.add_gateway(n + 1, *address).await?;
        }
        for process in &mut town.processes {
            process.start()?;
        }
        for process in &mut town.processes {
            process.ready().await?;
        }
        Ok(town)
    }

    /// A proxy between one process and what it needs; its address.
    async fn link(&mut self, from: &str, to: &str, upstreams: Vec<SocketAddr>) -> anyhow::Result<SocketAddr> {
        let proxy = Proxy::start(format!("{from}>{to}"), upstreams).await?;
        let address = proxy.address;
        self.proxies.push(proxy);
        Ok(address)
    }

    async fn database_of(&mut self, process: &str) -> anyhow::Result<String> {
        let mut connection = PgConnection::connect(&self.database).await?;
        // The role's name tells the database's own records who did what.
        connection.execute(AssertSqlSafe(format!("create role \"{process}\" superuser login"))).await?;
        connection.close().await?;
        let mut url = Url::parse(&self.database)?;
        let server = SocketAddr::from(([127, 0, 0, 1], url.port().context("a port")?));
        let proxy = self.link(process, "postgres", vec![server]).await?;
        ensure!(url.set_port(Some(proxy.port())).is_ok() && url.set_username(process).is_ok(), "a URL of PostgreSQL");
        Ok(url.to_string())
    }

    async fn redis_of(&mut self, process: &str) -> anyhow::Result<String> {
        if let Some((sentinel, _)) = &self.sentinel {
            return Ok(format!("redis-sentinel://{sentinel}/0?sentinelServiceName=town"));
        }
        let server = SocketAddr::from(([127, 0, 0, 1], self.redis.port()?));
        Ok(format!("redis://{}", self.link(process, "redis", vec![server]).await?))
    }

    async fn add_embedding_service(&mut self, n: usize, listen: SocketAddr) -> anyhow::Result<()> {
        let name = format!("embedding-{n}");
        let mut variables = vec![
            ("DATABASE_URL", self.database_of(&name).await?),
            ("__FILES__FOLDER", self.folder.path().join(&name).display().to_string()),
            ("__GRPC__LISTEN", listen.to_string()),
        ];
        variables.extend(keys());
        self.processes.push(Process::new(&name, "embedding-service", self.folder.path(), &variables)?);
        Ok(())
    }

    async fn add_worker(&mut self, n: usize, embedding: &[SocketAddr]) -> anyhow::Result<()> {
        let name = format!("worker-{n}");
        let catalog = self.link(&name, "embedding", embedding.to_vec()).await?;
        let mut variables = vec![
            ("DATABASE_URL", self.database_of(&name).await?),
            ("REDIS_URL", self.redis_of(&name).await?),
            ("__GRPC__LISTEN", free_address()?.to_string()),
            ("__CATALOG__URL", format!("http://{catalog}")),
            ("__CATALOG__API_KEY", KEY.to_owned()),
        ];
        if let Some(url) = &self.model_url {
            variables.extend([
                ("__MODEL__PROVIDER", "compatible".to_owned()),
                ("__MODEL__NAME", "gpt-4o-mini".to_owned()),
                ("__MODEL__API_KEY", API_KEY.to_owned()),
                ("__MODEL__BASE_URL", url.clone()),
            ]);
        }
        variables.extend(keys());
        self.processes.push(Process::new(&name, "conversation-worker", self.folder.path(), &variables)?);
        Ok(())
    }

    async fn add_gateway(&mut self, n: usize, listen: SocketAddr) -> anyhow::Result<()> {
        let name = format!("gateway-{n}");
        let variables = [
            ("DATABASE_URL", self.database_of(&name).await?),
            ("REDIS_URL", self.redis_of(&name).await?),
            ("__HTTP__LISTEN", listen.to_string()),
        ];
        self.processes.push(Process::new(&name, "ingress-gateway", self.folder.path(), &variables)?);
        Ok(())
    }

    /// Asks all workers that run for their counters, which count if one is killed while it is stopped.
    pub async fn ask_workers(&mut self) {
        for process in &mut self.processes {
            if !process.paused && process.name.starts_with("worker") {
                process.told = process.metrics().await;
            }
        }
    }

    /// kill -9 of a service and its start; its counters are asked before.
    pub async fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(process) = self.processes.get_mut(at) else { return Ok(()) };
        if process.name.starts_with("worker") {
            let told = if process.paused { std::mem::take(&mut process.told) } else { process.metrics().await };
            count(&mut self.counted, &told);
        }
        process.kill().await;
        process.start()
    }

    /// SIGTERM of a service; its exit code. It is not started again.
    pub async fn terminate(&mut self, at: usize) -> Option<i32> {
        let process = self.processes.get_mut(at)?;
        count(&mut self.counted, &process.metrics().await);
        process.terminate().await
    }

    /// The counters so far: leases and writes fenced, ends unknown, calls resumed.
    pub async fn counters(&self) -> [u64; COUNTERS.len()] {
        let mut sum = self.counted;
        for process in &self.processes {
            count(&mut sum, &process.metrics().await);
        }
        sum
    }

    async fn replicate(&self) -> anyhow::Result<()> {
        command(&self.replica, &["REPLICAOF", "127.0.0.1", &self.redis.port()?.to_string()]).await.map(drop)
    }

    /// What a failover by Sentinel does to those who are connected: the replica becomes the one and lacks what was written
    /// in the last `lag`; the other comes back empty, as its copy. The proxies stand in for Sentinel.
    pub async fn fail_over(&mut self, lag: Duration) -> anyhow::Result<()> {
        command(&self.replica, &["REPLICAOF", "NO", "ONE"]).await?;
        tokio::time::sleep(lag).await;
        std::mem::swap(&mut self.redis, &mut self.replica);
        let now = SocketAddr::from(([127, 0, 0, 1], self.redis.port()?));
        for proxy in self.proxies.iter().filter(|proxy| proxy.name.ends_with(">redis")) {
            proxy.switch(vec![now]).await;
        }
        self.replica.kill();
        self.replica.restart(&[]).await?;
        self.replicate().await
    }

    fn start_sentinel(&mut self) -> anyhow::Result<()> {
        let (address, file) = (free_address()?, self.folder.path().join("sentinel.conf"));
        let settings = format!(
            "bind 127.0.0.1\nport {}\nsentinel monitor town 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds town 1500\nsentinel failover-timeout town 5000\n",
            address.port(),
            self.redis.port()?
        );
        std::fs::write(&file, settings)?;
        let mut command = tokio::process::Command::new("redis-server");
        command.arg(&file).arg("--sentinel").current_dir(self.folder.path()).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.sentinel = Some((address, child.context("no redis-server for the Sentinel")?));
        Ok(())
    }

    /// The first Redis dies, what was written in the last `lag` has not reached the replica, and Sentinel makes that the
    /// first; the other comes back empty and is made its copy by Sentinel.
    ///
    /// # Errors
    /// When there is no failover within 60 s.
    pub async fn fail_over_by_sentinel(&mut self, lag: Duration) -> anyhow::Result<()> {
        let port = self.redis.port()?;
        let copied = Proxy::start("replica>redis", vec![SocketAddr::from(([127, 0, 0, 1], port))]).await?;
        // Sentinel would lead it back past the proxy after some seconds.
        command(&self.replica, &["REPLICAOF", "127.0.0.1", &copied.address.port().to_string()]).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        copied.set(Mode::BlackHole);
        tokio::time::sleep(lag).await;
        self.redis.kill();
        copied.set(Mode::Reset);
        let begun = Instant::now();
        while !command(&self.replica, &["ROLE"]).await.is_ok_and(|role| role.contains("master")) {
            ensure!(begun.elapsed() < Duration::from_secs(60), "Sentinel made no failover");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::mem::swap(&mut self.redis, &mut self.replica);
        self.replica.restart(&[]).await
    }

    /// Indexes of the links that may become bad. That of the backend is not among them: a call whose end nobody saw is
    /// looked for over ten minutes.
    pub fn links(&self) -> Vec<usize> {
        (0..self.proxies.len()).filter(|at| !self.proxies[*at].name.ends_with(">backend")).collect()
    }

    /// Waits until each accepted message is answered and every answer's end is known; what is left when patience ends.
    pub async fn quiet(&self, patience: Duration) -> anyhow::Result<i64> {
        let begun = Instant::now();
        loop {
            let busy = match PgConnection::connect(&self.database).await {
                Ok(mut connection) => {
                    let busy = "select (select count(*) from conversations where next_seq > done_seq or unsent > 0) \
                                + (select count(*) from alarms where due_at is not null)";
                    let count: i64 = sqlx::query_scalar(busy).fetch_one(&mut connection).await?;
                    count
                }
                Err(_) => i64::MAX,
            };
            if busy == 0 || begun.elapsed() > patience {
                return Ok(busy);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn count(sum: &mut [u64; COUNTERS.len()], metrics: &str) {
    for (sum, name) in sum.iter_mut().zip(COUNTERS) {
        *sum += counter(metrics, name);
    }
}

fn keys() -> [(&'static str, String); 3] {
    [
        ("__GRPC__KEYS__CHAOS__KEY", KEY.to_owned()),
        ("__GRPC__KEYS__CHAOS__TENANT", "default".to_owned()),
        ("__GRPC__KEYS__CHAOS__SERVICES", "[\"*\"]".to_owned()),
    ]
}

async fn start_platform(
    front: SocketAddr,
    options: Options,
    stop: CancellationToken,
) -> anyhow::Result<(Infobip, SocketAddr)> {
    let mut config = infobip::Config::new(API_KEY, SENDER);
    config.webhook = Some(Webhook::new(Url::parse(&format!("http://{front}/webhook"))?, SECRET));
    config.repeats = options.provider;
    // The platform goes on for days; here until the run ends.
    config.attempts = 100_000;
    config.retry_wait = Duration::from_millis(250);
    let infobip = Infobip::new(config)?;
    if options.provider == Repeats::Echo {
        infobip.set_report_delay(Duration::from_secs(3));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = infobip.clone();
    tokio::spawn(async move { serving.serve(listener, stop).await });
    Ok((infobip, address))
}

async fn start_model(stop: CancellationToken) -> anyhow::Result<(model::Server, String)> {
    let model = model::Server::new(model::Config::new(API_KEY));
    model.otherwise("I do not know.");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let serving = model.clone();
    tokio::spawn(async move { serving.serve(listener, stop).await });
    Ok((model, url))
}

async fn start_backend(stop: CancellationToken) -> anyhow::Result<(mock::Backend, SocketAddr)> {
    let document = serde_saphyr::from_str(DOCUMENT)?;
    let backend = mock::Backend::new(document, mock::Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = backend.clone();
    tokio::spawn(async move { serving.serve(listener, stop).await });
    Ok((backend, address))
}

fn tenants(folder: &tempfile::TempDir, platform: SocketAddr, parcels: SocketAddr, options: Options) -> String {
    let folder = folder.path().display();
    let policy = if options.hold { "hold" } else { "resend" };
    format!(
        "[tenants.default]\nlanguages = [\"en\"]\noutbound_unknown = \"{policy}\"\n\n\
         [tenants.default.accounts.\"infobip:main\"]\nchannel = \"infobip\"\nbase_url = \"http://{platform}\"\n\
         api_key = \"{API_KEY}\"\nsender = \"{SENDER}\"\nwebhook_secrets = [\"{SECRET}\"]\nsimulated = true\n\n\
         [tenants.default.documents.parcels]\nsource = \"{folder}/parcels.yaml\"\n\
         overlay = \"{folder}/parcels-overlay.json\"\nbackend_url = \"http://{parcels}\"\nallow_private_hosts = true\n\
         languages = [\"en\"]\n"
    )
}

async fn migrate(database: &str) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(folder_of_binaries()?.join("migrator"));
    let migrated =
        command.arg("up").env("DATABASE_URL", database).output().await.context("no migrator: build it first")?;
    ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let mut connection = PgConnection::connect(database).await?;
    connection.execute(AUDIT).await?;
    connection.close().await?;
    Ok(())
}
