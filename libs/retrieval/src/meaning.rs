//! The vector leg: how near operations are to a sentence in meaning.
//!
//! Every model finds some texts near to anything. So what counts is how much nearer an operation is to the sentence than
//! to the ten neutral chat lines nearest to that sentence, which are in its language without anybody detecting it. Then
//! scores of several documents and languages can be compared.

use std::{collections::HashMap, sync::Arc};

use super::{
    entry::Entry,
    scored::{Value, mean, ratio},
};

/// What people write to any assistant, in the four languages they write in.
pub const NEUTRAL: [&str; 40] = [
    "hello, can you help me?",
    "what can you do?",
    "please send me the report for last month",
    "how much does it cost?",
    "show me the list",
    "create a new one",
    "delete it please",
    "who is responsible for this?",
    "when is the next appointment?",
    "change the address",
    "bok, možeš li mi pomoći?",
    "što sve možeš?",
    "molim te pošalji mi izvještaj za prošli mjesec",
    "koliko to košta?",
    "pokaži mi popis",
    "napravi novi",
    "obriši to molim",
    "tko je odgovoran za ovo?",
    "kada je sljedeći termin?",
    "promijeni adresu",
    "hallo, kannst du mir helfen?",
    "was kannst du alles?",
    "bitte schick mir den Bericht vom letzten Monat",
    "wie viel kostet das?",
    "zeig mir die Liste",
    "erstelle einen neuen Eintrag",
    "bitte lösche das",
    "wer ist dafür zuständig?",
    "wann ist der nächste Termin?",
    "ändere die Adresse",
    "hola, ¿puedes ayudarme?",
    "¿qué puedes hacer?",
    "envíame el informe del mes pasado",
    "¿cuánto cuesta?",
    "muéstrame la lista",
    "crea uno nuevo",
    "bórralo por favor",
    "¿quién es el responsable?",
    "¿cuándo es la próxima cita?",
    "cambia la dirección",
];

/// Neutral lines that a sentence is compared with.
const NEAREST: usize = 10;
/// Least share of the operations that have a vector; with fewer the words alone decide.
const COMPLETE_MIN: f64 = 0.9;
/// Lines that are compared with a row at a time.
const LINES: usize = 4;
/// Rows of a document that say how near its own texts are to themselves.
const OWN_ROWS: usize = 48;
/// Part of the way from neutral lines to an operation's own text at which it is as likely as not that it is meant.
const MIDDLE: f64 = 0.25;
/// How fast nearness becomes certainty.
const SCALE: f64 = 0.06;

/// Vectors of operations. Built at once, never changed.
#[derive(Debug)]
pub struct Meaning {
    neutral: Vec<Arc<[f32]>>,
    /// Vectors of each entry: its short text, its aliases and examples.
    entries: Vec<Vec<Arc<[f32]>>>,
    documents: HashMap<String, Span>,
}

/// What scores mean in one document.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// What neutral lines reach.
    reached: f64,
    /// From there to the score of an operation's own text.
    width: f64,
}

/// The texts of an operation that get vectors: its short text, then each alias and example.
pub fn texts(entry: &Entry) -> impl Iterator<Item = String> {
    let all = std::iter::once(entry.short_text()).chain(entry.others.iter().cloned());
    all.filter(|text| !text.trim().is_empty())
}

impl Meaning {
    /// Over entries and the vectors, of unit length and equal dimension, that there are; `None` while too many are
    /// missing.
    pub fn new(entries: &[Entry], find: impl Fn(&str) -> Option<Arc<[f32]>>) -> Option<Self> {
        let neutral: Vec<Arc<[f32]>> = NEUTRAL.iter().map(|line| find(line)).collect::<Option<_>>()?;
        let dimension = neutral.first()?.len();
        let fits = |vector: &Arc<[f32]>| vector.len() == dimension;
        let vectors: Vec<Vec<Arc<[f32]>>> =
            entries.iter().map(|entry| texts(entry).filter_map(|text| find(&text)).filter(fits).collect()).collect();
        let complete = vectors.iter().filter(|vectors| !vectors.is_empty()).count();
        if complete == 0 || ratio(complete, entries.len()) < COMPLETE_MIN || !neutral.iter().all(fits) {
            return None;
        }
        let mut meaning = Self { neutral, entries: vectors, documents: HashMap::new() };
        let mut documents: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            documents.entry(&entry.document).or_default().push(number);
        }
        meaning.documents =
            documents.into_iter().map(|(name, members)| (name.to_owned(), meaning.span(&members))).collect();
        Some(meaning)
    }

    /// Number of values of its vectors.
    pub fn dimension(&self) -> usize {
        self.neutral.first().map_or(0, |line| line.len())
    }

    /// For each entry how much nearer it is to the sentence than neutral lines are; `None` for one without a vector.
    /// `sentence` has unit length and this dimension.
    pub fn scores(&self, sentence: &[f32]) -> Vec<Option<Value>> {
        let asked = self.beside_neutral(sentence, None);
        let of = |vectors: &Vec<Arc<[f32]>>| {
            let (own, best) = (dot(vectors.first()?, &asked), best(vectors, &asked)?);
            Some(Value { own, example: best - own })
        };
        self.entries.iter().map(of).collect()
    }

    /// Probability that an entry of this score has to do with the sentence at all.
    pub fn near(&self, document: &str, score: f64) -> f64 {
        let Some(span) = self.documents.get(document) else { return 0.0 };
        1.0 / (1.0 + (-((score - span.reached) / span.width - MIDDLE) / SCALE).exp())
    }

    fn span(&self, members: &[usize]) -> Span {
        let rows = || members.iter().filter_map(|member| self.entries.get(*member));
        let asked = self.neutral.iter().enumerate().map(|(at, line)| self.beside_neutral(line, Some(at)));
        let asked: Vec<Vec<f32>> = asked.collect();
        let mut reached = vec![f64::NEG_INFINITY; asked.len()];
        // Each row once, with several lines at a time: reading is what costs.
        for vector in rows().flatten() {
            for (lines, reached) in asked.chunks(LINES).zip(reached.chunks_mut(LINES)) {
                let near: [f64; LINES] =
                    dots(vector, std::array::from_fn(|at| lines[at.min(lines.len() - 1)].as_slice()));
                for (reached, near) in reached.iter_mut().zip(near) {
                    *reached = reached.max(near);
                }
            }
        }
        reached.retain(|near| near.is_finite());
        reached.sort_by(f64::total_cmp);
        // All but the two best lines: one of a bank may well mean something here.
        let reached = reached.len().checked_sub(3).and_then(|at| reached.get(at)).copied().unwrap_or(0.0);
        let own: Vec<f64> = rows()
            .filter_map(|vectors| vectors.first())
            .step_by(members.len().div_ceil(OWN_ROWS).max(1))
            .map(|vector| dot(vector, &self.beside_neutral(vector, None)))
            .collect();
        Span { reached, width: (mean(&own) - reached).max(0.05) }
    }

    /// A sentence without what its nearest neutral lines have in common with it; `except` leaves one line out.
    fn beside_neutral(&self, sentence: &[f32], except: Option<usize>) -> Vec<f32> {
        let mut lines: Vec<(f64, usize)> = (0..self.neutral.len())
            .filter(|line| Some(*line) != except)
            .map(|line| (dot(&self.neutral[line], sentence), line))
            .collect();
        lines.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        lines.truncate(NEAREST);
        let mut asked = sentence.to_vec();
        for (_, line) in &lines {
            for (value, neutral) in asked.iter_mut().zip(self.neutral[*line].iter()) {
                *value -= neutral / 10.0;
            }
        }
        asked
    }
}

fn best(vectors: &[Arc<[f32]>], asked: &[f32]) -> Option<f64> {
    vectors.iter().map(|vector| dot(vector, asked)).max_by(f64::total_cmp)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let [product] = dots(a, [b]);
    product
}

/// Products with vectors of one length, each in eight sums, always the same ones: the same result everywhere, and quick.
fn dots<const N: usize>(a: &[f32], others: [&[f32]; N]) -> [f64; N] {
    let mut sums = [[0.0f32; 8]; N];
    let (a, a_rest) = a.as_chunks::<8>();
    let others = others.map(<[f32]>::as_chunks::<8>);
    let whole = others.iter().map(|(b, _)| b.len()).fold(a.len(), usize::min);
    for at in 0..whole {
        for (sums, (b, _)) in sums.iter_mut().zip(&others) {
            for lane in 0..8 {
                sums[lane] += a[at][lane] * b[at][lane];
            }
        }
    }
    std::array::from_fn(|which| {
        let rest: f32 = a_rest.iter().zip(others[which].1).map(|(a, b)| a * b).sum();
        f64::from(sums[which].iter().sum::<f32>() + rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Index, Question};

    /// A model of three meanings and a common part; it knows German too.
    fn vector(text: &str) -> Arc<[f32]> {
        let lower = text.to_lowercase();
        let has = |words: &[&str]| f32::from(u8::from(words.iter().any(|word| lower.contains(word))));
        let values = [
            1.0,
            2.0 * has(&["book", "buch", "bücher"]),
            2.0 * has(&["member", "mitglied"]),
            2.0 * has(&["weather", "wetter"]),
        ];
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.iter().map(|value| value / length).collect()
    }

    fn entries() -> Vec<Entry> {
        [("GET /books", "List books"), ("GET /members", "List members"), ("GET /about", "Show what this is")]
            .map(|(operation, summary)| {
                let (method, path) = operation.split_once(' ').expect("a method and a path");
                Entry {
                    id: format!("library/{operation}"),
                    document: "library".into(),
                    method: method.into(),
                    path: path.into(),
                    summary: summary.into(),
                    ..Entry::default()
                }
            })
            .into()
    }

    fn ask(text: &str) -> Option<(String, f64)> {
        let index = Index::new(entries());
        let meaning = Meaning::new(index.entries(), |text| Some(vector(text))).expect("all vectors");
        let sentence = vector(text);
        let answer = index.search(Question { text, k: 3, meaning: Some((&meaning, &sentence)), ..Question::default() });
        answer.hits.first().map(|hit| {
            let sum: f64 = hit.parts.iter().map(|(_, value)| value).sum();
            assert!((sum - hit.score).abs() < 1e-9 && hit.parts.iter().any(|(name, _)| *name == "vector"));
            (index.entries()[hit.entry].id.clone(), hit.probability)
        })
    }

    #[test]
    fn words_that_no_document_knows_lead_by_their_meaning() {
        let (id, probability) = ask("welche Mitglieder haben wir").expect("a hit");
        assert_eq!(id, "library/GET /members");
        assert!(probability > 0.5, "{probability}");
        let (_, probability) = ask("wie wird das Wetter").expect("a hit");
        assert!(probability < 0.2, "{probability}");
    }

    #[test]
    fn same_question_gives_the_same_scores_to_the_bit() {
        assert_eq!(ask("Bücher und Mitglieder"), ask("Bücher und Mitglieder"));
    }

    #[test]
    fn several_products_at_a_time_are_the_same_to_the_bit() {
        let vector = |seed: u16, length: u16| -> Vec<f32> {
            (0..length).map(|at| (f32::from(seed) + 1.7 * f32::from(at)).sin()).collect()
        };
        for length in [0, 1, 7, 8, 9, 384, 1_539] {
            let row = vector(1, length);
            let others = [2, 3, 4].map(|seed| vector(seed, length));
            let all = dots(&row, [&others[0], &others[1], &others[2]]);
            assert_eq!(all.map(f64::to_bits), [0, 1, 2].map(|at: usize| dot(&row, &others[at]).to_bits()), "{length}");
        }
    }

    #[test]
    fn too_few_vectors_are_none() {
        let entries = entries();
        let some = |text: &str| (!text.contains("members")).then(|| vector(text));
        assert!(Meaning::new(&entries, some).is_none());
        assert!(Meaning::new(&entries, |text: &str| (text != NEUTRAL[7]).then(|| vector(text))).is_none());
        assert!(Meaning::new(&[], |text: &str| Some(vector(text))).is_none());
    }

    #[test]
    fn one_operation_without_a_vector_is_ranked_by_its_words() {
        let mut many: Vec<Entry> =
            (0..20).map(|number| Entry { path: format!("/books/{number}"), ..entries()[0].clone() }).collect();
        many.push(Entry { path: "/invoices".into(), summary: "List invoices".into(), ..entries()[0].clone() });
        let index = Index::new(many);
        let some = |text: &str| (!text.contains("invoices")).then(|| vector(text));
        let meaning = Meaning::new(index.entries(), some).expect("enough vectors");
        let sentence = vector("list invoices");
        let question =
            Question { text: "list invoices", k: 1, meaning: Some((&meaning, &sentence)), ..Question::default() };
        assert_eq!(index.entries()[index.search(question).hits[0].entry].path, "/invoices");
    }
}
