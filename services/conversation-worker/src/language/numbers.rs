//! Numbers with separators and units: "84 000 km", "84.300", "63,90 €".

use super::{Token, token::Kind};

/// A number in a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// No fraction was written.
    pub whole: bool,
    /// The word or sign after it, or a currency sign before it, folded.
    pub unit: Option<String>,
    /// The word before it, folded.
    pub before: Option<String>,
    /// Tokens it takes, unit excluded.
    pub tokens: std::ops::Range<usize>,
}

/// Numbers of a sentence that no date has taken (`used[i]`).
///
/// A separator with exactly three digits after it groups thousands; otherwise it begins the fraction.
pub fn numbers(words: &[Token], used: &[bool]) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at].kind != Kind::Digits || used.get(at).copied().unwrap_or(false) || part_of_code(words, at) {
            at += 1;
            continue;
        }
        let (text, end) = collect(words, used, at);
        let begin = at;
        at = end;
        let Some(mut value) = text.parse::<f64>().ok().filter(|v| v.is_finite()) else { continue };
        let minus =
            begin > 0 && words[begin - 1].is("-") && words[begin].glued && (begin < 2 || !words[begin - 1].glued);
        if minus {
            value = -value;
        }
        let sign = |t: &Token| matches!(t.text.as_str(), "€" | "$" | "£" | "%" | "°");
        let after = words.get(end).filter(|t| t.kind == Kind::Word || sign(t)).map(|t| t.text.clone());
        let currency = begin.checked_sub(1).map(|b| &words[b]).filter(|t| sign(t)).map(|t| t.text.clone());
        let before =
            words[..begin].iter().rev().find(|t| !t.is("#")).filter(|t| t.kind == Kind::Word).map(|t| t.text.clone());
        found.push(Number { value, whole: !text.contains('.'), unit: currency.or(after), before, tokens: begin..end });
    }
    found
}

/// True for digits that belong to a code ("AB12", "12-AB").
fn part_of_code(words: &[Token], at: usize) -> bool {
    let before = at > 0 && words[at].glued && words[at - 1].kind == Kind::Word;
    let dash = words.get(at + 1).is_some_and(|t| t.is("-") && t.glued)
        && words.get(at + 2).is_some_and(|t| t.kind == Kind::Word && t.glued);
    before || dash
}

/// The number that begins at `at`, as Rust reads it, and the token after it.
fn collect(words: &[Token], used: &[bool], at: usize) -> (String, usize) {
    let free =
        |i: usize| words.get(i).is_some_and(|t| t.kind == Kind::Digits) && !used.get(i).copied().unwrap_or(false);
    let mut text = words[at].text.clone();
    let mut end = at + 1;
    let mut group: Option<String> = None;
    if text.len() <= 3 {
        loop {
            // Groups by space: "84 000".
            if group.as_deref().is_none_or(|g| g == " ") && free(end) && words[end].text.len() == 3 && !words[end].glued
            {
                group = Some(" ".to_owned());
                text.push_str(&words[end].text);
                end += 1;
                continue;
            }
            let mark = words
                .get(end)
                .filter(|t| t.glued && t.kind == Kind::Mark && matches!(t.text.as_str(), "." | "," | "'"));
            let Some(mark) = mark else { break };
            if !(free(end + 1) && words[end + 1].glued && words[end + 1].text.len() == 3)
                || group.as_deref().is_some_and(|g| g != mark.text)
                || text == "0"
            {
                break;
            }
            group = Some(mark.text.clone());
            text.push_str(&words[end + 1].text);
            end += 2;
        }
    }
    let fraction = words.get(end).is_some_and(|t| t.glued && (t.is(".") || t.is(",")))
        && free(end + 1)
        && words[end + 1].glued
        && group.as_deref().is_none_or(|g| g != words[end].text);
    if fraction {
        text.push('.');
        text.push_str(&words[end + 1].text);
        end += 2;
    }
    (text, end)
}

/// A number in German or Spanish words, as times and spans have them (folded).
pub fn numeral(word: &str) -> Option<u64> {
    const NUMERALS: &[(&[&str], u64)] = &[
        (&["ein", "eins", "einem", "einer", "eine", "un", "una", "uno"], 1),
        (&["zwei", "dos"], 2),
        (&["drei", "tres"], 3),
        (&["vier", "cuatro"], 4),
        (&["funf", "fuenf", "cinco"], 5),
        (&["sechs", "seis"], 6),
        (&["sieben", "siete"], 7),
        (&["acht", "ocho"], 8),
        (&["neun", "nueve"], 9),
        (&["zehn", "diez"], 10),
        (&["elf", "once"], 11),
        (&["zwolf", "zwoelf", "doce"], 12),
        (&["dreizehn", "trece"], 13),
        (&["vierzehn", "catorce"], 14),
        (&["funfzehn", "fuenfzehn", "quince"], 15),
        (&["zwanzig", "veinte"], 20),
        (&["funfundzwanzig", "fuenfundzwanzig", "veinticinco"], 25),
        (&["dreissig", "treinta"], 30),
        (&["vierzig", "cuarenta"], 40),
        (&["funfundvierzig", "fuenfundvierzig"], 45),
        (&["funfzig", "fuenfzig", "cincuenta"], 50),
    ];
    NUMERALS.iter().find(|(words, _)| words.contains(&word)).map(|(_, number)| *number)
}

/// True when `unit` is one of the words by which people call what `described` (folded) speaks of.
pub fn unit_fits(unit: &str, described: &str) -> bool {
    const UNITS: &[(&[&str], &[&str])] = &[
        (
            &["km", "kms", "kilometer", "kilometern", "kilometro", "kilometros"],
            &["kilomet", "km", "distance", "entfernung", "strecke", "distancia"],
        ),
        (&["m", "meter", "metern", "metro", "metros"], &["metre", "meter", "metar", "metro"]),
        (
            &["l", "litre", "litres", "liter", "liters", "litara", "litra", "litern", "litro", "litros"],
            &["litre", "liter", "litara", "volume", "litro", "menge"],
        ),
        (
            &[
                "€", "eur", "euro", "euros", "eura", "$", "usd", "dollars", "£", "gbp", "hrk", "dollar", "dolares",
                "franken", "chf", "pesos",
            ],
            &[
                "euro", "eur", "amount", "price", "cost", "iznos", "cijena", "usd", "dollar", "money", "betrag",
                "preis", "kosten", "importe", "precio", "coste",
            ],
        ),
        (
            &["kg", "kilo", "kilos", "kilogramm", "kilogramo", "kilogramos"],
            &["kilogram", "kg", "weight", "masa", "gewicht", "peso"],
        ),
        (
            &["h", "hour", "hours", "sat", "sata", "sati", "stunde", "stunden", "hora", "horas"],
            &["hour", "sat", "stunde", "hora"],
        ),
        (&["min", "minute", "minutes", "minuta", "minuten", "minuto", "minutos"], &["minute", "minut"]),
        (
            &["day", "days", "dan", "dana", "tag", "tage", "tagen", "dia", "dias"],
            &["day", "days", "dan", "tag", "tage", "dia"],
        ),
        (
            &["%", "percent", "posto", "prozent", "porciento"],
            &["percent", "rate", "posto", "%", "prozent", "porcentaje"],
        ),
        (&["°", "c", "celsius", "grad", "grados"], &["temperature", "celsius", "degree", "temperatur"]),
    ];
    let parts = || described.split(|c: char| !c.is_alphanumeric() && c != '%').filter(|w| !w.is_empty());
    if UNITS.iter().any(|(units, words)| {
        units.contains(&unit)
            && parts().any(|part| {
                words.iter().any(|word| if word.len() <= 3 { part == *word } else { part.starts_with(word) })
            })
    }) {
        return true;
    }
    unit.chars().count() >= 3 && parts().any(|part| super::fold::same_stem(part, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::tokens;

    fn check(text: &str, expected: &[(f64, Option<&str>)]) {
        let words = tokens(text);
        let found: Vec<_> = numbers(&words, &[]).into_iter().map(|n| (n.value, n.unit)).collect();
        let expected: Vec<_> = expected.iter().map(|(v, u)| (*v, u.map(str::to_owned))).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        check("84 000 km", &[(84_000.0, Some("km"))]);
        check("84.300 km", &[(84_300.0, Some("km"))]);
        check("84,300", &[(84_300.0, None)]);
        check("84300km", &[(84_300.0, Some("km"))]);
        check("42.5 litres", &[(42.5, Some("litres"))]);
        check("42,5 l", &[(42.5, Some("l"))]);
        check("1.234,56 €", &[(1234.56, Some("€"))]);
        check("1,234.56", &[(1234.56, None)]);
        check("€63.90", &[(63.9, Some("€"))]);
        check("-5 C", &[(-5.0, Some("c"))]);
        check("0.500", &[(0.5, None)]);
        check("1'200", &[(1200.0, None)]);
        check("ZG 1234-AB", &[]);
        check("A4", &[]);
        check("1.234,5 Liter", &[(1234.5, Some("liter"))]);
        check("84.300 Kilometer", &[(84_300.0, Some("kilometer"))]);
        check("12,5 €", &[(12.5, Some("€"))]);
        check("1.234.567,89 euros", &[(1_234_567.89, Some("euros"))]);
        check("5 and 7", &[(5.0, Some("and")), (7.0, None)]);
        check("no number", &[]);
    }

    #[test]
    fn a_unit_finds_its_description() {
        for (unit, described, fits) in [
            ("km", "odometer reading in km", true),
            ("km", "kilometres", true),
            ("litres", "litres", true),
            ("eur", "amount in euros", true),
            ("km", "litres", false),
            ("pages", "pages of the book", true),
            ("seats", "seats", true),
            ("m", "summer", false),
            ("kilometer", "odometer reading in km", true),
            ("kilometros", "kilometres", true),
            ("stunden", "how many hours", true),
            ("tage", "number of days", true),
            ("dias", "days", true),
            ("prozent", "discount in percent", true),
            ("tage", "stage", false),
        ] {
            assert_eq!(unit_fits(unit, described), fits, "{unit} {described}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9., €a-z'-]{0,60}") {
            let words = tokens(&text);
            for number in numbers(&words, &[]) {
                proptest::prop_assert!(number.value.is_finite() && number.tokens.end <= words.len());
            }
        }
    }
}
