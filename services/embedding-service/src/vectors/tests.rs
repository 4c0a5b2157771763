use std::time::Instant;

use prost_types::{Struct, Value, value::Kind};
use tokio::sync::oneshot;
use vector_index::{Distance, Stop};

use super::{collection::Asked, *};
use crate::work::{Work, WorkError};

const LIMITS: Limits = Limits { collections_max: 2, points_max: 10_000, bytes_max: 100_000_000, graph_bytes_max: 0 };

fn flat() -> Schema {
    Schema { dimension: 2, distance: Distance::Euclidean, partition_field: String::new() }
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn payload(fields: &[(&str, &str)]) -> Option<Struct> {
    Some(Struct { fields: fields.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect() })
}

fn point(id: &str, vector: [f32; 2]) -> Point {
    Point { id: id.to_owned(), vector: vector.to_vec(), payload: None }
}

fn collections(folder: &Path) -> Arc<Collections> {
    Arc::new(Collections::open(folder, LIMITS).expect("collections"))
}

fn asked(vector: [f32; 2], k: usize, filter: Option<&Struct>) -> Question {
    Question { vector: vector.to_vec(), k, filter: filter.cloned(), exact: false }
}

fn answer(
    collections: &Collections,
    of: &str,
    question: &Question,
    room: usize,
) -> Result<Vec<Found>, CollectionError> {
    let questions = std::slice::from_ref(question);
    let asked = [Asked { questions, stop: Stop::default(), room: Room::new(room) }];
    let mut answers = collections.find(&tenant(of), "notes")?.answer(&asked);
    answers.remove(0).map(|mut found| found.remove(0))
}

fn nearest(collections: &Collections, of: &str, filter: Option<&Struct>) -> Vec<String> {
    let found = answer(collections, of, &asked([0.0, 0.0], 10, filter), 1_000).expect("found");
    found.into_iter().map(|found| found.id).collect()
}

fn stats(collections: &Collections) -> Stats {
    collections.find(&tenant("acme"), "notes").expect("a collection").stats()
}

/// Waits until upkeep has nothing to do.
fn kept_up(collections: &Collections) {
    let collection = collections.find(&tenant("acme"), "notes").expect("a collection");
    while collection.keep_up() {}
    drop(collection.hurry());
}

#[test]
fn acknowledged_points_are_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = tenant("acme");
    let collections = collections(folder.path());
    collections.create(&acme, "notes", &flat()).expect("created");
    collections.upsert(&acme, "notes", &[point("a", [1.0, 0.0]), point("b", [2.0, 0.0])]).expect("stored");
    collections.upsert(&acme, "notes", &[point("b", [0.5, 0.0])]).expect("stored");
    assert_eq!(collections.remove(&acme, "notes", &["a".into(), "none".into()]).expect("removed"), 1);
    drop(collections);
    let collections = self::collections(folder.path());
    assert_eq!(nearest(&collections, "acme", None), ["b"]);
    assert_eq!(collections.list(&acme, "", 9), [("notes".to_owned(), flat())]);
}

#[test]
fn tenants_do_not_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    collections.create(&tenant("acme"), "notes", &flat()).expect("created");
    let other = tenant("other");
    assert!(matches!(collections.upsert(&other, "notes", &[]), Err(CollectionError::NotFound(_))));
    assert!(matches!(collections.delete(&other, "notes"), Err(CollectionError::NotFound(_))));
    assert!(collections.list(&other, "", 9).is_empty());
    collections.create(&other, "notes", &flat()).expect("created");
    collections.upsert(&other, "notes", &[point("theirs", [0.0, 0.0])]).expect("stored");
    assert!(nearest(&collections, "acme", None).is_empty());
}

#[test]
fn filter_keeps_points_with_all_equal_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let mut red = point("red", [3.0, 0.0]);
    red.payload = payload(&[("colour", "red"), ("size", "l")]);
    let mut blue = point("blue", [1.0, 0.0]);
    blue.payload = payload(&[("colour", "blue"), ("size", "l")]);
    collections.upsert(&acme, "notes", &[red, blue, point("plain", [0.0, 0.0])]).expect("stored");
    let found = |fields: &[(&str, &str)]| nearest(&collections, "acme", payload(fields).as_ref());
    assert_eq!(found(&[("size", "l")]), ["blue", "red"]);
    assert_eq!(found(&[("size", "l"), ("colour", "red")]), ["red"]);
    assert!(found(&[("size", "m")]).is_empty());
    assert_eq!(found(&[]).len(), 3);
}

#[test]
fn bad_point_leaves_nothing_of_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let mut large = point("large", [0.0, 0.0]);
    large.payload = payload(&[("text", &"x".repeat(PAYLOAD_BYTES_MAX))]);
    let wrong = Point { id: "wrong".into(), vector: vec![1.0], payload: None };
    for bad in [point("", [0.0, 0.0]), point("nan", [f32::NAN, 0.0]), point(&"x".repeat(129), [0.0, 0.0]), wrong, large]
    {
        assert!(collections.upsert(&acme, "notes", &[point("good", [0.0, 0.0]), bad]).is_err());
    }
    assert!(nearest(&collections, "acme", None).is_empty());
}

#[test]
fn limits_hold_and_replacing_is_not_growing() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |limits| Collections::open(folder.path(), limits).expect("collections");
    let limits = Limits { collections_max: 1, points_max: 1, ..LIMITS };
    let collections = open(limits);
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    collections.create(&acme, "notes", &flat()).expect("the same again is no error");
    assert!(matches!(collections.create(&acme, "more", &flat()), Err(CollectionError::TooManyCollections(1))));
    let other_schema = Schema { dimension: 3, ..flat() };
    assert!(matches!(collections.create(&acme, "notes", &other_schema), Err(CollectionError::Exists(_))));
    collections.upsert(&acme, "notes", &[point("a", [1.0, 0.0])]).expect("stored");
    collections.upsert(&acme, "notes", &[point("a", [2.0, 0.0])]).expect("replaced");
    let more = || [point("b", [1.0, 0.0])];
    assert!(matches!(collections.upsert(&acme, "notes", &more()), Err(CollectionError::TooManyPoints(1))));
    drop(collections);
    let bytes_max = 100;
    let collections = open(Limits { bytes_max, ..LIMITS });
    assert!(
        matches!(collections.upsert(&acme, "notes", &more()), Err(CollectionError::TooManyBytes(most)) if most == bytes_max)
    );
    collections.create(&tenant("other"), "notes", &flat()).expect("another tenant has its own");
}

#[test]
fn dead_points_are_cleared_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let all = |x: f32| (0..5_000).map(|number| point(&format!("p{number}"), [x, 0.0])).collect::<Vec<_>>();
    for round in 0..4u8 {
        collections.upsert(&acme, "notes", &all(f32::from(round))).expect("stored");
    }
    kept_up(&collections);
    let after = stats(&collections);
    assert_eq!((after.points, after.tail), (5_000, 0));
    assert!(after.disk_bytes < 5_000 * 3 * 300, "{after:?}");
    drop(collections);
    let collections = self::collections(folder.path());
    assert_eq!(Stats { generation: after.generation, ..stats(&collections) }, after);
    assert_eq!(answer(&collections, "acme", &asked([3.0, 0.0], 1, None), 1_000).expect("found")[0].score, 0.0);
}

/// Upkeep makes a large segment of others, say: whoever writes makes one of the tail meanwhile.
#[test]
fn a_tail_does_not_grow_while_upkeep_is_busy() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let collection = collections.find(&acme, "notes").expect("a collection");
    let _busy = collection.hurry();
    let mut tails = Vec::new();
    for _ in 0..4 {
        let points = (0..3_000).map(|number| point(&format!("p{number}"), [1.0, 0.0]));
        collections.upsert(&acme, "notes", &points.collect::<Vec<_>>()).expect("stored");
        tails.push(stats(&collections).tail);
    }
    assert_eq!(tails, [3_000, 6_000, 0, 3_000], "a segment is made of 4,096, and by writers of twice as many");
    assert_eq!((stats(&collections).points, stats(&collections).segments), (3_000, 1));
}

/// What is acknowledged stays so, nobody tries again and again, and upkeep does it as soon as it can.
#[test]
fn a_segment_that_cannot_be_written_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let home = folder.path().join("acme/notes");
    let in_the_way: Vec<_> = (0..100).map(|number| home.join(format!("{number:08}.new"))).collect();
    in_the_way.iter().for_each(|path| std::fs::create_dir(path).expect("a folder"));
    let collection = collections.find(&acme, "notes").expect("a collection");
    let busy = collection.hurry();
    let write = |x: f32| {
        let points = (0..5_000).map(|number| point(&format!("p{number}"), [x, 0.0])).collect::<Vec<_>>();
        collections.upsert(&acme, "notes", &points).expect("stored");
        std::fs::read_dir(&home).expect("the files").count()
    };
    let before = write(1.0);
    let tried = write(2.0);
    assert_eq!((tried, write(3.0)), (before + 1, tried), "one log more, and no other try");
    assert_eq!(stats(&collections).tail, 15_000);
    in_the_way.iter().for_each(|path| std::fs::remove_dir(path).expect("an empty folder"));
    drop(busy);
    kept_up(&collections);
    assert_eq!((stats(&collections).points, stats(&collections).tail), (5_000, 0));
    assert_eq!(answer(&collections, "acme", &asked([3.0, 0.0], 1, None), 1_000).expect("found")[0].score, 0.0);
}

#[test]
fn partition_field_is_a_filter_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    let schema = Schema { partition_field: "customer".to_owned(), ..flat() };
    collections.create(&acme, "notes", &schema).expect("created");
    let of = |id: &str, x: f32, fields: &[(&str, &str)]| Point { payload: payload(fields), ..point(id, [x, 0.0]) };
    let points = [
        of("a", 3.0, &[("customer", "ann"), ("size", "l")]),
        of("b", 2.0, &[("customer", "bob"), ("size", "l")]),
        of("c", 1.0, &[("customer", "ann"), ("size", "s")]),
        of("d", 0.0, &[("size", "l")]),
    ];
    collections.upsert(&acme, "notes", &points).expect("stored");
    let check = |collections: &Collections| {
        let found = |fields: &[(&str, &str)]| nearest(collections, "acme", payload(fields).as_ref());
        assert_eq!(found(&[("customer", "ann")]), ["c", "a"]);
        assert_eq!(found(&[("customer", "ann"), ("size", "l")]), ["a"]);
        assert_eq!(found(&[("size", "l")]), ["d", "b", "a"]);
        assert!(found(&[("customer", "eve")]).is_empty());
        assert_eq!(found(&[]).len(), 4);
    };
    check(&collections);
    kept_up(&collections);
    drop(collections);
    let collections = self::collections(folder.path());
    assert_eq!(collections.list(&acme, "", 9), [("notes".to_owned(), schema)]);
    check(&collections);
    collections.upsert(&acme, "notes", &[of("e", 0.5, &[("customer", "eve")])]).expect("stored");
    assert_eq!(nearest(&collections, "acme", payload(&[("customer", "eve")]).as_ref()), ["e"]);
    assert_eq!(nearest(&collections, "acme", payload(&[("customer", "bob")]).as_ref()), ["b"]);
}

#[test]
fn filter_sees_every_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let red = payload(&[("colour", "red")]);
    let write = |id: &str, colour: &str| {
        let point = Point { payload: payload(&[("colour", colour)]), ..point(id, [1.0, 0.0]) };
        collections.upsert(&acme, "notes", &[point]).expect("stored");
    };
    let found = || nearest(&collections, "acme", red.as_ref());
    write("a", "red");
    assert_eq!(found(), ["a"]);
    write("b", "red");
    assert_eq!(found(), ["a", "b"]);
    write("a", "blue");
    assert_eq!(found(), ["b"]);
    collections.remove(&acme, "notes", &["b".to_owned()]).expect("removed");
    assert!(found().is_empty());
    write("a", "red");
    collections.find(&acme, "notes").expect("a collection").keep_up();
    assert_eq!(found(), ["a"]);
}

#[test]
fn log_of_an_earlier_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("acme").join("notes.log");
    fs::create_dir(folder.path().join("acme")).expect("a folder");
    fs::write(&log, "DRGMVEC1").expect("written");
    let error = Collections::open(folder.path(), LIMITS).expect_err("refused").to_string();
    assert!(error.contains("notes.log") && error.contains("move it away"), "{error}");
    assert!(log.exists());
}

#[test]
fn what_was_not_finished_is_cleared_away() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["notes.new/collection", "old.gone"] {
        fs::create_dir_all(folder.path().join("acme").join(name)).expect("a folder");
    }
    let collections = collections(folder.path());
    assert!(collections.list(&tenant("acme"), "", 9).is_empty());
    assert_eq!(fs::read_dir(folder.path().join("acme")).expect("a folder").count(), 0);
    collections.create(&tenant("acme"), "notes", &flat()).expect("created");
}

#[test]
fn pages_hold_each_point_once_whatever_is_written_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let points: Vec<Point> = (0..300).map(|number| point(&format!("p{number:03}"), [1.0, 0.0])).collect();
    collections.upsert(&acme, "notes", &points).expect("stored");
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let (page, more) = collections.page(&acme, "notes", (&after, 70), true, Room::new(100_000)).expect("a page");
        after = page.last().expect("a point").id.clone();
        seen.extend(page.into_iter().map(|point| point.id));
        collections.upsert(&acme, "notes", &points[..100]).expect("replaced");
        if !more {
            break;
        }
    }
    assert!(seen.iter().eq(points.iter().map(|point| &point.id)), "{seen:?}");
    let (page, more) =
        collections.page(&acme, "notes", ("", 70), true, Room::new(100)).expect("what there is room for");
    assert!((1..70).contains(&page.len()) && more);
}

/// The file of `notes`, in pieces.
fn file(collections: &Collections) -> Vec<u8> {
    let mut bytes = Vec::new();
    let collection = collections.find(&tenant("acme"), "notes").expect("a collection");
    let put = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        true
    };
    Collections::export(&collection, put).expect("exported");
    bytes
}

fn import(collections: &Arc<Collections>, name: &str, bytes: &[u8], piece: usize) -> Result<usize, CollectionError> {
    let mut import = collections.import(&tenant("acme"), name)?;
    for piece in bytes.chunks(piece) {
        import.feed(piece)?;
    }
    import.finish().map(|(_, points)| points)
}

#[test]
fn file_of_a_collection_makes_the_same_again_and_nothing_of_a_bad_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    let schema = Schema { partition_field: "size".to_owned(), ..flat() };
    collections.create(&acme, "notes", &schema).expect("created");
    let points: Vec<Point> = (0..6u8)
        .map(|number| Point {
            payload: payload(&[("size", "l")]),
            ..point(&format!("p{number}"), [number.into(), 0.0])
        })
        .collect();
    collections.upsert(&acme, "notes", &points).expect("stored");
    let whole = file(&collections);
    assert!(matches!(import(&collections, "notes", &whole, 10), Err(CollectionError::Exists(_))));
    let check = |bytes: &[u8]| match import(&collections, "copy", bytes, 7) {
        Err(CollectionError::Backup(error)) => error,
        other => panic!("{other:?}"),
    };
    for cut in 0..whole.len() {
        assert_eq!(check(&whole[..cut]), BackupError::Truncated, "cut at {cut}");
    }
    for at in 12..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        // A length that was damaged may ask for more than there is.
        assert!(matches!(check(&bad), BackupError::Damaged | BackupError::Truncated), "damaged at {at}");
    }
    assert_eq!(check(b"Dear Ana, ..."), BackupError::Foreign);
    let mut newer = whole.clone();
    newer[8] = 2;
    assert_eq!(check(&newer), BackupError::Version(2));
    assert_eq!(check(&[&whole[..], &[0; 40]].concat()), BackupError::Damaged);
    assert_eq!(collections.list(&acme, "", 9).len(), 1, "nothing of them is left");
    assert_eq!(import(&collections, "copy", &whole, 7).expect("imported"), 6);
    drop(collections);
    let collections = self::collections(folder.path());
    assert_eq!(collections.list(&acme, "", 9), [("copy".to_owned(), schema.clone()), ("notes".to_owned(), schema)]);
    let (copied, _) = collections.page(&acme, "copy", ("", 9), true, Room::new(10_000)).expect("a page");
    assert_eq!(copied, points);
    let third = import(&collections, "third", &whole, 7);
    assert!(matches!(third, Err(CollectionError::TooManyCollections(2))), "{third:?}");
}

#[tokio::test]
async fn searches_that_wait_are_answered_and_too_many_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    collections.create(&tenant("acme"), "notes", &flat()).expect("created");
    collections.upsert(&tenant("acme"), "notes", &[point("a", [1.0, 0.0])]).expect("stored");
    let collection = collections.find(&tenant("acme"), "notes").expect("a collection");
    let work = Work::new(std::num::NonZeroUsize::MIN, 3);
    let ask = |exact| {
        // A filter, if of nothing, so that it is not answered where it arrives.
        let question = Question { exact, ..asked([0.0, 0.0], 1, Some(&Struct::default())) };
        ask(&collection, &work, vec![question], Room::new(1_000), None)
    };
    // The only thread is taken, so that all of them wait.
    let (release, held) = oneshot::channel::<()>();
    work.start(move || held.blocking_recv().expect("released"));
    let waiting = futures::future::join_all([ask(false), ask(false), ask(true), ask(false)]);
    let mut waiting = Box::pin(waiting);
    assert!(futures::poll!(&mut waiting).is_pending());
    assert!(matches!(ask(false).await, Err(WorkError::Busy)));
    release.send(()).expect("it waits");
    for answers in waiting.await {
        let found = answers.expect("answered").expect("found");
        assert_eq!(found[0][0].id, "a");
    }
    assert!(ask(false).await.is_ok(), "places are given back");
}

#[tokio::test]
async fn search_beyond_its_deadline_is_stopped_and_one_that_nobody_waits_for_is_not_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    collections.create(&tenant("acme"), "notes", &flat()).expect("created");
    collections.upsert(&tenant("acme"), "notes", &[point("a", [1.0, 0.0])]).expect("stored");
    let collection = collections.find(&tenant("acme"), "notes").expect("a collection");
    let work = Work::new(std::num::NonZeroUsize::MIN, 3);
    let question = asked([0.0, 0.0], 1, Some(&Struct::default()));
    let ask = |until| ask(&collection, &work, vec![question.clone()], Room::new(1_000), until);
    let late = ask(Some(Instant::now())).await.expect("answered");
    assert!(matches!(late, Err(CollectionError::Stopped)), "{late:?}");
    for _ in 0..20 {
        // More than there are places: each gives its own back when its turn comes. A quick one may be answered already.
        let _ = futures::poll!(Box::pin(ask(None)));
        while !matches!(ask(None).await, Ok(Ok(_))) {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn deleted_collection_is_gone_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    collections.delete(&acme, "notes").expect("deleted");
    assert!(matches!(collections.find(&acme, "notes"), Err(CollectionError::NotFound(_))));
    drop(collections);
    assert!(self::collections(folder.path()).list(&acme, "", 9).is_empty());
}

#[test]
fn folder_belongs_to_whoever_opened_it_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Collections::open(folder.path(), LIMITS).expect("collections");
    let error = Collections::open(folder.path(), LIMITS).expect_err("it is taken");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    assert!(Collections::open(folder.path(), LIMITS).is_ok());
}

#[test]
fn found_points_take_what_room_there_is_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = collections(folder.path());
    let acme = tenant("acme");
    collections.create(&acme, "notes", &flat()).expect("created");
    let points = ["a", "b"].map(|id| Point { payload: payload(&[("text", "twelve bytes")]), ..point(id, [1.0, 0.0]) });
    collections.upsert(&acme, "notes", &points).expect("stored");
    let search = |k, bytes| answer(&collections, "acme", &asked([0.0, 0.0], k, None), bytes);
    let one = (1..).find(|bytes| search(1, *bytes).is_ok()).expect("enough for one");
    assert!(one > 1 + 12, "id and text count: {one}");
    assert_eq!(search(2, 2 * one).expect("both").len(), 2);
    assert!(matches!(search(2, 2 * one - 1), Err(CollectionError::AnswerTooLarge(most)) if most == 2 * one - 1));
}
