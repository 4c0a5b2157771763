//! WhatsApp's marks: `*bold*` and `` `code` ``, and how a text keeps its own `*`, `_` and `~`.
//!
//! There is no way to escape a mark. What would become formatting by accident is shown as code instead, which shows every
//! character but a backtick as it is; a backtick becomes an apostrophe that looks like it. Formatting of ours gives way
//! to that.

use std::ops::Range;

use domain::{Span, Style};

use crate::words::Words;

/// Characters that format what stands between two of them in one line.
const MARKS: [char; 3] = ['*', '_', '~'];
/// Stands for a backtick.
const BACKTICK: char = 'ˋ';

/// The text with its spans as marks.
pub(crate) fn marked(words: &Words) -> String {
    let mut marked = String::with_capacity(words.text.len() + 4 * words.spans.len());
    let mut start = 0;
    for line in words.text.split_inclusive('\n') {
        let here = start..start + line.len();
        let spans = words.spans.iter().filter(|span| here.start <= span.start && span.end <= here.end);
        let spans = spans.map(|span| Span { start: span.start - start, end: span.end - start, style: span.style });
        mark_line(line, &spans.collect::<Vec<_>>(), &mut marked);
        start = here.end;
    }
    marked
}

fn mark_line(line: &str, spans: &[Span], marked: &mut String) {
    let apart = |span: &Span, from: &[Range<usize>]| {
        from.iter().all(|literal| span.end <= literal.start || literal.end <= span.start)
    };
    // Code shows the marks in it as they are, unless it gives way to an accident beside it: then they count again.
    let is_code = |span: &&Span| span.style == Style::Code && stands_alone(line, span.start..span.end);
    let mut code: Vec<Span> = spans.iter().filter(is_code).cloned().collect();
    let as_it_is = loop {
        let (found, before) = (accidents(line, &code), code.len());
        code.retain(|span| apart(span, &found));
        if code.len() == before {
            break found;
        }
    };
    let starred = line.contains('*');
    let free = |span: &&Span| match span.style {
        Style::Code => code.contains(span),
        Style::Bold => apart(span, &as_it_is) && stands_alone(line, span.start..span.end) && !starred,
    };
    let ours = spans.iter().filter(free).map(|span| match span.style {
        Style::Bold => (span.start..span.end, '*'),
        Style::Code => (span.start..span.end, '`'),
    });
    let mut all: Vec<(Range<usize>, char)> =
        as_it_is.iter().map(|literal| (literal.clone(), '`')).chain(ours).collect();
    all.sort_by_key(|(range, _)| range.start);
    let mut done = 0;
    for (range, mark) in all {
        push(marked, &line[done..range.start]);
        marked.push(mark);
        push(marked, &line[range.clone()]);
        marked.push(mark);
        done = range.end;
    }
    push(marked, &line[done..]);
}

fn push(marked: &mut String, text: &str) {
    marked.extend(text.chars().map(|c| if c == '`' { BACKTICK } else { c }));
}

/// The parts of a line that the platform would format, in order and apart: each with all the marks around it.
/// What is in `code` is none.
fn accidents(line: &str, code: &[Span]) -> Vec<Range<usize>> {
    let in_code = |at: usize| code.iter().any(|span| (span.start..span.end).contains(&at));
    let mut found: Vec<Range<usize>> = Vec::new();
    // A quote would lose its sign; code begins with a backtick.
    if line.starts_with('>') && !in_code(0) {
        found.push(0..1);
    }
    for mark in MARKS {
        let mut open: Option<usize> = None;
        for (at, _) in line.char_indices().filter(|(at, c)| *c == mark && !in_code(*at)) {
            match open {
                Some(start) if at > start + 1 && closes(line, at) => {
                    found.extend(Some(widened(line, start..at + 1)).filter(|range| !is_address(line, range)));
                    open = None;
                }
                None if opens(line, at) => open = Some(at),
                _ => {}
            }
        }
    }
    found.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// Part of a link or of a mail address, which a backtick would break: better formatted than dead.
fn is_address(line: &str, range: &Range<usize>) -> bool {
    let start = line[..range.start].rfind(char::is_whitespace).unwrap_or(0);
    let end = line[range.end..].find(char::is_whitespace).map_or(line.len(), |at| range.end + at);
    let words = &line[start..end];
    words.contains("://") || words.contains('@')
}

/// With the marks directly before and behind, unless they are within a word: a backtick would not count there.
fn widened(line: &str, range: Range<usize>) -> Range<usize> {
    let start = line[..range.start].trim_end_matches(MARKS).len();
    let end = line.len() - line[range.end..].trim_start_matches(MARKS).len();
    let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    Range {
        start: if free(line[..start].chars().next_back()) { start } else { range.start },
        end: if free(line[end..].chars().next()) { end } else { range.end },
    }
}

fn opens(line: &str, at: usize) -> bool {
    let before = line[..at].chars().next_back();
    let behind = line[at + 1..].chars().next();
    before.is_none_or(|c| !c.is_alphanumeric()) && behind.is_some_and(|c| !c.is_whitespace())
}

fn closes(line: &str, at: usize) -> bool {
    let before = line[..at].chars().next_back();
    let behind = line[at + 1..].chars().next();
    before.is_some_and(|c| !c.is_whitespace()) && behind.is_none_or(|c| !c.is_alphanumeric())
}

/// Marks within a word are not read as marks, nor those beside another.
fn stands_alone(line: &str, range: Range<usize>) -> bool {
    let beside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '`' && !MARKS.contains(&c));
    beside(line[..range.start].chars().next_back()) && beside(line[range.end..].chars().next())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::usable;

    fn words(text: &str, shown: &[(&str, Style)]) -> Words {
        let span = |(part, style): &(&str, Style)| {
            let start = text.find(part).expect("a part of the text");
            Span { start, end: start + part.len(), style: *style }
        };
        Words { text: text.to_owned(), spans: usable(text, &shown.iter().map(span).collect::<Vec<_>>()) }
    }

    fn check(text: &str, shown: &[(&str, Style)], expected: &str) {
        assert_eq!(marked(&words(text, shown)), expected, "{text}");
    }

    #[test]
    fn titles_and_numbers_are_marked() {
        check("Free rooms:\n1. Oak", &[("Free rooms", Style::Bold)], "*Free rooms*:\n1. Oak");
        check("Number 4711.", &[("4711", Style::Code)], "Number `4711`.");
        check("Code a_b_c.", &[("a_b_c", Style::Code)], "Code `a_b_c`.");
        check("• Room: Oak", &[("Room", Style::Bold), ("Oak", Style::Code)], "• *Room*: `Oak`");
    }

    #[test]
    fn what_looks_like_a_mark_stays_as_it_is() {
        check("5 * 3 * 2 and a_b_c, ~5 km", &[], "5 * 3 * 2 and a_b_c, ~5 km");
        check("a *x* b", &[], "a `*x*` b");
        check("_a_b_", &[], "`_a_b_`");
        check("**x** and ~~y~~", &[], "`**x**` and `~~y~~`");
        check("(*a b*)", &[], "(`*a b*`)");
        check("*a\nb*", &[], "*a\nb*");
        check("> 5 km", &[], "`>` 5 km");
        check("a `b` c", &[], "a ˋbˋ c");
        check("_*x*_", &[], "`_*x*_`");
        for address in ["https://x.hr/_a_/doc", "see https://x.hr/?q=*a*&b=1 now", "_ana_@x.hr"] {
            check(address, &[], address);
        }
    }

    #[test]
    fn our_marks_give_way() {
        check("Title: 5 * 3", &[("Title", Style::Bold)], "Title: 5 * 3");
        check("*Big* room: Oak", &[("*Big* room", Style::Bold)], "`*Big*` room: Oak");
        check("Titles", &[("Title", Style::Bold)], "Titles");
        check("_a 4711 b_", &[("4711", Style::Code)], "`_a 4711 b_`");
        check("> .*...~**_>", &[("> .*", Style::Code)], "`> .*`...~**_>");
    }

    proptest! {
        #[test]
        fn without_our_marks_the_text_is_unchanged(
            text in "[a `*_~>.\\n]{0,40}|(?s).{0,40}",
            places in prop::collection::vec((0_usize..60, 0_usize..60, any::<bool>()), 0..5),
        ) {
            let style = |bold| if bold { Style::Bold } else { Style::Code };
            let spans: Vec<Span> =
                places.into_iter().map(|(start, end, bold)| Span { start, end, style: style(bold) }).collect();
            let words = Words { spans: usable(&text, &spans), text };
            for (line, marked) in words.text.split('\n').zip(marked(&words).split('\n')) {
                // Every backtick is ours, and they come in pairs.
                prop_assert_eq!(marked.matches('`').count() % 2, 0, "{}", marked);
                let bare: String = marked.chars().filter(|c| *c != '`').collect();
                let own = line.replace('`', "ˋ");
                // Where the text has no star of its own, every star is ours.
                let bare = if line.contains('*') { bare } else {
                    prop_assert_eq!(bare.matches('*').count() % 2, 0, "{}", marked);
                    bare.replace('*', "")
                };
                prop_assert_eq!(bare, own);
                // Nothing outside of code is formatted but what we marked.
                let outside = marked.split('`').step_by(2).collect::<Vec<_>>().join("`");
                let outside = if line.contains('*') { outside } else { outside.replace('*', "") };
                let address = line.contains('@') || line.contains("://");
                prop_assert!(address || accidents(&outside, &[]).is_empty(), "{}", marked);
            }
        }
    }
}
