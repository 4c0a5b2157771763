//! How long the one process takes from its start until it is ready, empty and with 10,000 conversations:
//! `start_time <path of the binary dragoman>`. Prints the median of five starts of each.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use domain::{Account, Content, Incoming, Tenant};

const CONVERSATIONS: usize = 10_000;
const STARTS: usize = 5;
const WAIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let binary = std::env::args().nth(1).context("give the path of the binary")?;
    let folder = tempfile::tempdir()?;
    let empty = folder.path().join("empty");
    let full = folder.path().join("full");
    let mut times = Vec::new();
    for start in 0..STARTS {
        times.push(start_once(&binary, &empty.join(start.to_string()))?);
    }
    println!("figure start_to_ready_ms {}", median(&mut times));
    start_once(&binary, &full)?;
    fill(&full).await?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(start_once(&binary, &full)?);
    }
    println!("figure start_to_ready_ms_10000_conversations {}", median(&mut times));
    Ok(())
}

fn median(times: &mut [Duration]) -> u128 {
    times.sort();
    times[times.len() / 2].as_millis()
}

/// Ends the process with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_once(binary: &str, data: &Path) -> anyhow::Result<Duration> {
    let [http, console, ops] = [free_port()?, free_port()?, free_port()?];
    let begun = Instant::now();
    let child = Command::new(binary)
        .arg("--data")
        .arg(data)
        .env("DRAGOMAN__HTTP__LISTEN", http.to_string())
        .env("DRAGOMAN__CONSOLE__LISTEN", console.to_string())
        .env("DRAGOMAN__OPS__LISTEN", ops.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {binary}"))?;
    let mut running = Running(child);
    loop {
        if ready(http) {
            return Ok(begun.elapsed());
        }
        if let Some(status) = running.0.try_wait()? {
            bail!("dragoman ended with {status}");
        }
        if begun.elapsed() > WAIT {
            bail!("dragoman was not ready within {WAIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn ready(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut answer = [0; 12];
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b"200")
}

/// Writes conversations with one answered message each.
async fn fill(data: &Path) -> anyhow::Result<()> {
    let url = format!("sqlite:{}", data.join("dragoman.db").display());
    let store = store::Store::connect(&store::StoreConfig {
        url: url.clone(),
        max_connections: 2,
        connect_wait: Duration::from_secs(5),
        role: store::Role::Admin,
    })
    .await?;
    for batch in 0..CONVERSATIONS / 500 {
        let messages: Vec<Incoming> = (0..500).map(|n| message(batch * 500 + n)).collect::<anyhow::Result<_>>()?;
        store.accept(&messages).await?;
    }
    drop(store);
    let pool = sqlx::SqlitePool::connect(&url).await?;
    sqlx::query("update conversations set done_seq = next_seq").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

fn message(n: usize) -> anyhow::Result<Incoming> {
    Ok(Incoming {
        tenant: Tenant::new("default")?,
        account: Account::new("infobip", "main")?,
        peer: format!("3859100{n:05}"),
        user: format!("3859100{n:05}"),
        provider: "infobip".to_owned(),
        provider_message_id: format!("start-{n}"),
        written_at: None,
        contact_name: None,
        phone: None,
        quoted: None,
        content: Content::Text { text: "hello".to_owned() },
        traceparent: None,
    })
}
