//! A folder that an older program wrote stays readable; and the same points give the same segment for ever.
//!
//! `UPDATE_GOLDEN=1` writes the folder anew: only together with a new version of the format, in a folder of its own.

use std::{fs, path::Path};

use vector_index::{Config, Distance, Durability, Index, Point, Search};

use super::support::{Clusters, ids};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1");

fn write(folder: &Path) {
    let index = Index::open(folder, config(), Durability::Disk).expect("an index");
    let mut clusters = Clusters::new(77, 5, 3, 0.5);
    let vectors: Vec<Vec<f32>> = (0..12).map(|_| clusters.vector()).collect();
    let names: Vec<String> = (0..12).map(|number| format!("point-{number}")).collect();
    let points = names.iter().zip(&vectors).zip(0..).map(|((id, vector), number)| Point {
        id,
        tenant: number % 3,
        payload: if number % 2 == 0 { b"even" } else { b"" },
        vector,
    });
    index.upsert(&points.collect::<Vec<_>>()).expect("stored");
    index.compact_fully().expect("compacted");
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
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(GOLDEN);
        fs::create_dir_all(GOLDEN).expect("a folder");
        write(Path::new(GOLDEN));
        fs::remove_file(Path::new(GOLDEN).join("lock")).expect("removed");
    }
    let (old, new) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(new.path());
    let mut seen = 0;
    for entry in fs::read_dir(GOLDEN).expect("the golden folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        let bytes = fs::read(&path).expect("a file");
        assert!(bytes == fs::read(new.path().join(name)).expect("the same file"), "{} differs", path.display());
        fs::write(old.path().join(name), bytes).expect("copied");
        seen += 1;
    }
    assert_eq!(seen, 3, "manifest, segment, log");

    let index = Index::open(old.path(), config(), Durability::Disk).expect("the index");
    index.verify().expect("whole");
    let snapshot = index.snapshot();
    assert_eq!(snapshot.len(), 12);
    assert!(snapshot.get("point-3").is_none());
    let late = snapshot.get("late").expect("a point");
    assert_eq!((late.tenant, late.payload, late.vector), (9, &b"log"[..], &[1.0, 0.0, 0.0, 0.0, 0.5][..]));
    let vector = snapshot.get("point-4").expect("a point").vector.to_vec();
    assert_eq!(ids(&snapshot.search(&Search::new(&vector, 1)).expect("hits")), ["point-4"]);
}
