//! Which messages one turn answers.

use std::time::Duration;

use domain::{Content, Micros};
use store::InboxRow;

use crate::language::consent::consent;

/// The wait for more texts ends this long after the first.
const BURST_MAX: Duration = Duration::from_secs(2);
/// Most texts that are answered together.
pub const ROWS_MAX: i64 = 20;

/// How far a turn reaches, if its range is not journaled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The last seq that it answers.
    pub last: i64,
    /// Another text that comes before this time belongs to it; none when nothing may be added.
    pub open_until: Option<Micros>,
}

/// The reach of a turn that begins with the first of `rows`.
///
/// Only plain texts of one person merge, within `gap` of each other, and never while a question is open or after an
/// attempt that failed without an explanation: `alone` says so.
pub fn reach(rows: &[InboxRow], gap: Duration, alone: bool) -> Reach {
    let Some(first) = rows.first() else { return Reach { last: 0, open_until: None } };
    if alone || gap.is_zero() || !is_plain(first) {
        return Reach { last: first.seq, open_until: None };
    }
    let end = first.accepted_at + BURST_MAX;
    let mut last = first;
    for row in &rows[1..] {
        let near = row.accepted_at.since(last.accepted_at) <= gap && row.accepted_at <= end;
        if !near || !is_plain(row) || row.person != first.person {
            return Reach { last: last.seq, open_until: None };
        }
        last = row;
    }
    let full = rows.len() >= usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    Reach { last: last.seq, open_until: (!full).then(|| (last.accepted_at + gap).min(end)) }
}

/// A word by which somebody wants no more messages stands alone: beside others it would not be heard.
fn is_plain(row: &InboxRow) -> bool {
    matches!(row.incoming.content.now(), Content::Text { text } if consent(text).is_none())
        && !matches!(row.incoming.provider.as_str(), "internal" | "replay")
}

#[cfg(test)]
mod tests {
    use domain::{Incoming, PersonId, Tenant};

    use super::*;

    const GAP: Duration = Duration::from_millis(700);

    fn row(seq: i64, person: PersonId, at_ms: i64, content: Content) -> InboxRow {
        InboxRow {
            seq,
            person,
            incoming: Incoming {
                tenant: Tenant::new("t").expect("a name"),
                account: "infobip:main".parse().expect("an account"),
                peer: "1".to_owned(),
                user: "1".to_owned(),
                provider: "infobip".to_owned(),
                provider_message_id: seq.to_string(),
                written_at: None,
                contact_name: None,
                phone: None,
                quoted: None,
                content,
                traceparent: None,
            },
            accepted_at: Micros(at_ms * 1_000),
            attempts: 0,
            journaled: false,
        }
    }

    fn text() -> Content {
        Content::Text { text: "x".to_owned() }
    }

    fn check(rows: &[InboxRow], alone: bool, last: i64, open_until_ms: Option<i64>) {
        let expected = Reach { last, open_until: open_until_ms.map(|ms| Micros(ms * 1_000)) };
        assert_eq!(reach(rows, GAP, alone), expected);
    }

    #[test]
    fn near_plain_texts_of_one_person_merge() {
        let (ana, ivo) = (PersonId::new(), PersonId::new());
        let choice = Content::Choice { id: "c".to_owned(), title: "C".to_owned() };
        let one = row(1, ana, 0, text());
        check(std::slice::from_ref(&one), false, 1, Some(700));
        check(std::slice::from_ref(&one), true, 1, None);
        check(&[one.clone(), row(2, ana, 700, text())], false, 2, Some(1_400));
        check(&[one.clone(), row(2, ana, 701, text())], false, 1, None);
        check(&[one.clone(), row(2, ivo, 100, text())], false, 1, None);
        check(&[one.clone(), row(2, ana, 100, choice.clone())], false, 1, None);
        check(&[row(1, ana, 0, choice), row(2, ana, 1, text())], false, 1, None);
        let edit = Content::Edit { of: "1".to_owned(), content: Box::new(text()) };
        check(&[one.clone(), row(2, ana, 100, edit)], false, 2, Some(800));
        let stop = || Content::Text { text: "STOP".to_owned() };
        check(&[one.clone(), row(2, ana, 100, stop())], false, 1, None);
        check(&[row(1, ana, 0, stop()), row(2, ana, 100, stop())], false, 1, None);
        check(&[one, row(2, ana, 100, Content::Revoke { of: "1".to_owned() })], false, 1, None);
    }

    #[test]
    fn the_wait_ends_two_seconds_after_the_first() {
        let ana = PersonId::new();
        let rows: Vec<_> = (0..5).map(|n| row(n + 1, ana, n * 600, text())).collect();
        check(&rows[..4], false, 4, Some(2_000));
        check(&rows, false, 4, None);
    }

    #[test]
    fn no_gap_means_no_burst() {
        let ana = PersonId::new();
        let rows = [row(1, ana, 0, text()), row(2, ana, 0, text())];
        assert_eq!(reach(&rows, Duration::ZERO, false), Reach { last: 1, open_until: None });
    }
}
