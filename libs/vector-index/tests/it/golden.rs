//! A folder that an older program wrote stays readable; and the same points give the same segment: for ever, but for the
//! choice of lists and links, which is no matter of the format.
//!
//! `UPDATE_GOLDEN=v1` writes that folder anew: only together with a new version of the format, in a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vector_index::{Config, Distance, Durability, Index, Point, Search};

use super::support::{Clusters, ids};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// A folder of `rows` points in one segment and a log.
fn write(folder: &Path, config: Config, rows: u32) {
    let index = Index::open(folder, config, Durability::Disk).expect("an index");
    let mut clusters = Clusters::new(77, 5, 3, 0.5);
    let vectors: Vec<Vec<f32>> = (0..rows).map(|_| clusters.vector()).collect();
    let names: Vec<String> = (0..rows).map(|number| format!("point-{number}")).collect();
    let points = names.iter().zip(&vectors).zip(0..).map(|((id, vector), number)| Point {
        id,
        tenant: number % 3,
        payload: if number % 2 == 0 { b"even" } else { b"" },
        vector,
    });
    index.upsert(&points.collect::<Vec<_>>()).expect("stored");
    index.compact_fully().expect("compacted");
    index.tidy(&|| false).expect("tidied");
    index.remove(&["point-3"]).expect("removed");
    index
        .upsert(&[Point { id: "late", tenant: 9, payload: b"log", vector: &[1.0, 0.0, 0.0, 0.0, 0.5] }])
        .expect("stored");
}

fn config() -> Config {
    Config::new(5, Distance::Euclidean)
}

#[test]
fn folder_of_the_first_format_is_read_and_written_the_same() {
    let (golden, new) = (read("v1", config(), 12), tempfile::tempdir().expect("a folder"));
    write(new.path(), config(), 12);
    assert_same(&golden, new.path());
}

#[test]
fn folder_with_lists_and_a_graph_is_read_and_written_the_same_twice() {
    let config = Config { list_rows: 10, ..config() };
    read("v1-graph", config, 40);
    let twice = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    twice.iter().for_each(|folder| write(folder.path(), config, 40));
    assert_same(twice[0].path(), twice[1].path());
    let index = Index::open(twice[0].path(), config, Durability::Disk).expect("the index");
    assert_eq!(index.snapshot().stats().linked, 40);
}

fn assert_same(one: &Path, other: &Path) {
    let mut seen = 0;
    for entry in fs::read_dir(one).expect("a folder") {
        let path = entry.expect("an entry").path();
        let other = other.join(path.file_name().expect("a name"));
        let bytes = |path: &Path| fs::read(path).expect("a file");
        assert!(bytes(&path) == bytes(&other), "{} differs from {}", path.display(), other.display());
        seen += 1;
    }
    assert!(seen >= 3, "manifest, segment, log");
}

/// Reads a copy of a golden folder; gives the folder.
fn read(name: &str, config: Config, rows: u32) -> PathBuf {
    let golden = Path::new(GOLDEN).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|wanted| wanted == name) {
        let _ = fs::remove_dir_all(&golden);
        fs::create_dir_all(&golden).expect("a folder");
        write(&golden, config, rows);
        fs::remove_file(golden.join("lock")).expect("removed");
    }
    let old = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(&golden).expect("the golden folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, old.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let index = Index::open(old.path(), config, Durability::Disk).expect("the index");
    index.verify().expect("whole");
    let snapshot = index.snapshot();
    assert_eq!(snapshot.len(), rows as usize);
    assert!(snapshot.get("point-3").is_none());
    let late = snapshot.get("late").expect("a point");
    assert_eq!((late.tenant, late.payload, late.vector), (9, &b"log"[..], &[1.0, 0.0, 0.0, 0.0, 0.5][..]));
    let vector = snapshot.get("point-4").expect("a point").vector.to_vec();
    assert_eq!(ids(&snapshot.search(&Search::new(&vector, 1)).expect("hits")), ["point-4"]);
    golden
}
