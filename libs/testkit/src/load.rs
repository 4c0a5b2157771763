//! What benchmarks share: a sender of signed webhooks, its account, and figures.

use std::{
    fmt::Write as _,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The webhooks' secret.
pub const SECRET: &str = "bench-secret";
/// The account's number.
pub const SENDER: &str = "10000";
/// Key of the platform's API and of our services.
pub const API_KEY: &str = "key-of-the-benchmarks-0123456789";

/// The account of all benchmarks, for a configuration file.
pub fn account(platform: &str) -> String {
    format!(
        "[tenants.default]\nlanguages = [\"en\"]\n[tenants.default.accounts.\"infobip:main\"]\nchannel = \"infobip\"\n\
         base_url = \"{platform}\"\napi_key = \"{API_KEY}\"\nsender = \"{SENDER}\"\n\
         webhook_secrets = [\"{SECRET}\"]\nsimulated = true\nsends_per_second = 10000\n\
         auth = {{ type = \"hmac\", header = \"X-Signature\", algorithm = \"sha256\", encoding = \"hex\" }}\n"
    )
}

/// Makes the tables, the stream and its group.
///
/// # Errors
/// When the migrator fails.
pub fn migrate(binaries: &Path, database: &str, redis: &str) -> anyhow::Result<()> {
    let mut migrator = Command::new(binaries.join("migrator"));
    let migrated = migrator.arg("up").env("DATABASE_URL", database).env("REDIS_URL", redis).output()?;
    ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    Ok(())
}

/// The most memory that a process had, in MiB.
///
/// # Errors
/// When there is none, or no `/proc`.
pub fn peak_mib(process: u32) -> anyhow::Result<f64> {
    status_mib(process, "VmHWM:")
}

/// The memory that a process has, in MiB.
///
/// # Errors
/// As [`peak_mib`].
pub fn resident_mib(process: u32) -> anyhow::Result<f64> {
    status_mib(process, "VmRSS:")
}

fn status_mib(process: u32, field: &'static str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context(field)?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// `ROUNDS`, or five.
///
/// # Errors
/// When it is no number.
pub fn rounds() -> anyhow::Result<usize> {
    std::env::var("ROUNDS").map_or(Ok(5), |text| text.parse().context("ROUNDS is a number of rounds"))
}

/// Prints the range and the median.
#[expect(clippy::print_stdout, reason = "a figure is for the terminal")]
pub fn figure(name: &str, unit: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values.first().copied().unwrap_or_default(), values.last().copied().unwrap_or_default());
    let median = values.get(values.len() / 2).copied().unwrap_or_default();
    let line = format!("figure {name} {median:.2} {unit}");
    println!("{name}: {first:.2} to {last:.2}\n{}", line.trim_end());
}

/// A port that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The signed request that brings a message of this number, from one of so many people.
///
/// # Errors
/// When it cannot be signed.
pub fn request(path: &str, number: usize, peers: usize) -> anyhow::Result<Vec<u8>> {
    let body = format!(
        r#"{{"results":[{{"from":"38590{peer:07}","to":"{SENDER}","integrationType":"WHATSAPP","receivedAt":"{now}","messageId":"bench-{process}-{number}","message":{{"type":"TEXT","text":"where is my parcel?"}},"contact":{{"name":"Ana"}},"price":{{"pricePerMessage":0,"currency":"EUR"}}}}],"messageCount":1,"pendingMessageCount":0}}"#,
        peer = number % peers,
        now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        process = std::process::id(),
    );
    let mut signature = String::with_capacity(64);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("a key")?;
    mac.update(body.as_bytes());
    for byte in mac.finalize().into_bytes() {
        let _ = write!(signature, "{byte:02x}");
    }
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Ok((head + &body).into_bytes())
}

/// How a request of [`open_loop`] went.
pub struct Sent {
    /// How much later than due it was sent, because all connections waited.
    pub late: Duration,
    /// From when it was due to its answer.
    pub took: Duration,
    /// It was answered with a 2xx in time.
    pub taken: bool,
}

/// Sends requests over so many connections, so many a second however long the answers take; an answer is waited for until
/// `wait`.
///
/// # Errors
/// When nobody listens.
pub async fn open_loop(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    rate: f64,
    connections: usize,
    wait: Duration,
) -> anyhow::Result<Vec<Sent>> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now() + Duration::from_millis(100);
    let mut senders = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        senders.push(tokio::spawn(async move {
            let mut sent = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(number) else {
                    return sent;
                };
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let due = begun + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                let late = due.elapsed();
                let answered = tokio::time::timeout(wait, connection.send(request)).await;
                sent.push(Sent { late, took: due.elapsed(), taken: matches!(answered, Ok(Ok(true))) });
            }
        }));
    }
    let mut all = Vec::new();
    for sender in senders {
        all.extend(sender.await?);
    }
    Ok(all)
}

/// One HTTP/1.1 connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: vec![0; 4096] })
    }

    /// Posts a message of this number, from one of so many people; true for a 2xx.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no HTTP.
    pub async fn post(&mut self, path: &str, number: usize, peers: usize) -> anyhow::Result<bool> {
        self.send(&request(path, number, peers)?).await
    }

    /// Sends a [`request`]; true for a 2xx.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<bool> {
        self.stream.write_all(request).await?;
        let mut read = 0;
        loop {
            ensure!(read < self.answer.len(), "the answer is too long");
            let more = self.stream.read(&mut self.answer[read..]).await?;
            ensure!(more > 0, "the connection was closed");
            read += more;
            let text = std::str::from_utf8(&self.answer[..read])?;
            let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if rest.len() >= length.unwrap_or(0) {
                return Ok(head.starts_with("HTTP/1.1 2"));
            }
        }
    }
}
