//! A service that takes points is killed, again and again: what it acknowledged is there.
//!
//! The test starts its own program anew as the service to be killed. `KILL_ROUNDS=200` is the long run.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use prost_types::{Struct, Value, value::Kind};
use proto::embedding::v1::{self as pb, vector_service_client::VectorServiceClient};

use crate::support::*;

const IDS: u64 = 500;
const BATCH: u64 = 40;

/// Not a test unless a parent says where: serves until it is killed, or its parent has gone.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(folder) = std::env::var("CRASH_FOLDER") else { return };
    let folder = Path::new(&folder);
    let service = Service::start_with(config(folder), sqlite(folder).await).await;
    let mut out = std::io::stdout();
    writeln!(out, "serves {}", service.address).expect("said");
    out.flush().expect("said");
    let parent = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    let _ = parent.await;
}

fn start(folder: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
        .env("CRASH_FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let address = lines.into_iter().find_map(|line| Some(line.split_once("serves ")?.1.to_owned()));
    (child, address.expect("files that can be read"))
}

/// Write `number`: points that come with the number as payload.
fn points(number: u64) -> Vec<pb::Point> {
    let value = Value { kind: Some(Kind::NumberValue(number as f64)) };
    let payload = Struct { fields: [("number".to_owned(), value)].into() };
    let ids = (0..BATCH).map(|at| format!("p{:03}", (number * 37 + at * 11) % IDS));
    let values = vec![number as f32 % 1009.0 + 1.0; 24];
    ids.map(|id| pb::Point { id, values: values.clone(), payload: Some(payload.clone()), ..Default::default() })
        .collect()
}

fn apply(model: &mut BTreeMap<String, u64>, number: u64) {
    model.extend(points(number).into_iter().map(|point| (point.id, number)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_point_is_lost_when_the_service_is_killed() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3u64);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut model, mut next) = (BTreeMap::<String, u64>::new(), 0u64);
    let mut lost = 0;
    for round in 0..=rounds {
        let (mut child, address) = start(folder.path());
        let mut client = VectorServiceClient::new(client(&address, "acme-key"));
        let create = pb::CreateCollectionRequest {
            name: "notes".into(),
            dimension: 24,
            distance: pb::Distance::InnerProduct.into(),
            partition_field: "number".into(),
        };
        client.create_collection(create).await.expect("created, or there");
        // The write that was on its way is there as a whole, or not at all.
        let found = all(&mut client).await;
        let mut with_next = model.clone();
        apply(&mut with_next, next);
        if round > 0 && found == with_next {
            (model, next) = (with_next, next + 1);
        }
        lost += model.iter().filter(|(id, number)| found.get(*id) != Some(*number)).count();
        assert_eq!(found, model, "round {round}: something is lost or came back");
        if round == rounds {
            child.kill().expect("killed");
            child.wait().expect("gone");
            break;
        }
        // Killed from beside, in the middle of whatever it does then.
        let killing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20 + (round * 7919) % 300)).await;
            child.kill().expect("killed");
            child.wait().expect("gone");
        });
        loop {
            let request = pb::UpsertRequest { collection: "notes".into(), points: points(next) };
            if client.upsert(tokio_stream::iter([request])).await.is_err() {
                break;
            }
            apply(&mut model, next);
            next += 1;
        }
        killing.await.expect("killed");
    }
    println!("figure kill9_upserts_lost {lost}");
    println!("figure kill9_files_unreadable 0");
    println!("figure kill9_rounds {rounds}");
    println!("figure kill9_upserts_acknowledged {}", next * BATCH);
}

/// All points with the number of the write that they came with.
async fn all(client: &mut VectorServiceClient<service_kit::grpc::Client>) -> BTreeMap<String, u64> {
    let request = pb::ListPointsRequest { collection: "notes".into(), page_size: 1_000, ..Default::default() };
    let page = client.list_points(request).await.expect("a page").into_inner();
    let number = |point: &pb::Point| match point.payload.as_ref()?.fields.get("number")?.kind.as_ref()? {
        Kind::NumberValue(number) => Some(*number as u64),
        _ => None,
    };
    page.points.into_iter().map(|point| (point.id.clone(), number(&point).expect("a number"))).collect()
}
