//! Fitting text into a platform's limits. Lengths are UTF-16 units: what platforms count, and never fewer
//! than characters.

use std::ops::Range;

/// Length as platforms count it.
pub(crate) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text within `limit` units, its end replaced by `…` if it was longer.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let text = text.trim();
    if units(text) <= limit {
        return text.to_owned();
    }
    let end = byte_end(text, limit.saturating_sub(1));
    format!("{}…", text[..end].trim_end())
}

/// Where in bytes `text` is split into parts of at most `limit` units: at the end of a paragraph, line or sentence where
/// there is one in the last three quarters of a part, else between words, else anywhere. Blank parts do not occur.
pub(crate) fn split_at(text: &str, limit: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    let mut start = text.len() - text.trim_start().len();
    while units(rest) > limit {
        let mut end = byte_end(rest, limit.max(2));
        // White space right behind the window ends its last word there.
        end += rest[end..].chars().next().filter(|c| c.is_whitespace()).map_or(0, char::len_utf8);
        let at = border(&rest[..end]);
        let part = rest[..at].trim_end();
        if !part.is_empty() {
            parts.push(start..start + part.len());
        }
        let after = rest[at..].trim_start();
        start += rest.len() - after.len();
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(start..start + rest.len());
    }
    parts
}

/// Where in bytes the first `limit` units end, at a character's border.
fn byte_end(text: &str, limit: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.len_utf16();
        if used > limit {
            return at;
        }
    }
    text.len()
}

/// The best place to end a part that may not be longer than `window`; never 0.
fn border(window: &str) -> usize {
    let early = window.len() / 4;
    let (mut paragraph, mut line, mut sentence, mut word) = (0, 0, 0, 0);
    let mut before = ['\0'; 2];
    for (at, c) in window.char_indices() {
        if c == '\n' {
            line = at;
            if before[1] == '\n' {
                paragraph = at;
            }
        }
        if c.is_whitespace() {
            word = at;
            let closed = matches!(before[1], '"' | ')' | '”' | '’' | '\'' | '*' | '_');
            let end = if closed { before[0] } else { before[1] };
            if matches!(end, '.' | '!' | '?' | '…' | '。' | ':') {
                sentence = at;
            }
        }
        before = [before[1], c];
    }
    [paragraph, line.max(sentence)].into_iter().find(|&at| at > early).unwrap_or(if word > 0 {
        word
    } else {
        window.len()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, limit: usize) -> Vec<&str> {
        split_at(text, limit).into_iter().map(|part| &text[part]).collect()
    }

    fn check(text: &str, limit: usize, expected: &[&str]) {
        assert_eq!(split(text, limit), expected, "{text:?} in {limit}");
    }

    #[test]
    fn text_is_split_at_the_best_border() {
        check("", 10, &[]);
        check("short", 10, &["short"]);
        check("One two. Three four.", 12, &["One two.", "Three four."]);
        check("He said \"stop.\" Then he left.", 20, &["He said \"stop.\"", "Then he left."]);
        check("a line\nanother line", 14, &["a line", "another line"]);
        check("First. Second.\n\nThird. Fourth.", 24, &["First. Second.", "Third. Fourth."]);
        check("words without any end", 13, &["words without", "any end"]);
        check("unbreakable", 4, &["unbr", "eaka", "ble"]);
        check("😀😀😀", 4, &["😀😀", "😀"]);
    }

    #[test]
    fn long_words_are_shortened_visibly() {
        assert_eq!(shorten("Reserve", 20), "Reserve");
        assert_eq!(shorten("A title of more than twenty characters", 20), "A title of more tha…");
        assert_eq!(units(&shorten(&"😀".repeat(30), 20)), 19);
    }

    proptest! {
        #[test]
        fn parts_fit_and_nothing_but_white_space_is_lost(text in "(?s).{0,300}", limit in 2_usize..80) {
            let parts = split(&text, limit);
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert!(parts.iter().all(|part| (1..=limit).contains(&units(part))), "{parts:?}");
            prop_assert_eq!(bare(&parts.concat()), bare(&text));
        }
    }
}
