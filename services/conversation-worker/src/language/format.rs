//! Dates, numbers and choices as each language writes them.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

use super::Lang;

/// Where and when the person is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The tenant's time zone.
    pub zone: TimeZone,
    /// The person's day.
    pub today: Date,
}

impl Place {
    /// The place for an IANA name (an unknown one counts as UTC) at a point in time in microseconds since 1970.
    pub fn new(zone: &str, now_us: i64) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let now = Timestamp::from_microsecond(now_us).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { today: now.to_zoned(zone.clone()).date(), zone }
    }

    /// RFC 3339 with the zone's offset.
    pub fn instant(&self, at: DateTime) -> String {
        at.to_zoned(self.zone.clone())
            .map_or_else(|_| format!("{at}Z"), |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }

    /// A point in time from a backend, on the person's clock; a time without offset counts as theirs.
    pub fn read_instant(&self, text: &str) -> Option<DateTime> {
        if text.len() > 40 || !text.contains(['T', ' ']) {
            return None;
        }
        text.parse::<Timestamp>()
            .ok()
            .map(|at| at.to_zoned(self.zone.clone()).datetime())
            .or_else(|| text.parse::<DateTime>().ok())
    }
}

/// "Saturday 2026-11-21 10:00, Europe/Zagreb", for a model.
pub fn now(at: domain::Micros, place: &Place) -> String {
    let now = Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(place.zone.clone());
    let zone = place.zone.iana_name().unwrap_or("UTC");
    format!("{}, {zone}", now.strftime("%A %Y-%m-%d %H:%M"))
}

/// A day alone, `YYYY-MM-DD`.
pub fn read_date(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten()
}

const EN_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HR_DAYS: [&str; 7] = ["ponedjeljak", "utorak", "srijeda", "četvrtak", "petak", "subota", "nedjelja"];
const EN_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const HR_MONTHS: [&str; 12] = [
    "siječnja",
    "veljače",
    "ožujka",
    "travnja",
    "svibnja",
    "lipnja",
    "srpnja",
    "kolovoza",
    "rujna",
    "listopada",
    "studenoga",
    "prosinca",
];
const DE_DAYS: [&str; 7] = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];
const DE_MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const ES_DAYS: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
const ES_MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

fn day_name(lang: Lang, weekday: Weekday) -> &'static str {
    let at = usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0) % 7;
    match lang {
        Lang::En => EN_DAYS[at],
        Lang::Hr => HR_DAYS[at],
        Lang::De => DE_DAYS[at],
        Lang::Es => ES_DAYS[at],
    }
}

/// Name of a month in the form that stands after a day; 1 to 12, others give nothing.
pub fn month_name(lang: Lang, month: u64) -> &'static str {
    let at = usize::try_from(month).unwrap_or(0).wrapping_sub(1);
    let names = match lang {
        Lang::En => &EN_MONTHS,
        Lang::Hr => &HR_MONTHS,
        Lang::De => &DE_MONTHS,
        Lang::Es => &ES_MONTHS,
    };
    names.get(at).copied().unwrap_or_default()
}

/// "Sun 22 Nov", "ned 22.11.", "So 22.11.", "dom 22 nov"; with the year when it is another one than today's.
pub fn short_day(lang: Lang, day: Date, today: Date) -> String {
    let letters = if lang == Lang::De { 2 } else { 3 };
    let name: String = day_name(lang, day.weekday()).chars().take(letters).collect();
    let other = day.year() != today.year();
    match lang {
        Lang::En | Lang::Es => {
            let month: String = month_name(lang, day.month().unsigned_abs().into()).chars().take(3).collect();
            let year = if other { format!(" {}", day.year()) } else { String::new() };
            format!("{name} {} {month}{year}", day.day())
        }
        Lang::Hr => {
            let year = if other { format!("{}.", day.year()) } else { String::new() };
            format!("{name} {}.{}.{year}", day.day(), day.month())
        }
        Lang::De => {
            let year = if other { day.year().to_string() } else { String::new() };
            format!("{name} {}.{}.{year}", day.day(), day.month())
        }
    }
}

/// "Sunday 22 November", "nedjelja, 22. studenoga", "Sonntag, 22. November", "domingo 22 de noviembre".
pub fn long_day(lang: Lang, day: Date, today: Date) -> String {
    let name = day_name(lang, day.weekday());
    let month = month_name(lang, day.month().unsigned_abs().into());
    let other = day.year() != today.year();
    match lang {
        Lang::En if other => format!("{name} {} {month} {}", day.day(), day.year()),
        Lang::En => format!("{name} {} {month}", day.day()),
        Lang::Hr if other => format!("{name}, {}. {month} {}.", day.day(), day.year()),
        Lang::De if other => format!("{name}, {}. {month} {}", day.day(), day.year()),
        Lang::Hr | Lang::De => format!("{name}, {}. {month}", day.day()),
        Lang::Es if other => format!("{name} {} de {month} de {}", day.day(), day.year()),
        Lang::Es => format!("{name} {} de {month}", day.day()),
    }
}

/// "09:00".
pub fn time(at: Time) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// "Sun 22 Nov, 09:00".
pub fn moment(lang: Lang, at: DateTime, today: Date) -> String {
    match lang {
        Lang::En | Lang::De | Lang::Es => format!("{}, {}", short_day(lang, at.date(), today), time(at.time())),
        Lang::Hr => format!("{} u {}", short_day(lang, at.date(), today), time(at.time())),
    }
}

/// "Sun 22 Nov, 09:00-13:00"; whole days without times, one whole day by its long name.
pub fn period(lang: Lang, from: DateTime, to: DateTime, today: Date) -> String {
    let midnight = Time::midnight();
    if from.time() == midnight && to.time() == midnight && to > from {
        return days(lang, from.date(), to.date().yesterday().unwrap_or(to.date()), today);
    }
    if from.date() == to.date() {
        return format!("{}, {}-{}", short_day(lang, from.date(), today), time(from.time()), time(to.time()));
    }
    format!("{} - {}", moment(lang, from, today), moment(lang, to, today))
}

/// "Sunday 22 November", "Mon 23 Nov - Wed 25 Nov".
pub fn days(lang: Lang, first: Date, last: Date, today: Date) -> String {
    if first == last {
        long_day(lang, first, today)
    } else {
        format!("{} - {}", short_day(lang, first, today), short_day(lang, last, today))
    }
}

/// "84,210", "84.210"; up to three digits of a fraction.
pub fn number(lang: Lang, value: f64) -> String {
    let (group, point) = match lang {
        Lang::En => (',', '.'),
        Lang::Hr | Lang::De | Lang::Es => ('.', ','),
    };
    if !value.is_finite() || value.abs() >= 1e15 {
        return value.to_string();
    }
    let plain = format!("{:.3}", value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
            out.push(group);
        }
        out.push(digit);
    }
    let mut fraction = fraction.trim_end_matches('0').to_owned();
    if !fraction.is_empty() {
        if fraction.len() == 1 {
            fraction.push('0');
        }
        out.push(point);
        out.push_str(&fraction);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

/// "240 kB", "1.2 MB", "10 MB"; never less than one kB.
pub fn size(lang: Lang, bytes: u64) -> String {
    const MB: u64 = 1_000_000;
    let tenths = bytes / (MB / 10);
    match bytes {
        0..MB => format!("{} kB", (bytes / 1_000).max(1)),
        _ if tenths >= 100 => format!("{} MB", tenths / 10),
        _ => {
            let point = if lang == Lang::En { '.' } else { ',' };
            format!("{}{point}{} MB", tenths / 10, tenths % 10)
        }
    }
}

/// The text cut to so many characters, at a word if one ends near, with `…` when something is missing.
pub fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let at_word = kept
        .rfind(' ')
        .filter(|at| kept[..*at].chars().count() * 3 >= most * 2)
        .map_or(kept.as_str(), |at| &kept[..at]);
    format!("{}…", at_word.trim_end_matches([' ', ',', '.', '-', '·', '(']))
}

/// Texts cut to so many characters ([`cut`]); those that would look the same lose their beginning instead of their end.
pub fn cut_apart(texts: &[&str], most: usize) -> Vec<String> {
    let cuts: Vec<String> = texts.iter().map(|text| cut(text, most)).collect();
    let is_same = |at: usize| cuts.iter().enumerate().any(|(other, title)| other != at && *title == cuts[at]);
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| if is_same(at) { cut_begin(text, most) } else { cuts[at].clone() })
        .collect()
}

/// The last characters of a text, from a word on, with `…` where something is missing.
fn cut_begin(text: &str, most: usize) -> String {
    let text = text.trim();
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(count - most.saturating_sub(1)).collect();
    let begins_word = text.chars().nth(count - kept.chars().count() - 1).is_some_and(char::is_whitespace);
    let from_word = kept.find(' ').filter(|_| !begins_word).map_or(kept.as_str(), |at| &kept[at..]);
    format!("…{}", from_word.trim_start())
}

/// First letter in upper case.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// First letter in lower case, unless the word is an abbreviation.
pub fn small(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    if text.split(' ').next().is_some_and(|word| word.chars().skip(1).any(char::is_uppercase)) {
        return text.to_owned();
    }
    first.to_lowercase().chain(chars).collect()
}

/// A wire name as words: `freePlaces`, `free_places` -> "Free places".
pub fn humanise(name: &str) -> String {
    let mut words = String::new();
    let mut lower = false;
    for c in name.chars() {
        if matches!(c, '_' | '-' | '.' | '[' | ']' | '/' | ':') || c.is_whitespace() {
            if !words.ends_with(' ') {
                words.push(' ');
            }
            lower = false;
        } else if c.is_uppercase() && lower {
            words.push(' ');
            words.extend(c.to_lowercase());
            lower = false;
        } else {
            lower = c.is_lowercase() || c.is_ascii_digit();
            words.push(c);
        }
    }
    capital(words.trim())
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 21);

    #[test]
    fn titles_that_begin_alike_keep_their_ends() {
        let titles = ["Fetch a list of Positions", "Fetch a list of Devices", "Version", "Show the version of it"];
        assert_eq!(
            cut_apart(&titles, 20),
            ["…a list of Positions", "…a list of Devices", "Version", "Show the version…"]
        );
        assert_eq!(cut_apart(&["Same", "Same"], 20), ["Same", "Same"], "nothing tells them apart");
    }

    #[test]
    fn days_and_times_are_written_as_each_language_does() {
        let nine = datetime(2026, 11, 22, 9, 0, 0, 0);
        let one = datetime(2026, 11, 22, 13, 0, 0, 0);
        let midnight = datetime(2026, 11, 22, 0, 0, 0, 0);
        let next = datetime(2026, 11, 23, 0, 0, 0, 0);
        for (lang, short, long, at, between, whole) in [
            (
                Lang::En,
                "Sun 22 Nov",
                "Sunday 22 November",
                "Sun 22 Nov, 09:00",
                "Sun 22 Nov, 09:00-13:00",
                "Sunday 22 November",
            ),
            (
                Lang::Hr,
                "ned 22.11.",
                "nedjelja, 22. studenoga",
                "ned 22.11. u 09:00",
                "ned 22.11., 09:00-13:00",
                "nedjelja, 22. studenoga",
            ),
            (
                Lang::De,
                "So 22.11.",
                "Sonntag, 22. November",
                "So 22.11., 09:00",
                "So 22.11., 09:00-13:00",
                "Sonntag, 22. November",
            ),
            (
                Lang::Es,
                "dom 22 nov",
                "domingo 22 de noviembre",
                "dom 22 nov, 09:00",
                "dom 22 nov, 09:00-13:00",
                "domingo 22 de noviembre",
            ),
        ] {
            assert_eq!(short_day(lang, nine.date(), TODAY), short);
            assert_eq!(long_day(lang, nine.date(), TODAY), long);
            assert_eq!(moment(lang, nine, TODAY), at);
            assert_eq!(period(lang, nine, one, TODAY), between);
            assert_eq!(period(lang, midnight, next, TODAY), whole);
        }
        let january = date(2027, 1, 3);
        assert_eq!(short_day(Lang::En, january, TODAY), "Sun 3 Jan 2027");
        assert_eq!(short_day(Lang::De, january, TODAY), "So 3.1.2027");
        assert_eq!(long_day(Lang::De, january, TODAY), "Sonntag, 3. Januar 2027");
        assert_eq!(long_day(Lang::Es, january, TODAY), "domingo 3 de enero de 2027");
    }

    #[test]
    fn numbers_are_written_as_each_language_does() {
        for (value, en, hr) in [
            (84_210.0, "84,210", "84.210"),
            (4711.0, "4711", "4711"),
            (63.9, "63.90", "63,90"),
            (1_234_567.125, "1,234,567.125", "1.234.567,125"),
            (-5.0, "-5", "-5"),
        ] {
            assert_eq!((number(Lang::En, value).as_str(), number(Lang::Hr, value).as_str()), (en, hr));
            assert_eq!((number(Lang::De, value).as_str(), number(Lang::Es, value).as_str()), (hr, hr));
        }
    }

    #[test]
    fn instants_are_shown_on_the_persons_clock() {
        let place = Place::new("Europe/Zagreb", 1_795_000_000_000_000);
        assert_eq!(place.read_instant("2026-11-22T08:00:00Z"), Some(datetime(2026, 11, 22, 9, 0, 0, 0)));
        assert_eq!(place.instant(datetime(2026, 11, 22, 9, 0, 0, 0)), "2026-11-22T09:00:00+01:00");
        assert_eq!(Place::new("No/Where", 0).zone, TimeZone::UTC);
        assert_eq!(place.read_instant("VW Caddy"), None);
    }

    #[test]
    fn names_become_words_and_long_ones_are_cut() {
        for (name, words) in [
            ("freePlaces", "Free places"),
            ("free_places", "Free places"),
            ("id", "Id"),
            ("X-Trace", "X Trace"),
            ("ISBN", "ISBN"),
        ] {
            assert_eq!(humanise(name), words);
        }
        assert_eq!(cut("A very long title of a thing", 20), "A very long title…");
        assert_eq!(cut("short", 20), "short");
        assert!(cut(&"č".repeat(50), 20).chars().count() <= 20);
        assert_eq!(small("PDF of it"), "PDF of it");
        assert_eq!(small("Parked at"), "parked at");
    }

    #[test]
    fn sizes_are_told_in_two_digits() {
        for (bytes, english, german) in [
            (0, "1 kB", "1 kB"),
            (240_999, "240 kB", "240 kB"),
            (1_000_000, "1.0 MB", "1,0 MB"),
            (9_950_000, "9.9 MB", "9,9 MB"),
            (10 * 1024 * 1024, "10 MB", "10 MB"),
        ] {
            assert_eq!((size(Lang::En, bytes).as_str(), size(Lang::De, bytes).as_str()), (english, german));
        }
    }
}
