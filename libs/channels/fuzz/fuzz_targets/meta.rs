#![no_main]

use std::sync::LazyLock;

use channels::Channel;
use libfuzzer_sys::fuzz_target;

static CHANNEL: LazyLock<Channel> = LazyLock::new(channels_fuzz::meta);

fuzz_target!(|body: &[u8]| channels_fuzz::read(&CHANNEL, body));
