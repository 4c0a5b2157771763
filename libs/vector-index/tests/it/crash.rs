//! A process that writes and compacts is killed, again and again: what it acknowledged is there.
//!
//! The test starts its own program anew as the process to be killed. `KILL_ROUNDS=200` is the long run.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use vector_index::{Config, Distance, Durability, Index, Point};

const IDS: u64 = 300;
const BATCH: u64 = 7;

fn open(folder: &Path) -> Index {
    let config = Config { seal_rows: 100, ..Config::new(24, Distance::InnerProduct) };
    Index::open(folder, config, Durability::System).expect("the index")
}

/// The values of write `number`.
fn vector(number: u64) -> Vec<f32> {
    (0..24u64).map(|at| (number * 31 + at * 7) as f32 % 1009.0 + 1.0).collect()
}

/// Write `number`: points that come (with the number as payload), or every fifth time points that go.
fn ids(number: u64) -> Vec<String> {
    (0..BATCH).map(|at| format!("p{:03}", (number * 37 + at * 11) % IDS)).collect()
}

fn removes(number: u64) -> bool {
    number % 5 == 4
}

/// Not a test unless a parent says where: writes, compacts, and says after each write that it was acknowledged.
#[test]
fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var("CRASH_FOLDER"), std::env::var("CRASH_FIRST")) else { return };
    let index = open(Path::new(&folder));
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                index.compact().expect("compacted");
            }
        });
        let mut out = std::io::stdout();
        for number in first.parse::<u64>().expect("a number").. {
            let (names, vector) = (ids(number), vector(number));
            if removes(number) {
                index.remove(&names.iter().map(String::as_str).collect::<Vec<_>>()).expect("removed");
            } else {
                let payload = number.to_le_bytes();
                let points = names.iter().map(|id| Point { id, tenant: 0, payload: &payload, vector: &vector });
                index.upsert(&points.collect::<Vec<_>>()).expect("stored");
            }
            if number % 9 == 0 {
                index.seal().expect("sealed or not due");
            }
            writeln!(out, "done {number}").expect("said");
            out.flush().expect("said");
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8u64);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut model, mut next) = (BTreeMap::<String, u64>::new(), 0u64);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
            .env("CRASH_FOLDER", folder.path())
            .env("CRASH_FIRST", next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let wanted = 5 + (round * 7919) % 400;
        let mut acknowledged = next;
        for line in lines.by_ref() {
            let line = line.expect("a line");
            let Some(number) = line.rsplit_once("done ").and_then(|(_, number)| number.parse::<u64>().ok()) else {
                continue;
            };
            acknowledged = number + 1;
            if acknowledged >= next + wanted {
                break;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // What it said before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.rsplit_once("done ").and_then(|(_, number)| number.parse::<u64>().ok()) {
                acknowledged = number + 1;
            }
        }
        assert!(acknowledged > next, "it wrote");
        for number in next..acknowledged {
            apply(&mut model, number);
        }
        let index = open(folder.path());
        index.verify().expect("whole");
        let found: BTreeMap<String, u64> = index
            .snapshot()
            .points()
            .map(|point| {
                let number = u64::from_le_bytes(point.payload.try_into().expect("a number"));
                assert_eq!(point.vector, vector(number));
                (point.id.to_owned(), number)
            })
            .collect();
        // The write that was on its way is there as a whole, or not at all.
        next = acknowledged;
        if found != model {
            apply(&mut model, acknowledged);
            next += 1;
        }
        assert!(found == model, "round {round}: something is lost or came back");
    }
    println!("figure kill9_upserts_lost 0");
    println!("figure kill9_files_unreadable 0");
    println!("figure kill9_rounds {rounds}");
}

fn apply(model: &mut BTreeMap<String, u64>, number: u64) {
    for id in ids(number) {
        if removes(number) {
            model.remove(&id);
        } else {
            model.insert(id, number);
        }
    }
}
