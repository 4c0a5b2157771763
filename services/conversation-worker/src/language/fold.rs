//! Folding: lower case without accents, so that "Škoda", "skoda" and "SKODA" are one word.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The text in lower case, without accents; `đ` becomes `d`, `ß` becomes `ss`.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'đ' => folded.push('d'),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'æ' => folded.push_str("ae"),
            '’' | '‘' => folded.push('\''),
            _ if is_combining_mark(c) => {}
            _ => folded.push(c),
        }
    }
    folded
}

/// True when `word` is `wanted` or, from 5 letters on, one edit away from it (both folded).
pub fn near(word: &str, wanted: &str) -> bool {
    word == wanted || (wanted.chars().count() >= 5 && word.chars().count() >= 4 && one_edit(word, wanted))
}

/// True when a folded word of 6 letters or more is there with a letter too many or too few or two of them swapped.
///
/// Another letter in place of one is more often another word than a typo ("cancer", "charge", "forgot"), and so is a
/// short word with one edit ("about" and "abort", "lista" and "ništa").
pub fn mistyped(word: &str, wanted: &str) -> bool {
    let (mut letters, mut wanted_letters) = (word.chars(), wanted.chars());
    if wanted.chars().count() < 6 || letters.next() != wanted_letters.next() || !one_edit(word, wanted) {
        return false;
    }
    let different = letters.zip(wanted_letters).filter(|(a, b)| a != b).count();
    word.chars().count() != wanted.chars().count() || different == 2
}

/// True when one insertion, deletion, replacement or swap of neighbours leads from `a` to `b`.
fn one_edit(a: &str, b: &str) -> bool {
    let same: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    let (a, b) = (&a[same..], &b[same..]);
    let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
    let (first_a, first_b) = (rest_a.next(), rest_b.next());
    let swapped = rest_a.clone().next() == first_b && rest_b.clone().next() == first_a;
    a == rest_b.as_str()
        || rest_a.as_str() == b
        || rest_a.as_str() == rest_b.as_str()
        || (swapped && rest_a.clone().skip(1).eq(rest_b.clone().skip(1)))
}

/// True when two folded words are forms of one word: equal, or a long common beginning and short different ends
/// ("octavia" and "octaviju", "vans" and "van").
pub fn same_stem(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (long_a, long_b) = (a.chars().count(), b.chars().count());
    let short = long_a.min(long_b);
    if a.chars().chain(b.chars()).any(|c| !c.is_alphabetic()) || short < 3 {
        return false;
    }
    let common = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let plural = short == common && long_a.max(long_b) - short <= 2 && (a.ends_with('s') || b.ends_with('s'));
    // Short words with another last vowel: "Emma", "Emmu".
    // German ends a short adjective in its own ways: "rot", "roten".
    let rest = |long: &str| ["rot", "neu", "alt"].iter().find_map(|stem| long.strip_prefix(stem)).map(str::to_owned);
    let short_form = short == 3 && common == 3;
    if short_form
        && [a, b].into_iter().filter_map(rest).any(|end| matches!(end.as_str(), "e" | "en" | "er" | "es" | "em"))
    {
        return true;
    }
    let vowel = |word: &str| word.ends_with(['a', 'e', 'i', 'o', 'u']);
    let declined = long_a == long_b && short >= 4 && common + 1 == short && vowel(a) && vowel(b);
    plural || declined || (common >= 4 && long_a - common <= 2 && long_b - common <= 2 && common * 3 >= short * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_accents_and_case() {
        for (text, folded) in
            [("Škoda", "skoda"), ("ČĆŽŠĐ", "cczsd"), ("Grüße", "grusse"), ("I’m", "i'm"), ("ﬁn", "fin"), ("", "")]
        {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn one_typo_is_forgiven_in_long_words_only() {
        for (word, wanted, is) in [
            ("cancle", "cancel", true),
            ("cancl", "cancel", true),
            ("odustanni", "odustani", true),
            ("yas", "yes", false),
            ("cacnle", "cancel", false),
            ("hlp", "help", false),
            ("отмнеа", "отмена", true),
            ("отмна", "отмена", true),
            ("отмнеы", "отмена", false),
            ("odsutani", "odustani", true),
            ("odsutali", "odustani", false),
        ] {
            assert_eq!(near(word, wanted), is, "{word} {wanted}");
        }
    }

    #[test]
    fn a_mistyped_word_has_its_own_letters() {
        for (word, wanted, is) in [
            ("cancle", "cancel", true),
            ("cancl", "cancel", true),
            ("canceel", "cancel", true),
            ("cancel", "cancel", false),
            ("cancer", "cancel", false),
            ("acncel", "cancel", false),
            ("wrnog", "wrong", false),
            ("odustanni", "odustani", true),
        ] {
            assert_eq!(mistyped(word, wanted), is, "{word} {wanted}");
        }
    }

    #[test]
    fn forms_of_one_word_are_seen() {
        for (a, b, is) in [
            ("octaviju", "octavia", true),
            ("vans", "van", true),
            ("caddyju", "caddy", true),
            ("red", "rest", false),
            ("rot", "roten", true),
            ("roter", "rot", true),
            ("rot", "rotation", false),
            ("blau", "blauen", true),
            ("roja", "rojas", true),
            ("azul", "azules", true),
            ("crveni", "crvena", true),
            ("1234", "12345", false),
            ("history", "historian", false),
        ] {
            assert_eq!(same_stem(a, b), is, "{a} {b}");
        }
    }
}
