use prost_types::{Struct, Value, value::Kind};
use vector_index::Distance;

use super::*;

const LIMITS: Limits = Limits { collections_max: 2, points_max: 3_000 };
const FLAT: Schema = Schema { dimension: 2, distance: Distance::Euclidean };

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a name")
}

fn payload(fields: &[(&str, &str)]) -> Option<Struct> {
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    Some(Struct { fields: fields.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect() })
}

fn point(id: &str, vector: [f32; 2]) -> Point {
    Point { id: id.to_owned(), vector: vector.to_vec(), payload: None }
}

fn nearest(collections: &Collections, of: &str, name: &str, filter: Option<&Struct>) -> Vec<String> {
    let found = collections
        .read(&tenant(of), name, |collection| collection.search(&[0.0, 0.0], 10, filter, &mut Room::new(1_000)));
    found.expect("found").into_iter().map(|found| found.id).collect()
}

#[test]
fn acknowledged_points_are_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = tenant("acme");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    collections.create(&acme, "notes", FLAT).expect("created");
    collections.upsert(&acme, "notes", vec![point("a", [1.0, 0.0]), point("b", [2.0, 0.0])]).expect("stored");
    collections.upsert(&acme, "notes", vec![point("b", [0.5, 0.0])]).expect("stored");
    assert_eq!(collections.remove(&acme, "notes", &["a".into(), "none".into()]).expect("removed"), 1);
    drop(collections);
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    assert_eq!(nearest(&collections, "acme", "notes", None), ["b"]);
    assert_eq!(collections.list(&acme, "", 9), [("notes".to_owned(), FLAT)]);
}

#[test]
fn tenants_do_not_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    collections.create(&tenant("acme"), "notes", FLAT).expect("created");
    let other = tenant("other");
    assert!(matches!(collections.upsert(&other, "notes", vec![]), Err(CollectionError::NotFound(_))));
    assert!(matches!(collections.delete(&other, "notes"), Err(CollectionError::NotFound(_))));
    assert!(collections.list(&other, "", 9).is_empty());
    collections.create(&other, "notes", FLAT).expect("created");
    collections.upsert(&other, "notes", vec![point("theirs", [0.0, 0.0])]).expect("stored");
    assert!(nearest(&collections, "acme", "notes", None).is_empty());
}

#[test]
fn filter_keeps_points_with_all_equal_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    let mut red = point("red", [3.0, 0.0]);
    red.payload = payload(&[("colour", "red"), ("size", "l")]);
    let mut blue = point("blue", [1.0, 0.0]);
    blue.payload = payload(&[("colour", "blue"), ("size", "l")]);
    collections.upsert(&acme, "notes", vec![red, blue, point("plain", [0.0, 0.0])]).expect("stored");
    let found = |fields: &[(&str, &str)]| nearest(&collections, "acme", "notes", payload(fields).as_ref());
    assert_eq!(found(&[("size", "l")]), ["blue", "red"]);
    assert_eq!(found(&[("size", "l"), ("colour", "red")]), ["red"]);
    assert!(found(&[("size", "m")]).is_empty());
    assert_eq!(found(&[]).len(), 3);
}

#[test]
fn bad_point_leaves_nothing_of_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    let mut large = point("large", [0.0, 0.0]);
    large.payload = payload(&[("text", &"x".repeat(PAYLOAD_BYTES_MAX))]);
    let wrong = Point { id: "wrong".into(), vector: vec![1.0], payload: None };
    for bad in [point("", [0.0, 0.0]), point("nan", [f32::NAN, 0.0]), point(&"x".repeat(129), [0.0, 0.0]), wrong, large]
    {
        assert!(collections.upsert(&acme, "notes", vec![point("good", [0.0, 0.0]), bad]).is_err());
    }
    assert!(nearest(&collections, "acme", "notes", None).is_empty());
}

#[test]
fn limits_hold_and_replacing_is_not_growing() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections =
        Collections::open(folder.path(), Limits { collections_max: 1, points_max: 1 }).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    collections.create(&acme, "notes", FLAT).expect("the same again is no error");
    assert!(matches!(collections.create(&acme, "more", FLAT), Err(CollectionError::TooManyCollections(1))));
    let other_schema = Schema { dimension: 3, ..FLAT };
    assert!(matches!(collections.create(&acme, "notes", other_schema), Err(CollectionError::Exists(_))));
    collections.upsert(&acme, "notes", vec![point("a", [1.0, 0.0])]).expect("stored");
    collections.upsert(&acme, "notes", vec![point("a", [2.0, 0.0])]).expect("replaced");
    let more = collections.upsert(&acme, "notes", vec![point("b", [1.0, 0.0])]);
    assert!(matches!(more, Err(CollectionError::TooManyPoints(1))));
}

#[test]
fn log_that_is_mostly_dead_is_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    let all = |x: f32| (0..600).map(|number| point(&format!("p{number}"), [x, 0.0])).collect::<Vec<_>>();
    for round in 0..2u8 {
        collections.upsert(&acme, "notes", all(f32::from(round))).expect("stored");
    }
    let stats = |collections: &Collections| collections.read(&acme, "notes", |notes| Ok(notes.stats())).expect("stats");
    let before = stats(&collections);
    collections.upsert(&acme, "notes", all(7.0)).expect("stored");
    let after = stats(&collections);
    assert!(after.disk_bytes < before.disk_bytes, "{after:?} {before:?}");
    assert_eq!(after.points, 600);
    drop(collections);
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    assert_eq!(stats(&collections), after);
    let found = collections
        .read(&acme, "notes", |notes| notes.search(&[7.0, 0.0], 1, None, &mut Room::new(1_000)))
        .expect("found");
    assert_eq!(found[0].score, 0.0);
}

#[test]
fn deleted_collection_is_gone_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    collections.delete(&acme, "notes").expect("deleted");
    assert!(matches!(collections.read(&acme, "notes", |_| Ok(())), Err(CollectionError::NotFound(_))));
    drop(collections);
    assert!(Collections::open(folder.path(), LIMITS).expect("collections").list(&acme, "", 9).is_empty());
}

#[test]
fn folder_belongs_to_whoever_opened_it_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Collections::open(folder.path(), LIMITS).expect("collections");
    let error = Collections::open(folder.path(), LIMITS).expect_err("it is taken");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(first);
    assert!(Collections::open(folder.path(), LIMITS).is_ok());
}

#[test]
fn found_points_take_what_room_there_is_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let collections = Collections::open(folder.path(), LIMITS).expect("collections");
    let acme = tenant("acme");
    collections.create(&acme, "notes", FLAT).expect("created");
    let points = ["a", "b"].map(|id| Point { payload: payload(&[("text", "twelve bytes")]), ..point(id, [1.0, 0.0]) });
    collections.upsert(&acme, "notes", points.to_vec()).expect("stored");
    let search =
        |k, bytes| collections.read(&acme, "notes", |notes| notes.search(&[0.0, 0.0], k, None, &mut Room::new(bytes)));
    let one = (1..).find(|bytes| search(1, *bytes).is_ok()).expect("enough for one");
    assert!(one > 1 + 12, "id and text count: {one}");
    assert_eq!(search(2, 2 * one).expect("both").len(), 2);
    assert!(matches!(search(2, 2 * one - 1), Err(CollectionError::AnswerTooLarge(most)) if most == 2 * one - 1));
}
