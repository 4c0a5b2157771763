//! The document of a library and a catalogue that ranks its operations by the words they share with a sentence.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use conversation_worker::turn::{
    DocumentInfo, Hit, IdentityLookup, IdentityValue, Limits, SearchAnswer, SearchQuery, Settings,
};
use openapi::{ImportOptions, Operation, Producers};

/// Sentences that mean an operation, in all languages; its summary counts as one more.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "GET /books",
        &[
            "find books",
            "show me the poetry books",
            "which novels do you have",
            "koje knjige imate",
            "nađi knjige",
            "welche bücher habt ihr",
            "suche bücher",
            "zeig mir die gedichtbände",
            "qué libros tenéis",
            "busca libros",
        ],
    ),
    (
        "GET /books/{book_id}",
        &[
            "details of a book",
            "tell me more about a book",
            "više o knjizi",
            "mehr über ein buch",
            "más sobre un libro",
        ],
    ),
    (
        "POST /books/{book_id}/damage-reports",
        &[
            "report damage",
            "a book is damaged",
            "prijavi štetu",
            "prijavi oštećenje knjige",
            "schaden melden",
            "ein buch ist beschädigt",
            "melde einen schaden",
            "avisar de daños",
            "un libro está dañado",
            "informa de un daño",
        ],
    ),
    (
        "POST /books/{book_id}/progress",
        &[
            "record pages",
            "record 120 pages of a book",
            "upiši stranice",
            "upiši 120 stranica za knjigu",
            "seiten eintragen",
            "trage 120 seiten für ein buch ein",
            "anota páginas",
            "anota 120 páginas del libro",
        ],
    ),
    ("POST /scans", &["hand in a scan", "predaj sken", "einen scan abgeben", "entrega un escaneo"]),
    ("GET /rooms", &["all rooms", "list rooms", "sve sobe", "alle räume", "todas las salas"]),
    (
        "GET /rooms/free",
        &[
            "which rooms are free tomorrow",
            "free rooms",
            "koje su sobe slobodne sutra",
            "slobodne sobe",
            "welche räume sind morgen frei",
            "freie räume",
            "qué salas están libres mañana",
            "salas libres",
        ],
    ),
    (
        "GET /rooms/{room_id}",
        &[
            "details of a room",
            "how many seats has the room",
            "više o sobi",
            "mehr über einen raum",
            "más sobre una sala",
        ],
    ),
    (
        "GET /room-bookings",
        &[
            "all room bookings this month",
            "my bookings",
            "room bookings",
            "sve rezervacije soba",
            "moje rezervacije",
            "alle raumbuchungen in diesem monat",
            "meine buchungen",
            "alle buchungen",
            "todas las reservas de este mes",
            "mis reservas",
            "lista de reservas hechas",
        ],
    ),
    (
        "POST /room-bookings",
        &[
            "book a room",
            "book the room tomorrow",
            "reserve a room",
            "rezerviraj sobu",
            "rezerviraj sobu sutra",
            "buche einen raum",
            "buche den raum morgen",
            "buch den raum morgen",
            "buch es morgen",
            "buche ihn morgen",
            "raum reservieren",
            "reserva una sala",
            "reserva la sala",
            "reserva la sala mañana",
            "reservar una sala",
        ],
    ),
    (
        "DELETE /room-bookings/{booking_id}",
        &[
            "cancel a booking",
            "cancel my booking of the room",
            "otkaži rezervaciju",
            "storniere eine buchung",
            "storniere meine buchung des raums",
            "anula una reserva",
            "cancela mi reserva de la sala",
        ],
    ),
    (
        "GET /loans",
        &[
            "which loans do I have",
            "my loans",
            "loans",
            "moje posudbe",
            "koje posudbe imam",
            "meine ausleihen",
            "welche ausleihen habe ich",
            "mis préstamos",
            "qué préstamos tengo",
        ],
    ),
    (
        "POST /loans",
        &[
            "borrow a book",
            "lend me a book",
            "posudi mi knjigu",
            "leih mir ein buch",
            "ein buch ausleihen",
            "préstame un libro",
        ],
    ),
    (
        "PATCH /loans/{loan_id}",
        &[
            "extend a loan",
            "extend the loan of a book until friday",
            "produži posudbu",
            "verlängere eine ausleihe",
            "verlängere die ausleihe bis freitag",
            "prorroga un préstamo",
            "prorroga el préstamo hasta el viernes",
        ],
    ),
    ("GET /locker-rentals", &["locker rentals"]),
    ("POST /locker-rentals", &["rent a locker"]),
    (
        "POST /suggestions",
        &[
            "suggest a purchase",
            "suggest buying a book",
            "predloži kupnju",
            "schlage einen kauf vor",
            "sugiere una compra",
        ],
    ),
    (
        "GET /branches",
        &[
            "opening hours",
            "when are you open",
            "radno vrijeme",
            "kada radite",
            "öffnungszeiten",
            "wann habt ihr offen",
            "horario de apertura",
            "a qué hora abrís",
        ],
    ),
    ("GET /members", &["find members by phone number"]),
    (
        "PATCH /members/{member_id}",
        &[
            "change my e-mail address",
            "change contact",
            "promijeni moj e-mail",
            "ändere meine e-mail-adresse",
            "cambia mi correo",
            "cambia mi dirección de correo",
        ],
    ),
];

/// Words that say nothing about what is meant.
const STOP: &[&str] = &[
    "a", "an", "the", "of", "to", "in", "on", "is", "are", "do", "does", "i", "me", "my", "you", "it", "for", "and",
    "u", "na", "za", "je", "su", "se", "mi", "od", "the", "please", "what", "s", "has", "have", "by", "more", "about",
    "yes", "no", "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "ist", "sind", "ich", "mir", "von",
    "fur", "in", "am", "im", "bis", "el", "la", "los", "las", "lo", "un", "una", "de", "del", "que", "es", "en", "al",
    "por", "mi", "para", "y", "und",
];

/// The library's operations, imported once.
pub static OPERATIONS: LazyLock<Vec<Arc<Operation>>> = LazyLock::new(|| {
    let document = openapi::import("library", include_bytes!("library.yaml"), &ImportOptions::default());
    let document = document.expect("the library's document is imported");
    assert_eq!(document.operations.len(), EXAMPLES.len(), "each operation has examples");
    let public = |mut operation: Operation| {
        operation.public = operation.path == "/branches";
        Arc::new(operation)
    };
    document.operations.into_iter().map(public).collect()
});

/// An operation by `<METHOD> <path>`.
pub fn operation(name: &str) -> Arc<Operation> {
    let id = format!("library/{name}");
    let found = OPERATIONS.iter().find(|operation| operation.id == id);
    Arc::clone(found.unwrap_or_else(|| panic!("the library has no {name}")))
}

/// The settings of a tenant in Zagreb whose members are known by their phone.
pub fn settings() -> Settings {
    let identity = IdentityLookup {
        operation_id: "library/GET /members".to_owned(),
        parameter: "phone".to_owned(),
        value: IdentityValue::Phone,
        answer: BTreeMap::from([("member_id".to_owned(), "/0/id".to_owned())]),
        label: Some("/0/name".to_owned()),
        expires_s: 86_400,
    };
    Settings {
        time_zone: "Europe/Zagreb".to_owned(),
        languages: vec!["en".to_owned(), "hr".to_owned()],
        documents: vec![DocumentInfo {
            id: "library".to_owned(),
            title: "Library".to_owned(),
            identity: Some(identity),
        }],
        suggestions: Vec::new(),
        limits: Limits::default(),
    }
}

/// The catalogue; a test may say for which sentences it is not sure.
#[derive(Clone, Default)]
pub struct Catalogue {
    unsure: Vec<(String, Vec<&'static str>)>,
    left_out: Vec<(String, Vec<&'static str>)>,
}

impl Catalogue {
    /// For this sentence these operations are equally near.
    pub fn unsure(&mut self, sentence: &str, operations: &[&'static str]) {
        self.unsure.push((sentence.to_lowercase(), operations.to_vec()));
    }

    /// For this sentence these words, folded, are left out of the search.
    pub fn leaves_out(&mut self, sentence: &str, words: &[&'static str]) {
        self.left_out.push((sentence.to_lowercase(), words.to_vec()));
    }

    /// Hits, best first, with the producers of needed ids behind those that need them.
    pub fn search(&self, query: &SearchQuery) -> SearchAnswer {
        if query.text.is_empty() {
            let begin = (0..OPERATIONS.len()).filter(|at| !OPERATIONS[*at].path.contains('{'));
            let hits = begin.map(|at| hit(at, 0.0, 0.0, false)).take(usize::try_from(query.k).unwrap_or(20));
            return SearchAnswer { hits: hits.collect(), coverage: 1.0, left_out: Vec::new() };
        }
        if !query.yields.is_empty() || !query.takes.is_empty() {
            return by_resource(query);
        }
        let left_out = self.left_out.iter().find(|(text, _)| query.text.to_lowercase().contains(text.as_str()));
        let left_out: Vec<String> =
            left_out.into_iter().flat_map(|(_, words)| words.iter().map(|word| (*word).to_owned())).collect();
        let mut sentence = words(&query.text);
        sentence.retain(|word| !left_out.iter().any(|left| words(left).contains(word)));
        let known: BTreeSet<String> = LINES.iter().flatten().flatten().cloned().collect();
        let coverage = share(sentence.intersection(&known).count(), sentence.len());
        let doubt = self.unsure.iter().find(|(text, _)| query.text.to_lowercase().contains(text.as_str()));
        let ranked = match doubt {
            Some((_, operations)) => {
                let at =
                    |name: &&str| OPERATIONS.iter().position(|o| o.id == format!("library/{name}")).expect("known");
                operations.iter().map(|name| (at(name), 0.4, 0.4)).collect()
            }
            None => rank(&sentence),
        };
        let mut hits: Vec<Hit> = Vec::new();
        for (place, (at, score, probability)) in ranked.into_iter().enumerate() {
            if !hits.iter().any(|hit| hit.operation_id == OPERATIONS[at].id) {
                hits.push(hit(at, score, probability, false));
            }
            let needs = if place < 6 { OPERATIONS[at].needs.as_slice() } else { &[] };
            for need in needs {
                let Some((_, producer)) = PRODUCERS.of(&need.resource).first() else { continue };
                if !hits.iter().any(|hit| hit.operation_id == OPERATIONS[*producer].id) {
                    hits.push(hit(*producer, score * 0.9, probability * 0.1, true));
                }
            }
        }
        hits.truncate(usize::try_from(query.k).unwrap_or(20));
        SearchAnswer { hits, coverage, left_out }
    }
}

/// The operations that yield or take a resource, whatever its word says.
fn by_resource(query: &SearchQuery) -> SearchAnswer {
    let yields = |operation: &Operation| query.yields.is_empty() || operation.produces.contains(&query.yields);
    let takes = |operation: &Operation| {
        query.takes.is_empty() || operation.needs.iter().any(|need| need.resource == query.takes)
    };
    let found = (0..OPERATIONS.len()).filter(|at| yields(&OPERATIONS[*at]) && takes(&OPERATIONS[*at]));
    let hits = found.map(|at| hit(at, 0.0, 0.0, false)).take(usize::try_from(query.k).unwrap_or(20));
    SearchAnswer { hits: hits.collect(), coverage: 1.0, left_out: Vec::new() }
}

static LINES: LazyLock<Vec<Vec<BTreeSet<String>>>> = LazyLock::new(|| {
    let lines = |operation: &Arc<Operation>| {
        let own = EXAMPLES.iter().find(|(name, _)| operation.id == format!("library/{name}"));
        let (_, examples) = own.unwrap_or_else(|| panic!("{} has no examples", operation.id));
        examples.iter().copied().chain([operation.summary.as_str()]).map(words).collect()
    };
    OPERATIONS.iter().map(lines).collect()
});

static PRODUCERS: LazyLock<Producers> = LazyLock::new(|| Producers::new(OPERATIONS.iter().map(|o| o.as_ref())));

fn rank(sentence: &BTreeSet<String>) -> Vec<(usize, f64, f64)> {
    let near = |lines: &Vec<BTreeSet<String>>| {
        let dice =
            |line: &BTreeSet<String>| share(2 * line.intersection(sentence).count(), line.len() + sentence.len());
        lines.iter().map(dice).fold(0.0, f64::max)
    };
    let mut scored: Vec<(usize, f64)> = LINES.iter().map(near).enumerate().filter(|(_, score)| *score > 0.0).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let best = scored.first().map_or(0.0, |(_, score)| *score);
    let probability = |place: usize, score: f64| match (place, best) {
        (0, 0.35..) => 0.95,
        (_, 0.35..) => 0.04 * score,
        _ => 0.01 * score,
    };
    scored.into_iter().enumerate().map(|(place, (at, score))| (at, score, probability(place, score))).collect()
}

fn hit(at: usize, score: f64, probability: f64, producer: bool) -> Hit {
    let operation = &OPERATIONS[at];
    Hit {
        operation_id: operation.id.clone(),
        content_hash: operation.content_hash.clone(),
        title: operation.summary.clone(),
        score,
        probability,
        risk: operation.risk,
        not_callable: operation.not_callable.clone(),
        producer,
        parts: Vec::new(),
    }
}

/// Folded words that mean something, in the singular, cut to their first five letters.
fn words(text: &str) -> BTreeSet<String> {
    let folded = fold(text);
    let meaning = folded.split(' ').filter(|word| !word.is_empty() && !STOP.contains(word));
    meaning.map(|word| word.trim_end_matches('s').chars().take(5).collect()).collect()
}

/// Lower case, without accents and marks, words parted by one space.
pub fn fold(text: &str) -> String {
    let lower = text.to_lowercase();
    let plain = lower.chars().map(|letter| match letter {
        'č' | 'ć' => 'c',
        'š' => 's',
        'ž' => 'z',
        'đ' => 'd',
        'á' | 'ä' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ñ' => 'n',
        'ó' | 'ö' => 'o',
        'ú' | 'ü' => 'u',
        letter if letter.is_alphanumeric() => letter,
        _ => ' ',
    });
    plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}
