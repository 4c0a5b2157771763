//! A text with its spans: kept together while it is cut into parts.

use std::ops::Range;

use domain::{Reply, Span};

use crate::split::split_at;

/// A text and the parts of it that are shown in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub text: String,
    /// In order and apart; none is empty, begins or ends with white space, or goes over the end of a line.
    pub spans: Vec<Span>,
}

impl Words {
    /// The words of a reply, without white space around them.
    pub fn of(reply: &Reply) -> Self {
        let all = Self { text: reply.text.clone(), spans: usable(&reply.text, &reply.spans) };
        let start = all.text.len() - all.text.trim_start().len();
        all.cut(start..start + all.text.trim().len())
    }

    /// Words without spans.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), spans: Vec::new() }
    }

    /// Parts of at most `limit` UTF-16 units, as [`crate::split`] makes them.
    pub fn split(&self, limit: usize) -> Vec<Self> {
        split_at(&self.text, limit).into_iter().map(|part| self.cut(part)).collect()
    }

    /// A part of the message without anything else.
    pub fn into_reply(self) -> Reply {
        Reply { text: self.text, spans: self.spans, ..Reply::default() }
    }

    /// The bytes of `range`, which lie between characters.
    fn cut(&self, range: Range<usize>) -> Self {
        let within = self.spans.iter().map(|span| Span {
            start: span.start.clamp(range.start, range.end) - range.start,
            end: span.end.clamp(range.start, range.end) - range.start,
            style: span.style,
        });
        let text = self.text[range.clone()].to_owned();
        let spans = usable(&text, &within.collect::<Vec<_>>());
        Self { text, spans }
    }
}

/// The spans that can be shown, in order: each within one line and without white space around it.
pub(crate) fn usable(text: &str, spans: &[Span]) -> Vec<Span> {
    let mut lines: Vec<Span> = Vec::new();
    for span in spans {
        let Some(whole) = text.get(span.start..span.end) else { continue };
        let mut start = span.start;
        for line in whole.split_inclusive('\n') {
            let begin = start + line.len() - line.trim_start().len();
            let end = begin + line.trim().len();
            if begin < end {
                lines.push(Span { start: begin, end, style: span.style });
            }
            start += line.len();
        }
    }
    lines.sort_by_key(|span| span.start); // stable: of two that begin together the first one counts
    let mut used = 0;
    lines.retain(|span| {
        let apart = span.start >= used;
        if apart {
            used = span.end;
        }
        apart
    });
    lines
}

#[cfg(test)]
mod tests {
    use domain::Style;
    use proptest::prelude::*;

    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end, style: Style::Bold }
    }

    #[test]
    fn spans_go_with_their_part() {
        let reply = Reply {
            text: "  Rooms: one two. Three four.".to_owned(),
            spans: vec![span(2, 7), span(13, 23)],
            ..Reply::default()
        };
        let parts = Words::of(&reply).split(16);
        let shown = |words: &Words| -> Vec<String> {
            words.spans.iter().map(|span| words.text[span.start..span.end].to_owned()).collect()
        };
        assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>(), ["Rooms: one two.", "Three four."]);
        assert_eq!(parts.iter().map(shown).collect::<Vec<_>>(), [vec!["Rooms", "two."], vec!["Three"]]);
    }

    #[test]
    fn spans_that_cannot_be_shown_are_left_out() {
        let text = "öne\ntwo three";
        let check = |given: &[Span], expected: &[Span]| assert_eq!(usable(text, given), expected, "{given:?}");
        check(&[span(1, 3)], &[]);
        check(&[span(0, 99)], &[]);
        check(&[Span { start: 5, end: 2, style: Style::Bold }], &[]);
        check(&[span(2, 8)], &[span(2, 4), span(5, 8)]);
        check(&[span(4, 5)], &[]);
        check(&[span(5, 9)], &[span(5, 8)]);
        check(&[span(9, 14), span(5, 10)], &[span(5, 10)]);
    }

    proptest! {
        #[test]
        fn spans_lie_in_their_text_in_order_and_apart(
            text in "(?s).{0,80}", places in prop::collection::vec((0_usize..200, 0_usize..200), 0..6),
            limit in 2_usize..40,
        ) {
            let spans = places.into_iter().map(|(start, end)| span(start, end)).collect();
            for part in Words::of(&Reply { text, spans, ..Reply::default() }).split(limit) {
                let mut used = 0;
                for span in &part.spans {
                    prop_assert!(span.start >= used && span.end > span.start);
                    let shown = part.text.get(span.start..span.end);
                    prop_assert!(shown.is_some_and(|shown| shown.trim() == shown && !shown.contains('\n')));
                    used = span.end;
                }
            }
        }
    }
}
