//! Models that choose rightly, for journeys that people speak freely: one script (`model.json`), played by our own model
//! server and by `aimock`, which nobody here wrote.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::civil::Weekday;
use serde_json::{Value, json};
use simulator::model::{Asked, Config, Reply, Server};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    free::day,
    process::{PATIENCE, free_address},
    world::{Deployment, World},
};

const KEY: &str = "sk-of-the-journeys";
const NAME: &str = "gpt-4o-mini";

/// Who plays the script.
#[derive(Clone, Copy, Debug)]
pub enum Player {
    /// The simulator's model server, strict about what it is sent.
    Scripted,
    /// npm's `@copilotkit/aimock`, a process of its own.
    Aimock,
}

/// Runs a journey in a world whose people are answered through a model; then every question that the model was asked
/// has to be in the script, and every tool that it chose has to have been offered.
pub async fn run<F: Future<Output = ()>>(player: Player, deployment: Deployment, journey: impl FnOnce(World) -> F) {
    let model = Model::start(player).await;
    let world = World::start_with(deployment, &settings(&model.url)).await;
    journey(world).await;
    let questions = model.questions().await;
    assert!(!questions.is_empty(), "the model was not asked");
    for question in questions {
        let said = question.played.unwrap_or_else(|| panic!("not in the script: {}", question.body));
        for call in said["toolCalls"].as_array().into_iter().flatten() {
            let tools = question.body["tools"].as_array().map_or(&[][..], Vec::as_slice);
            let offered = |tool: &Value| tool["function"]["name"] == call["name"];
            assert!(tools.iter().any(offered), "{} was not offered: {}", call["name"], question.body);
        }
    }
}

/// Declares the journeys of a file once more, each with both players and in both deployments.
macro_rules! journeys_with_models {
    ($($name:ident),* $(,)?) => {
        $crate::model::played!(with_a_scripted_model, Scripted, $($name),*);
        $crate::model::played!(with_aimock, Aimock, $($name),*);
    };
}
macro_rules! played {
    ($module:ident, $player:ident, $($name:ident),*) => {
        mod $module {
            use $crate::{model::{Player, run}, world::Deployment};
            mod on_sqlite {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::run(super::Player::$player, super::Deployment::One, super::super::$name).await;
                })*
            }
            mod on_postgres_and_redis {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::run(super::Player::$player, super::Deployment::Cluster, super::super::$name).await;
                })*
            }
        }
    };
}
pub(crate) use {journeys_with_models, played};

/// Settings of a deployment that asks the model at `url`.
pub fn settings(url: &str) -> [(&'static str, &str); 6] {
    [
        ("MODEL__PROVIDER", "compatible"),
        ("MODEL__BASE_URL", url),
        ("MODEL__API_KEY", KEY),
        ("MODEL__NAME", NAME),
        ("MODEL__FIRST_TOKEN", "20s"),
        ("MODEL__TIMEOUT", "30s"),
    ]
}

/// One question and what the script had for it.
struct Question {
    body: Value,
    played: Option<Value>,
}

struct Model {
    url: String,
    running: Running,
}

enum Running {
    Scripted { server: Server, questions: Arc<Mutex<Vec<Question>>>, _stop: DropGuard },
    Aimock(Aimock),
}

impl Model {
    async fn start(player: Player) -> Self {
        match player {
            Player::Scripted => Self::scripted().await,
            Player::Aimock => Self::aimock().await,
        }
    }

    async fn scripted() -> Self {
        let server = Server::new(Config::new(KEY));
        let (fixtures, questions) = (script(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&questions);
        server.otherwise(Reply::by(move |asked| {
            let played = fixtures["fixtures"].as_array().into_iter().flatten().find(|one| fits(&one["match"], asked));
            let response = played.map(|fixture| fixture["response"].clone());
            let reply = reply(response.as_ref().unwrap_or(&Value::Null));
            let question = Question { body: asked.body.clone(), played: response };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(question);
            reply
        }));
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (serving, cancelled) = (server.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, cancelled).await });
        Self { url, running: Running::Scripted { server, questions, _stop: stop.drop_guard() } }
    }

    async fn aimock() -> Self {
        let aimock = Aimock::start().await;
        Self { url: format!("http://{}/v1", aimock.address), running: Running::Aimock(aimock) }
    }

    async fn questions(&self) -> Vec<Question> {
        match &self.running {
            Running::Scripted { server, questions, .. } => {
                assert!(server.refused().is_empty(), "{:?}", server.refused());
                std::mem::take(&mut *questions.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Running::Aimock(aimock) => aimock.questions().await,
        }
    }
}

/// The script with the days of this run.
fn script() -> Value {
    let monday = (1..=7).map(day).find(|day| day.weekday() == Weekday::Monday).expect("a week");
    let text = include_str!("model.json")
        .replace("{tomorrow}", &day(1).to_string())
        .replace("{after tomorrow}", &day(2).to_string())
        .replace("{monday}", &monday.to_string());
    serde_json::from_str(&text).expect("JSON")
}

/// As aimock matches: part of the last user's message, part of the system's, a result since.
fn fits(wanted: &Value, asked: &Asked) -> bool {
    let part = |name: &str, text: String| wanted[name].as_str().is_none_or(|part| text.contains(part));
    part("userMessage", asked.last_user())
        && part("systemMessage", asked.system())
        && wanted["hasToolResult"].as_bool().is_none_or(|has| has != asked.results().is_empty())
}

fn reply(response: &Value) -> Reply {
    match response["toolCalls"].as_array() {
        None => response["content"].as_str().unwrap_or("This is not in the script.").into(),
        Some(calls) => {
            let calls: Vec<(&str, &Value)> =
                calls.iter().map(|call| (call["name"].as_str().expect("a name"), &call["arguments"])).collect();
            Reply::calls(&calls)
        }
    }
}

/// The process; it ends with its owner.
struct Aimock {
    address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Aimock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Aimock {
    /// Starts it on the script and waits until it answers. What it needs is installed below `target/`.
    async fn start() -> Self {
        service_kit::install_crypto();
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let fixtures = folder.path().join("script.json");
        std::fs::write(&fixtures, script().to_string()).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("support/aimock.sh"))
            .args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "--strict", "--validate-on-load"])
            .arg("-f")
            .arg(&fixtures)
            .env("AIMOCK_API_KEYS", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a shell");
        let mut aimock = Self { address, child, folder };
        let began = Instant::now();
        let is_up = async || reqwest::get(format!("http://{address}/health")).await.is_ok();
        while !is_up().await {
            let ended = aimock.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "aimock does not run: {}", aimock.log());
            assert!(began.elapsed() < PATIENCE, "aimock does not answer: {}", aimock.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        aimock
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn questions(&self) -> Vec<Question> {
        let journal = reqwest::Client::new()
            .get(format!("http://{}/__aimock/journal", self.address))
            .bearer_auth(KEY)
            .send()
            .await
            .expect("its journal");
        let entries: Vec<Value> = journal.json().await.expect("JSON");
        let chats = entries.into_iter().filter(|entry| entry["path"] == "/v1/chat/completions");
        chats
            .map(|mut entry| {
                let played = entry["response"]["fixture"]["response"].take();
                let played = (entry["response"]["status"] == json!(200) && !played.is_null()).then_some(played);
                Question { body: entry["body"].take(), played }
            })
            .collect()
    }
}
