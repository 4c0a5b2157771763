//! The two database users of PostgreSQL and what the narrow one may do.
//!
//! The bot's user reads and writes the work tables, only adds to what is written down about turns, and cannot see
//! what administrators did. It changes no schema and deletes nothing.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use url::Url;

use crate::{Store, StoreError, connect::Target};

/// Tables the bot's user selects from, inserts into and updates.
pub const WORK_TABLES: &[&str] = &[
    "conversations",
    "conversation_keys",
    "person",
    "person_keys",
    "inbox",
    "alarms",
    "media",
    "stored_files",
    "uploads",
    "feedback",
    "steps",
    "outbox",
    "receipts",
    "opt_outs",
    "messages",
    "user_mappings",
    "dead_letters",
    "unreadable",
    "catalog_version",
    "catalog_documents",
    "catalog_overlays",
    "catalog_examples",
    "catalog_notes",
    "ai_services",
];
/// Tables the bot's user only adds to.
pub const INSERT_ONLY_TABLES: &[&str] = &["hallucination_reports", "ai_metrics", "ai_audit_log"];
/// Tables the bot's user only reads.
pub const READ_ONLY_TABLES: &[&str] = &["api_keys", "schema_migrations", "switches"];

/// A user with its password, as a URL names it.
struct User {
    name: String,
    password: Option<String>,
}

impl Store {
    /// Gives the bot's user its rights on the tables that are there, and takes all others from it. Run by the tables'
    /// owner after each migration; changes nothing on SQLite or when there is no such user. True: rights were given.
    ///
    /// # Errors
    /// When the database fails, also for a user who does not own the tables.
    pub async fn grant_rights(&self, bot_user: &str) -> Result<bool, StoreError> {
        let Target::Postgres(options) = self.target() else {
            return Ok(false);
        };
        let mut connection = PgConnection::connect_with(options).await?;
        let same = options.get_username() == bot_user;
        if same || !role_exists(&mut connection, bot_user).await? {
            return Ok(false);
        }
        connection.execute(AssertSqlSafe(rights(bot_user))).await?;
        connection.close().await?;
        Ok(true)
    }
}

fn rights(bot_user: &str) -> String {
    let user = quoted(bot_user);
    format!(
        "begin; \
         revoke all on all tables in schema public from {user}; \
         revoke create on schema public from {user}; \
         grant usage on schema public to {user}; \
         grant select, insert, update on {} to {user}; \
         grant insert on {} to {user}; \
         grant select on {} to {user}; \
         commit",
        WORK_TABLES.join(", "),
        INSERT_ONLY_TABLES.join(", "),
        READ_ONLY_TABLES.join(", "),
    )
}

/// Creates the database and both users, from a superuser's URL. What exists is kept; passwords are set anew.
///
/// # Errors
/// [`StoreError::Url`] for a URL that lacks a user or the database's name; else when a statement fails.
pub async fn create(superuser_url: &str, admin_url: &str, bot_url: &str) -> Result<(), StoreError> {
    let (admin, bot) = (user(admin_url)?, user(bot_url)?);
    let Target::Postgres(target) = Target::parse(admin_url)? else {
        return Err(StoreError::Url("roles exist on PostgreSQL only".to_owned()));
    };
    let Some(database) = target.get_database().map(str::to_owned) else {
        return Err(StoreError::Url("the administrator's URL names no database".to_owned()));
    };
    let Target::Postgres(superuser) = Target::parse(superuser_url)? else {
        return Err(StoreError::Url("the superuser's URL is not PostgreSQL's".to_owned()));
    };

    let mut connection = PgConnection::connect_with(&superuser).await?;
    for user in [&admin, &bot] {
        let verb = if role_exists(&mut connection, &user.name).await? { "alter" } else { "create" };
        let password =
            user.password.as_ref().map_or(String::new(), |password| format!(" password {}", literal(password)));
        let create = format!(
            "{verb} role {} with login nosuperuser nocreatedb nocreaterole noreplication{password}",
            quoted(&user.name)
        );
        connection.execute(AssertSqlSafe(create)).await?;
    }
    let exists = sqlx::query("select 1 from pg_database where datname = $1")
        .bind(&database)
        .fetch_optional(&mut connection)
        .await?;
    if exists.is_none() {
        connection.execute(AssertSqlSafe(format!("create database {}", quoted(&database)))).await?;
    }
    connection.close().await?;

    let inside: PgConnectOptions = superuser.as_ref().clone().database(&database);
    let mut connection = PgConnection::connect_with(&inside).await?;
    let (name, admin, bot) = (quoted(&database), quoted(&admin.name), quoted(&bot.name));
    connection
        .execute(AssertSqlSafe(format!(
            "alter database {name} owner to {admin}; \
             revoke all on database {name} from public; \
             grant connect on database {name} to {bot}; \
             alter schema public owner to {admin}; \
             revoke all on schema public from public; \
             grant usage on schema public to {bot}"
        )))
        .await?;
    connection.close().await?;
    Ok(())
}

async fn role_exists(connection: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query("select 1 from pg_roles where rolname = $1").bind(name).fetch_optional(connection).await?.is_some())
}

/// User and password of a URL, percent signs decoded.
fn user(url: &str) -> Result<User, StoreError> {
    let bad = || StoreError::Url("a URL that names no user".to_owned());
    let Target::Postgres(options) = Target::parse(url)? else {
        return Err(bad());
    };
    let parsed = Url::parse(url).map_err(|_| bad())?;
    if parsed.username().is_empty() {
        return Err(bad());
    }
    Ok(User { name: options.get_username().to_owned(), password: parsed.password().map(percent_decoded) })
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let code = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(code.unwrap_or(bytes[i]));
        i += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The user that a URL names.
///
/// # Errors
/// [`StoreError::Url`] when it names none.
pub fn user_name(url: &str) -> Result<String, StoreError> {
    user(url).map(|user| user.name)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\0', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_cannot_leave_their_quotes() {
        assert_eq!(quoted(r#"a"; drop table x; --"#), r#""a""; drop table x; --""#);
        assert_eq!(literal(r"a'\'; drop table x"), r"E'a\'\\\'; drop table x'");
    }

    #[test]
    fn users_are_read_from_urls() {
        let bot = user("postgresql+asyncpg://bot_user:p%40ss%25@db:5432/dragoman").expect("a user");
        assert_eq!((bot.name.as_str(), bot.password.as_deref()), ("bot_user", Some("p@ss%")));
        assert!(user("postgres://db/dragoman").is_err());
    }
}
