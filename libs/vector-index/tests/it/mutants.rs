//! Files that something went wrong with, thousands of them: refused by name, or read as they were; and nothing panics.
//!
//! In half of them all checksums are right again, as an attacker or a bug of ours would leave them: what they say then
//! is not known, only that it breaks nothing. `PROPTEST_CASES=100000` is the long run.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use proptest::{collection::vec, prelude::*, sample::Index as At};
use vector_index::{Config, Distance, Durability, Index, IndexError, Point, Search, Snapshot};

use super::support::{Clusters, DISTANCES};

const DIMENSION: usize = 5;
const FILES: [&str; 3] = ["MANIFEST", "seg", "log"];

#[derive(Clone, Debug)]
enum Edit {
    Flip(At, u8),
    Put(At, u64, usize),
    Cut(At),
    Remove(At, usize),
    Insert(At, Vec<u8>),
    Copy(At, At, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let number = prop_oneof![
        0u64..70,
        any::<u64>(),
        (0u32..64).prop_map(|bit| 1 << bit),
        (0u32..64).prop_map(|bit| u64::MAX >> bit),
        // NaN and infinity.
        Just(0x7fc0_0000_7fc0_0000),
        Just(0x7f80_0000_ff80_0000),
    ];
    let size = prop_oneof![Just(1usize), Just(2), Just(4), Just(8)];
    // Most of what is worth changing stands in the first bytes.
    let at = || any::<At>();
    prop_oneof![
        3 => (at(), 0u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        6 => (at(), number, size).prop_map(|(at, number, size)| Edit::Put(at, number, size)),
        1 => at().prop_map(Edit::Cut),
        1 => (at(), 1usize..200).prop_map(|(at, bytes)| Edit::Remove(at, bytes)),
        1 => (at(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (at(), at(), 1usize..200).prop_map(|(from, to, bytes)| Edit::Copy(from, to, bytes)),
    ]
}

/// Makes the edits; `head` are the first bytes that half of them go to, at multiples of four.
fn edited(file: &[u8], edits: &[(Edit, bool)], head: usize) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for (edit, in_head) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = |at: &At| {
            let all = bytes.len();
            if *in_head { (at.index(head.min(all)) / 4 * 4).min(all - 1) } else { at.index(all) }
        };
        match edit {
            Edit::Flip(place, bit) => {
                let at = at(place);
                bytes[at] ^= 1 << bit;
            }
            Edit::Put(place, number, size) => {
                let start = at(place);
                let end = bytes.len().min(start + size);
                bytes[start..end].copy_from_slice(&number.to_le_bytes()[..end - start]);
            }
            Edit::Cut(place) => bytes.truncate(at(place)),
            Edit::Remove(place, count) => {
                let start = at(place);
                bytes.drain(start..bytes.len().min(start + count));
            }
            Edit::Insert(place, more) => {
                let start = at(place);
                bytes.splice(start..start, more.iter().copied());
            }
            Edit::Copy(from, to, count) => {
                let (from, to) = (at(from), at(to));
                let count = (*count).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + count, to);
            }
        }
    }
    bytes
}

/// Makes all checksums right.
fn sign(which: &str, bytes: &mut [u8]) {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) as usize;
    let last = |bytes: &mut [u8]| {
        if let Some((checked, checksum)) = bytes.split_last_chunk_mut::<4>() {
            *checksum = crc32fast::hash(checked).to_le_bytes();
        }
    };
    match which {
        "MANIFEST" => last(bytes),
        "seg" if bytes.len() >= 1024 => {
            for place in (56..56 + 13 * 24).step_by(24) {
                let (start, size) = (number(&bytes[place..place + 8]), number(&bytes[place + 8..place + 16]));
                let section = start.checked_add(size).and_then(|end| bytes.get(start..end));
                if let Some(checksum) = section.map(crc32fast::hash) {
                    bytes[place + 16..place + 20].copy_from_slice(&checksum.to_le_bytes());
                }
            }
            last(&mut bytes[..1024]);
        }
        "log" => {
            let mut at = 16;
            while let Some(head) = bytes.get(at..at + 12) {
                let end = at + 12 + number(&head[..4]);
                let of_length = crc32fast::hash(&head[..4]);
                bytes[at + 4..at + 8].copy_from_slice(&of_length.to_le_bytes());
                let Some(record) = bytes.get(at + 12..end) else { break };
                let checksum = crc32fast::hash(record);
                bytes[at + 8..at + 12].copy_from_slice(&checksum.to_le_bytes());
                at = end;
            }
        }
        _ => {}
    }
}

/// Vectors and payloads by id.
type State = BTreeMap<String, (u32, Vec<u8>, Vec<u32>)>;

fn state(snapshot: &Snapshot) -> State {
    let value = |point: Point<'_>| {
        let vector = point.vector.iter().map(|value| value.to_bits()).collect();
        (point.id.to_owned(), (point.tenant, point.payload.to_vec(), vector))
    };
    snapshot.points().map(value).collect()
}

/// The files of an index by their endings, and what it held after each write of its log.
struct Folder {
    config: Config,
    files: BTreeMap<PathBuf, Vec<u8>>,
    states: Vec<State>,
}

impl Folder {
    fn make(distance: Distance) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { list_rows: 60, ..Config::new(DIMENSION, distance) };
        let index = Index::open(folder.path(), config, Durability::System).expect("an index");
        let mut clusters = Clusters::new(21, DIMENSION, 3, 0.5);
        let vectors: Vec<Vec<f32>> = (0..100).map(|_| clusters.vector()).collect();
        let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
        let points = names.iter().zip(&vectors).zip(0..);
        let points: Vec<Point<'_>> = points
            .map(|((id, vector), number)| Point { id, tenant: number / 70, payload: id.as_bytes(), vector })
            .collect();
        index.upsert(&points[..80]).expect("stored");
        index.compact_fully().expect("compacted");
        index.tidy(&|| false).expect("tidied");
        assert_eq!(index.snapshot().stats().linked > 0, distance != Distance::InnerProduct, "a graph is in the file");
        let mut states = vec![state(&index.snapshot())];
        index.upsert(&points[70..90]).expect("stored");
        states.push(state(&index.snapshot()));
        index.remove(&["p3", "p85"]).expect("removed");
        states.push(state(&index.snapshot()));
        index.upsert(&points[85..]).expect("stored");
        states.push(state(&index.snapshot()));
        drop(index);
        let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files = entries.map(|path| (path.file_name().expect("a name").into(), fs::read(&path).expect("a file")));
        Self { config, files: files.collect(), states }
    }

    fn of(which: usize) -> &'static Self {
        static FOLDERS: [OnceLock<Folder>; 3] = [const { OnceLock::new() }; 3];
        FOLDERS[which].get_or_init(|| Self::make(DISTANCES[which]))
    }

    /// The folder with this file in the place of its own; gives the file's path.
    fn write(&self, folder: &Path, ending: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) -> PathBuf {
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).expect("written");
        }
        let mut names = self.files.keys();
        let name = names.find(|name| name.to_string_lossy().ends_with(ending)).expect("a file");
        fs::write(folder.join(name), change(&self.files[name])).expect("written");
        folder.join(name)
    }
}

fn edits() -> impl Strategy<Value = Vec<(Edit, bool)>> {
    vec((edit(), any::<bool>()), 1..4)
}

fn cases(times: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases * times, ..default }
}

/// A manifest whose numbers have no room left, or name a file twice, would overflow or replay a log twice.
#[test]
fn manifest_with_impossible_numbers_is_refused() {
    let whole = Folder::of(0);
    let refused = |edit: &dyn Fn(&mut [u8])| {
        let folder = tempfile::tempdir().expect("a folder");
        whole.write(folder.path(), "MANIFEST", |bytes| {
            let mut bytes = bytes.to_vec();
            edit(&mut bytes);
            sign("MANIFEST", &mut bytes);
            bytes
        });
        Index::open(folder.path(), whole.config, Durability::System).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|bytes| bytes[40..48].fill(0xff)), "next number");
    assert!(refused(&|bytes| bytes[40..48].fill(0)), "a number that files have");
    assert!(refused(&|bytes| bytes.copy_within(bytes.len() - 12..bytes.len() - 4, 48)), "one file's number twice");
}

proptest! {
    #![proptest_config(cases(8))]
    #[test]
    fn damaged_file_is_refused_by_name_or_changes_nothing(edits in edits(), which in 0usize..3, file in 0usize..3) {
        let (whole, folder) = (Folder::of(which), tempfile::tempdir().expect("a folder"));
        let path = whole.write(folder.path(), FILES[file], |bytes| edited(bytes, &edits, 400));
        match Index::open(folder.path(), whole.config, Durability::System) {
            Ok(index) => {
                let found = state(&index.snapshot());
                let sound = match FILES[file] {
                    // What a crash leaves of a log: its first writes.
                    "log" => whole.states.contains(&found),
                    _ => whole.states.last() == Some(&found) || index.verify().is_err(),
                };
                prop_assert!(sound, "{} was believed", path.display());
            }
            Err(IndexError::File(error)) => {
                let text = error.to_string();
                prop_assert!(text.contains(path.to_str().expect("a path")), "{text}");
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn tenants_out_of_their_order_are_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::new(2, Distance::Euclidean);
    let open = || Index::open(folder.path(), config, Durability::System);
    let index = open().expect("an index");
    let of = |tenant: u32, id| Point { id, tenant, payload: b"", vector: &[1.0, 2.0] };
    index.upsert(&[of(1, "a"), of(2, "b")]).expect("stored");
    index.compact_fully().expect("compacted");
    drop(index);
    let mut entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let path = entries.find(|path| path.extension().is_some_and(|ending| ending == "seg")).expect("a segment");
    let mut bytes = fs::read(&path).expect("a file");
    let place = 56 + 6 * 24;
    let start = u64::from_le_bytes(bytes[place..place + 8].try_into().expect("eight")) as usize;
    assert_eq!((bytes[start], bytes[start + 16]), (1, 2), "the runs' tenants");
    bytes[start] = 3;
    sign("seg", &mut bytes);
    fs::write(&path, &bytes).expect("written");
    let error = open().expect_err("a tenant's rows would not be found");
    let words = std::error::Error::source(&error).map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
    assert!(words.contains("runs"), "{words}");
}

/// Links to anywhere, and scores that are no numbers.
#[test]
fn graph_of_chance_with_right_checksums_breaks_nothing() {
    for distance in [Distance::Cosine, Distance::Euclidean] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { list_rows: 3_000, ..Config::new(64, distance) };
        let open = || Index::open(folder.path(), config, Durability::System).expect("an index");
        let mut clusters = Clusters::new(41, 64, 20, 0.5);
        let (index, all) = (open(), (0..7_000).map(|row| (format!("p{row}"), clusters.vector())).collect::<Vec<_>>());
        let points = all.iter().map(|(id, vector)| Point { id, tenant: 0, payload: b"", vector });
        index.upsert(&points.collect::<Vec<_>>()).expect("stored");
        index.compact_fully().expect("compacted");
        assert!(index.tidy(&|| false).expect("tidied"));
        drop(index);
        let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        let path =
            entries.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "seg")).expect("a segment");
        let whole = fs::read(&path).expect("a file");
        let place = 56 + 12 * 24;
        let start = u64::from_le_bytes(whole[place..place + 8].try_into().expect("eight")) as usize;
        for share in [1, 2, 16, 256] {
            let mut bytes = whole.clone();
            for word in bytes[start..].as_chunks_mut::<8>().0 {
                let chance = clusters.random();
                if chance.is_multiple_of(share) {
                    *word = chance.rotate_left(20).to_le_bytes();
                }
            }
            sign("seg", &mut bytes);
            fs::write(&path, &bytes).expect("written");
            let index = open();
            index.verify().expect("its checksums are right");
            let snapshot = index.snapshot();
            for (_, query) in &all[..20] {
                let hits = snapshot.search(&Search::new(query, 7)).expect("hits");
                assert!(hits.iter().all(|hit| !hit.score.is_nan()));
            }
        }
    }
}

proptest! {
    // Fewer, because each of them that is read is written too.
    #![proptest_config(cases(4))]

    #[test]
    fn file_with_right_checksums_breaks_nothing_whatever_it_says(edits in edits(), which in 0usize..3, file in 0usize..3) {
        let (whole, folder) = (Folder::of(which), tempfile::tempdir().expect("a folder"));
        whole.write(folder.path(), FILES[file], |bytes| {
            let mut bytes = edited(bytes, &edits, 400);
            sign(FILES[file], &mut bytes);
            bytes
        });
        let Ok(index) = Index::open(folder.path(), whole.config, Durability::System) else { return Ok(()) };
        let _ = index.verify();
        let query = [1.0, -0.5, 0.25, 0.0, 2.0];
        let exercise = |index: &Index| {
            let snapshot = index.snapshot();
            let selection = snapshot.select(|point| point.id.ends_with('7'));
            for (exact, tenant, among) in [(false, None, None), (true, None, None), (true, Some(1), None), (true, None, Some(&selection))] {
                let search = Search { exact, tenant, among, ..Search::new(&query, 7) };
                let hits = snapshot.search(&search).expect("hits");
                assert!(hits.iter().all(|hit| !hit.score.is_nan()));
                let _ = snapshot.search_batch(&[search, Search::new(&query, 200)]);
            }
            assert_eq!(snapshot.points().count(), snapshot.len());
            let _ = (snapshot.get("p5"), snapshot.get("nobody"), snapshot.stats());
        };
        exercise(&index);
        let fine = index.upsert(&[Point { id: "new", tenant: 1, payload: b"new", vector: &query }]).is_ok()
            && index.remove(&["p7", "p71"]).is_ok()
            && index.compact_fully().is_ok();
        exercise(&index);
        prop_assert!(!fine || index.snapshot().get("new").is_some());
    }
}
