//! `<seq>.<part>`: where a message stands. The message that was accepted has part 0, its answers count from 1.

use store::Cursor;

/// Part of inbound messages in the store.
const STORED_INBOUND: i32 = -1;

/// As callers see it.
pub fn write(cursor: Cursor) -> String {
    format!("{}.{}", cursor.seq, cursor.part.max(0))
}

/// The place to read on after. `<seq>.0` is the message itself: its answers follow.
pub fn read(text: &str) -> Option<Cursor> {
    let (seq, part) = text.split_once('.')?;
    let plain = |number: &str| !number.is_empty() && number.len() <= 18 && number.bytes().all(|b| b.is_ascii_digit());
    if !plain(seq) || !plain(part) {
        return None;
    }
    let part: i32 = part.parse().ok()?;
    Some(Cursor { seq: seq.parse().ok()?, part: if part == 0 { STORED_INBOUND } else { part } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_were_written() {
        for (text, seq, part) in [("1.0", 1, -1), ("12.3", 12, 3)] {
            let cursor = read(text).expect(text);
            assert_eq!((cursor.seq, cursor.part), (seq, part));
            assert_eq!(write(cursor), text);
        }
        for bad in [
            "",
            "1",
            ".",
            "1.",
            ".1",
            "-1.0",
            "1.-1",
            "1.0.0",
            "x.0",
            "1.99999999999",
            "99999999999999999999.0",
            "+1.0",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
