//! A webhook is believed exactly when its header is what the platform would send: the first byte chooses how the account is
//! set up, then come the header up to a line break, and the body.
#![no_main]

use std::sync::LazyLock;

use channels::{
    Channel,
    verify::{Algorithm, Auth, Encoding, sign},
};
use channels_fuzz::SECRET;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const ALGORITHMS: [(Algorithm, &str); 6] = [
    (Algorithm::Md5, "md5"),
    (Algorithm::Sha1, "sha1"),
    (Algorithm::Sha224, "sha224"),
    (Algorithm::Sha256, "sha256"),
    (Algorithm::Sha384, "sha384"),
    (Algorithm::Sha512, "sha512"),
];

struct Setting {
    channel: Channel,
    header: HeaderName,
    /// The right header of a body.
    right: Box<dyn Fn(&[u8]) -> String + Send + Sync>,
}

static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let signature = HeaderName::from_static("x-hub-signature-256");
    let mut settings: Vec<Setting> = ALGORITHMS
        .into_iter()
        .map(|(algorithm, name)| Setting {
            channel: channels_fuzz::infobip(channels_fuzz::hmac(algorithm, Encoding::Hex)),
            header: signature.clone(),
            right: Box::new(move |body| format!("{name}={}", hex(&sign(algorithm, SECRET.as_bytes(), body)))),
        })
        .collect();
    settings.push(Setting {
        channel: channels_fuzz::meta(),
        header: signature,
        right: Box::new(|body| format!("sha256={}", hex(&sign(Algorithm::Sha256, SECRET.as_bytes(), body)))),
    });
    settings.push(Setting {
        channel: channels_fuzz::telegram(),
        header: HeaderName::from_static("x-telegram-bot-api-secret-token"),
        right: Box::new(|_| SECRET.to_owned()),
    });
    settings.push(Setting {
        channel: channels_fuzz::infobip(Auth::Bearer { tokens: vec![SECRET.into()] }),
        header: http::header::AUTHORIZATION,
        right: Box::new(|_| format!("Bearer {SECRET}")),
    });
    settings
});

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let setting = &SETTINGS[usize::from(*choice) % SETTINGS.len()];
    let (proof, body) = match rest.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &[][..]),
    };
    let right = (setting.right)(body);
    let believed = |value: &[u8]| {
        let Ok(value) = HeaderValue::from_bytes(value) else { return false };
        setting.channel.verify(&HeaderMap::from_iter([(setting.header.clone(), value)]), body).is_ok()
    };
    assert!(believed(right.as_bytes()), "the right header is refused: {right}");
    // Forms that mean the same: the algorithm's name in any case or absent, digits in capitals, spaces around.
    let plain = |text: &str| text.trim().rsplit(['=', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let same = std::str::from_utf8(proof).is_ok_and(|proof| plain(proof) == plain(&right));
    assert!(same || !believed(proof), "a wrong header is believed: {}", String::from_utf8_lossy(proof));
});
