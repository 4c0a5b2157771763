//! The product as one process on a document, with a backend made from that document.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use serde_json::{Value, json};
use simulator::mock;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(60);

/// One document, its backend and the product.
pub struct World {
    /// The backend.
    pub backend: mock::Backend,
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
    /// Starts both and waits until the product is ready. Credentials are by security scheme, settings by variable.
    pub async fn start(
        file: &Path,
        document: Value,
        base: &str,
        credentials: &[(&str, &str)],
        settings: &[(&str, &str)],
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
        command.envs(settings.iter().copied());
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

    /// A new web chat.
    pub fn chat(&self) -> Chat {
        Chat { url: format!("http://{}/api/v1/chat", self.address), cookie: None, conversation: None }
    }
}

/// A web chat.
pub struct Chat {
    url: String,
    cookie: Option<String>,
    conversation: Option<Value>,
}

impl Chat {
    /// The answer to a text.
    pub async fn says(&mut self, text: &str) -> anyhow::Result<Value> {
        self.post(json!({ "message": text })).await
    }

    /// The answer to a request, in the conversation and session of the first one.
    pub async fn post(&mut self, mut body: Value) -> anyhow::Result<Value> {
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
