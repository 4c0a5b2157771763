//! Which languages a sentence may be in, by its little words. A guess that keeps a word of one language from being read
//! as one of another; where nothing tells, it may be in any.

use super::text;

/// Languages, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Languages(u8);

/// Little words, folded, of each language; a word may be of several.
const LITTLE: [(Languages, &str); 4] = [
    (
        Languages::ENGLISH,
        "the a an and or of to in on at by for from with is are was were be been do does did have has had can could will \
         would should what which who whose whom how when where why i you he she it we they me my your his her its our \
         their this that these those there please not all any some much many if about into than then",
    ),
    (
        Languages::SOUTH_SLAVIC,
        "je su se si sam smo ste bi da li na u za od do sa iz po pod kod koji koja koje koju kojem kojoj tko ko sto sta \
         kako gdje gde kada kad koliko kolika koliki moj moja moje moju mog mom moji svoj sve svi svih molim mi me te ti \
         ovaj ova ovo ove ovog taj ta tu to te tog pokazi prikazi ima imam imamo nije i ili ali nas nase nasa nasu im ih \
         ga joj ovdje ovde danas jucer juce hocu zelim mogu treba",
    ),
    (
        Languages::GERMAN,
        "der die das den dem des ein eine einen einem einer eines und oder ist sind war mir mich ich mein meine meinen \
         meinem meiner wir uns unser unsere unseren du dein welche welcher welches welchen was wer wie wo wann warum \
         bitte zeig zeige mit fur auf aus von vom im in zum zur zu am auch nicht kein keine es gibt gab habe haben hatten \
         sie ihnen an diese diesem diesen dieses dieser noch alle alles bei nach uber wird wurde heute gestern",
    ),
    (
        Languages::SPANISH,
        "el la los las un una unos unas de del y o es son esta estan este estos estas ese esa que cual cuales quien \
         quienes como donde cuando cuanto cuanta cuantos cuantas mi mis me tu tus su sus por para con en al se si \
         nuestro nuestra nuestros nuestras lo le les hay a no muestra muestrame dame quiero hoy ayer fue hubo",
    ),
];

impl Languages {
    /// English.
    pub const ENGLISH: Self = Self(1);
    /// Croatian, Bosnian and Serbian, in Latin letters.
    pub const SOUTH_SLAVIC: Self = Self(2);
    /// German.
    pub const GERMAN: Self = Self(4);
    /// Spanish.
    pub const SPANISH: Self = Self(8);
    /// Any of them.
    pub const ANY: Self = Self(15);

    /// Those a text in Latin letters may be in.
    pub fn of(text: &str) -> Self {
        let mut counts = [0u32; LITTLE.len()];
        for token in text.split_whitespace() {
            // A letter that only one of them has; names keep theirs in any language.
            if token.starts_with(char::is_lowercase) {
                counts[1] += u32::from(token.contains(['č', 'ć', 'š', 'ž', 'đ']));
                counts[2] += u32::from(token.contains(['ä', 'ö', 'ß']));
                counts[3] += u32::from(token.contains(['ñ', 'á', 'í', 'ó']));
            }
            counts[3] += u32::from(token.starts_with(['¿', '¡']));
            for word in text::runs(&text::fold(token)) {
                for (count, (_, words)) in counts.iter_mut().zip(LITTLE) {
                    *count += u32::from(words.split_ascii_whitespace().any(|little| little == word));
                }
            }
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        let may = counts.iter().zip(LITTLE).filter(|(count, _)| **count * 3 >= most * 2);
        may.fold(Self(0), |all, (_, (language, _))| Self(all.0 | language.0))
    }

    /// True when there is one that both have.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Languages) {
        assert_eq!(Languages::of(text), expected, "{text}");
    }

    #[test]
    fn little_words_tell_the_language() {
        check("what's the mass of an electron?", Languages::ENGLISH);
        check("koliko je novca na računu", Languages::SOUTH_SLAVIC);
        check("prikaži poslednje izdanje", Languages::SOUTH_SLAVIC);
        check("wer sind die Mitglieder", Languages::GERMAN);
        check("¿qué mensajes hay?", Languages::SPANISH);
    }

    #[test]
    fn without_little_words_any_is_possible() {
        check("tickets", Languages::ANY);
        check("", Languages::ANY);
    }

    proptest! {
        #[test]
        fn any_text_is_of_some_language(text in any::<String>()) {
            prop_assert!(Languages::of(&text).meets(Languages::ANY));
        }
    }
}
