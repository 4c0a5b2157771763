//! Text to words and character grams: folding of case and diacritics, stop words, a light English stem.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Words that say nothing about what is wanted; folded.
const STOP: &str = "a an the of to in on for and or is are was were be by with at from it this that as me my i you your \
    give tell show what which who when where how do does did dose some please one ones want need has have had can could \
    if no not than there am any all its their his her so about into just s t";

/// Stop words of other languages, left out of a question only: in a document they may be names.
const STOP_ELSEWHERE: &str = "now right up off out here there today again away every some more most already yet still only also too very really got get \
    neki neke neku nekoliko jedan jedna jednu jednog bi bih zelim trebam treba hocu nesto kojoj kojem ovog ove \
    mochte hatte gern brauche paar einige bei beim zum zur im am vom auf aus fur mit wird wurde hat haben sein seiner seine diese dieser dieses \
    quiero necesito tiene ha han fue se su sus lo al en con para como si algunas algunos alguna mas a \
    should would will may might like but we us our they them he she called named around molim te ti mi se je su sam da li na u za od do koja koji koje koju sto kako gdje kada \
    tko ko sta gde sve svi moj moja moje moji imam ima ovaj ovo ta taj to pokazi prikazi \
    bitte der die das den dem des ein eine einen und oder ist sind mir mich ich meine meinen mein welche welcher was wo \
    wann wie zeig zeige gib \
    por favor el la los las un una de del y o es son que cual cuales mi mis yo muestra muestrame dame";

static STOPS: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP.split_ascii_whitespace().collect());
static STOPS_IN_QUESTION: LazyLock<HashSet<&str>> =
    LazyLock::new(|| STOP.split_ascii_whitespace().chain(STOP_ELSEWHERE.split_ascii_whitespace()).collect());

/// Lower case without diacritics: `Šibenik` and `ŠIBENIK` become `sibenik`, `Straße` becomes `strasse`.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
            continue;
        }
        for c in c.to_lowercase() {
            match c {
                'đ' | 'ð' => folded.push('d'),
                'ß' => folded.push_str("ss"),
                'ł' => folded.push('l'),
                'ø' => folded.push('o'),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'ı' => folded.push('i'),
                c => folded.extend(std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c))),
            }
        }
    }
    folded
}

/// Cyrillic letters as Serbian and Bosnian write them in Latin: `Љубљана` becomes `Ljubljana`. A text without any is lent.
///
/// Apart from [`fold`], which is part of the built-in model and stays as it is.
pub fn latin(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| ('\u{400}'..='\u{45f}').contains(&c)) {
        return Cow::Borrowed(text);
    }
    let mut latin = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'Љ' => latin.push_str("Lj"),
            'љ' => latin.push_str("lj"),
            'Њ' => latin.push_str("Nj"),
            'њ' => latin.push_str("nj"),
            'Џ' => latin.push_str("Dž"),
            'џ' => latin.push_str("dž"),
            c => latin
                .push(CYRILLIC.chars().position(|other| other == c).and_then(|at| LATIN.chars().nth(at)).unwrap_or(c)),
        }
    }
    Cow::Owned(latin)
}

const CYRILLIC: &str = "АБВГДЂЕЖЗИЈКЛМНОПРСТЋУФХЦЧШабвгдђежзијклмнопрстћуфхцчш";
const LATIN: &str = "ABVGDĐEŽZIJKLMNOPRSTĆUFHCČŠabvgdđežzijklmnoprstćufhcčš";

/// `camelCase` and `HTTPHeader` with blanks between their words.
pub fn split_case(text: &str) -> String {
    let mut split = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        if c.is_uppercase() && (before.is_lowercase() || before.is_numeric()) {
            split.push(' ');
        }
        split.push(c);
        before = c;
    }
    split
}

/// The runs of letters and digits of a folded text.
pub fn runs(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// True for a word that says nothing about what is wanted.
pub fn is_stop(word: &str) -> bool {
    STOPS.contains(word)
}

/// As [`is_stop`], with the little words of the other languages people write in.
pub fn is_stop_in_question(word: &str) -> bool {
    STOPS_IN_QUESTION.contains(word)
}

/// The stems of a text's words, without stop words.
pub fn words(text: &str) -> Vec<String> {
    runs(&fold(&split_case(text))).filter(|word| !is_stop(word)).map(stem).collect()
}

/// A light English stem: plural, `-ing`, `-ed`, `-ly`, a doubled last letter and a silent `e` go.
///
/// It need not be a word; it has to be the same for the forms of one. The rules are those the retrieval study was
/// measured with.
pub fn stem(word: &str) -> String {
    const ENDINGS: [(&str, &str); 8] =
        [("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("ors", "or"), ("ly", "")];
    let count = |text: &str| text.chars().count();
    let mut stem = word.to_owned();
    for (ending, instead) in ENDINGS {
        if let Some(rest) = word.strip_suffix(ending).filter(|rest| count(rest) >= 3) {
            stem = format!("{rest}{instead}");
            break;
        }
    }
    let mut last = stem.chars().rev();
    if count(&stem) > 4 && last.next() == last.next() {
        stem.pop();
    }
    if count(&stem) > 4 && stem.ends_with('e') {
        stem.pop();
    }
    stem
}

/// Hashes of the character grams of 3 to 5 of each word with its blanks, without stop words.
pub fn grams(text: &str) -> Vec<u64> {
    let folded = fold(text);
    let mut grams = Vec::with_capacity(folded.len() * 3);
    let mut chars = Vec::new();
    for word in runs(&folded).filter(|word| !is_stop(word)) {
        chars.clear();
        chars.push(' ');
        chars.extend(word.chars());
        chars.push(' ');
        for length in 3..=5 {
            grams.extend(chars.windows(length).map(|window| hash(window.iter().copied())));
        }
    }
    grams
}

/// FNV-1a over code points: the same on every machine and in every release.
pub fn hash(chars: impl Iterator<Item = char>) -> u64 {
    chars.fold(0xcbf2_9ce4_8422_2325, |hash, c| (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3))
}

/// Without HTML tags, with the text of Markdown links, blanks joined.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[']) {
        out.push_str(&rest[..at]);
        let found = &rest[at..];
        let (skipped, kept) = if found.starts_with('<') {
            match found.find('>') {
                Some(end) if end > 1 => (end + 1, " "),
                _ => (1, "<"),
            }
        } else {
            match found.find("](").and_then(|middle| Some((middle, middle + found[middle..].find(')')?))) {
                Some((middle, end)) if !found[1..middle].contains('[') => (end + 1, &found[1..middle]),
                _ => (1, "["),
            }
        };
        out.push_str(kept);
        rest = &found[skipped..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first `count` characters.
pub fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_diacritics_are_folded() {
        for (text, expected) in [
            ("Čašćenje ŽIVOTA", "cascenje zivota"),
            ("Đurđevac", "durdevac"),
            ("Straße für Öl", "strasse fur ol"),
            ("Ａ１", "a1"),
            ("café", "cafe"),
        ] {
            assert_eq!(fold(text), expected);
        }
    }

    #[test]
    fn both_scripts_are_one() {
        assert_eq!(latin("Покажи чланове групе Љиљана и Џон"), "Pokaži članove grupe Ljiljana i Džon");
        assert_eq!(CYRILLIC.chars().count(), LATIN.chars().count());
        assert!(matches!(latin("članovi"), Cow::Borrowed(_)));
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [["vehicle", "vehicles"], ["booking", "booked"], ["company", "companies"], ["issue", "issues"]] {
            assert_eq!(stem(forms[0]), stem(forms[1]));
        }
        assert_eq!(stem("bus"), "bus");
    }

    #[test]
    fn names_of_code_become_words() {
        assert_eq!(words("listUserGroups for the_org"), ["list", "user", "group", "org"]);
    }

    #[test]
    fn markup_is_taken_out() {
        assert_eq!(plain("See [the **guide**](https://x.y/z).<br>Then  go"), "See the **guide**. Then go");
        assert_eq!(plain("a < b [c] <"), "a < b [c] <");
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            prop_assert_eq!(fold(&fold(&text)).len(), fold(&fold(&fold(&text))).len());
            let _ = (words(&text), grams(&text), plain(&text), first_chars(&text, 3));
        }
    }
}
