use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::{collection::vec, prelude::*};
use vector_index::{Config, Distance, Durability, FileError, Index, IndexError, Point, Search};

use super::support::{DISTANCES, check_exact, ids, point};

fn open(folder: &Path, config: Config) -> Result<Index, IndexError> {
    Index::open(folder, config, Durability::System)
}

/// Files of a folder with this ending, by name.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    folder
}

/// A folder with a segment, and behind it a log with two writes.
fn small(distance: Distance) -> (tempfile::TempDir, Config) {
    let config = Config::new(3, distance);
    let folder = tempfile::tempdir().expect("a folder");
    let index = open(folder.path(), config).expect("an index");
    let points: [(&str, [f32; 3]); 3] = [("a", [1.0, 0.0, 0.0]), ("b", [0.0, 1.0, 0.0]), ("c", [0.0, 0.0, 1.0])];
    let points = points.each_ref().map(|(id, vector)| Point { payload: id.as_bytes(), ..point(id, vector) });
    index.upsert(&points).expect("stored");
    index.compact_fully().expect("compacted");
    index.upsert(&[point("d", &[1.0, 1.0, 0.0])]).expect("stored");
    index.upsert(&[point("e", &[0.0, 1.0, 1.0]), point("a", &[1.0, 0.1, 0.0])]).expect("stored");
    (folder, config)
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<(u8, Vec<f32>)>),
    Remove(Vec<u8>),
    Compact,
    CompactFully,
    /// Nothing is written when an index is dropped: to the files it is a crash.
    Reopen,
}

fn steps(dimension: usize) -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![-3i8..=3, Just(7)].prop_map(|value| f32::from(value) / 2.0);
    let points = vec((0u8..40, vec(value, dimension)), 1..10);
    let step = prop_oneof![
        5 => points.prop_map(Step::Upsert),
        2 => vec(0u8..40, 0..6).prop_map(Step::Remove),
        2 => Just(Step::Compact),
        1 => Just(Step::CompactFully),
        3 => Just(Step::Reopen),
    ];
    vec(step, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn what_was_acknowledged_is_there_after_any_crash(
        (steps, query) in (1usize..6).prop_flat_map(|n| (steps(n), vec(-2.0f32..2.0, n))),
        which in 1usize..3,
    ) {
        let distance = DISTANCES[which];
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { seal_rows: 8, ..Config::new(query.len(), distance) };
        let mut index = open(folder.path(), config).expect("an index");
        let mut model = BTreeMap::<String, Vec<f32>>::new();
        for step in steps {
            match step {
                Step::Upsert(points) => {
                    let named: Vec<_> = points.iter().map(|(id, vector)| (format!("p{id:02}"), vector)).collect();
                    let points: Vec<_> = named
                        .iter()
                        .map(|(id, vector)| Point { tenant: id.len() as u32, payload: id.as_bytes(), ..point(id, vector) })
                        .collect();
                    index.upsert(&points).expect("stored");
                    model.extend(named.iter().map(|(id, vector)| (id.clone(), (*vector).clone())));
                }
                Step::Remove(gone) => {
                    let named: Vec<String> = gone.iter().map(|id| format!("p{id:02}")).collect();
                    let names: Vec<&str> = named.iter().map(String::as_str).collect();
                    let there = names.iter().filter(|name| model.remove(**name).is_some()).count();
                    prop_assert_eq!(index.remove(&names).expect("removed"), there);
                }
                Step::Compact => while index.compact().expect("compacted") {},
                Step::CompactFully => index.compact_fully().expect("compacted"),
                Step::Reopen => {
                    drop(index);
                    index = open(folder.path(), config).expect("the index");
                }
            }
        }
        drop(index);
        let index = open(folder.path(), config).expect("the index");
        index.verify().expect("whole");
        let snapshot = index.snapshot();
        prop_assert_eq!(snapshot.len(), model.len());
        for (id, vector) in &model {
            let found = snapshot.get(id).expect("a point");
            prop_assert_eq!((found.vector, found.payload, found.tenant), (&vector[..], id.as_bytes(), id.len() as u32));
        }
        let hits = snapshot.search(&Search { exact: true, ..Search::new(&query, 5) }).expect("hits");
        check_exact(distance, &model, &query, 5, &hits);
    }
}

#[test]
fn log_cut_anywhere_keeps_its_whole_writes_and_takes_more() {
    let (folder, config) = small(Distance::InnerProduct);
    let log = files(folder.path(), "log").pop().expect("a log");
    let length = fs::metadata(&log).expect("a log").len();
    let mut states = Vec::new();
    for cut in 0..=length {
        let folder = copy(folder.path());
        let log = folder.path().join(log.file_name().expect("a name"));
        fs::OpenOptions::new().write(true).open(&log).expect("the log").set_len(cut).expect("cut");
        let Ok(index) = open(folder.path(), config) else {
            assert!(cut < 16, "cut at {cut}");
            continue;
        };
        let snapshot = index.snapshot();
        let a = snapshot.get("a").expect("a point").vector[1];
        states.push((snapshot.get("d").is_some(), snapshot.get("e").is_some(), a == 0.1));
        index.upsert(&[point("next", &[1.0, 1.0, 1.0])]).expect("stored");
        drop(index);
        let index = open(folder.path(), config).expect("the index");
        assert!(index.snapshot().get("next").is_some(), "cut at {cut}");
    }
    states.dedup();
    assert_eq!(states, [(false, false, false), (true, false, false), (true, true, true)]);
}

#[test]
fn record_damaged_before_the_end_is_an_error_and_not_a_loss() {
    let (folder, config) = small(Distance::InnerProduct);
    let log = files(folder.path(), "log").pop().expect("a log");
    let mut bytes = fs::read(&log).expect("the log");
    bytes[16 + 12 + 3] ^= 1;
    fs::write(&log, &bytes).expect("damaged");
    let error = open(folder.path(), config).expect_err("refused");
    assert!(matches!(error, IndexError::File(FileError::Log { .. })), "{error}");
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(fs::read(&log).expect("the log"), bytes, "what is left of it is left alone");
}

/// A length that points behind the end looks like a cut, but for its own checksum.
#[test]
fn flipped_bit_in_a_records_length_is_an_error_in_the_last_record_too() {
    let (folder, config) = small(Distance::InnerProduct);
    let log = files(folder.path(), "log").pop().expect("a log");
    let whole = fs::read(&log).expect("the log");
    let first_bytes = u32::from_le_bytes(whole[16..20].try_into().expect("four"));
    let second = 16 + 12 + first_bytes as usize;
    for (start, byte, bit) in [16, second].into_iter().flat_map(|start| (0..64).map(move |at| (start, at / 8, at % 8)))
    {
        let mut bytes = whole.clone();
        bytes[start + byte] ^= 1 << bit;
        fs::write(&log, &bytes).expect("damaged");
        let error = open(folder.path(), config).expect_err("refused").to_string();
        assert!(error.contains("damaged"), "record at {start}, byte {byte}, bit {bit}: {error}");
        assert_eq!(fs::read(&log).expect("the log"), bytes);
    }
    // The file was made longer, and the record did not get there before the power went.
    for zeroed in [0, 4, 8, 12, 40] {
        let mut bytes = whole.clone();
        bytes[second + zeroed..].fill(0);
        fs::write(&log, &bytes).expect("zeroed");
        let index = open(folder.path(), config).expect("the index");
        assert!(index.snapshot().get("d").is_some() && index.snapshot().get("e").is_none(), "zero from {zeroed}");
    }
}

#[test]
fn cut_files_are_refused() {
    for distance in DISTANCES {
        let (folder, config) = small(distance);
        for ending in ["seg", "MANIFEST"] {
            let path = match ending {
                "seg" => files(folder.path(), "seg").pop().expect("a segment"),
                name => folder.path().join(name),
            };
            let whole = fs::read(&path).expect("the file");
            for cut in (0..whole.len()).filter(|cut| *cut < 100 || cut % 23 == 0) {
                fs::write(&path, &whole[..cut]).expect("cut");
                let error = open(folder.path(), config).expect_err("refused");
                assert!(matches!(error, IndexError::File(_)), "{ending} cut at {cut}: {error}");
            }
            fs::write(&path, &whole).expect("restored");
        }
        open(folder.path(), config).expect("whole again");
    }
}

/// Each bit on its own: the file is refused, or the damage is found by a check, or it changed nothing; and whatever is
/// asked of a damaged index is answered.
#[test]
fn flipped_bits_are_found_and_break_nothing() {
    let (folder, config) = small(Distance::Euclidean);
    for path in [files(folder.path(), "seg").pop().expect("a segment"), folder.path().join("MANIFEST")] {
        let whole = fs::read(&path).expect("the file");
        for at in 0..whole.len() * 8 {
            // Every bit of the numbers in the header, and a sample of the rest.
            if at / 8 >= 120 && at % 29 != 0 {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            fs::write(&path, &bytes).expect("damaged");
            let Ok(index) = open(folder.path(), config) else { continue };
            let snapshot = index.snapshot();
            for exact in [false, true] {
                let search = Search { exact, ..Search::new(&[1.0, 0.0, 0.0], 9) };
                let hits = snapshot.search(&search).expect("hits");
                let sound = ids(&hits) == ["a", "d", "b", "c", "e"];
                assert!(sound || index.verify().is_err(), "bit {at} of {}", path.display());
            }
            assert_eq!(snapshot.points().count(), snapshot.len());
            assert_eq!(index.remove(&["nobody"]).expect("looked for"), 0);
            let _ = snapshot.get("b");
        }
        fs::write(&path, &whole).expect("restored");
    }
}

#[test]
fn foreign_and_newer_files_are_named_and_left_alone() {
    for (ending, magic) in [("seg", b"DRGMVIDX"), ("log", b"DRGMVLOG"), ("MANIFEST", b"DRGMVMAN")] {
        let (folder, config) = small(Distance::Cosine);
        let path = files(folder.path(), ending).pop().unwrap_or_else(|| folder.path().join(ending));
        let mut whole = fs::read(&path).expect("the file");
        assert_eq!(&whole[..8], magic);
        fs::write(&path, "Dear Ana, what follows is longer than any header that we know of. ".repeat(40))
            .expect("written");
        let error = open(folder.path(), config).expect_err("refused").to_string();
        assert!(
            error.contains("is a file of another kind") && error.contains(path.to_str().expect("a path")),
            "{error}"
        );
        assert!(fs::read(&path).expect("the file").starts_with(b"Dear Ana"));
        whole[8] = 9;
        fs::write(&path, &whole).expect("written");
        let error = open(folder.path(), config).expect_err("refused").to_string();
        assert!(error.contains("has version 9 of the format; this program reads version"), "{error}");
        fs::remove_file(&path).expect("removed");
        if ending != "MANIFEST" {
            assert!(open(folder.path(), config).is_err(), "a missing {ending} is no empty one");
        }
    }
}

#[test]
fn folder_belongs_to_whoever_opened_it_first_and_to_one_shape() {
    let (folder, config) = small(Distance::Cosine);
    let first = open(folder.path(), config).expect("the index");
    assert!(matches!(open(folder.path(), config), Err(IndexError::File(FileError::Locked(_)))));
    drop(first);
    for other in [Config::new(4, Distance::Cosine), Config::new(3, Distance::Euclidean)] {
        assert!(matches!(open(folder.path(), other), Err(IndexError::File(FileError::OtherShape(_)))));
    }
    assert_eq!(open(folder.path(), config).expect("the index").snapshot().len(), 5);
    assert_eq!(Config::of_folder(folder.path()).expect("a manifest"), Some(config));
    assert_eq!(Config::of_folder(&folder.path().join("nothing")).expect("no folder is no index"), None);
    fs::write(folder.path().join("MANIFEST"), "a letter").expect("written");
    assert!(matches!(Config::of_folder(folder.path()), Err(FileError::Manifest { .. })));
}

#[test]
fn leftovers_of_a_crash_are_cleared_and_other_files_stay() {
    let (folder, config) = small(Distance::Cosine);
    for name in ["00000099.seg", "00000098.log", "00000097.new", "notes.txt"] {
        fs::write(folder.path().join(name), "left over").expect("written");
    }
    drop(open(folder.path(), config).expect("the index"));
    assert_eq!(files(folder.path(), "seg").len(), 1);
    assert_eq!(files(folder.path(), "log").len(), 1);
    assert!(files(folder.path(), "new").is_empty());
    assert!(folder.path().join("notes.txt").exists());
}
