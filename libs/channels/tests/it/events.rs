//! What each documented webhook of a platform says, written down from the platforms' documentation and not from what
//! our reader makes of it: `tests/events/<platform>.jsonl`, a case to a line.
//!
//! `expect` names what the documentation fixes. A field that it leaves open is absent and not looked at; `null` must be
//! absent from the event, and `"*"` must be there, whatever it is.
//!
//! Sources: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks; infobip.com/docs/whatsapp and the
//! models of Infobip's own clients; core.telegram.org/bots/api, version 10.1.

mod broken;
mod listed;
mod told;

use std::collections::BTreeSet;

use channels::{
    Channel, infobip, meta, telegram,
    verify::{Algorithm, Auth, Encoding},
};
use domain::{Account, Micros, Tenant};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Stands before the ids of what Telegram's bot gets and sends.
const BOT: &str = "70001";

const SECRET: &str = "a-secret-of-this-test";
/// Numbers of the two accounts whose webhooks come by one address.
const NUMBERS: [(&str, &str); 2] = [("4410001", "meta:main"), ("4410002", "meta:other")];

/// The table of a platform, with the channel that reads it.
struct Table {
    account: Account,
    channel: Channel,
    cases: Vec<Case>,
}

/// A line of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    body: Value,
    expect: Vec<Map<String, Value>>,
}

fn tables() -> Vec<Table> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let table = |channel: Channel, lines: &str| Table {
        account: Account::new(channel.name(), "main").expect("an account"),
        channel,
        cases: lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect(),
    };
    vec![
        table(meta(), include_str!("../events/meta.jsonl")),
        table(infobip(), include_str!("../events/infobip.jsonl")),
        table(telegram(), include_str!("../events/telegram.jsonl")),
    ]
}

fn meta() -> Channel {
    let config = meta::Config {
        base_url: meta::BASE_URL.to_owned(),
        version: meta::VERSION.to_owned(),
        phone_number_id: NUMBERS[0].0.to_owned(),
        access_token: "test".into(),
        app_secrets: vec![SECRET.into()],
        verify_token: "test".into(),
    };
    let siblings = NUMBERS.map(|(number, account)| (number.to_owned(), account.parse().expect("an account")));
    Channel::Meta(meta::Meta::new(config).expect("a number"), siblings.into())
}

fn infobip() -> Channel {
    let config = infobip::Config {
        base_url: "test.api.infobip.com".to_owned(),
        api_key: "test".into(),
        sender: "385155500000".to_owned(),
        auth: Auth::Hmac {
            header: "X-Hub-Signature-256".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            secrets: vec![SECRET.into()],
        },
    };
    Channel::Infobip(infobip::Infobip::new(config).expect("a sender"))
}

fn telegram() -> Channel {
    let config = telegram::Config {
        base_url: telegram::BASE_URL.to_owned(),
        token: format!("{BOT}:test").into(),
        webhook_secrets: vec![SECRET.into()],
    };
    Channel::Telegram(telegram::Telegram::new(config).expect("a bot"))
}

#[test]
fn every_documented_webhook_becomes_what_it_says() {
    let (mut wrong, mut kinds) = (0, BTreeSet::new());
    for table in tables() {
        for case in &table.cases {
            let differences = differences(&table, case);
            wrong += differences.len();
            differences.iter().for_each(|line| println!("{} {}: {line}", table.channel.name(), case.kind));
            assert!(kinds.insert((table.channel.name(), case.kind.clone())), "`{}` stands twice", case.kind);
        }
    }
    println!("figure channels_wrong_events {wrong}");
    println!("figure channels_documented_kinds {}", kinds.len());
    assert_eq!(wrong, 0, "events that are not what the platforms' documentation says; they stand above");
}

/// Where the events differ from what is written down, in words.
fn differences(table: &Table, case: &Case) -> Vec<String> {
    let tenant = Tenant::new("default").expect("a name");
    let body = case.body.to_string();
    let parsed = match table.channel.parse(&tenant, &table.account, body.as_bytes(), Micros(0)) {
        Ok(parsed) => told::events(&parsed),
        Err(error) => return vec![error.to_string()],
    };
    if parsed.len() != case.expect.len() {
        return vec![format!("{} events instead of {}: {parsed:?}", parsed.len(), case.expect.len())];
    }
    let pairs = case.expect.iter().zip(&parsed);
    pairs
        .flat_map(|(expected, told)| expected.iter().filter_map(|(field, value)| differs(field, value, told)))
        .collect()
}

fn differs(field: &str, expected: &Value, told: &Map<String, Value>) -> Option<String> {
    assert!(told::FIELDS.contains(&field), "no event has a field `{field}`");
    let found = told.get(field).unwrap_or(&Value::Null);
    let same = if expected == "*" { !found.is_null() } else { found == expected };
    (!same).then(|| format!("`{field}` is {found} instead of {expected}"))
}
