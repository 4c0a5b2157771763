//! Words of the fleet in its two languages, and the search over them.

/// The word for a code in `language`; the code itself when there is none.
pub(super) fn word<'a>(code: &'a str, language: &str) -> &'a str {
    let found = WORDS.iter().find(|(known, ..)| *known == code);
    match (found, language) {
        (Some((_, _, croatian)), "hr") => croatian,
        (Some((_, english, _)), _) => english,
        (None, _) => code,
    }
}

const WORDS: &[(&str, &str, &str)] = &[
    ("red", "red", "crvena"),
    ("white", "white", "bijela"),
    ("grey", "grey", "siva"),
    ("blue", "blue", "plava"),
    ("black", "black", "crna"),
    ("green", "green", "zelena"),
    ("silver", "silver", "srebrna"),
    ("car", "car", "osobni auto"),
    ("van", "van", "kombi"),
    ("truck", "truck", "kamion"),
    ("diesel", "diesel", "dizel"),
    ("petrol", "petrol", "benzin"),
    ("electric", "electric", "struja"),
    ("active", "in use", "u upotrebi"),
    ("workshop", "in the workshop", "u servisu"),
];

/// Chooses between an English and a Croatian text.
pub(super) fn say<'a>(language: &str, english: &'a str, croatian: &'a str) -> &'a str {
    if language == "hr" { croatian } else { english }
}

/// Lower case, without the diacritics of Croatian, split at everything but letters and digits.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|letter| match letter {
            'š' => 's',
            'č' | 'ć' => 'c',
            'ž' => 'z',
            'đ' => 'd',
            other => other,
        })
        .collect();
    plain.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// True when two words are forms of one: `octaviju` and `octavia`, `vans` and `van`. Numbers must be equal.
fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    if left.bytes().chain(right.bytes()).any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let common = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    let longest = left.chars().count().max(right.chars().count());
    common >= 3 && common + 3 >= longest
}

/// Indices of the texts that hold every known word of `search`; words that no text holds are passed over.
pub(super) fn search(search: &str, texts: &[String]) -> Vec<usize> {
    let texts: Vec<Vec<String>> = texts.iter().map(|text| tokens(text)).collect();
    let holds = |text: &[String], wanted: &String| text.iter().any(|own| same(own, wanted));
    let mut wanted = tokens(search);
    wanted.retain(|word| texts.iter().any(|text| holds(text, word)));
    if wanted.is_empty() {
        return Vec::new();
    }
    (0..texts.len())
        .filter(|index| texts.get(*index).is_some_and(|text| wanted.iter().all(|word| holds(text, word))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_takes_forms_of_words_and_passes_over_others() {
        let texts = ["Škoda Octavia ZG 1234-AB red crvena car", "VW Transporter ZG 9012-EF red crveni van kombi"];
        let texts = texts.map(str::to_owned);
        for (query, expected) in [
            ("the red van", vec![1]),
            ("octaviju", vec![0]),
            ("skoda", vec![0]),
            ("crveni kombi", vec![1]),
            ("crvena", vec![0, 1]),
            ("ZG 1234-AB", vec![0]),
            ("bicycle", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(search(query, &texts), expected, "{query}");
        }
    }
}
