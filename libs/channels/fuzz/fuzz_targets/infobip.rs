#![no_main]

use std::sync::LazyLock;

use channels::{
    Channel,
    verify::{Algorithm, Encoding},
};
use libfuzzer_sys::fuzz_target;

static CHANNEL: LazyLock<Channel> =
    LazyLock::new(|| channels_fuzz::infobip(channels_fuzz::hmac(Algorithm::Sha256, Encoding::Hex)));

fuzz_target!(|body: &[u8]| channels_fuzz::read(&CHANNEL, body));
