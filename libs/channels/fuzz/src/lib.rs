//! What the targets share: one account of each platform, and what must hold for whatever its reader makes of a body.

use std::collections::BTreeMap;

use channels::{
    Channel, ParseError, infobip, meta, telegram,
    verify::{Algorithm, Auth, Encoding},
};
use domain::{Account, Content, Micros, Tenant};
use serde_json::Value;

/// Of every account.
pub const SECRET: &str = "a-secret-of-the-fuzzer";

/// WhatsApp through Infobip, its webhooks proven as `auth` says.
pub fn infobip(auth: Auth) -> Channel {
    ring();
    let config = infobip::Config {
        base_url: "fuzz.api.infobip.com".to_owned(),
        api_key: "fuzz".into(),
        sender: "385155500000".to_owned(),
        auth,
    };
    Channel::Infobip(infobip::Infobip::new(config).expect("an account"))
}

/// HMAC of the body in `X-Hub-Signature-256`.
pub fn hmac(algorithm: Algorithm, encoding: Encoding) -> Auth {
    Auth::Hmac { header: "X-Hub-Signature-256".to_owned(), algorithm, encoding, secrets: vec![SECRET.into()] }
}

/// WhatsApp through Meta.
pub fn meta() -> Channel {
    ring();
    let config = meta::Config {
        base_url: meta::BASE_URL.to_owned(),
        version: meta::VERSION.to_owned(),
        phone_number_id: "4410001".to_owned(),
        access_token: "fuzz".into(),
        app_secrets: vec![SECRET.into()],
        verify_token: "fuzz".into(),
    };
    Channel::Meta(meta::Meta::new(config).expect("an account"), BTreeMap::new())
}

/// A Telegram bot.
pub fn telegram() -> Channel {
    ring();
    let config = telegram::Config {
        base_url: telegram::BASE_URL.to_owned(),
        token: "70001:fuzz".into(),
        webhook_secrets: vec![SECRET.into()],
    };
    Channel::Telegram(telegram::Telegram::new(config).expect("a bot"))
}

fn ring() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Reads a verified body, and panics where that loses it or makes something of it that could not be stored.
pub fn read(channel: &Channel, body: &[u8]) {
    let (tenant, account) =
        (Tenant::new("default").expect("a name"), Account::new(channel.name(), "main").expect("a name"));
    let parsed = match channel.parse(&tenant, &account, body, Micros(0)) {
        Ok(parsed) => parsed,
        Err(ParseError::NotJson(_) | ParseError::TooDeep) => return,
        Err(error @ ParseError::NoWebhook) => panic!("{error}"),
    };
    assert!(parsed.count() > 0, "nothing is stored of this body");
    for message in &parsed.messages {
        let stored = serde_json::to_value(message).expect("a message can be written");
        assert!(!has_nul(&stored), "PostgreSQL takes no NUL: {stored}");
        let again: domain::Incoming = serde_json::from_value(stored).expect("what was written can be read");
        assert_eq!(&again, message);
        for key in [&message.peer, &message.user, &message.provider_message_id] {
            assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX, "a key of {} bytes", key.len());
        }
        if let Content::Edit { content, .. } = &message.content {
            assert!(!matches!(**content, Content::Edit { .. }), "an edit of an edit");
        }
    }
    for receipt in &parsed.receipts {
        assert!(!receipt.provider_message_id.contains('\0') && receipt.provider_message_id.len() <= KEY_BYTES_MAX);
    }
    for part in &parsed.unknown {
        assert!(!part.payload.contains(&0), "PostgreSQL takes no NUL");
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}

/// Longest key of ours that stands in an index of the database.
const KEY_BYTES_MAX: usize = 1024;
