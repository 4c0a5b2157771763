//! The schema, up and down, one runner at a time.
//!
//! Each migration is two files per engine. What was applied is kept with its checksum in `schema_migrations`; each
//! migration and its line there are one transaction, so a migrator that is killed leaves a whole version behind.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};

use crate::{
    Role, Store, StoreError,
    connect::{Target, session, sqlite_options},
    engine::{args, sql},
};

/// How long to wait for another migrator.
const RUNNER_WAIT: Duration = Duration::from_secs(60);
/// Advisory lock of the migrator ("schema").
const RUNNER_LOCK: i64 = 0x73_63_68_65_6d_61;

struct Migration {
    version: i64,
    name: &'static str,
    postgres: (&'static str, &'static str),
    sqlite: (&'static str, &'static str),
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            postgres: (
                include_str!(concat!("../migrations/postgres/", $name, ".up.sql")),
                include_str!(concat!("../migrations/postgres/", $name, ".down.sql")),
            ),
            sqlite: (
                include_str!(concat!("../migrations/sqlite/", $name, ".up.sql")),
                include_str!(concat!("../migrations/sqlite/", $name, ".down.sql")),
            ),
        }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_turns"),
    migration!(2, "0002_catalogue"),
    migration!(3, "0003_people_and_operators"),
    migration!(4, "0004_discarded"),
    migration!(5, "0005_switches"),
    migration!(6, "0006_alarms_and_media"),
    migration!(7, "0007_opt_outs"),
    migration!(8, "0008_web_chat"),
    migration!(9, "0009_files"),
    migration!(10, "0010_reply_files"),
    migration!(11, "0011_uploads_outside"),
    migration!(12, "0012_unreadable_index"),
    migration!(13, "0013_active"),
];

const CREATE_TABLE: &str = "create table if not exists schema_migrations \
    (version bigint primary key, name text not null, checksum text not null, applied_at bigint not null)";

/// The texts that make the tables on SQLite, in order.
#[cfg(feature = "faults")]
pub(crate) fn sqlite() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.texts(false).0)
}

impl Migration {
    fn texts(&self, postgres: bool) -> (&'static str, &'static str) {
        if postgres { self.postgres } else { self.sqlite }
    }

    fn checksum(&self, postgres: bool) -> String {
        let (up, down) = self.texts(postgres);
        let mut hash = Sha256::new();
        hash.update(up);
        hash.update([0]);
        hash.update(down);
        hex::encode(hash.finalize())
    }
}

/// One migration, known or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// It is in the database.
    pub applied: bool,
    /// It is in the database as this program has it. Always false for one that this program does not know.
    pub unchanged: bool,
}

struct Applied {
    version: i64,
    name: String,
    checksum: String,
}

/// A connection of the migrator, holding the right to run.
enum Runner {
    Postgres(Box<PgConnection>),
    Sqlite(Box<SqliteConnection>),
}

impl Store {
    /// Applies what is missing; gives the versions that were applied now.
    ///
    /// # Errors
    /// [`StoreError::MigrationRunning`] after a minute behind another runner, [`StoreError::SchemaNewer`],
    /// [`StoreError::ChecksumChanged`]; nothing was changed then.
    pub async fn migrate_up(&self) -> Result<Vec<i64>, StoreError> {
        let mut runner = Runner::open(self.target(), RUNNER_WAIT).await?;
        let done = runner.up().await;
        runner.close().await;
        done
    }

    /// Takes the last `steps` migrations back; gives their versions.
    ///
    /// # Errors
    /// As [`Store::migrate_up`].
    pub async fn migrate_down(&self, steps: usize) -> Result<Vec<i64>, StoreError> {
        let mut runner = Runner::open(self.target(), RUNNER_WAIT).await?;
        let done = runner.down(steps).await;
        runner.close().await;
        done
    }

    /// All migrations, known or found, by number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        let applied = self.applied().await?;
        let mut all: Vec<MigrationStatus> = MIGRATIONS
            .iter()
            .map(|migration| {
                let found = applied.iter().find(|row| row.version == migration.version);
                MigrationStatus {
                    version: migration.version,
                    name: migration.name.to_owned(),
                    applied: found.is_some(),
                    unchanged: found.is_some_and(|row| row.checksum == migration.checksum(self.is_postgres())),
                }
            })
            .collect();
        all.extend(
            applied.iter().filter(|row| MIGRATIONS.iter().all(|migration| migration.version != row.version)).map(
                |row| MigrationStatus { version: row.version, name: row.name.clone(), applied: true, unchanged: false },
            ),
        );
        Ok(all)
    }

    /// Checks that the schema is complete, known and unchanged.
    ///
    /// # Errors
    /// [`StoreError::SchemaOld`], [`StoreError::SchemaNewer`], [`StoreError::ChecksumChanged`].
    pub async fn verify(&self) -> Result<(), StoreError> {
        let applied = self.applied().await?;
        check(&applied, self.is_postgres())?;
        if applied.len() < MIGRATIONS.len() { Err(StoreError::SchemaOld) } else { Ok(()) }
    }

    /// True when everything this program needs is there. A later schema is fine: releases expand first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schema_ready(&self) -> Result<bool, StoreError> {
        let applied = self.applied().await?;
        Ok(MIGRATIONS.iter().all(|migration| applied.iter().any(|row| row.version == migration.version)))
    }

    async fn applied(&self) -> Result<Vec<Applied>, StoreError> {
        let rows =
            self.read(sql!("select version, name, checksum from schema_migrations order by version"), args![]).await;
        match rows {
            Ok(rows) => rows
                .iter()
                .map(|row| {
                    Ok(Applied {
                        version: row.int("version")?,
                        name: row.text("name")?,
                        checksum: row.text("checksum")?,
                    })
                })
                .collect(),
            Err(StoreError::SchemaOld) => Ok(Vec::new()), // no table yet
            Err(error) => Err(error),
        }
    }
}

fn check(applied: &[Applied], postgres: bool) -> Result<(), StoreError> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    for row in applied {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == row.version) else {
            return Err(StoreError::SchemaNewer { found: row.version, known });
        };
        if migration.checksum(postgres) != row.checksum {
            return Err(StoreError::ChecksumChanged { version: row.version, name: row.name.clone() });
        }
    }
    Ok(())
}

impl Runner {
    async fn open(target: &Target, wait: Duration) -> Result<Self, StoreError> {
        let started = Instant::now();
        match target {
            Target::Postgres(options) => {
                let mut connection = PgConnection::connect_with(&session((**options).clone(), Role::Admin)).await?;
                // A migration may take long, but must not queue traffic behind its locks for long.
                connection.execute("set statement_timeout = 0; set lock_timeout = '5s'; set idle_in_transaction_session_timeout = '60s'").await?;
                loop {
                    let free: bool = sqlx::query("select pg_try_advisory_lock($1)")
                        .bind(RUNNER_LOCK)
                        .fetch_one(&mut connection)
                        .await?
                        .try_get(0)?;
                    if free {
                        break;
                    }
                    if started.elapsed() > wait {
                        return Err(StoreError::MigrationRunning(wait));
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                connection.execute(CREATE_TABLE).await?;
                Ok(Self::Postgres(Box::new(connection)))
            }
            Target::Sqlite(path) => {
                // `begin immediate` in each migration is the lock; the busy timeout is the wait.
                let mut connection = SqliteConnection::connect_with(&sqlite_options(path).busy_timeout(wait)).await?;
                connection.execute(CREATE_TABLE).await?;
                Ok(Self::Sqlite(Box::new(connection)))
            }
        }
    }

    async fn close(self) {
        // The lock ends with the session; a failed farewell changes nothing.
        let _ = match self {
            Self::Postgres(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
        };
    }

    fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    async fn up(&mut self) -> Result<Vec<i64>, StoreError> {
        check(&self.applied().await?, self.is_postgres())?;
        let mut done = Vec::new();
        for migration in MIGRATIONS {
            let line = format!(
                "insert into schema_migrations (version, name, checksum, applied_at) values ({}, '{}', '{}', {})",
                migration.version,
                migration.name,
                migration.checksum(self.is_postgres()),
                if self.is_postgres() { sql!(now).pg } else { sql!(now).lite },
            );
            if self.run(migration, migration.texts(self.is_postgres()).0, line, false).await? {
                tracing::info!(version = migration.version, name = migration.name, "migration applied");
                done.push(migration.version);
            }
        }
        Ok(done)
    }

    async fn down(&mut self, steps: usize) -> Result<Vec<i64>, StoreError> {
        let applied = self.applied().await?;
        check(&applied, self.is_postgres())?;
        let mut done = Vec::new();
        for row in applied.iter().rev().take(steps) {
            let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == row.version) else {
                continue;
            };
            let line = format!("delete from schema_migrations where version = {}", migration.version);
            if self.run(migration, migration.texts(self.is_postgres()).1, line, true).await? {
                tracing::info!(version = migration.version, name = migration.name, "migration taken back");
                done.push(migration.version);
            }
        }
        Ok(done)
    }

    /// Runs `text` and `line` in one transaction, if the migration's presence is still `present`.
    async fn run(
        &mut self,
        migration: &Migration,
        text: &'static str,
        line: String,
        present: bool,
    ) -> Result<bool, StoreError> {
        const FIND: &str = "select 1 from schema_migrations where version = $1";
        match self {
            Self::Postgres(connection) => {
                let mut tx = connection.begin().await?;
                let found = sqlx::query(FIND).bind(migration.version).fetch_optional(&mut *tx).await?.is_some();
                if found != present {
                    return Ok(false);
                }
                sqlx::raw_sql(text).execute(&mut *tx).await?;
                sqlx::raw_sql(AssertSqlSafe(line)).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            Self::Sqlite(connection) => {
                let mut tx = connection.begin_with("begin immediate").await?;
                let found = sqlx::query(FIND).bind(migration.version).fetch_optional(&mut *tx).await?.is_some();
                if found != present {
                    return Ok(false);
                }
                sqlx::raw_sql(text).execute(&mut *tx).await?;
                sqlx::raw_sql(AssertSqlSafe(line)).execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        Ok(true)
    }

    async fn applied(&mut self) -> Result<Vec<Applied>, StoreError> {
        const LIST: &str = "select version, name, checksum from schema_migrations order by version";
        macro_rules! read {
            ($connection:expr) => {
                sqlx::query(LIST)
                    .fetch_all(&mut **$connection)
                    .await?
                    .iter()
                    .map(|row| {
                        Ok(Applied { version: row.try_get(0)?, name: row.try_get(1)?, checksum: row.try_get(2)? })
                    })
                    .collect()
            };
        }
        match self {
            Self::Postgres(connection) => read!(connection),
            Self::Sqlite(connection) => read!(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_one_without_gaps_and_named_by_their_number() {
        for (i, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, i as i64 + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
        }
    }

    #[test]
    fn every_table_that_goes_up_goes_down_on_both_engines() {
        let tables = |text: &str, before: &str| -> std::collections::BTreeSet<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(before).map(str::to_owned));
            lines.map(|rest| rest.trim_end_matches([';', '(', ' ']).to_owned()).collect()
        };
        for migration in MIGRATIONS {
            for (up, down) in [migration.postgres, migration.sqlite] {
                assert_eq!(tables(up, "create table "), tables(down, "drop table "), "{}", migration.name);
            }
            assert_eq!(tables(migration.postgres.0, "create table "), tables(migration.sqlite.0, "create table "));
        }
    }
}
