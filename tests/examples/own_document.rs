//! Journeys on documents that nobody here wrote: `own_document <data folder> <path of the binary dragoman>`.
//!
//! Each document gets a backend made from itself; the sentences come by the web chat. Prints a line per journey.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use simulator::mock;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data), Some(binary)) = (arguments.next(), arguments.next()) else {
        bail!("give the data folder and the path of the binary");
    };
    let openapi = PathBuf::from(data).join("openapi");
    service_kit::install_crypto();
    let mut failed = 0;
    for (name, outcome) in [
        ("github: open issues of a repository", github(&openapi, &binary).await),
        ("traccar: an effect after one yes, its id from a name", traccar(&openapi, &binary).await),
    ] {
        match outcome {
            Ok(()) => println!("ok    {name}"),
            Err(error) => {
                failed += 1;
                println!("wrong {name}: {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} journeys went wrong");
    Ok(())
}

async fn github(folder: &Path, binary: &str) -> anyhow::Result<()> {
    let file = folder.join("github-api.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&file)?).read_to_string(&mut text)?;
    let world = World::start(&file, serde_json::from_str(&text)?, "", &[], binary).await?;
    let mut chat = world.chat();
    let answer = chat.says("show me the open issues of octocat/hello-world").await?;
    let calls = world.backend.calls();
    ensure!(
        calls.iter().any(|call| call.target.starts_with("/repos/octocat/hello-world/issues")),
        "calls {:?}, answer {answer}",
        calls.iter().map(|call| &call.target).collect::<Vec<_>>()
    );
    Ok(())
}

async fn traccar(folder: &Path, binary: &str) -> anyhow::Result<()> {
    let file = folder.join("traccar-fleet.yaml");
    let document = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
    let credential = [("BasicAuth", "ana:secret"), ("ApiKey", "key")];
    let world = World::start(&file, document, "/api", &credential, binary).await?;
    let rows = ["Red van", "White caddy", "Grey estate"];
    let devices: Vec<Value> = rows
        .iter()
        .zip(1..)
        .map(|(name, id)| json!({"id": id, "name": name, "uniqueId": format!("ZG-{id}")}))
        .collect();
    world.backend.set_answer("GET /devices", json!(devices));
    let mut chat = world.chat();
    let echo = chat.says("delete the device White caddy").await?;
    ensure!(world.backend.all_effects() == 0, "an effect before the yes");
    ensure!(echo.to_string().contains("White caddy"), "the echo names no row: {echo}");
    let yes = choice(&echo, "Yes").with_context(|| format!("no yes is offered: {echo}"))?;
    let answer = chat.taps(&yes).await?;
    let calls = world.backend.calls();
    let effects: Vec<&str> = calls.iter().filter(|call| call.acted).map(|call| call.target.as_str()).collect();
    ensure!(effects == ["/api/devices/2"], "effects {effects:?}, answer {answer}");
    Ok(())
}

fn choice(answer: &Value, title: &str) -> Option<String> {
    let messages = answer["messages"].as_array()?;
    let mut button = messages.iter().flat_map(|message| message["buttons"].as_array().into_iter().flatten());
    button.rfind(|button| button["title"].as_str().is_some_and(|text| text.starts_with(title)))?["id"]
        .as_str()
        .map(str::to_owned)
}

/// One document, its backend and the product.
struct World {
    backend: mock::Backend,
    address: SocketAddr,
    process: Child,
    _folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl World {
    async fn start(
        file: &Path,
        document: Value,
        base: &str,
        credentials: &[(&str, &str)],
        binary: &str,
    ) -> anyhow::Result<Self> {
        let backend =
            mock::Backend::new(document, mock::Config { base_path: base.to_owned(), ..mock::Config::default() });
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}{base}", listener.local_addr()?);
        let (serving, cancelled) = (backend.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, cancelled).await });
        let folder = tempfile::tempdir()?;
        let (address, ops) = (free()?, free()?);
        let mut command = Command::new(binary);
        command.arg("--data").arg(folder.path()).arg("--document").arg(file).arg("--backend").arg(&url);
        command.arg("--allow-private-hosts");
        for (name, secret) in credentials {
            command.arg("--credential").arg(format!("{name}=env:SECRET_{name}")).env(format!("SECRET_{name}"), secret);
        }
        command.env("DRAGOMAN__HTTP__LISTEN", address.to_string()).env("DRAGOMAN__OPS__LISTEN", ops.to_string());
        command.env("DRAGOMAN__CONSOLE__LISTEN", "");
        let log = folder.path().join("log");
        let process = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log)?).spawn()?;
        let mut world = Self { backend, address, process, _folder: folder, _stop: stop.drop_guard() };
        let begun = Instant::now();
        let ready = format!("http://{ops}/readyz");
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            if let Some(status) = world.process.try_wait()? {
                bail!("dragoman ended with {status}: {}", std::fs::read_to_string(&log)?);
            }
            ensure!(begun.elapsed() < WAIT, "dragoman was not ready in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(world)
    }

    fn chat(&self) -> Chat {
        Chat { url: format!("http://{}/api/v1/chat", self.address), cookie: None, conversation: None }
    }
}

struct Chat {
    url: String,
    cookie: Option<String>,
    conversation: Option<Value>,
}

impl Chat {
    async fn says(&mut self, text: &str) -> anyhow::Result<Value> {
        self.post(json!({ "message": text })).await
    }

    async fn taps(&mut self, choice: &str) -> anyhow::Result<Value> {
        self.post(json!({ "message": "", "choice": choice })).await
    }

    async fn post(&mut self, mut body: Value) -> anyhow::Result<Value> {
        if let Some(id) = &self.conversation {
            body["conversation_id"] = id.clone();
        }
        let mut request = reqwest::Client::new().post(&self.url).json(&body);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await?;
        if let Some(cookie) = response.headers().get("set-cookie").and_then(|value| value.to_str().ok()) {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        let status = response.status();
        let answer: Value = response.json().await?;
        ensure!(status.is_success(), "{status}: {answer}");
        self.conversation = Some(answer["conversation_id"].clone());
        Ok(answer)
    }
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
