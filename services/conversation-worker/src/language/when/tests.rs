//! How people say days and times.

use jiff::civil::date;

use super::*;
use crate::language::tokens;

/// Saturday 21 November 2026.
const TODAY: Date = Date::constant(2026, 11, 21);

/// `<first>[..<last>] [<start>][-<end>]`, or `bad d.m.`
fn shown(text: &str) -> String {
    let found = when(&tokens(text), TODAY, Some(date(2026, 11, 22)));
    if let Some(bad) = found.bad {
        return format!("bad {}.{}.", bad.day, bad.month);
    }
    let mut out = found.first.map(|d| d.to_string()).unwrap_or_default();
    if let Some(last) = found.last {
        out.push_str(&format!("..{last}"));
    }
    let time = |c: Option<Clock>| c.map(|c| format!("{:02}:{:02}", c.hour, c.minute));
    if let Some(start) = time(found.start) {
        out.push_str(&format!(" {start}"));
    }
    if let Some(end) = time(found.end) {
        out.push_str(&format!("-{end}"));
    }
    out
}

#[test]
fn days_and_times_are_read_as_people_say_them() {
    for (text, expected) in [
        ("Which rooms are free tomorrow?", "2026-11-22"),
        ("tomorow", "2026-11-22"),
        ("sutra", "2026-11-22"),
        ("prekosutra", "2026-11-23"),
        ("the day after tomorrow", "2026-11-23"),
        ("and the day after", "2026-11-23"),
        ("a dan poslije", "2026-11-23"),
        ("yesterday", "2026-11-20"),
        ("jučer", "2026-11-20"),
        ("on Friday", "2026-11-27"),
        ("u petak", "2026-11-27"),
        ("this Friday", "2026-11-27"),
        ("next Friday", "2026-11-27"),
        ("idući ponedjeljak", "2026-11-23"),
        ("next Sunday", "2026-11-29"),
        ("sunday", "2026-11-22"),
        ("u srijedu u 9", "2026-11-25 09:00"),
        ("book the red one tomorrow 9-12", "2026-11-22 09:00-12:00"),
        ("from 9 to 12", " 09:00-12:00"),
        ("od 9 do 12", " 09:00-12:00"),
        ("od 9:30 do 12.15", " 09:30-12:15"),
        ("9am", " 09:00"),
        ("at 3 pm", " 15:00"),
        ("u 9", " 09:00"),
        ("until 1", "-01:00"),
        ("from 9 until 1", " 09:00-13:00"),
        ("tomorrow 2-4", "2026-11-22 14:00-16:00"),
        ("until 13:30", "-13:30"),
        ("tomorrow morning", "2026-11-22 08:00-12:00"),
        ("sutra popodne", "2026-11-22 12:00-18:00"),
        ("tomorrow at 3 in the afternoon", "2026-11-22 15:00"),
        ("22 November", "2026-11-22"),
        ("22nd of November at noon", "2026-11-22 12:00"),
        ("November 25, 2027", "2027-11-25"),
        ("22. studenoga", "2026-11-22"),
        ("5. prosinca u 17h", "2026-12-05 17:00"),
        ("22.11.", "2026-11-22"),
        ("22.11.2027.", "2027-11-22"),
        ("22/11/2026", "2026-11-22"),
        ("2026-11-22", "2026-11-22"),
        ("3 January", "2027-01-03"),
        ("1 November", "2026-11-01"),
        ("84 000 km on 31.2.", "bad 31.2."),
        ("31 February", "bad 31.2."),
        ("this month", "2026-11-01..2026-11-30"),
        ("ovaj mjesec", "2026-11-01..2026-11-30"),
        ("next week", "2026-11-23..2026-11-29"),
        ("in December", "2026-12-01..2026-12-31"),
        ("this weekend", "2026-11-21..2026-11-22"),
        ("from Monday to Wednesday", "2026-11-23..2026-11-25"),
        ("od ponedjeljka do srijede", "2026-11-23..2026-11-25"),
        ("22.11. - 24.11.", "2026-11-22..2026-11-24"),
        ("in 3 days", "2026-11-24"),
        ("za 2 tjedna", "2026-12-05"),
        ("Sunday, 22 November", "2026-11-22"),
        ("84 000 km", ""),
        ("84.300 km", ""),
        ("42.5 litres", ""),
        ("issue 5", ""),
        ("from 5 authors", ""),
        ("I may sit in the sun with my pet", ""),
        ("good morning", ""),
        ("", ""),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in "(?:[0-9]{1,4}|[./:-]| |tomorrow|do|od|until|next|friday|in|days|november|may|u|\\PC){0,25}") {
        let words = tokens(&text);
        let found = when(&words, TODAY, None);
        proptest::prop_assert_eq!(found.used.len(), words.len());
        if let (Some(first), Some(last)) = (found.first, found.last) {
            proptest::prop_assert!(first <= last);
        }
    }
}
