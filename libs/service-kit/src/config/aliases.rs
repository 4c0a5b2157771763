//! The operators' own variables, and which setting each one is.
//!
//! One table for plain ones, one function below for those that combine. A variable counts only where the service has
//! the setting's section, and only if it is not empty (an empty secret counts, and is refused). Variables that set
//! nothing here are ignored; `REDIS_MAX_CONNECTIONS` is one, since commands share few connections.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

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
    /// The port of an address; its IP stays.
    Port,
    /// `WARNING` and the like.
    Level,
    /// `1`, `True`, `yes` and the like; others stay as they stand.
    Truth,
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

/// What listens to the public.
const FRONT: &[&str] = &["ingress-gateway", "dragoman"];

/// What puts and gives the files that people send; embedding-service has files of another kind.
const FILES: &[&str] = &["ingress-gateway", "conversation-worker", "admin-service", "dragoman"];

const INFOBIP: [&str; 4] = ["tenants", "default", "accounts", "infobip:main"];
const META: [&str; 4] = ["tenants", "default", "accounts", "meta:main"];
const TELEGRAM: [&str; 4] = ["tenants", "default", "accounts", "telegram:main"];
const WEB: [&str; 4] = ["tenants", "default", "accounts", "web:main"];
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
    alias(&["LANGFUSE_HOST", "LANGFUSE_BASE_URL"], ALL, &["telemetry", "langfuse", "host"], Reading::Text),
    alias(&["LANGFUSE_PUBLIC_KEY"], ALL, &["telemetry", "langfuse", "public_key"], Reading::Text),
    alias(&["LANGFUSE_SECRET_KEY"], ALL, &["telemetry", "langfuse", "secret_key"], Reading::Text),
    alias(&["AI_ENABLED"], ALL, &["ai", "enabled"], Reading::Text),
    alias(&["AI_FALLBACK_MODE"], ALL, &["ai", "fallback_mode"], Reading::Truth),
    alias(&["AI_RATE_LIMIT"], ALL, &["ai", "rate_limit"], Reading::Text),
    alias(&["AI_DEBUG"], ALL, &["ai", "debug"], Reading::Truth),
    alias(&["CACHE_REDIS_URL"], &["embedding-service"], &["shared_cache", "url"], Reading::Secret),
    alias(&["QDRANT_API_KEY"], &["embedding-service"], &["qdrant", "api_key"], Reading::Secret),
    alias(&["PORT"], FRONT, &["http", "listen"], Reading::Port),
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
    alias(&["META_PHONE_NUMBER_ID"], ALL, &[META[0], META[1], META[2], META[3], "phone_number_id"], Reading::Text),
    alias(&["META_ACCESS_TOKEN"], ALL, &[META[0], META[1], META[2], META[3], "access_token"], Reading::Secret),
    alias(&["META_APP_SECRET"], ALL, &[META[0], META[1], META[2], META[3], "app_secrets"], Reading::SecretList),
    alias(&["META_VERIFY_TOKEN"], ALL, &[META[0], META[1], META[2], META[3], "verify_token"], Reading::Secret),
    alias(&["META_API_URL"], ALL, &[META[0], META[1], META[2], META[3], "base_url"], Reading::Text),
    alias(
        &["TELEGRAM_BOT_TOKEN"],
        ALL,
        &[TELEGRAM[0], TELEGRAM[1], TELEGRAM[2], TELEGRAM[3], "token"],
        Reading::Secret,
    ),
    alias(
        &["TELEGRAM_WEBHOOK_URL"],
        ALL,
        &[TELEGRAM[0], TELEGRAM[1], TELEGRAM[2], TELEGRAM[3], "webhook_url"],
        Reading::Text,
    ),
    alias(
        &["TELEGRAM_WEBHOOK_SECRET"],
        ALL,
        &[TELEGRAM[0], TELEGRAM[1], TELEGRAM[2], TELEGRAM[3], "webhook_secrets"],
        Reading::SecretList,
    ),
    alias(&["TELEGRAM_API_URL"], ALL, &[TELEGRAM[0], TELEGRAM[1], TELEGRAM[2], TELEGRAM[3], "base_url"], Reading::Text),
];

/// The settings that `env` makes for `service`; `below` are those of the layers under the environment.
pub fn settings(service: &str, env: &BTreeMap<String, String>, below: &Value, problems: &mut Problems) -> Vec<Setting> {
    let has_section = |name: &str| below.get(name).is_some();
    let mut settings = Vec::new();
    for alias in TABLE.iter().filter(|alias| alias.is_for(service) && has_section(alias.path[0])) {
        if let Some(setting) = alias.setting(env, below, problems) {
            settings.push(setting);
        }
    }
    let mut add = |path: &[&str], value: Value, variable: &str| {
        if has_section(path[0]) {
            let path = path.iter().map(|key| (*key).to_owned()).collect();
            settings.push(Setting { path, value, variable: variable.to_owned() });
        }
    };
    for (account, channel, variables) in CHANNELS {
        if let Some(variable) = variables.iter().find(|name| text(env, name).is_some()) {
            add(&[&account[..], &["channel"]].concat(), json!(channel), variable);
        }
    }
    if env.get("DEBUG").and_then(|debug| truth(debug)) == Some(true) && text(env, "LOG_LEVEL").is_none() {
        add(&["telemetry", "level"], json!("debug"), "DEBUG");
    }
    pool(env, &mut add, problems);
    redis(env, below, &mut add, problems);
    qdrant(env, &mut add);
    if FILES.contains(&service) {
        minio(env, &mut add);
    }
    web(env, below, &mut add);
    documents(env, &mut add);
    otlp(env, &mut add, problems);
    model(env, below, &mut add);
    embedding(env, below, &mut add);
    if OWNER.contains(&service) {
        admin_tokens(env, &mut add);
    }
    settings
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The variables that set `path`, for a message.
pub fn variable_of(service: &str, path: &[String]) -> Option<String> {
    let alias = TABLE.iter().find(|alias| alias.is_for(service) && alias.path.iter().eq(path.iter()))?;
    Some(alias.variables.join(" or "))
}

/// Accounts that variables make: the first of an account's that is set names its channel.
const CHANNELS: [([&str; 4], &str, &[&str]); 3] = [
    (INFOBIP, "infobip", &["INFOBIP_BASE_URL", "INFOBIP_API_KEY", "INFOBIP_SENDER_NUMBER", "INFOBIP_SECRET_KEY"]),
    (META, "meta", &["META_PHONE_NUMBER_ID", "META_ACCESS_TOKEN", "META_APP_SECRET", "META_VERIFY_TOKEN"]),
    (TELEGRAM, "telegram", &["TELEGRAM_BOT_TOKEN"]),
];

impl Alias {
    fn is_for(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.contains(&service)
    }

    fn setting(&self, env: &BTreeMap<String, String>, below: &Value, problems: &mut Problems) -> Option<Setting> {
        let counts_empty = matches!(self.reading, Reading::Secret | Reading::SecretList);
        let (variable, raw) = self
            .variables
            .iter()
            .filter_map(|name| Some((*name, env.get(*name)?)))
            .find(|(_, raw)| counts_empty || !raw.trim().is_empty())?;
        let value = match self.reading {
            Reading::Text | Reading::Secret => json!(raw.trim()),
            Reading::Port => match raw.trim().parse::<u16>() {
                Ok(port) => json!(SocketAddr::new(ip_of(below), port)),
                Err(_) => {
                    problems.add("http.listen", format!("PORT is `{raw}`; it is a number from 0 to 65535"));
                    return None;
                }
            },
            Reading::Level => json!(level(raw.trim())),
            Reading::Truth => truth(raw).map_or_else(|| json!(raw.trim()), Value::Bool),
            Reading::List => list(raw),
            Reading::SecretList => json!([raw.trim()]),
        };
        let path = self.path.iter().map(|key| (*key).to_owned()).collect();
        Some(Setting { path, value, variable: variable.to_owned() })
    }
}

/// Where `http.listen` listens so far; loopback when that is no address.
fn ip_of(below: &Value) -> IpAddr {
    let address = below["http"]["listen"].as_str().and_then(|address| address.parse::<SocketAddr>().ok());
    address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

fn text<'e>(env: &'e BTreeMap<String, String>, name: &str) -> Option<&'e str> {
    env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn list(raw: &str) -> Value {
    raw.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
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

/// `REDIS_URL`, or the REST pair of Upstash, whose database speaks Redis too. `CACHE_REDIS_URL` counts beside a Redis.
fn redis(
    env: &BTreeMap<String, String>,
    below: &Value,
    add: &mut dyn FnMut(&[&str], Value, &str),
    problems: &mut Problems,
) {
    let chosen = if let Some(url) = text(env, "REDIS_URL") {
        Some((url.to_owned(), "REDIS_URL"))
    } else if let Some(rest) = text(env, "UPSTASH_REDIS_REST_URL") {
        let host = rest.trim_start_matches("https://").trim_end_matches('/');
        let Some(token) = text(env, "UPSTASH_REDIS_REST_TOKEN") else {
            return problems.add("coordination.url", "UPSTASH_REDIS_REST_URL needs UPSTASH_REDIS_REST_TOKEN beside it");
        };
        Some((format!("rediss://default:{token}@{host}:6379"), "UPSTASH_REDIS_REST_URL"))
    } else {
        None
    };
    let is_redis = chosen.is_some() || below["coordination"]["kind"] == "redis";
    if let Some((url, variable)) = chosen {
        add(&["coordination", "kind"], json!("redis"), variable);
        add(&["coordination", "url"], json!(url), variable);
    }
    if let Some(url) = text(env, "CACHE_REDIS_URL").filter(|_| is_redis) {
        add(&["coordination", "cache_url"], json!(url), "CACHE_REDIS_URL");
    }
}

/// `QDRANT_URL`, which names the port of the REST interface as a rule: gRPC is beside it.
fn qdrant(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let Some(url) = text(env, "QDRANT_URL") else { return };
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = rest.trim_end_matches('/');
    let host = host.strip_suffix(":6333").unwrap_or(host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let url = if has_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:6334") };
    add(&["vectors", "store"], json!("qdrant"), "QDRANT_URL");
    add(&["qdrant", "url"], json!(url), "QDRANT_URL");
}

/// `MINIO_URL` with `MINIO_BUCKET`: a MinIO that is there for something else is not taken for files.
fn minio(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let (Some(url), Some(bucket)) = (text(env, "MINIO_URL"), text(env, "MINIO_BUCKET")) else { return };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    add(&["files", "kind"], json!("s3"), "MINIO_BUCKET");
    add(&["files", "endpoint"], json!(url), "MINIO_URL");
    add(&["files", "bucket"], json!(bucket), "MINIO_BUCKET");
    for (variable, key) in [("MINIO_ROOT_USER", "access_key"), ("MINIO_ROOT_PASSWORD", "secret_key")] {
        if let Some(value) = env.get(variable) {
            add(&["files", key], json!(value.trim()), variable);
        }
    }
}

/// `DASHBOARD_ALLOWED_ORIGINS` and `DASHBOARD_SECRET_KEY` make the web account `main` of the default tenant.
/// `JWT_SECRET`, which other programs use too, opens no web chat: it signs the sessions of an account that is there.
fn web(env: &BTreeMap<String, String>, below: &Value, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let origins = text(env, "DASHBOARD_ALLOWED_ORIGINS").map(|origins| ("DASHBOARD_ALLOWED_ORIGINS", origins));
    let own_key = env.get("DASHBOARD_SECRET_KEY").map(|key| ("DASHBOARD_SECRET_KEY", key.as_str()));
    let made_by = origins.or(own_key).map(|(variable, _)| variable);
    if let Some(variable) = made_by {
        add(&[&WEB[..], &["channel"]].concat(), json!("web"), variable);
    }
    if let Some((variable, origins)) = origins {
        add(&[&WEB[..], &["allowed_origins"]].concat(), list(origins), variable);
    }
    let is_there = made_by.is_some() || WEB.iter().try_fold(below, |table, key| table.get(*key)).is_some();
    let shared_key = env.get("JWT_SECRET").filter(|_| is_there).map(|key| ("JWT_SECRET", key.as_str()));
    if let Some((variable, key)) = own_key.or(shared_key) {
        add(&[&WEB[..], &["session_key"]].concat(), json!(key.trim()), variable);
    }
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

/// OpenTelemetry's own variables; those of traces win over the general ones.
fn otlp(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str), problems: &mut Problems) {
    let is_off = text(env, "OTEL_SDK_DISABLED").and_then(truth) == Some(true)
        || text(env, "OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp");
    if is_off {
        return;
    }
    let mut of_traces = |name: &str, key: &str, read: &dyn Fn(&str) -> Option<Value>| {
        let variables = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
        let Some((variable, raw)) = variables.iter().find_map(|variable| Some((variable, text(env, variable)?))) else {
            return;
        };
        match read(raw) {
            Some(value) => add(&["telemetry", "otlp", key], value, variable),
            None => problems.add(&format!("telemetry.otlp.{key}"), format!("{variable} cannot be read")),
        }
    };
    let as_it_stands = |raw: &str| Some(json!(raw));
    of_traces("ENDPOINT", "endpoint", &as_it_stands);
    of_traces("PROTOCOL", "protocol", &as_it_stands);
    of_traces("CERTIFICATE", "certificate", &as_it_stands);
    of_traces("TIMEOUT", "timeout", &|raw| raw.parse::<u32>().ok().map(|ms| json!(format!("{ms}ms"))));
    of_traces("HEADERS", "headers", &headers);
    let ratio = match text(env, "OTEL_TRACES_SAMPLER") {
        Some("always_on" | "parentbased_always_on") => Some("1"),
        Some("always_off" | "parentbased_always_off") => Some("0"),
        Some("traceidratio" | "parentbased_traceidratio") => Some(text(env, "OTEL_TRACES_SAMPLER_ARG").unwrap_or("1")),
        Some(other) => {
            problems
                .add("telemetry.otlp.sample_ratio", format!("OTEL_TRACES_SAMPLER is `{other}`, which is not known"));
            None
        }
        None => None,
    };
    if let Some(ratio) = ratio {
        add(&["telemetry", "otlp", "sample_ratio"], json!(ratio), "OTEL_TRACES_SAMPLER");
    }
}

/// `name=value,name=value`; values are percent-encoded.
fn headers(raw: &str) -> Option<Value> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        Some((name.trim().to_owned(), json!(percent_decoded(value.trim())?)))
    };
    let pairs = raw.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect::<Option<_>>()?;
    Some(Value::Object(pairs))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The first provider whose key is set becomes the chat model, where neither file nor default names one.
fn model(env: &BTreeMap<String, String>, below: &Value, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let set = |key: &str| below["model"].get(key).is_some();
    if below["model"]["provider"].as_str().is_some_and(|provider| provider != "none") {
        return;
    }
    if let Some(endpoint) = text(env, "AZURE_OPENAI_ENDPOINT") {
        add(&["model", "provider"], json!("azure"), "AZURE_OPENAI_ENDPOINT");
        add(&["model", "base_url"], json!(endpoint), "AZURE_OPENAI_ENDPOINT");
        for (key, variable) in [
            ("api_key", "AZURE_OPENAI_API_KEY"),
            ("api_version", "AZURE_OPENAI_API_VERSION"),
            ("name", "AZURE_OPENAI_DEPLOYMENT_NAME"),
        ] {
            if let Some(value) = text(env, variable) {
                add(&["model", key], json!(value), variable);
            }
        }
        return;
    }
    let known = [
        ("OPENAI_API_KEY", "openai", "gpt-4o-mini"),
        ("OPENROUTER_API_KEY", "openrouter", "openai/gpt-4o-mini"),
        ("MISTRAL_API_KEY", "mistral", "mistral-small-latest"),
        ("GOOGLE_GENERATIVE_AI_API_KEY", "google", "gemini-2.5-flash"),
    ];
    let Some((variable, provider, name)) = known.into_iter().find(|(variable, ..)| text(env, variable).is_some())
    else {
        return;
    };
    add(&["model", "provider"], json!(provider), variable);
    add(&["model", "api_key"], json!(text(env, variable)), variable);
    if !set("name") {
        add(&["model", "name"], json!(name), variable);
    }
}

/// The embedding model, where neither file nor default names one: Azure's embedding deployment, else Google's key (who
/// has both keys chats with OpenAI and embeds with Google), else OpenAI's.
fn embedding(env: &BTreeMap<String, String>, below: &Value, add: &mut dyn FnMut(&[&str], Value, &str)) {
    let set = |key: &str| below["embedding"].get(key).is_some();
    if below["embedding"]["provider"].as_str().is_some_and(|provider| provider != "none") {
        return;
    }
    let azure = text(env, "AZURE_OPENAI_ENDPOINT").zip(text(env, "AZURE_OPENAI_EMBEDDING_DEPLOYMENT"));
    if let Some((endpoint, deployment)) = azure {
        add(&["embedding", "provider"], json!("azure"), "AZURE_OPENAI_EMBEDDING_DEPLOYMENT");
        add(&["embedding", "name"], json!(deployment), "AZURE_OPENAI_EMBEDDING_DEPLOYMENT");
        add(&["embedding", "base_url"], json!(endpoint), "AZURE_OPENAI_ENDPOINT");
        for (key, variable) in [("api_key", "AZURE_OPENAI_API_KEY"), ("api_version", "AZURE_OPENAI_API_VERSION")] {
            if let Some(value) = text(env, variable) {
                add(&["embedding", key], json!(value), variable);
            }
        }
        return;
    }
    let known = [
        ("GOOGLE_GENERATIVE_AI_API_KEY", "google", "gemini-embedding-001"),
        ("OPENAI_API_KEY", "openai", "text-embedding-3-small"),
    ];
    let Some((variable, provider, name)) = known.into_iter().find(|(variable, ..)| text(env, variable).is_some())
    else {
        return;
    };
    add(&["embedding", "provider"], json!(provider), variable);
    add(&["embedding", "api_key"], json!(text(env, variable)), variable);
    if !set("name") {
        add(&["embedding", "name"], json!(name), variable);
    }
}

/// `ADMIN_TOKEN_1..5` with `ADMIN_TOKEN_1_USER..` and `ADMIN_TOKEN_1_TENANT..` (`default` without) are API keys for the
/// admin service.
fn admin_tokens(env: &BTreeMap<String, String>, add: &mut dyn FnMut(&[&str], Value, &str)) {
    for number in 1..=5 {
        let variable = format!("ADMIN_TOKEN_{number}");
        let Some(token) = env.get(&variable) else {
            continue;
        };
        let name = text(env, &format!("{variable}_USER")).map_or_else(|| format!("admin-{number}"), str::to_owned);
        add(&["grpc", "keys", &name, "key"], json!(token.trim()), &variable);
        let tenant = format!("{variable}_TENANT");
        let (tenant, from) = text(env, &tenant).map_or(("default", &variable), |name| (name, &tenant));
        add(&["grpc", "keys", &name, "tenant"], json!(tenant), from);
        add(&["grpc", "keys", &name, "services"], json!(["admin"]), &variable);
    }
}

#[cfg(test)]
mod tests;
