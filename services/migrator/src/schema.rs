//! Schema, rights, stream and group.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use coordination::{Coordination, CoordinationConfig};
use secrecy::ExposeSecret as _;

use crate::Config;

/// Between two attempts to reach Redis.
const REDIS_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn up(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = config.connect().await?;
    let applied = store.migrate_up().await.context("cannot bring the schema up to date")?;
    if applied.is_empty() {
        writeln!(out, "the schema is up to date")?;
    }
    for version in applied {
        writeln!(out, "applied migration {version}")?;
    }
    let user = config.bot_user();
    if store.grant_rights(&user).await.with_context(|| format!("cannot give {user} its rights"))? {
        writeln!(out, "{user} has its rights")?;
    }
    store.close().await;
    if let CoordinationConfig::Redis { stream, group, .. } = &config.coordination {
        let made = ensure_group(config).await?;
        writeln!(out, "stream {stream} and group {group} {}", if made { "are made" } else { "are there" })?;
    }
    Ok(())
}

/// Makes stream and group before anything scales on them.
async fn ensure_group(config: &Config) -> anyhow::Result<bool> {
    let coordination = Coordination::connect(&config.coordination).context("coordination.url is wrong")?;
    let started = Instant::now();
    loop {
        match coordination.ensure_group().await {
            Ok(made) => return Ok(made),
            Err(error) if started.elapsed() >= config.redis.wait => {
                return Err(error).with_context(|| {
                    format!("Redis did not answer within {:?}; check coordination.url", config.redis.wait)
                });
            }
            Err(error) => tracing::info!(%error, "waiting for Redis"),
        }
        tokio::time::sleep(REDIS_PAUSE).await;
    }
}

pub(crate) async fn down(config: &Config, steps: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let store = config.connect().await?;
    let taken_back = store.migrate_down(steps).await.context("cannot take migrations back")?;
    if taken_back.is_empty() {
        writeln!(out, "there is nothing to take back")?;
    }
    for version in taken_back {
        writeln!(out, "took migration {version} back")?;
    }
    Ok(())
}

pub(crate) async fn status(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = config.connect().await?;
    for row in store.migration_status().await? {
        let state = match (row.applied, row.unchanged) {
            (false, _) => "missing",
            (true, true) => "applied",
            (true, false) => "applied, but unknown or changed since",
        };
        writeln!(out, "{:>4}  {:<32} {state}", row.version, row.name)?;
    }
    Ok(())
}

pub(crate) async fn verify(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    config.connect().await?.verify().await?;
    writeln!(out, "the schema is complete and unchanged")?;
    Ok(())
}

pub(crate) async fn roles(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let superuser = config.roles.superuser_url.as_ref().context(
        "roles.superuser_url is not set: give MIGRATOR__ROLES__SUPERUSER_URL, the URL of a user who may create users",
    )?;
    let bot =
        config.roles.bot_url.as_ref().context("BOT_DATABASE_URL is not set: it names the bot's user and password")?;
    let admin = config.database.url.expose_secret();
    let (admin_user, bot_user) = (store::roles::user_name(admin)?, config.bot_user());
    anyhow::ensure!(admin_user != bot_user, "ADMIN_DATABASE_URL and BOT_DATABASE_URL name the same user, {bot_user}");

    // The superuser's own database is there from the start, so waiting for it is waiting for the server.
    let server = store::StoreConfig {
        url: superuser.expose_secret().to_owned(),
        max_connections: 1,
        connect_wait: config.database.connect_wait,
        role: store::Role::Admin,
    };
    store::Store::connect(&server).await.context("cannot open the database as superuser")?.close().await;
    store::roles::create(superuser.expose_secret(), admin, bot.expose_secret())
        .await
        .context("cannot create the users")?;
    writeln!(out, "users {admin_user} and {bot_user} and their database are there")?;
    let store = config.connect().await?;
    if store.schema_ready().await? && store.grant_rights(&bot_user).await? {
        writeln!(out, "{bot_user} has its rights")?;
    } else {
        writeln!(out, "run `migrator up` next: it makes the tables and gives {bot_user} its rights")?;
    }
    Ok(())
}
