//! English verbs at the beginning of an operation's title: what is done, and that it was done.

use super::{token::Kind, tokens};

/// Irregular past participles.
const IRREGULAR: &[(&str, &str)] = &[
    ("set", "set"),
    ("send", "sent"),
    ("make", "made"),
    ("take", "taken"),
    ("put", "put"),
    ("get", "got"),
    ("give", "given"),
    ("write", "written"),
    ("begin", "begun"),
    ("run", "run"),
    ("pay", "paid"),
    ("lend", "lent"),
    ("buy", "bought"),
    ("sell", "sold"),
    ("reset", "reset"),
    ("undo", "undone"),
    ("withdraw", "withdrawn"),
    ("let", "let"),
    ("bring", "brought"),
    ("hold", "held"),
    ("submit", "submitted"),
    ("transfer", "transferred"),
    ("cancel", "cancelled"),
    ("stop", "stopped"),
    ("ship", "shipped"),
    ("drop", "dropped"),
    ("swap", "swapped"),
    ("star", "starred"),
    ("unstar", "unstarred"),
    ("plan", "planned"),
    ("pin", "pinned"),
    ("ban", "banned"),
];

/// Regular verbs that titles begin with; a title that begins with none of these or the irregular ones has no verb.
const REGULAR: &[&str] = &[
    "accept",
    "activate",
    "add",
    "allow",
    "answer",
    "approve",
    "archive",
    "arrange",
    "assign",
    "attach",
    "block",
    "book",
    "borrow",
    "change",
    "check",
    "clear",
    "close",
    "confirm",
    "complete",
    "convert",
    "copy",
    "create",
    "deactivate",
    "decline",
    "delete",
    "disable",
    "dismiss",
    "edit",
    "enable",
    "end",
    "enrol",
    "enter",
    "export",
    "extend",
    "finish",
    "follow",
    "import",
    "install",
    "invite",
    "issue",
    "join",
    "lock",
    "log",
    "mark",
    "merge",
    "modify",
    "move",
    "notify",
    "open",
    "order",
    "pause",
    "pick",
    "place",
    "post",
    "publish",
    "record",
    "refund",
    "register",
    "reject",
    "release",
    "remove",
    "rename",
    "renew",
    "reopen",
    "replace",
    "report",
    "request",
    "reschedule",
    "reserve",
    "restart",
    "restore",
    "resume",
    "retire",
    "retry",
    "return",
    "revoke",
    "rotate",
    "save",
    "schedule",
    "share",
    "sign",
    "start",
    "store",
    "subscribe",
    "suspend",
    "sync",
    "test",
    "transfer",
    "trigger",
    "unblock",
    "unfollow",
    "unlock",
    "unsubscribe",
    "update",
    "upload",
    "upsert",
    "use",
    "void",
    "vote",
];

/// The verb that a title begins with, in its base form ("Creates a loan" -> "create").
pub fn verb(title: &str) -> Option<String> {
    let first = title.split(|c: char| !c.is_alphabetic()).find(|w| !w.is_empty())?.to_lowercase();
    let known = |word: &str| REGULAR.contains(&word) || IRREGULAR.iter().any(|(verb, _)| *verb == word);
    let singular =
        |ending: &str, with: &str| first.strip_suffix(ending).map(|s| format!("{s}{with}")).filter(|v| known(v));
    if known(&first) {
        return Some(first);
    }
    singular("ies", "y").or_else(|| singular("es", "")).or_else(|| singular("s", ""))
}

/// True for a word that says what is to be done, at the beginning of a sentence: "book", "buche", "reserva".
pub fn leads(word: &str) -> bool {
    const GERMAN: &[&str] = &[
        "buch",
        "reservier",
        "stornier",
        "bestell",
        "verlanger",
        "verlaenger",
        "meld",
        "trag",
        "schick",
        "sende",
        "losch",
        "loesch",
        "anzeig",
        "leih",
        "verschieb",
        "erstell",
        "speicher",
        "lad",
        "offne",
        "schliess",
    ];
    const SPANISH: &[&str] = &[
        "reserv", "cancel", "anul", "pide", "pedir", "anot", "registr", "registra", "prolong", "prorrog", "renuev",
        "renov", "enviar", "envia", "borr", "elimin", "crea", "crear", "compr", "inform", "report", "sugier",
        "sugerir", "prest", "apunt", "anad",
    ];
    const CROATIAN: &[&str] = &[
        "rezervir", "prijav", "upis", "otka", "stornir", "produz", "promijen", "pomakn", "premjest", "doda", "obris",
        "izbris", "ukloni", "naruc", "salji", "posalj", "posud", "preuzm", "predloz", "zabiljez", "unes", "dojav",
    ];
    const CROATIAN_ENDINGS: &[&str] = &[
        "", "i", "iti", "ite", "aj", "ati", "ajte", "am", "zi", "zati", "zem", "j", "ti", "im", "em", "ujem", "jujem",
    ];
    let ends = |stems: &[&str], endings: &[&str]| {
        stems.iter().any(|stem| word.strip_prefix(stem).is_some_and(|rest| endings.contains(&rest)))
    };
    verb(word).is_some()
        || ends(CROATIAN, CROATIAN_ENDINGS)
        || ends(GERMAN, &["", "e", "n", "en", "st", "t"])
        || ends(SPANISH, &["", "a", "e", "ar", "ir", "o", "ame", "alo", "ala", "alos", "alas", "arlo", "arla"])
}

/// True for a verb of changing one value for another.
pub fn changes(word: &str) -> bool {
    const VERBS: &[&str] = &[
        "change",
        "set",
        "make",
        "put",
        "switch",
        "promijeni",
        "promjeni",
        "promijenite",
        "stavi",
        "stavite",
        "postavi",
        "andere",
        "aendere",
        "andern",
        "setze",
        "setzen",
        "mach",
        "cambia",
        "cambiar",
        "cambie",
        "pon",
        "ponga",
    ];
    VERBS.contains(&word)
}

/// True for a sentence that asks what, which or where: it wants to know something, and nothing done.
pub fn inquires(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "what", "which", "where", "who", "whose", "when", "koja", "koji", "koje", "koju", "kojih", "gdje", "tko",
        "kada", "kad", "koliko", "sto", "welche", "welcher", "welches", "welchen", "was", "wo", "wer", "wann",
        "wieviele", "que", "cual", "cuales", "donde", "quien", "cuando", "cuantos", "cuantas",
    ];
    let words = tokens(text);
    let mut words = words.iter().filter(|token| token.kind == Kind::Word).map(|token| token.text.as_str());
    match words.next() {
        Some("how") => matches!(words.next(), Some("many" | "much" | "long" | "far")),
        Some("wie") => matches!(words.next(), Some("viel" | "viele" | "lange")),
        Some(first) => WORDS.contains(&first.strip_suffix("s").filter(|_| first == "wheres").unwrap_or(first)),
        None => false,
    }
}

/// True for a sentence that wants something of its own: it asks, or begins with what is to be done.
pub fn wishes(text: &str) -> bool {
    const QUESTIONS: &[&str] = &[
        "which",
        "what",
        "where",
        "when",
        "who",
        "whose",
        "how",
        "is",
        "are",
        "do",
        "does",
        "can",
        "could",
        "show",
        "list",
        "find",
        "tell",
        "give",
        "koja",
        "koji",
        "koje",
        "koju",
        "sto",
        "gdje",
        "kada",
        "kad",
        "tko",
        "kako",
        "koliko",
        "ima",
        "imate",
        "pokazi",
        "prikazi",
        "nadi",
        "daj",
        "welche",
        "welcher",
        "welches",
        "was",
        "wo",
        "wann",
        "wer",
        "wie",
        "zeig",
        "zeige",
        "gibt",
        "gib",
        "suche",
        "que",
        "cual",
        "cuales",
        "donde",
        "cuando",
        "quien",
        "como",
        "cuantos",
        "cuantas",
        "hay",
        "muestra",
        "muestrame",
        "dame",
        "busca",
    ];
    let words = tokens(text);
    let first = words.iter().find(|token| token.kind == Kind::Word);
    text.contains('?') || first.is_some_and(|first| leads(&first.text) || QUESTIONS.contains(&first.text.as_str()))
}

/// The title with its verb in base form and small first letter ("Creates a loan" -> "create a loan").
pub fn plain_title(title: &str) -> Option<String> {
    let verb = verb(title)?;
    let start = title.find(char::is_alphabetic)?;
    let rest = title[start..].find(|c: char| !c.is_alphabetic()).map_or("", |at| &title[start + at..]);
    Some(format!("{verb}{}", rest.trim_end_matches(['.', '!', ' '])))
}

/// Past participle of a base form ("book" -> "booked").
pub fn participle(verb: &str) -> String {
    if let Some((_, past)) = IRREGULAR.iter().find(|(base, _)| *base == verb) {
        return (*past).to_owned();
    }
    match verb.strip_suffix('e') {
        Some(_) => format!("{verb}d"),
        None => match verb.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ied"),
            _ => format!("{verb}ed"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_what_is_to_be_done() {
        for word in ["book", "buche", "buch", "reserviere", "verlangere", "reserva", "reservame", "resérvalo", "anula"]
        {
            assert!(leads(&crate::language::fold(word)), "{word}");
        }
        for word in ["rezerviraj", "prijavi", "upiši", "otkaži", "promijeni", "pošalji", "naruči", "produžiti"] {
            assert!(leads(&crate::language::fold(word)), "{word}");
        }
        for word in
            ["Tesla", "roten", "azul", "bucher", "raum", "sala", "dune", "prijava", "upisnina", "otkaz", "dodatak"]
        {
            assert!(!leads(&crate::language::fold(word)), "{word}");
        }
    }

    #[test]
    fn a_sentence_of_its_own_asks_or_says_what_is_to_be_done() {
        for text in
            ["which books are free", "Dune?", "book a room", "koje su knjige slobodne", "prijavi štetu", "zeig alle"]
        {
            assert!(wishes(text), "{text}");
        }
        for text in ["the red one", "Dune", "crvena", "den roten bitte", "la roja", "2", ""] {
            assert!(!wishes(text), "{text}");
        }
    }

    #[test]
    fn titles_give_their_verb() {
        for (title, expected, past) in [
            ("Book a room", Some("book a room"), "booked"),
            ("Creates a new loan.", Some("create a new loan"), "created"),
            ("Cancel an appointment", Some("cancel an appointment"), "cancelled"),
            ("Send message", Some("send message"), "sent"),
            ("Retries a job", Some("retry a job"), "retried"),
            ("Rooms", None, ""),
            ("", None, ""),
            ("Ćao", None, ""),
        ] {
            assert_eq!(plain_title(title).as_deref(), expected, "{title}");
            assert_eq!(verb(title).map(|v| participle(&v)).unwrap_or_default(), past, "{title}");
        }
    }
}
