//! Signed webhook bodies that nobody here signed: `signed_webhook <webhooks folder> <folder of our binaries>`.
//!
//! `signed/infobip-*.json` tells header value, secret and algorithm, `.body` the exact bytes. The real gateway has to
//! take each as it is, once, and refuse it when one bit differs.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (Some(webhooks), Some(binaries)) = (arguments.next(), arguments.next()) else {
        bail!("give the folder of webhooks and the folder of our binaries");
    };
    service_kit::install_crypto();
    let folder = webhooks.join("signed");
    let mut tried = 0;
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "body") && name.starts_with("infobip") {
            let told = serde_json::from_str(&std::fs::read_to_string(path.with_extension("json"))?)?;
            signed(&std::fs::read(&path)?, &told, &binaries).await.with_context(|| name.clone())?;
            println!("ok    {name}: taken as it is, refused with one bit changed");
            tried += 1;
        }
    }
    ensure!(tried > 0, "no infobip-*.body in {}", folder.display());
    println!("figure signed_bodies_accepted {tried}");
    Ok(())
}

async fn signed(body: &[u8], told: &Value, binaries: &Path) -> anyhow::Result<()> {
    let text = |key: &str| told[key].as_str().with_context(|| format!("no `{key}`"));
    let (value, secret, algorithm) = (text("value")?, text("secret")?, text("algorithm")?);
    let algorithm = ["sha512", "sha384", "sha256", "sha224", "sha1", "md5"]
        .into_iter()
        .find(|known| algorithm.to_lowercase().replace('-', "").contains(known))
        .context("no algorithm that is known")?;
    let message: Value = serde_json::from_slice(body)?;
    let sender = message["results"][0]["to"].as_str().unwrap_or("10000");
    let gateway = Gateway::start(binaries, algorithm, secret, sender).await?;

    let mut other = body.to_vec();
    let at = body.iter().position(|byte| *byte == b'M').unwrap_or_default();
    other[at] ^= 1;
    ensure!(gateway.post(&other, value).await? == 401, "a body with one changed bit was not refused");
    for _ in 0..2 {
        let status = gateway.post(body, value).await?;
        ensure!(status == 200, "answered {status}");
    }
    ensure!(gateway.messages().await? == 1, "it was not stored once");
    Ok(())
}

struct Gateway {
    process: Child,
    address: SocketAddr,
    database: String,
    _folder: tempfile::TempDir,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Gateway {
    async fn start(binaries: &Path, algorithm: &str, secret: &str, sender: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("tenants.toml");
        // The bodies are years old.
        std::fs::write(
            &config,
            format!(
                "[webhook]\nage_max = \"100years\"\n[tenants.default.accounts.\"infobip:main\"]\nchannel = \"infobip\"\n\
                 base_url = \"http://127.0.0.1:1\"\napi_key = \"unused-key\"\nsender = \"{sender}\"\n\
                 webhook_secrets = [\"{secret}\"]\n\
                 auth = {{ type = \"hmac\", header = \"X-Signature\", algorithm = \"{algorithm}\", encoding = \"hex\" }}\n"
            ),
        )?;
        let database = format!("sqlite:{}", folder.path().join("dragoman.db").display());
        let migrated = Command::new(binaries.join("migrator")).arg("up").env("DATABASE_URL", &database).output()?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let (address, ops) = (free()?, free()?);
        let process = Command::new(binaries.join("ingress-gateway"))
            .arg("--config")
            .arg(&config)
            .env("DATABASE_URL", &database)
            .env("INGRESS_GATEWAY__COORDINATION__KIND", "memory")
            .env("INGRESS_GATEWAY__HTTP__LISTEN", address.to_string())
            .env("INGRESS_GATEWAY__OPS__LISTEN", ops.to_string())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let mut gateway = Self { process, address, database, _folder: folder };
        let begun = Instant::now();
        while !reqwest::get(format!("http://{ops}/readyz")).await.is_ok_and(|answer| answer.status().is_success()) {
            if let Some(status) = gateway.process.try_wait()? {
                bail!("the gateway ended with {status}");
            }
            ensure!(begun.elapsed() < WAIT, "the gateway was not ready in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(gateway)
    }

    async fn post(&self, body: &[u8], signature: &str) -> anyhow::Result<u16> {
        let request = reqwest::Client::new().post(format!("http://{}/webhook", self.address));
        let answer = request.header("x-signature", signature).body(body.to_vec()).send().await?;
        Ok(answer.status().as_u16())
    }

    async fn messages(&self) -> anyhow::Result<i64> {
        let pool = sqlx::SqlitePool::connect(&self.database).await?;
        Ok(sqlx::query_scalar("select count(*) from inbox").fetch_one(&pool).await?)
    }
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
