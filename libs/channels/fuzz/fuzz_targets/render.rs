//! A reply becomes parts that the platform takes: the first byte says how many choices, the next four where two spans
//! lie, the rest is text, a line to a title.
#![no_main]

use std::sync::LazyLock;

use channels::Channel;
use domain::{Choice, Reply, Span, Style};
use libfuzzer_sys::fuzz_target;

static CHANNELS: LazyLock<[Channel; 2]> = LazyLock::new(|| [channels_fuzz::meta(), channels_fuzz::telegram()]);

fuzz_target!(|input: &[u8]| {
    let Some((&[count, a, b, c, d], rest)) = input.split_first_chunk() else { return };
    let rest = String::from_utf8_lossy(rest);
    let mut lines = rest.lines();
    let choices = lines.by_ref().take(usize::from(count % 12)).enumerate();
    let choices: Vec<Choice> =
        choices.map(|(at, line)| Choice { id: at.to_string(), title: line.to_owned(), description: None }).collect();
    let span = |start: u8, end: u8, style| Span { start: usize::from(start), end: usize::from(end), style };
    let spans = vec![span(a, b, Style::Bold), span(c, d, Style::Code)];
    let reply = Reply { text: lines.collect::<Vec<_>>().join("\n"), choices, spans, ..Reply::default() };
    for channel in CHANNELS.iter() {
        let parts = channel.render(&reply);
        assert!(!parts.is_empty() || reply.text.trim().is_empty() && reply.choices.is_empty(), "nothing is said");
        for part in &parts {
            let units = match channel {
                Channel::Telegram(_) => part.text.encode_utf16().count(),
                _ => part.text.chars().count(),
            };
            assert!(units <= 4096, "a part of {units} units");
            for span in &part.spans {
                let shown = part.text.get(span.start..span.end).expect("a span between characters of its part");
                assert!(!shown.trim().is_empty(), "a span of nothing");
            }
        }
        let said: usize = parts.iter().map(|part| part.choices.len()).sum();
        assert!(said <= reply.choices.len(), "choices that nobody gave");
    }
});
