use proptest::prelude::*;

use super::*;

fn entry(document: &str, operation: &str, summary: &str) -> Entry {
    let (method, path) = operation.split_once(' ').expect("a method and a path");
    Entry {
        id: format!("{document}/{operation}"),
        document: document.into(),
        method: method.into(),
        path: path.into(),
        summary: summary.into(),
        ..Entry::default()
    }
}

/// Two unrelated backends.
fn library_and_kitchen() -> Index {
    Index::new(vec![
        entry("library", "GET /books", "List books"),
        entry("library", "POST /books", "Add a book"),
        entry("library", "GET /books/{book_id}", "Show a book"),
        entry("library", "DELETE /books/{book_id}", "Remove a book"),
        entry("library", "GET /books/{book_id}/loans", "List the loans of a book"),
        entry("library", "GET /members", "List members"),
        entry("kitchen", "GET /recipes", "List recipes"),
        entry("kitchen", "POST /orders", "Order ingredients"),
        entry("kitchen", "GET /orders", "List orders"),
    ])
}

fn best(index: &Index, text: &str) -> (String, f64) {
    let answer = index.search(Question { text, k: 5, ..Question::default() });
    let hit = answer.hits.first().expect("a hit");
    (index.entries()[hit.entry].id.clone(), hit.probability)
}

fn check(text: &str, expected: &str) {
    let (found, probability) = best(&library_and_kitchen(), text);
    assert_eq!(found, expected, "{text}");
    assert!(probability >= 0.2, "{text}: {probability}");
}

#[test]
fn sentences_lead_to_what_they_mean() {
    check("which books are there?", "library/GET /books");
    check("add a new book", "library/POST /books");
    check("show me book 17", "library/GET /books/{book_id}");
    check("please delete book 17", "library/DELETE /books/{book_id}");
    check("what are the recipes", "kitchen/GET /recipes");
}

#[test]
fn aliases_of_any_language_count_as_text() {
    let mut members = entry("library", "GET /members", "List members");
    members.others = vec!["članovi knjižnice".into()];
    let index = Index::new(vec![entry("library", "GET /books", "List books"), members]);
    let (found, probability) = best(&index, "pokaži članove knjižnice");
    assert_eq!(found, "library/GET /members");
    assert!(probability > 0.5, "{probability}");
}

#[test]
fn parts_of_a_hit_are_its_whole_score() {
    let mut entries = library_and_kitchen().entries().to_vec();
    entries[5].others = vec!["who reads here".into()];
    let index = Index::new(entries);
    let part = |hit: &Hit, name: &str| hit.parts.iter().find(|(part, _)| *part == name).map(|(_, value)| *value);
    for text in ["who reads here", "list the loans of Hamlet", "delete a book", "orders", ""] {
        let answer = index.search(Question { text, k: 9, ..Question::default() });
        for hit in &answer.hits {
            let sum: f64 = hit.parts.iter().filter(|(name, _)| *name != "producer").map(|(_, value)| value).sum();
            assert!((sum - hit.score).abs() < 1e-9, "{text}: {hit:?}");
            assert_eq!(part(hit, "producer").is_some(), hit.producer, "{text}: {hit:?}");
        }
    }
    let ask = |text| index.search(Question { text, k: 9, ..Question::default() }).hits;
    let members = |hits: Vec<Hit>| hits.into_iter().find(|hit| hit.entry == 5).expect("the members");
    // The example brings what the document's own words do not; where nothing is said of it, it brings nothing.
    assert!(part(&members(ask("who reads here")), "example") > Some(3.0));
    assert_eq!(part(&members(ask("list members")), "example"), Some(0.0));
    // Loans need a book's id, which the list of books yields; two documents have a boost each.
    let loans = ask("list the loans of a book");
    assert!(loans.iter().any(|hit| hit.producer) && loans.iter().any(|hit| part(hit, "document") > Some(0.0)));
}

#[test]
fn other_subjects_are_near_to_nothing() {
    let index = library_and_kitchen();
    for text in ["what's the weather in Split", "tell me a joke", "tko je pobijedio jučer", "!!!", "the of and"] {
        let answer = index.search(Question { text, k: 9, ..Question::default() });
        assert!(answer.hits.iter().all(|hit| hit.probability < 0.2), "{text}: {answer:?}");
    }
}

#[test]
fn words_that_nobody_knows_are_left_out_where_nothing_is_near_with_them() {
    let index = library_and_kitchen();
    let ask = |text| index.search(Question { text, k: 5, ..Question::default() });
    for (text, expected, left_out) in [
        ("remove the Hokkaido Crown on monday 9-12", "library/DELETE /books/{book_id}", vec!["hokkaido", "crown"]),
        ("remove hokkaido crown", "library/DELETE /books/{book_id}", vec!["hokkaido", "crown"]),
    ] {
        let answer = ask(text);
        assert_eq!(index.entries()[answer.hits[0].entry].id, expected, "{text}");
        assert!(answer.hits[0].probability >= 0.5, "{text}: {answer:?}");
        assert_eq!(answer.left_out, left_out, "{text}");
    }
    // Where something is near, the whole sentence counts; where nothing is left, nothing is near.
    assert!(ask("list the books of Hokkaido").left_out.is_empty());
    for text in ["what's the weather in Split", "tell me a joke", "Hokkaido Crown"] {
        let answer = ask(text);
        assert!(
            answer.left_out.is_empty() && answer.hits.iter().all(|hit| hit.probability < 0.2),
            "{text}: {answer:?}"
        );
    }
}

#[test]
fn examples_that_share_only_little_words_are_behind_what_the_sentence_is_about() {
    let mut members = entry("library", "GET /members", "List members");
    members.others = vec!["can I have it tomorrow".into()];
    let index = Index::new(vec![entry("library", "GET /books", "List books"), members]);
    let answer = index.search(Question { text: "can I have books tomorrow", k: 2, ..Question::default() });
    assert_eq!(index.entries()[answer.hits[0].entry].id, "library/GET /books", "{answer:?}");
    assert!(answer.hits[0].probability >= 0.5, "no rival has anything to do with books: {answer:?}");
}

#[test]
fn slips_lead_to_what_was_meant() {
    check("lsit the bokos", "library/GET /books");
    check("shw me reicpes", "kitchen/GET /recipes");
    check("remvoe book 17", "library/DELETE /books/{book_id}");
}

#[test]
fn a_verb_alone_is_what_it_is_about() {
    let (found, probability) = best(&library_and_kitchen(), "please remove it");
    assert_eq!(found, "library/DELETE /books/{book_id}");
    assert!(probability >= 0.5, "{probability}");
}

#[test]
fn coverage_is_the_share_of_known_words() {
    let index = library_and_kitchen();
    let coverage = |text| index.search(Question { text, k: 1, ..Question::default() }).coverage;
    assert_eq!(coverage("list the books"), 1.0);
    assert_eq!(coverage("list the spaceships"), 0.0);
    assert_eq!(coverage("books and spaceships"), 0.5);
}

#[test]
fn empty_index_answers_nothing() {
    let answer = Index::new(Vec::new()).search(Question { text: "books", k: 5, ..Question::default() });
    assert!(answer.hits.is_empty() && answer.coverage == 0.0);
}

#[test]
fn same_index_gives_the_same_scores_to_the_bit() {
    let ask = |index: &Index| {
        index.search(Question { text: "list loans of a book and members", k: 9, ..Question::default() })
    };
    assert_eq!(ask(&library_and_kitchen()), ask(&library_and_kitchen()));
}

proptest! {
    #[test]
    fn any_sentence_gives_sound_hits(text in any::<String>(), k in 0usize..12) {
        static INDEX: std::sync::LazyLock<Index> = std::sync::LazyLock::new(library_and_kitchen);
        let index = &*INDEX;
        let answer = index.search(Question { text: &text, k, ..Question::default() });
        prop_assert!(answer.hits.len() <= k);
        prop_assert!((0.0..=1.0).contains(&answer.coverage));
        let mut seen = std::collections::BTreeSet::new();
        for hit in &answer.hits {
            prop_assert!(hit.score.is_finite() && (0.0..=1.0).contains(&hit.probability));
            prop_assert!(seen.insert(hit.entry));
        }
    }
}
