//! Bodies that lost their end or a bit on the way: never believed, and never the reader's end.

use channels::{
    Channel, ParseError,
    verify::{Algorithm, sign},
};
use domain::{Micros, Tenant};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{SECRET, Table, tables};

/// Bits that are flipped in each body, evenly spread.
const BITS: usize = 64;
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const TOKEN: HeaderName = HeaderName::from_static("x-telegram-bot-api-secret-token");

#[test]
fn a_broken_body_is_refused_and_breaks_nothing() {
    let tables = tables();
    std::thread::scope(|scope| {
        for table in &tables {
            scope.spawn(move || table.cases.iter().for_each(|case| break_body(table, &case.body.to_string())));
        }
    });
}

fn break_body(table: &Table, body: &str) {
    let body = body.as_bytes();
    let (tenant, headers) = (Tenant::new("default").expect("a name"), signed(&table.channel, body));
    assert_eq!(table.channel.verify(&headers, body), Ok(()));
    for end in 0..body.len() {
        check(table, &tenant, &headers, &body[..end]);
    }
    for bit in 0..BITS {
        let mut flipped = body.to_vec();
        flipped[bit * body.len() / BITS] ^= 1 << (bit % 8);
        check(table, &tenant, &headers, &flipped);
    }
}

/// Read, it is parts or an error; where the platform signs the body, it is not believed.
fn check(table: &Table, tenant: &Tenant, headers: &HeaderMap, body: &[u8]) {
    match table.channel.parse(tenant, &table.account, body, Micros(0)) {
        Ok(parsed) => assert!(parsed.count() > 0 || body.is_empty(), "{}", String::from_utf8_lossy(body)),
        Err(ParseError::NotJson(_) | ParseError::TooDeep) => {}
        Err(error @ ParseError::NoWebhook) => panic!("{error}"),
    }
    if !matches!(table.channel, Channel::Telegram(_)) {
        assert!(table.channel.verify(headers, body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}

/// What a platform sends along with `body`.
fn signed(channel: &Channel, body: &[u8]) -> HeaderMap {
    let (name, value) = match channel {
        Channel::Telegram(_) => (TOKEN, SECRET.to_owned()),
        _ => (SIGNATURE, format!("sha256={}", hex::encode(sign(Algorithm::Sha256, SECRET.as_bytes(), body)))),
    };
    HeaderMap::from_iter([(name, HeaderValue::try_from(value).expect("a header"))])
}

#[test]
fn a_broken_proof_is_refused() {
    for table in tables() {
        let body = table.cases[0].body.to_string().into_bytes();
        let headers = signed(&table.channel, &body);
        assert_eq!(table.channel.verify(&headers, &body), Ok(()));
        let (name, proof) = headers.iter().next().expect("a header");
        let refused = |proof: &[u8]| {
            // Bytes that no header can carry do not reach us.
            let Ok(value) = HeaderValue::from_bytes(proof) else { return };
            let headers = HeaderMap::from_iter([(name.clone(), value)]);
            assert!(table.channel.verify(&headers, &body).is_err(), "{name}: {}", String::from_utf8_lossy(proof));
        };
        let proof = proof.as_bytes();
        (0..proof.len()).for_each(|end| refused(&proof[..end]));
        // The algorithm's name before it may stand in any case.
        let start = proof.iter().position(|&byte| byte == b'=').map_or(0, |at| at + 1);
        for bit in start * 8..proof.len() * 8 {
            let mut flipped = proof.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(&flipped);
        }
        assert!(table.channel.verify(&HeaderMap::new(), &body).is_err());
    }
}
