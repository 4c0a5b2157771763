//! Parses every `*.json` below a folder as a webhook body of the family that its shape tells: `channels_report FOLDER`.
//!
//! For each family: bodies, what they became by kind, kinds that we do not know, errors. It fails when a body cannot be
//! read or leads to nothing that is stored, and when a message of a documented type is not understood although the part is
//! there that its type names. A body that is a list of bodies counts as each of them.

use std::{collections::BTreeMap, env, error::Error, fs, io::Write as _, path::Path, path::PathBuf, process::ExitCode};

use channels::{Channel, Parsed, infobip, meta, telegram, verify::Auth};
use domain::{Account, Content, Incoming, Micros, Tenant};
use serde_json::Value;

/// Types of messages that Meta and Infobip document, in small letters. Telegram's messages have no type: whichever part they
/// have is known.
const DOCUMENTED: &str = "audio button contact contacts document edit ephemeral image infected_content interactive \
    interactive_button_reply interactive_flow_reply interactive_list_reply interactive_payment_confirmation location order \
    reaction request_welcome revoke sticker system text unknown unsupported video voice";

#[derive(Default)]
struct Family {
    bodies: usize,
    kinds: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    unknown_documented: usize,
    errors: Vec<String>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("usage: channels_report FOLDER")?;
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut paths = Vec::new();
    collect(Path::new(&folder), &mut paths)?;
    paths.sort();
    let mut families: BTreeMap<&'static str, Family> = BTreeMap::new();
    for path in &paths {
        let bytes = fs::read(path)?;
        let bodies = match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Array(bodies)) => bodies.iter().map(|body| body.to_string().into_bytes()).collect(),
            _ => vec![bytes],
        };
        for body in bodies {
            let channel = channel_of(path, &body)?;
            let family = families.entry(channel.name()).or_default();
            family.bodies += 1;
            tell(family, path, &channel, &body)?;
        }
    }
    let mut out = std::io::stdout().lock();
    let (mut bodies, mut errors, mut unknown, mut unknown_documented) = (0, 0, 0, 0);
    for (name, family) in &families {
        writeln!(out, "{name}: {} bodies", family.bodies)?;
        for (kind, count) in &family.kinds {
            writeln!(out, "  {count:>5} {kind}")?;
        }
        for (kind, count) in &family.unknown {
            writeln!(out, "  {count:>5} stored as unknown: {kind}")?;
        }
        for error in &family.errors {
            writeln!(out, "        error: {error}")?;
        }
        bodies += family.bodies;
        errors += family.errors.len();
        unknown += family.unknown.len();
        unknown_documented += family.unknown_documented;
    }
    writeln!(out, "figure channels_bodies {bodies}")?;
    writeln!(out, "figure channels_errors {errors}")?;
    writeln!(out, "figure channels_unknown_kinds {unknown}")?;
    writeln!(out, "figure channels_unknown_documented_kinds {unknown_documented}")?;
    Ok(if errors == 0 && unknown_documented == 0 && bodies > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "json") && !path.with_extension("body").exists()
        {
            // Beside a body of exact bytes, JSON describes it.
            paths.push(path);
        }
    }
    Ok(())
}

/// By the body's shape, else by a word in its path, else Infobip.
fn channel_of(path: &Path, body: &[u8]) -> Result<Channel, Box<dyn Error>> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = |word: &str| path.to_string_lossy().to_ascii_lowercase().contains(word);
    let is = |keys: &[&str]| keys.iter().any(|key| body.get(*key).is_some());
    let shaped = if is(&["update_id"]) {
        Some("telegram")
    } else if is(&["entry", "object"]) {
        Some("meta")
    } else {
        is(&["results", "content", "messageTemplateId"]).then_some("infobip")
    };
    let family = shaped.or_else(|| ["telegram", "meta"].into_iter().find(|word| named(word))).unwrap_or("infobip");
    Ok(match family {
        "telegram" => Channel::Telegram(telegram::Telegram::new(telegram::Config {
            base_url: telegram::BASE_URL.to_owned(),
            token: "1:report".into(),
            webhook_secrets: vec![],
        })?),
        "meta" => {
            let number = body.pointer("/entry/0/changes/0/value/metadata/phone_number_id").and_then(Value::as_str);
            let config = meta::Config {
                base_url: meta::BASE_URL.to_owned(),
                version: meta::VERSION.to_owned(),
                phone_number_id: number.unwrap_or("1").to_owned(),
                access_token: "report".into(),
                app_secrets: vec![],
                verify_token: "report".into(),
            };
            Channel::Meta(meta::Meta::new(config)?, BTreeMap::new())
        }
        _ => Channel::Infobip(infobip::Infobip::new(infobip::Config {
            base_url: "report.api.infobip.com".to_owned(),
            api_key: "report".into(),
            sender: "385910000000".to_owned(),
            auth: Auth::Bearer { tokens: vec![] },
        })?),
    })
}

fn tell(family: &mut Family, path: &Path, channel: &Channel, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let (tenant, account) = (Tenant::new("default")?, Account::new(channel.name(), "report")?);
    let parsed = match channel.parse(&tenant, &account, body, Micros(0)) {
        Ok(parsed) => parsed,
        Err(error) => {
            family.errors.push(format!("{}: {error}", path.display()));
            return Ok(());
        }
    };
    if parsed.count() == 0 {
        family.errors.push(format!("{}: leads to nothing", path.display()));
    }
    count(family, &parsed);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    family.unknown_documented +=
        parsed.messages.iter().filter(|message| is_documented(&message.content, &body)).count();
    Ok(())
}

/// Not understood, although its type is documented and the body has the part that it names. Infobip's parts have no name of
/// their own.
fn is_documented(content: &Content, body: &Value) -> bool {
    let Content::Unknown { kind } = content else { return false };
    let lower = kind.to_ascii_lowercase();
    DOCUMENTED.split(' ').any(|documented| documented == lower) && (*kind != lower || has_key(body, kind))
}

fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(key) || fields.values().any(|part| has_key(part, key)),
        Value::Array(items) => items.iter().any(|item| has_key(item, key)),
        _ => false,
    }
}

fn count(family: &mut Family, parsed: &Parsed) {
    let mut add = |kind: String| *family.kinds.entry(kind).or_default() += 1;
    for Incoming { content, quoted, .. } in &parsed.messages {
        match content {
            Content::Unknown { kind } => *family.unknown.entry(kind.clone()).or_default() += 1,
            content => add(format!("{}{}", kind(content), if quoted.is_some() { ", quoting" } else { "" })),
        }
    }
    parsed.receipts.iter().for_each(|receipt| add(format!("status {}", receipt.status.as_str())));
    parsed.events.iter().for_each(|event| add(format!("event {}", event.kind)));
    for part in &parsed.unknown {
        *family.unknown.entry(part.reason.clone()).or_default() += 1;
    }
}

fn kind(content: &Content) -> String {
    match content {
        Content::Text { .. } => "text".to_owned(),
        Content::Choice { .. } => "choice".to_owned(),
        Content::Media { media, .. } => media.clone(),
        Content::Location { .. } => "location".to_owned(),
        Content::Contacts { .. } => "contacts".to_owned(),
        Content::Order { .. } => "order".to_owned(),
        Content::Form { .. } => "form".to_owned(),
        Content::Edit { content, .. } => format!("edit of {}", kind(content)),
        Content::Reaction { .. } => "reaction".to_owned(),
        Content::Revoke { .. } => "revoke".to_owned(),
        Content::Notice { kind, .. } => format!("notice {kind}"),
        Content::Moved { kind, .. } => format!("moved {kind}"),
        Content::Other { kind } => format!("other {kind}"),
        Content::Alarm { .. } => "alarm".to_owned(),
        Content::Notification { .. } => "notification".to_owned(),
        Content::Unknown { kind } => format!("unknown {kind}"),
    }
}
