//! The operators' own variables, and which setting each one is.
//!
//! One table for plain ones, one function below for those that combine. A variable counts only where the service has
//! the setting's section, and only if it is not empty (an empty secret counts, and is refused). Variables that set
//! nothing here are ignored; `REDIS_MAX_CONNECTIONS` is one, since commands share few connections.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Problems;

/// One setting that a variable makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Keys of the setting.
    pub path: Vec<String>,
    /// Its value; a text may still be read as number, truth value or list.
    pub value: Value,
    /// The variable.
    pub variable: String,
}

#[derive(Clone, Copy)]
enum Reading {
    /// As it stands.
    Text,
    /// As it stands; counts even if empty.
    Secret,
    /// A port on all addresses.
    Port,
    /// `WARNING` and the like.
    Level,
    /// A comma-separated list.
    List,
    /// One entry of a list of secrets.
    SecretList,
}

struct Alias {
    /// The first that is set wins.
    variables: &'static [&'static str],
    /// Services it is for; empty = all.
    services: &'static [&'static str],
    path: &'static [&'static str],
    reading: Reading,
}

const BOT: &[&str] = &["conversation-worker", "embedding-service"];
const OWNER: &[&str] = &["admin-service", "migrator"];
const ALL: &[&str] = &[];

const fn alias(
    variables: &'static [&'static str],
    services: &'static [&'static str],
    path: &'static [&'static str],
    reading: Reading,
) -> Alias {
    Alias { variables, services, path, reading }
}

const INFOBIP: [&str; 4] = ["tenants", "default", "accounts", "infobip:main"];
const DOCUMENT: &str = "main";

const TABLE: &[Alias] = &[
    alias(
        &["GATEWAY_DATABASE_URL", "BOT_DATABASE_URL", "DATABASE_URL"],
        &["ingress-gateway"],
        &["database", "url"],
        Reading::Secret,
    ),
    alias(&["BOT_DATABASE_URL", "DATABASE_URL"], BOT, &["database", "url"], Reading::Secret),
    alias(&["ADMIN_DATABASE_URL", "DATABASE_URL"], OWNER, &["database", "url"], Reading::Secret),
    alias(&["DATABASE_URL"], &["dragoman"], &["database", "url"], Reading::Secret),
    alias(&["LOG_LEVEL"], ALL, &["telemetry", "level"], Reading::Level),
    alias(&["AI_ENABLED"], ALL, &["chat", "enabled"], Reading::Text),
    alias(&["PORT"], ALL, &["http", "listen"], Reading::Port),
    alias(&["ADMIN_ALLOWED_IPS"], &["admin-service", "dragoman"], &["admin", "allowed_addresses"], Reading::List),
    alias(&["INFOBIP_BASE_URL"], ALL, &[INFOBIP[0], INFOBIP[1], INFOBIP[2], INFOBIP[3], "base_url"], Reading::Text),
    alias(&["INFOBIP_API_KEY"], ALL, &[INFOBIP[0], INFOBIP[1], INFOBIP[2], INFOBIP[3], "api_key"], Reading::Secret),
    alias(&["INFOBIP_SENDER_NUMBER"], ALL, &[INFOBIP[0], INFOBIP[1], INFOBIP[2], INFOBIP[3], "sender"], Reading::Text),
    alias(
        &["INFOBIP_SECRET_KEY"],
        ALL,
        &[INFOBIP[0], INFOBIP[1], INFOBIP[2], INFOBIP[3], "webhook_secrets"],
        Reading::SecretList,
    ),
];

/// The settings that `env` makes for `service`.
pub fn settings(
    service: &str,
    env: &BTreeMap<String, String>,
    has_section: &dyn Fn(&str) -> bool,
    problems: &mut Problems,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for alias in TABLE.iter().filter(|alias| alias.is_for(service) && has_section(alias.path[0])) {
        if let Some(setting) = alias.setting(env, problems) {
            settings.push(setting);
        }
    }
    let mut add = |path: &[&str], value: Value, variable: &str| {
        if has_section(path[0]) {
            let path = path.iter().map(|key| (*key).to_owned()).collect();
            settings.push(Setting { path, value, variable: variable.to_owned() });
        }
    };
    if let Some(variable) = INFOBIP_VARIABLES.iter().find(|name| text(env, name).is_some()) {
        add(&[&INFOBIP[..], &["channel"]].concat(), json!("infobip"), variable);
    }
    if env.get("DEBUG").is_some_and(|debug| ["1", "true", "yes", "on"].contains(&debug.to_ascii_lowercase().as_str()))
        && text(env, "LOG_LEVEL").is_none()
    {
        add(&["telemetry", "level"], json!("debug"), "DEBUG");
    }
    pool(env, &mut add, problems);
    redis(env, &mut add, problems);
    documents(env, &mut add);
    if OWNER.contains(&service) {
        admin_tokens(env, &mut add);
    }
    settings
}

/// The variables that set `path`, for a message.
pub fn variable_of(service: &str, path: &[String]) -> Option<String> {
    let alias = TABLE.iter().find(|alias| alias.is_for(service) && alias.path.iter().eq(path.iter()))?;
    Some(alias.variables.join(" or "))
}

const INFOBIP_VARIABLES: [&str; 4] =
    ["INFOBIP_BASE_URL", "INFOBIP_API_KEY", "INFOBIP_SENDER_NUMBER", "INFOBIP_SECRET_KEY"];

impl Alias {
    fn is_for(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.contains(&service)
    }

    fn setting(&self, env: &BTreeMap<String, String>, problems: &mut Problems) -> Option<Setting> {
        let counts_empty = matches!(self.reading, Reading::Secret | Reading::SecretList);
        let (variable, raw) = self
            .variables
            .iter()
            .filter_map(|name| Some((*name, env.get(*name)?)))
            .find(|(_, raw)| counts_empty || !raw.trim().is_empty())?;
        let value = match self.reading {
            Reading::Text | Reading::Secret => json!(raw.trim()),
            Reading::Port => match raw.trim().parse::<u16>() {
                Ok(port) => json!(format!("0.0.0.0:{port}")),
                Err(_) => {
                    problems.add("http.listen", format!("PORT is `{raw}`; it is a number from 0 to 65535"));
                    return None;
                }
            },
            Reading::Level => json!(level(raw.trim())),
            Reading::List => json!(raw.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>()),
            Reading::SecretList => json!([raw.trim()]),
        };
        let path = self.path.iter().map(|key| (*key).to_owned()).collect();
        Some(Setting { path, value, variable: variable.to_owned() })
    }
}

fn text<'e>(env: &'e BTreeMap<String, String>, name: &str) -> Option<&'e str> {
    env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Python's level names are what operators know.
fn level(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        other => other.to_owned(),
    }
}

/// Pool size and overflow are one figure here: connections at most.
fn pool(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str), problems: &mut Problems) {
    for (size, overflow) in [("SQLALCHEMY_POOL_SIZE", "SQLALCHEMY_MAX_OVERFLOW"), ("DB_POOL_SIZE", "DB_MAX_OVERFLOW")] {
        let Some(size_text) = text(env, size) else {
            continue;
        };
        let sum = size_text.parse::<u32>().ok().zip(text(env, overflow).unwrap_or("0").parse::<u32>().ok());
        match sum {
            Some((base, more)) => add(&["database", "max_connections"], json!(base.saturating_add(more)), size),
            None => problems.add("database.max_connections", format!("{size} and {overflow} are whole numbers")),
        }
    }
}

/// `REDIS_URL`, or the REST pair of Upstash, whose database speaks Redis too.
fn redis(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str), problems: &mut Problems) {
    let (url, variable) = if let Some(url) = text(env, "REDIS_URL") {
        (url.to_owned(), "REDIS_URL")
    } else if let Some(rest) = text(env, "UPSTASH_REDIS_REST_URL") {
        let host = rest.trim_start_matches("https://").trim_end_matches('/');
        let Some(token) = text(env, "UPSTASH_REDIS_REST_TOKEN") else {
            return problems.add("coordination.url", "UPSTASH_REDIS_REST_URL needs UPSTASH_REDIS_REST_TOKEN beside it");
        };
        (format!("rediss://default:{token}@{host}:6379"), "UPSTASH_REDIS_REST_URL")
    } else {
        return;
    };
    add(&["coordination", "kind"], json!("redis"), variable);
    add(&["coordination", "url"], json!(url), variable);
}

/// `SWAGGER_URL` (one or more, by commas) names documents `main`, `main-2` ..; `MOBILITY_*` the backend behind them.
fn documents(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let sources: Vec<&str> =
        text(env, "SWAGGER_URL").unwrap_or("").split(',').map(str::trim).filter(|source| !source.is_empty()).collect();
    let backend = ["MOBILITY_API_URL", "MOBILITY_CLIENT_ID", "MOBILITY_CLIENT_SECRET", "MOBILITY_TENANT_ID"];
    let count = if backend.iter().any(|name| text(env, name).is_some()) { sources.len().max(1) } else { sources.len() };
    for index in 0..count {
        let name = if index == 0 { DOCUMENT.to_owned() } else { format!("{DOCUMENT}-{}", index + 1) };
        let mut set = |keys: &[&str], value: &str, variable: &str| {
            let path = [&["tenants", "default", "documents", name.as_str()], keys].concat();
            add(&path, json!(value), variable);
        };
        if let Some(source) = sources.get(index) {
            set(&["source"], source, "SWAGGER_URL");
        }
        if let Some(url) = text(env, "MOBILITY_API_URL") {
            set(&["backend_url"], url, "MOBILITY_API_URL");
        }
        if let Some(id) = text(env, "MOBILITY_CLIENT_ID") {
            set(&["credentials", "*", "type"], "oauth2", "MOBILITY_CLIENT_ID");
            set(&["credentials", "*", "client_id"], id, "MOBILITY_CLIENT_ID");
            if let Some(secret) = env.get("MOBILITY_CLIENT_SECRET") {
                set(&["credentials", "*", "client_secret"], secret.trim(), "MOBILITY_CLIENT_SECRET");
            }
            if let Some(url) = text(env, "MOBILITY_AUTH_URL") {
                set(&["credentials", "*", "token_url"], url, "MOBILITY_AUTH_URL");
            }
        }
        if let Some(tenant) = text(env, "MOBILITY_TENANT_ID") {
            set(&["tenant_header", "name"], "x-tenant", "MOBILITY_TENANT_ID");
            set(&["tenant_header", "value"], tenant, "MOBILITY_TENANT_ID");
        }
    }
}

/// `ADMIN_TOKEN_1..5` with `ADMIN_TOKEN_1_USER..` are API keys of the default tenant for the admin service.
fn admin_tokens(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str)) {
    for number in 1..=5 {
        let variable = format!("ADMIN_TOKEN_{number}");
        let Some(token) = env.get(&variable) else {
            continue;
        };
        let name = text(env, &format!("{variable}_USER")).map_or_else(|| format!("admin-{number}"), str::to_owned);
        add(&["grpc", "keys", &name, "key"], json!(token.trim()), &variable);
        add(&["grpc", "keys", &name, "tenant"], json!("default"), &variable);
        add(&["grpc", "keys", &name, "services"], json!(["admin"]), &variable);
    }
}

#[cfg(test)]
mod tests;
