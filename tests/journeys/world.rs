//! A deployment of the real binaries with a platform and a backend that the test holds in its hands.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use dragoman::fakes::{self, DemoFleet, Platform};
use simulator::{
    fleet::{ANA, MARKO},
    infobip::Said,
    phone::{Bubble, Chat, Kind},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    database::{change, count},
    default_start::read_token,
    process::{PATIENCE, Process, free_address, path_of},
};

/// API key of the cluster's gRPC services.
pub const KEY: &str = "the-worker-of-the-journeys";

/// How the parts are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// `dragoman` on SQLite.
    One,
    /// Five binaries with PostgreSQL and Redis.
    Cluster,
}

/// Declares journeys that run on both deployments: `journeys! { name, other_name }` for `async fn name(world: World)`.
macro_rules! journeys {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::world::World::start($crate::world::Deployment::One).await).await;
            })*
        }
        mod on_postgres_and_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::world::World::start($crate::world::Deployment::Cluster).await).await;
            })*
        }
    };
}
pub(crate) use journeys;

/// The deployment, the platform and the backend.
pub struct World {
    /// The platform and its phones.
    pub platform: Platform,
    /// The backend.
    pub demo: DemoFleet,
    /// The public address.
    pub http: SocketAddr,
    /// gRPC of embedding-service, conversation-worker and admin-service; only in a cluster.
    pub grpc: Option<[SocketAddr; 3]>,
    /// The operator's console.
    pub console: SocketAddr,
    /// Address of the database.
    pub database: String,
    processes: Vec<Process>,
    environment: Vec<(String, String)>,
    folder: tempfile::TempDir,
    _servers: Option<(testkit::Postgres, testkit::Redis)>,
    _fakes: tokio_util::sync::DropGuard,
}

impl World {
    /// Starts everything and waits until it is ready.
    pub async fn start(deployment: Deployment) -> Self {
        Self::start_with(deployment, &[]).await
    }

    /// The same with settings of the service that runs turns: (`TENANTS__..`, value).
    pub async fn start_with(deployment: Deployment, settings: &[(&str, &str)]) -> Self {
        Self::start_in(deployment, settings, &[]).await
    }

    /// The same with variables of every process.
    pub async fn start_in(deployment: Deployment, settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stop = CancellationToken::new();
        let http = free_address();
        let webhook = Url::parse(&format!("http://{http}/webhook")).expect("a URL");
        let platform = fakes::platform(listener().await, webhook, stop.clone()).expect("a platform");
        for (peer, name) in [(ANA, "Ana Horvat"), (MARKO, "Marko Kovač")] {
            platform.infobip.set_name(peer, name);
        }
        let demo = fakes::demo_fleet(listener().await, listener().await, folder.path(), stop.clone()).expect("a fleet");
        std::fs::write(
            folder.path().join("tenants.toml"),
            fakes::as_toml(&[fakes::account(&platform)], &demo.document),
        )
        .expect("the folder can be written");
        let (database, servers) = match deployment {
            Deployment::One => (format!("sqlite:{}", folder.path().join("dragoman.db").display()), None),
            Deployment::Cluster => {
                let (postgres, redis) = (
                    testkit::Postgres::shared().await.expect("PostgreSQL"),
                    testkit::Redis::shared().await.expect("Redis"),
                );
                (postgres.database().await.expect("a database"), Some((postgres, redis)))
            }
        };
        let mut world = Self {
            platform,
            demo,
            http,
            grpc: None,
            console: free_address(),
            database: database.clone(),
            processes: Vec::new(),
            environment: vec![("DATABASE_URL".to_owned(), database)],
            folder,
            _servers: servers,
            _fakes: stop.drop_guard(),
        };
        for (name, value) in settings {
            let service = if deployment == Deployment::One { "DRAGOMAN" } else { "CONVERSATION_WORKER" };
            world.set(&format!("{service}__{name}"), value);
        }
        // For platforms that fetch the files of answers.
        world.set("CONVERSATION_WORKER__WORKER__PUBLIC_URL", format!("http://{http}"));
        for (name, value) in environment {
            world.set(name, value);
        }
        match deployment {
            Deployment::One => world.start_one(),
            Deployment::Cluster => world.start_cluster(),
        }
        world
    }

    fn start_one(&mut self) {
        let ops = free_address();
        self.set("DRAGOMAN__HTTP__LISTEN", self.http);
        self.set("DRAGOMAN__OPS__LISTEN", ops);
        self.set("DRAGOMAN__CONSOLE__LISTEN", self.console);
        self.spawn("dragoman", ops);
    }

    fn start_cluster(&mut self) {
        let [embedding, conversation, admin] = [free_address(), free_address(), free_address()];
        let (_, redis) = self._servers.as_ref().expect("a cluster has servers");
        let (url, prefix) = (redis.url().to_owned(), redis.prefix().to_owned());
        self.set("REDIS_URL", url);
        self.set("EMBEDDING_SERVICE__FILES__FOLDER", self.folder.path().join("embedding").display());
        self.set("EMBEDDING_SERVICE__GRPC__LISTEN", embedding);
        self.set("CONVERSATION_WORKER__GRPC__LISTEN", conversation);
        self.set("CONVERSATION_WORKER__CATALOG__URL", format!("http://{embedding}"));
        self.set("CONVERSATION_WORKER__CATALOG__API_KEY", KEY);
        self.set("ADMIN_SERVICE__GRPC__LISTEN", admin);
        self.set("ADMIN_SERVICE__HTTP__LISTEN", self.console);
        self.set("ADMIN_SERVICE__CATALOG__URL", format!("http://{embedding}"));
        self.set("ADMIN_SERVICE__CATALOG__API_KEY", KEY);
        self.set("INGRESS_GATEWAY__HTTP__LISTEN", self.http);
        for service in ["EMBEDDING_SERVICE", "CONVERSATION_WORKER", "ADMIN_SERVICE"] {
            self.set(&format!("{service}__GRPC__KEYS__JOURNEYS__KEY"), KEY);
            self.set(&format!("{service}__GRPC__KEYS__JOURNEYS__TENANT"), "default");
            self.set(&format!("{service}__GRPC__KEYS__JOURNEYS__SERVICES"), "[\"*\"]");
        }
        for service in ["CONVERSATION_WORKER", "ADMIN_SERVICE", "INGRESS_GATEWAY", "MIGRATOR"] {
            self.set(&format!("{service}__COORDINATION__PREFIX"), prefix.clone());
            self.set(&format!("{service}__COORDINATION__STREAM"), format!("{prefix}bells"));
        }
        self.grpc = Some([embedding, conversation, admin]);
        let migrated = self.command("migrator").arg("up").output().expect("migrator runs");
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        for service in ["embedding-service", "conversation-worker", "ingress-gateway", "admin-service"] {
            self.start_service(service);
        }
    }

    /// Starts a service of the cluster (again) and waits until it is ready.
    pub fn start_service(&mut self, service: &'static str) {
        let ops = free_address();
        let prefix = service.to_uppercase().replace('-', "_");
        self.environment.retain(|(name, _)| *name != format!("{prefix}__OPS__LISTEN"));
        self.set(&format!("{prefix}__OPS__LISTEN"), ops);
        self.spawn(service, ops);
    }

    /// Starts the one process again and waits until it is ready.
    pub fn restart(&mut self, service: &'static str) {
        self.processes.retain(|process| process.name != service);
        match service {
            "dragoman" => {
                self.environment.retain(|(name, _)| !name.ends_with("__LISTEN"));
                self.start_one();
            }
            _ => self.start_service(service),
        }
    }

    /// What opens the console: a key of the cluster, or the token that the one process wrote.
    pub fn console_token(&self) -> String {
        match self.grpc {
            Some(_) => KEY.to_owned(),
            None => read_token(self.folder.path()),
        }
    }

    /// Name of the process that takes webhooks.
    pub fn gateway(&self) -> &'static str {
        if self.grpc.is_some() { "ingress-gateway" } else { "dragoman" }
    }

    /// Starts a process again, this time with variables of its own.
    pub fn restart_with(&mut self, service: &'static str, variables: &[(&str, &str)]) {
        for (name, value) in variables {
            self.set(name, value);
        }
        self.restart(service);
        self.environment.retain(|(name, _)| variables.iter().all(|(own, _)| own != name));
    }

    /// Name of the process that runs turns.
    pub fn worker(&self) -> &'static str {
        if self.grpc.is_some() { "conversation-worker" } else { "dragoman" }
    }

    /// One of the running processes.
    pub fn process(&mut self, name: &str) -> &mut Process {
        self.processes.iter_mut().find(|process| process.name == name).expect("it was started")
    }

    /// Operations listener of a running process.
    pub fn ops(&self, name: &str) -> SocketAddr {
        let variable = format!("{}__OPS__LISTEN", name.to_uppercase().replace('-', "_"));
        let set = self.environment.iter().rfind(|(name, _)| *name == variable);
        set.and_then(|(_, address)| address.parse().ok()).expect("it was started")
    }

    /// What a process wrote to stderr so far.
    pub fn log_of(&self, name: &str) -> String {
        self.processes.iter().find(|process| process.name == name).map(Process::log).unwrap_or_default()
    }

    /// AdminService; the one process tells in its log where it is.
    pub fn admin(&self) -> SocketAddr {
        let told = || self.log_of("dragoman").split(" admin=").nth(1)?.split_whitespace().next()?.parse().ok();
        self.grpc.map(|[.., admin]| admin).or_else(told).expect("it listens")
    }

    /// ConversationService; the one process tells in its log where it is.
    pub fn conversation(&self) -> SocketAddr {
        let told = || self.log_of("dragoman").split(" conversation=").nth(1)?.split_whitespace().next()?.parse().ok();
        self.grpc.map(|[_, conversation, _]| conversation).or_else(told).expect("it listens")
    }

    /// Names of the running processes.
    pub fn names(&self) -> Vec<&'static str> {
        self.processes.iter().map(|process| process.name).collect()
    }

    /// A binary of ours with the deployment's environment.
    pub fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(path_of(binary));
        command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        command
    }

    fn set(&mut self, name: &str, value: impl ToString) {
        self.environment.push((name.to_owned(), value.to_string()));
    }

    fn spawn(&mut self, name: &'static str, ops: SocketAddr) {
        let log = self.folder.path().join(format!("{name}-{}.log", self.processes.len()));
        let mut command = self.command(name);
        if name != "admin-service" {
            command.arg("--config").arg(self.folder.path().join("tenants.toml"));
        }
        if name == "dragoman" {
            command.arg("--data").arg(self.folder.path());
        }
        let mut process = Process::start(name, &mut command, log);
        process.await_ready(ops);
        self.processes.push(process);
    }

    /// Waits until every accepted message is answered and every answer is recorded as sent: nobody writes faster than
    /// that, and what is written faster belongs to no question.
    pub async fn quiet(&self) {
        assert!(self.platform.infobip.settled(PATIENCE).await, "the platform's webhooks were taken");
        let begun = Instant::now();
        while self.is_busy().await {
            assert!(begun.elapsed() < PATIENCE, "a conversation is never done");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Platforms report on what was sent.
        assert!(self.platform.infobip.settled(PATIENCE).await, "the platform's reports were taken");
    }

    /// As [`World::quiet`], with Meta's platform beside: what it took it may refuse in a report later, and what then
    /// follows is waited for too.
    pub async fn quiet_with(&self, meta: &simulator::Meta) {
        for _ in 0..2 {
            assert!(meta.settled(PATIENCE).await, "the platform's webhooks were taken");
            self.quiet().await;
        }
        assert!(meta.settled(PATIENCE).await, "the platform's reports were taken");
    }

    /// True while a message waits for its answer or an answer for its send.
    pub async fn is_busy(&self) -> bool {
        count(&self.database, "select count(*) from conversations where next_seq > done_seq or unsent > 0").await > 0
    }

    /// Time passes until the next alarm of a conversation is due: its row is changed behind everybody's back.
    pub async fn until_the_alarm(&self) {
        self.quiet().await;
        let begun = Instant::now();
        while change(&self.database, "update alarms set due_at = 1 where due_at is not null").await == 0 {
            assert!(begun.elapsed() < PATIENCE, "no alarm is set");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A person on the platform.
    pub fn person(&self, peer: &'static str) -> Person<'_> {
        Person { world: self, peer, read: 0 }
    }

    /// Calls of the backend that changed something.
    pub fn effects(&self) -> Vec<simulator::fleet::Call> {
        self.demo.fleet.calls().into_iter().filter(|call| call.acted).collect()
    }
}

/// A person who writes and reads.
pub struct Person<'a> {
    world: &'a World,
    peer: &'static str,
    /// Answers read so far.
    read: usize,
}

impl Person<'_> {
    /// Reads what came, as people do, and writes.
    pub async fn says(&mut self, text: &str) {
        self.world.quiet().await;
        self.world.platform.infobip.say(self.peer, Said::text(text));
    }

    /// Sends a file with words, if there are any, as soon as nothing is on its way any more.
    pub async fn sends(&mut self, media: &str, media_type: &str, content: &[u8], caption: &str) {
        self.world.quiet().await;
        let platform = &self.world.platform;
        let url = format!("{}{}", platform.account.base_url, platform.infobip.add_media(media_type, content));
        let caption = Some(caption.to_owned()).filter(|text| !text.is_empty());
        platform.infobip.say(self.peer, Said::Media { media: media.to_owned(), url, caption });
    }

    /// Writes once; the platform delivers it several times at once.
    pub fn says_in_copies(&mut self, text: &str, copies: usize) {
        self.world.platform.infobip.say_copies(self.peer, Said::text(text), copies);
    }

    /// Taps the newest button or row whose title starts so.
    pub fn taps(&mut self, title: &str) {
        let chat = self.chat();
        let found = chat.answers().rev().find_map(|bubble| {
            choices(bubble).into_iter().find(|(_, shown)| shown.starts_with(title)).map(|choice| (choice, bubble))
        });
        let Some(((id, title), bubble)) = found else { panic!("nothing to tap starts with {title}: {}", shown(&chat)) };
        let quoted = Some(bubble.id.clone());
        let said = match bubble.kind {
            Kind::List { .. } => Said::Row { id, title, description: None, quoted },
            _ => Said::Button { id, title, quoted },
        };
        self.world.platform.infobip.say(self.peer, said);
    }

    /// Waits for an answer that has all of these words; returns it. Earlier answers are passed over.
    pub async fn hears(&mut self, words: &[&str]) -> Bubble {
        let read = self.read;
        let fits = |bubble: &Bubble| words.iter().all(|word| whole(bubble).contains(word));
        let waited =
            self.world.platform.infobip.wait_for(self.peer, PATIENCE, |chat| chat.answers().skip(read).any(fits)).await;
        match waited {
            Ok(chat) => {
                let (at, bubble) =
                    chat.answers().enumerate().skip(read).find(|(_, bubble)| fits(bubble)).expect("just seen");
                self.read = at + 1;
                bubble.clone()
            }
            Err(chat) => panic!("no answer with {words:?} came:\n{}", shown(&chat)),
        }
    }

    /// The chat as it stands.
    pub fn chat(&self) -> Chat {
        self.world.platform.infobip.chat(self.peer)
    }
}

fn choices(bubble: &Bubble) -> Vec<(String, String)> {
    match &bubble.kind {
        Kind::Buttons { buttons } => buttons.iter().map(|b| (b.id.clone(), b.title.clone())).collect(),
        Kind::List { rows, .. } => rows.iter().map(|r| (r.id.clone(), r.title.clone())).collect(),
        _ => Vec::new(),
    }
}

/// Words and choices of an answer.
pub fn whole(bubble: &Bubble) -> String {
    let choices: Vec<String> = choices(bubble).into_iter().map(|(_, title)| format!("[{title}]")).collect();
    format!("{}\n{}", bubble.text, choices.join(" "))
}

/// A chat in lines.
pub fn shown(chat: &Chat) -> String {
    let line = |bubble: &Bubble| format!("{} {}", if bubble.mine { ">" } else { " " }, whole(bubble));
    chat.bubbles.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn listener() -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port")
}
