//! What days, months and spans of days are called, folded.

use jiff::civil::Weekday;

use crate::language::fold::{mistyped, near};

/// The part of the day in a word like "Freitagabend".
pub fn part_in(word: &str) -> Option<&'static str> {
    let part = PARTS.iter().find(|part| word.ends_with(**part))?;
    let day = word.strip_suffix(part)?;
    MORE_WEEKDAYS.iter().any(|(names, _)| day.len() >= 6 && names.contains(&day)).then_some(*part)
}

/// True for a word that spans of days are called by.
pub fn is_unit(word: &str) -> bool {
    matches!(
        word,
        "day"
            | "days"
            | "week"
            | "month"
            | "year"
            | "weekend"
            | "dan"
            | "tjedan"
            | "mjesec"
            | "godina"
            | "vikend"
            | "tag"
            | "tage"
            | "tagen"
            | "woche"
            | "wochen"
            | "monat"
            | "monate"
            | "monaten"
            | "jahr"
            | "jahre"
            | "wochenende"
            | "dia"
            | "dias"
            | "semana"
            | "semanas"
            | "mes"
            | "meses"
            | "ano"
            | "anos"
    )
}

/// The weekday that a word names, typos and German compounds included.
pub fn weekday_of(word: &str) -> Option<Weekday> {
    let day = part_in(word).and_then(|part| word.strip_suffix(part)).unwrap_or(word);
    let short = day.chars().count() <= 3;
    let all = || WEEKDAYS.iter().chain(MORE_WEEKDAYS);
    let exact = all().find(|(names, _)| names.contains(&day));
    let typo = || {
        WEEKDAYS.iter().find(|(names, _)| names.iter().any(|name| name.len() >= 6 && near(day, name))).or_else(|| {
            MORE_WEEKDAYS.iter().find(|(names, _)| {
                day != "montage" && names.iter().any(|name| *name != "martes" && mistyped(day, name))
            })
        })
    };
    exact.or_else(|| if short { None } else { typo() }).map(|(_, weekday)| *weekday)
}

/// The month that a word names, 1 to 12; case endings and typos included.
pub fn month(word: &str) -> Option<u64> {
    if NO_MONTHS.contains(&word) {
        return None;
    }
    let exact = |months: &[&[&str]]| months.iter().position(|names| names.contains(&word));
    // Case endings and typos.
    let form = || {
        MONTHS.iter().position(|names| {
            names.iter().any(|name| {
                let long = name.chars().count() >= 5;
                long && (word.strip_prefix(name).is_some_and(|rest| rest.len() <= 3) || near(word, name))
            })
        })
    };
    let typo = || MORE_MONTHS.iter().position(|names| names.iter().any(|name| mistyped(word, name)));
    let position = exact(MONTHS).or_else(|| exact(MORE_MONTHS)).or_else(form).or_else(typo)?;
    u64::try_from(position + 1).ok()
}

/// The following one of its kind.
pub const NEXT: &[&str] = &[
    "next",
    "iduci",
    "iduce",
    "iducu",
    "iduceg",
    "iduca",
    "sljedeci",
    "sljedece",
    "sljedecu",
    "sljedeceg",
    "sljedeca",
    "slijedeci",
    "nachster",
    "nachste",
    "nachsten",
    "nachstes",
    "nachstem",
    "naechster",
    "naechste",
    "naechsten",
    "naechstes",
    "folgende",
    "folgenden",
    "siguiente",
];
/// The nearest one to come.
pub const COMING: &[&str] =
    &["kommender", "kommende", "kommenden", "kommendes", "coming", "proximo", "proxima", "proximos", "proximas"];
pub const THIS: &[&str] = &[
    "this", "ovaj", "ove", "ovu", "ovog", "ovoga", "ova", "ovo", "current", "dieser", "diese", "dieses", "diesen",
    "diesem", "este", "esta",
];
pub const LAST: &[&str] = &[
    "last",
    "past",
    "previous",
    "prosli",
    "prosle",
    "proslu",
    "proslog",
    "prosla",
    "letzter",
    "letzte",
    "letzten",
    "letztes",
    "vergangene",
    "vergangenen",
    "vorige",
    "vorigen",
    "pasado",
    "pasada",
    "ultimo",
    "ultima",
];

const WEEKDAYS: &[(&[&str], Weekday)] = &[
    (&["monday", "mon", "mondays", "ponedjeljak", "ponedjeljka", "ponedjeljkom", "ponediljak", "pon"], Weekday::Monday),
    (&["tuesday", "tue", "tues", "tuesdays", "utorak", "utorka", "utorkom", "uto"], Weekday::Tuesday),
    (
        &["wednesday", "wed", "wednesdays", "srijeda", "srijedu", "srijede", "srijedom", "srida", "sri"],
        Weekday::Wednesday,
    ),
    (&["thursday", "thu", "thurs", "thursdays", "cetvrtak", "cetvrtka", "cetvrtkom", "cet"], Weekday::Thursday),
    (&["friday", "fri", "fridays", "petak", "petka", "petkom", "pet"], Weekday::Friday),
    (&["saturday", "sat", "saturdays", "subota", "subotu", "subote", "subotom", "sub"], Weekday::Saturday),
    (&["sunday", "sun", "sundays", "nedjelja", "nedjelju", "nedjelje", "nedjeljom", "nedilja", "ned"], Weekday::Sunday),
];

/// The same in German and Spanish: here a letter in place of another is another word ("martes" and "partes").
const MORE_WEEKDAYS: &[(&[&str], Weekday)] = &[
    (&["montag", "montags", "mo", "lunes", "lun"], Weekday::Monday),
    (&["dienstag", "dienstags", "di", "martes"], Weekday::Tuesday),
    (&["mittwoch", "mittwochs", "mi", "miercoles", "mie"], Weekday::Wednesday),
    (&["donnerstag", "donnerstags", "do", "jueves", "jue"], Weekday::Thursday),
    (&["freitag", "freitags", "fr", "viernes", "vie"], Weekday::Friday),
    (&["samstag", "samstags", "sonnabend", "sa", "sabado", "sabados", "sab"], Weekday::Saturday),
    (&["sonntag", "sonntags", "domingo", "domingos", "dom"], Weekday::Sunday),
];

/// Month names by their folded beginnings, in English and Croatian; the whole word may go on by a case ending.
const MONTHS: &[&[&str]] = &[
    &["january", "jan", "sijecanj", "sijecnj"],
    &["february", "feb", "veljac"],
    &["march", "mar", "ozujak", "ozujk"],
    &["april", "apr", "travanj", "travnj"],
    &["may", "svibanj", "svibnj"],
    &["june", "jun", "lipanj", "lipnj"],
    &["july", "jul", "srpanj", "srpnj"],
    &["august", "aug", "kolovoz"],
    &["september", "sep", "sept", "rujan", "rujn"],
    &["october", "oct", "listopad"],
    &["november", "nov", "studen"],
    &["december", "dec", "prosinac", "prosinc"],
];

/// Month names in German and Spanish, folded.
const MORE_MONTHS: &[&[&str]] = &[
    &["januar", "jan", "janner", "jaenner", "enero", "ene"],
    &["februar", "feb", "feber", "febrero"],
    &["marz", "maerz", "marzo", "mrz"],
    &["april", "apr", "abril", "abr"],
    &["mai", "mayo"],
    &["juni", "junio"],
    &["juli", "julio"],
    &["august", "aug", "agosto"],
    &["september", "sept", "septiembre", "setiembre"],
    &["oktober", "okt", "octubre"],
    &["november", "nov", "noviembre"],
    &["dezember", "dez", "diciembre", "dic"],
];

/// Words that look like a month and are none.
const NO_MONTHS: &[&str] =
    &["marco", "marca", "marcha", "augusto", "student", "students", "studenten", "studentin", "junior"];

/// Parts of a day that German writes in one word with the weekday.
const PARTS: &[&str] = &["morgen", "vormittag", "mittag", "nachmittag", "abend", "nacht", "fruh", "frueh"];
