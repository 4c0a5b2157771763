//! A sentence as words, numbers and marks, each with its place in the text.

use std::ops::Range;

use super::fold;

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Letters, with `'` inside.
    Word,
    /// ASCII digits.
    Digits,
    /// One other character.
    Mark,
}

/// A word, a run of digits or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is made of.
    pub kind: Kind,
    /// Folded text.
    pub text: String,
    /// Bytes of the sentence it stands for.
    pub span: Range<usize>,
    /// No space before it.
    pub glued: bool,
}

impl Token {
    /// The number, when it is digits and fits.
    pub fn number(&self) -> Option<u64> {
        if self.kind == Kind::Digits { self.text.parse().ok() } else { None }
    }

    /// True for this mark.
    pub fn is(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }

    /// True for this word.
    pub fn word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// True for one of these words.
    pub fn one_of(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.contains(&self.text.as_str())
    }
}

/// Most characters of a sentence that are looked at; what follows is left out.
pub const MAX_CHARS: usize = 4_000;

/// The tokens of a sentence, in order.
pub fn tokens(sentence: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut spaced = true;
    let mut chars = sentence.char_indices().take(MAX_CHARS).peekable();
    while let Some((start, c)) = chars.next() {
        if c.is_whitespace() {
            spaced = true;
            continue;
        }
        let kind = if c.is_ascii_digit() {
            Kind::Digits
        } else if c.is_alphabetic() {
            Kind::Word
        } else {
            Kind::Mark
        };
        let mut end = start + c.len_utf8();
        while let Some(&(at, next)) = chars.peek() {
            let belongs = match kind {
                Kind::Digits => next.is_ascii_digit(),
                Kind::Word => {
                    next.is_alphabetic()
                        || unicode_normalization::char::is_combining_mark(next)
                        || (matches!(next, '\'' | '’')
                            && sentence[at + next.len_utf8()..].chars().next().is_some_and(char::is_alphabetic))
                }
                Kind::Mark => false,
            };
            if !belongs {
                break;
            }
            end = at + next.len_utf8();
            chars.next();
        }
        found.push(Token { kind, text: fold(&sentence[start..end]), span: start..end, glued: !spaced });
        spaced = false;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_digits_and_marks_are_separate_and_know_their_place() {
        let text = "Šaljem 84.300km, it’s!";
        let shown: Vec<_> = tokens(text).iter().map(|t| (t.text.clone(), t.glued)).collect();
        let expected = [
            ("saljem", false),
            ("84", false),
            (".", true),
            ("300", true),
            ("km", true),
            (",", true),
            ("it's", false),
            ("!", true),
        ];
        assert_eq!(shown, expected.map(|(t, g)| (t.to_owned(), g)));
        for token in tokens(text) {
            assert_eq!(fold(&text[token.span.clone()]), token.text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_tokens_within_it(text in ".{0,200}") {
            for token in tokens(&text) {
                proptest::prop_assert!(text.get(token.span).is_some());
            }
        }
    }
}
