//! What a sentence asks for, beside its words: to read, make, change or remove; and the values it brings.

use super::{language::Languages, lexicon, text};

/// What the person wants to happen, by the first word that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To see something.
    Read,
    /// To make or send something.
    Create,
    /// To change something.
    Update,
    /// To remove something.
    Delete,
    /// To have something happen that is none of these: merge, share, lock.
    Act,
}

/// Words that say what is wanted, folded: English, Croatian, German, Spanish.
const READ: &str = "show list get find give tell see view search fetch display read look check download what which who \
    whose where when how count \
    pokazi prikazi popis nadi pronadi trazi pogledaj vidjeti daj koja koji koje sto sta gdje gde tko ko kada kad koliko cije \
    zeig zeige zeigen liste finde suche such gib welche welcher welches was wer wo wann wie \
    muestra mostrar lista busca dame ver que cual cuales quien donde cuando cuanto cuantos cuantas";
const CREATE: &str = "create add make register insert post send book reserve report submit invite upload open start new \
    dodaj dodati napravi kreiraj stvori otvori rezerviraj zakazi prijavi posalji unesi upisi objavi novi nova novo \
    erstelle erstellen anlegen fuge hinzufugen buche reserviere melde sende schicke neue neuen neues \
    crea crear anade agrega reserva envia registra publica nuevo nueva";
const UPDATE: &str = "update change edit rename modify set replace adjust reset move assign mark enable disable \
    promijeni izmijeni azuriraj postavi preimenuj uredi premjesti \
    andere aktualisiere setze bearbeite umbenennen \
    cambia actualiza modifica edita renombra";
const DELETE: &str = "delete remove cancel drop erase clear destroy unlink revoke \
    obrisi izbrisi ukloni otkazi ponisti \
    losche loschen entferne storniere \
    borra elimina quita cancela anula";
const ACT: &str = "merge share lock unlock approve reject accept decline close reopen archive unarchive pause resume stop \
    restart reboot trigger run rerun dispatch star unstar follow unfollow pin unpin mute unmute block unblock transfer \
    publish subscribe unsubscribe sync confirm pay log sign impersonate test \
    podijeli zakljucaj otkljucaj odobri odbij zatvori pokreni zaustavi potvrdi \
    teile sperre entsperre genehmige schliesse starte stoppe bestatige comparte bloquea aprueba cierra inicia confirma";
/// Adjectives and verbs that are also parts of names ("open issues", "report"): they count when nothing else does.
const WEAK: &str = "new open start report count list book test run log sign star follow block lock close stop novi nova novo neue neuen neues nuevo nueva lista liste popis reserva";
/// Words about time: values, not subjects.
const TIME: &str = "today tomorrow yesterday now tonight morning afternoon evening week month year day hour minute monday \
    tuesday wednesday thursday friday saturday sunday last next this until since between before after \
    danas sutra jucer sada jutro vecer tjedan mjesec godina dan sat ponedjeljak utorak srijeda cetvrtak petak subota nedjelja \
    heute morgen gestern jetzt woche monat jahr tag stunde hoy manana ayer semana mes ano dia hora";

/// A sentence, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// The sentence without values that no document can know: `x/y`, quoted text, addresses.
    pub text: String,
    /// Stems of the words that say what it is about.
    pub subjects: Vec<String>,
    /// Stems of the words that say what is to be made, changed, removed or done.
    pub verbs: Vec<String>,
    /// What is wanted, when a word says so.
    pub intent: Option<Intent>,
    /// Words written as names are, folded: those that a document knows are none.
    pub names: Vec<String>,
    /// Quoted parts.
    pub quoted: usize,
    /// Values like numbers and codes.
    pub values: usize,
    /// True when two values are written as `x/y`.
    pub pair: bool,
    /// True when all of something are meant.
    pub all: bool,
    /// True when the number of something is asked for.
    pub counts: bool,
    /// What it may be said in.
    pub languages: Languages,
}

impl Sentence {
    /// Takes a sentence apart.
    pub fn new(sentence: &str) -> Self {
        let (unquoted, quoted) = without_quotes(sentence);
        let mut kept = Vec::new();
        let (mut values, mut pair) = (quoted, false);
        for token in unquoted.split_whitespace() {
            let bare = token.trim_matches(|c: char| !c.is_alphanumeric());
            if is_pair(bare) {
                pair = true;
                values += 2;
            } else if bare.contains('@') || bare.contains("://") {
                values += 1;
            } else {
                values += usize::from(bare.chars().any(|c| c.is_ascii_digit()));
                kept.push(token);
            }
        }
        let names = names(&kept);
        let text = if kept.is_empty() { sentence.to_owned() } else { kept.join(" ") };
        let folded = text::fold(&text);
        let runs: Vec<&str> = text::runs(&folded).collect();
        let languages = Languages::of(&text);
        let intent = intent(&runs, languages);
        let subject = |word: &&&str| {
            let is_value = has(TIME, word) || word.chars().any(|c| c.is_ascii_digit());
            let speaks = match (has(WEAK, word), has(ACT, word)) {
                (true, _) => is_head(&runs, word),
                (false, true) => true,
                (false, false) => ![READ, CREATE, UPDATE, DELETE].iter().any(|list| has(list, word)),
            };
            speaks && !is_value && !text::is_stop_in_question(word)
        };
        let pairs =
            |first: &str, second: &[&str]| runs.windows(2).any(|two| two[0] == first && second.contains(&two[1]));
        let does = |word: &&&str| [CREATE, UPDATE, DELETE, ACT].iter().any(|list| has(list, word));
        Self {
            subjects: runs.iter().filter(subject).map(|word| text::stem(word)).collect(),
            verbs: runs.iter().filter(does).map(|word| text::stem(word)).collect(),
            intent,
            names,
            quoted,
            values,
            pair,
            all: runs.iter().any(|word| has("all every everything sve svi svih alle alles todo todos todas", word)),
            counts: pairs("how", &["many"])
                || pairs("wie", &["viele"])
                || runs.iter().any(|word| has("koliko cuantos cuantas", word)),
            languages,
            text,
        }
    }
}

/// Words of a capital letter, folded. The first word of a sentence is one only when the next has a capital letter too;
/// where all words have one, it says nothing.
fn names(tokens: &[&str]) -> Vec<String> {
    let capital =
        |token: &&str| token.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with(char::is_uppercase);
    let ends = |token: &str| token.ends_with(['.', '!', '?', ':']);
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins = at == 0 || ends(tokens[at - 1]);
        let next = tokens.get(at + 1).is_some_and(|next| capital(next) && !ends(token));
        if capital(token) && (!begins || next) {
            names.extend(text::runs(&text::fold(token)).map(str::to_owned));
        }
    }
    let german = |token: &&str| {
        has("der die das dem den des ein eine einen ist sind und zu fur mit von welche wer wie", &token.to_lowercase())
    };
    let says_nothing = tokens.len() > 2 && tokens.iter().all(capital) || tokens.iter().any(german);
    if says_nothing { Vec::new() } else { names }
}

/// `new` and `open` say nothing about the subject at the start of a sentence; `report` in `the summary report` does.
fn is_head(runs: &[&str], word: &str) -> bool {
    let adjective = has("new novi nova novo neue neuen neues nuevo nueva", word);
    has(ACT, word) || (!adjective && runs.first() != Some(&word))
}

/// The first plain word decides; a weak one only when there is no plain one.
fn intent(runs: &[&str], languages: Languages) -> Option<Intent> {
    let of = |word: &&str| {
        [
            (READ, Intent::Read),
            (CREATE, Intent::Create),
            (UPDATE, Intent::Update),
            (DELETE, Intent::Delete),
            (ACT, Intent::Act),
        ]
        .into_iter()
        .find(|(list, _)| has(list, word))
        .map(|(_, intent)| intent)
    };
    let plain = runs.iter().filter(|word| !has(WEAK, word)).find_map(of);
    let first_is_weak_verb = runs.first().filter(|word| has(WEAK, word)).and_then(of);
    first_is_weak_verb.or(plain).or_else(|| runs.iter().find_map(of)).or_else(|| {
        let meanings = runs.iter().map(|word| lexicon::meanings(word, languages)).filter(|meanings| meanings.foreign);
        let first = |meanings: lexicon::Meanings| Some(*meanings.words.first()?.first()?);
        meanings.filter_map(first).find_map(|word| of(&word))
    })
}

/// Words that say what is wanted and begin with this character.
pub fn verbs(first: char) -> impl Iterator<Item = &'static str> {
    let all = [READ, CREATE, UPDATE, DELETE, ACT].into_iter().flat_map(str::split_ascii_whitespace);
    all.filter(move |word| word.starts_with(first))
}

/// True for a word that says what is wanted, or when.
pub fn is_common(word: &str) -> bool {
    [READ, CREATE, UPDATE, DELETE, ACT, WEAK, TIME].iter().any(|list| has(list, word))
}

/// True for a plain word of making, changing and removing: what it says is in the intent already.
pub fn is_verb(word: &str) -> bool {
    [CREATE, UPDATE, DELETE].iter().any(|list| has(list, word)) && !has(WEAK, word)
}

fn has(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|listed| listed == word)
}

/// `octocat/hello-world`, but not `and/or` or `km/h`.
fn is_pair(token: &str) -> bool {
    let Some((first, second)) = token.split_once('/') else { return false };
    let named = |part: &str| part.chars().count() > 1 && part.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '.');
    named(first)
        && named(second)
        && !(digits(first) && digits(second))
        && !has("and/or yes/no da/ne ja/nein he/she his/her ili/i", &token.to_lowercase())
}

/// The sentence without quoted parts, and how many there were.
fn without_quotes(sentence: &str) -> (String, usize) {
    let mut kept = String::with_capacity(sentence.len());
    let (mut rest, mut count) = (sentence, 0);
    while let Some((start, open)) = rest.char_indices().find(|(_, c)| matches!(c, '"' | '“' | '„' | '«')) {
        let after = &rest[start + open.len_utf8()..];
        let Some((end, close)) = after.char_indices().find(|(_, c)| matches!(c, '"' | '”' | '“' | '»')) else {
            break;
        };
        kept.push_str(&rest[..start]);
        kept.push(' ');
        count += 1;
        rest = &after[end + close.len_utf8()..];
    }
    kept.push_str(rest);
    (kept, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_word_that_says_so_is_the_intent() {
        for (sentence, intent) in [
            ("show me the new bookings", Some(Intent::Read)),
            ("Add a new driver", Some(Intent::Create)),
            ("I want to change the owner", Some(Intent::Update)),
            ("please delete it", Some(Intent::Delete)),
            ("obriši rezervaciju", Some(Intent::Delete)),
            ("new invoice", Some(Intent::Create)),
            ("open issues of octocat/hello-world", Some(Intent::Create)),
            ("vehicle status", None),
            ("merge the second one", Some(Intent::Act)),
            ("where did it stop", Some(Intent::Read)),
        ] {
            assert_eq!(Sentence::new(sentence).intent, intent, "{sentence}");
        }
    }

    #[test]
    fn values_are_no_subjects() {
        let sentence =
            Sentence::new("show me the open issues of octocat/hello-world with label \"good first\" for a@b.hr and 42");
        assert_eq!(sentence.subjects, ["open", "issu", "label"]);
        assert!(sentence.pair);
        assert_eq!(sentence.values, 5);
        assert!(!sentence.text.contains("octocat") && !sentence.text.contains("good"));
    }

    #[test]
    fn slashes_between_words_and_in_dates_are_no_pair() {
        for sentence in ["yes/no", "80 km/h", "on 12/31", "https://a.b/c", "/"] {
            assert!(!Sentence::new(sentence).pair, "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            let sentence = Sentence::new(&text);
            prop_assert!(sentence.subjects.iter().all(|word| !word.is_empty()));
        }
    }
}
