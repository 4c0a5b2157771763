use proptest::prelude::*;

use super::*;

const LONG: usize = 3;

fn about(model: &str, dimension: usize) -> About {
    About { model: model.to_owned(), version: 1, dimension }
}

fn shelf(folder: &Path, vectors_max: usize) -> Arc<Shelf> {
    Shelf::open(folder, vectors_max).expect("a shelf")
}

fn vector(number: u8) -> Arc<[f32]> {
    vec![f32::from(number); LONG].into()
}

fn keep(cache: &Cache, numbers: impl IntoIterator<Item = u8>) {
    for number in numbers {
        cache.keep([number; 32], &vector(number));
    }
}

/// Which of the numbers are there, each with its own vector. Changes what was used last.
fn found(cache: &Cache, numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let there = |number: &u8| {
        let found = cache.find(&[*number; 32]);
        assert!(found.is_none() || found == Some(vector(*number)), "{number}: {found:?}");
        found.is_some()
    };
    numbers.into_iter().filter(there).collect()
}

fn file(folder: &Path) -> PathBuf {
    folder.join(format!("texts-{}.vectors", about("m", LONG).fingerprint()))
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = shelf(folder.path(), 1_000).cache("texts", &about("m", LONG));
    for number in 0..600u16 {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_le_bytes());
        cache.keep(key, &vec![f32::from(number); LONG].into());
    }
    drop(cache);
    let cache = shelf(folder.path(), 1_000).cache("texts", &about("m", LONG));
    assert_eq!(cache.len(), 600);
    for number in 0..600u16 {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_le_bytes());
        assert_eq!(cache.find(&key).as_deref(), Some([f32::from(number); LONG].as_slice()), "{number}");
    }
}

#[test]
fn full_cache_gives_up_what_was_unused_longest_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || shelf(folder.path(), 4).cache("texts", &about("m", LONG));
    let cache = open();
    keep(&cache, 0..4);
    assert_eq!(found(&cache, [0]), [0]);
    keep(&cache, [4]);
    assert_eq!(found(&cache, [0, 2, 3, 4]), [0, 2, 3, 4]);
    assert!(found(&cache, [1]).is_empty());
    drop(cache);
    let cache = open();
    keep(&cache, [5]);
    assert_eq!(found(&cache, 0..6), [2, 3, 4, 5]);
}

#[test]
fn vectors_of_other_lengths_and_without_sense_are_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = shelf(folder.path(), 4).cache("texts", &about("m", LONG));
    for bad in [vec![1.0], vec![], vec![1.0, f32::NAN, 1.0], vec![f32::INFINITY, 0.0, 0.0]] {
        cache.keep([1; 32], &bad.into());
    }
    assert_eq!((cache.len(), cache.find(&[1; 32])), (0, None));
}

#[test]
fn file_cut_or_damaged_anywhere_gives_no_wrong_vector_and_takes_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || shelf(folder.path(), 1_000).cache("texts", &about("m", LONG));
    keep(&open(), 0..3);
    let path = file(folder.path());
    let whole = fs::read(&path).expect("the file");
    // Header, heads and rows that hold something.
    let rows = 4_096 + 256 * 64;
    let places = (0..40).chain(4_080..4_100).chain(4_096..4_096 + 3 * 64).chain(rows..rows + 3 * 64);
    for at in places.clone() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).expect("damaged");
        let cache = open();
        let kept = found(&cache, 0..3).len();
        assert!(kept >= 2 || at < 4_096, "{kept} at {at}");
        keep(&cache, 0..4);
        drop(cache);
        assert_eq!(found(&open(), 0..4), [0, 1, 2, 3], "damaged at {at}");
    }
    for at in places.chain([whole.len() - 1]) {
        fs::write(&path, &whole[..at]).expect("cut");
        let cache = open();
        found(&cache, 0..3);
        keep(&cache, 0..4);
        drop(cache);
        assert_eq!(found(&open(), 0..4), [0, 1, 2, 3], "cut at {at}");
    }
}

#[test]
fn file_of_another_kind_is_set_aside_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let letter = "Dear Ana, ".repeat(1_000);
    fs::write(file(folder.path()), &letter).expect("written");
    let cache = shelf(folder.path(), 10).cache("texts", &about("m", LONG));
    keep(&cache, [7]);
    assert_eq!(found(&cache, [7]), [7]);
    let aside = fs::read_to_string(file(folder.path()).with_extension("aside")).expect("set aside");
    assert_eq!(aside, letter);
}

#[test]
fn folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let _shelf = shelf(folder.path(), 1);
    let error = Shelf::open(folder.path(), 1).expect_err("in use");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn models_and_lengths_have_files_of_their_own_and_the_long_unused_go() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..7u8 {
        let shelf = shelf(folder.path(), 10);
        keep(&shelf.cache("texts", &about(&format!("model {number}"), LONG)), [number]);
        shelf.prune();
    }
    let shelf = shelf(folder.path(), 10);
    let count = || {
        let names = fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("a file").path());
        names.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).count()
    };
    assert_eq!(count(), 1 + OTHER_FILES_MAX);
    let last = shelf.cache("texts", &about("model 6", LONG));
    assert_eq!(found(&last, 0..7), [6]);
    assert_eq!(shelf.cache("texts", &about("model 6", LONG + 1)).len(), 0);
}

#[test]
fn file_that_is_open_is_not_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(folder.path(), 10);
    let (one, two) = (shelf.cache("texts", &about("m", LONG)), shelf.cache("texts", &about("m", LONG)));
    keep(&one, [1]);
    keep(&two, [2]);
    assert_eq!((found(&one, 0..4), found(&two, 0..4)), (vec![1], vec![2]));
    drop((one, two, shelf));
    assert_eq!(found(&self::shelf(folder.path(), 10).cache("texts", &about("m", LONG)), 0..4), [1]);
}

#[test]
fn folder_that_goes_away_costs_no_vector_of_this_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder.path().join("cache"), 10);
    fs::remove_dir_all(folder.path().join("cache")).expect("removed");
    let cache = shelf.cache("texts", &about("m", LONG));
    keep(&cache, 0..3);
    assert_eq!(found(&cache, 0..4), [0, 1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a list whose front is what was used last.
    #[test]
    fn cache_is_a_list_by_last_use(steps in prop::collection::vec((0u8..12, any::<bool>()), 1..120)) {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = shelf(folder.path(), 5).cache("texts", &about("m", LONG));
        let mut model: Vec<u8> = Vec::new();
        for (number, is_keep) in steps {
            let there = model.iter().position(|known| *known == number);
            if is_keep {
                keep(&cache, [number]);
                if there.is_none() {
                    model.truncate(4);
                    model.insert(0, number);
                }
            } else {
                prop_assert_eq!(cache.find(&[number; 32]).is_some(), there.is_some());
                if let Some(at) = there {
                    let known = model.remove(at);
                    model.insert(0, known);
                }
            }
        }
        prop_assert_eq!(cache.len(), model.len());
    }
}
