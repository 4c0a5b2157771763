use std::sync::Arc;

use axum::http::HeaderValue;
use domain::{Clock, Micros};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simulator::{
    faults::Fault,
    fleet::{ANA, Config, Fleet, Guard},
    oauth2,
};
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, client, listen, serve};

/// Saturday 21 November 2026, 10:00 in Zagreb.
struct Saturday;

impl Clock for Saturday {
    fn now(&self) -> Micros {
        Micros("2026-11-21T09:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_microsecond())
    }
}

async fn start() -> (Fleet, String) {
    let fleet = Fleet::new(Config { clock: Arc::new(Saturday), ..Config::default() }).expect("a fleet");
    let (listener, base) = listen().await;
    let served = fleet.clone();
    tokio::spawn(async move { served.serve(listener, CancellationToken::new()).await });
    (fleet, base)
}

async fn call(method: Method, url: &str, key: Option<&str>, body: Value) -> (StatusCode, Value) {
    let mut request = client().request(method, url);
    if !body.is_null() {
        request = request.json(&body);
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status();
    (status, response.json().await.unwrap_or(Value::Null))
}

async fn get(url: &str) -> (StatusCode, Value) {
    call(Method::GET, url, None, Value::Null).await
}

fn booking(vehicle: &str, from: &str, to: &str) -> Value {
    json!({"vehicle_id": vehicle, "person_id": "per_1", "from": from, "to": to})
}

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().filter_map(|row| row["plate"].as_str()).collect()
}

#[tokio::test]
async fn the_journeys_find_the_vehicles_they_name() {
    let (_, base) = start().await;
    let period = "from=2026-11-21T23:00:00Z&to=2026-11-22T23:00:00Z";
    for (path, plates) in [
        (format!("/vehicles/available?{period}"), vec!["ZG 1234-AB", "ZG 5678-CD"]),
        ("/vehicles?colour=red&type=van".to_owned(), vec!["ZG 9012-EF"]),
        ("/vehicles?search=red%20van".to_owned(), vec!["ZG 9012-EF"]),
        ("/vehicles?search=octaviju".to_owned(), vec!["ZG 1234-AB", "ZG 3456-GH"]),
        ("/people/per_1/vehicles".to_owned(), vec!["ZG 5678-CD", "ZG 1234-AB"]),
    ] {
        let (status, rows) = get(&format!("{base}{path}")).await;
        assert_eq!((status, names(&rows)), (StatusCode::OK, plates), "{path}");
    }
    let (_, people) = get(&format!("{base}/people?phone={ANA}")).await;
    assert_eq!(people[0]["id"], "per_1");
    assert_eq!(get(&format!("{base}/people?phone=385990000001")).await, (StatusCode::OK, json!([])));
    let (_, bookings) = get(&format!("{base}/bookings?from=2026-10-31T23:00:00Z&to=2026-11-30T23:00:00Z")).await;
    assert_eq!(bookings["total"], 37);
    assert_eq!(get(&format!("{base}/people/per_1/bookings")).await.1.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn words_follow_the_language() {
    let (_, base) = start().await;
    let request = client().get(format!("{base}/vehicles/veh_1")).header("Accept-Language", "hr");
    let vehicle: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((vehicle["colour"].as_str(), vehicle["fuel"].as_str()), (Some("crvena"), Some("benzin")));
}

#[tokio::test]
async fn two_bookings_never_overlap() {
    let (fleet, base) = start().await;
    let url = format!("{base}/bookings");
    let (nine, twelve) = ("2026-11-22T09:00:00+01:00", "2026-11-22T12:00:00+01:00");
    let (status, made) = call(Method::POST, &url, Some("k1"), booking("veh_4", nine, twelve)).await;
    assert_eq!(
        (status, made["id"].as_u64(), made["person"].as_str()),
        (StatusCode::CREATED, Some(4711), Some("Ana Horvat"))
    );
    let (status, problem) = call(
        Method::POST,
        &url,
        Some("k2"),
        booking("veh_4", "2026-11-22T11:59:00+01:00", "2026-11-22T13:00:00+01:00"),
    )
    .await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["detail"], "The vehicle was booked by somebody else (09:00-12:00).");
    let (status, _) = call(Method::POST, &url, Some("k3"), booking("veh_4", twelve, "2026-11-22T13:00:00+01:00")).await;
    assert_eq!(status, StatusCode::CREATED, "one may begin when the other ends");
    let one = format!("{url}/4711");
    let later = json!({"to": "2026-11-22T12:30:00+01:00"});
    assert_eq!(call(Method::PATCH, &one, None, later.clone()).await.0, StatusCode::CONFLICT);
    assert_eq!(call(Method::DELETE, &format!("{url}/4712"), None, Value::Null).await.1["status"], "cancelled");
    assert_eq!(call(Method::PATCH, &one, None, later).await.0, StatusCode::OK);
    assert_eq!(call(Method::DELETE, &format!("{url}/4712"), None, Value::Null).await.0, StatusCode::CONFLICT);
    assert_eq!(fleet.effects("k1"), 1);
}

#[tokio::test]
async fn a_key_has_its_effect_once() {
    let (fleet, base) = start().await;
    let url = format!("{base}/vehicles/veh_2/damage-reports");
    let report = json!({"description": "mirror broken", "severity": "drivable"});
    let first = call(Method::POST, &url, Some("k"), report.clone()).await;
    let second = call(Method::POST, &url, Some("k"), report.clone()).await;
    assert_eq!((first.0, &first), (StatusCode::CREATED, &second));
    assert_eq!(fleet.effects("k"), 1);
    let other = json!({"description": "door broken", "severity": "drivable"});
    assert_eq!(call(Method::POST, &url, Some("k"), other).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    fleet.honour_keys(false);
    assert_eq!(call(Method::POST, &url, Some("k"), report).await.0, StatusCode::CREATED);
    assert_eq!(fleet.effects("k"), 2);
}

#[tokio::test]
async fn what_the_document_forbids_is_refused() {
    let (fleet, base) = start().await;
    let good = json!({"kilometres": 84_300});
    for (what, method, path, body, status) in [
        ("unknown path", Method::GET, "/cars", Value::Null, 404),
        ("unknown vehicle", Method::GET, "/vehicles/veh_99", Value::Null, 404),
        ("id of another shape", Method::GET, "/vehicles/99", Value::Null, 400),
        ("other method", Method::PUT, "/vehicles", Value::Null, 405),
        ("unknown query", Method::GET, "/vehicles?color=red", Value::Null, 400),
        ("unknown colour", Method::GET, "/vehicles?colour=pink", Value::Null, 400),
        ("no period", Method::GET, "/vehicles/available", Value::Null, 400),
        ("no time", Method::GET, "/vehicles/available?from=tomorrow&to=2026-11-22T12:00:00Z", Value::Null, 400),
        ("no body", Method::POST, "/vehicles/veh_3/mileage", Value::Null, 400),
        ("missing field", Method::POST, "/vehicles/veh_3/mileage", json!({}), 422),
        ("wrong type", Method::POST, "/vehicles/veh_3/mileage", json!({"kilometres": "84300"}), 422),
        ("unknown field", Method::POST, "/vehicles/veh_3/mileage", json!({"kilometres": 84_300, "note": ""}), 422),
        ("odometer back", Method::POST, "/vehicles/veh_3/mileage", json!({"kilometres": 1}), 422),
        (
            "day to come",
            Method::POST,
            "/vehicles/veh_3/mileage",
            json!({"kilometres": 84_300, "date": "2026-11-22"}),
            422,
        ),
        (
            "no such day",
            Method::POST,
            "/vehicles/veh_3/mileage",
            json!({"kilometres": 84_300, "date": "2026-02-31"}),
            422,
        ),
        (
            "severity",
            Method::POST,
            "/vehicles/veh_3/damage-reports",
            json!({"description": "dent", "severity": "bad"}),
            422,
        ),
        ("all is well", Method::POST, "/vehicles/veh_3/mileage", good, 201),
    ] {
        let (answered, body) = call(method, &format!("{base}{path}"), None, body).await;
        assert_eq!(answered.as_u16(), status, "{what}: {body}");
    }
    assert_eq!(fleet.all_effects(), 1);
}

#[tokio::test]
async fn credentials_and_tenant_are_checked() {
    let server = oauth2::Server::new(oauth2::Config::client("dragoman", "s3cret", "fleet"));
    let guard = Guard::OAuth2 { server: server.clone(), scope: "fleet".to_owned() };
    let fleet = Fleet::new(Config { guard, tenant: Some(HeaderValue::from_static("acme")), ..Config::default() })
        .expect("a fleet");
    let base = serve(fleet.router().merge(server.router())).await;
    let form = [("grant_type", "client_credentials")];
    let request = client().post(format!("{base}/oauth2/token")).basic_auth("dragoman", Some("s3cret")).form(&form);
    let body: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let token = body["access_token"].as_str().expect("a token");
    let status = async |token: &str, tenant: &str| {
        let request = client().get(format!("{base}/garages")).bearer_auth(token).header("X-Tenant", tenant);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(token, "acme").await, 200);
    assert_eq!(status(token, "other").await, 403);
    assert_eq!(status("sim_x", "acme").await, 401);
    server.expire_all();
    assert_eq!(status(token, "acme").await, 401);
}

#[tokio::test]
async fn faults_come_on_command_and_once() {
    let (fleet, base) = start().await;
    let url = format!("{base}/bookings");
    let body = booking("veh_4", "2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z");
    let post = |key: &'static str| client().post(&url).header("Idempotency-Key", key).json(&body).send();

    fleet.faults().next("POST /bookings", Fault::CutBefore);
    assert!(post("a").await.is_err());
    assert_eq!(fleet.effects("a"), 0, "cut before it acted");
    fleet.faults().next("POST /bookings", Fault::Status { status: 503, retry_after: Some(7) });
    let refused = post("a").await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().ok()), (503, Some("7")));
    assert_eq!(fleet.effects("a"), 0, "failed without acting");
    fleet.faults().next("POST /bookings", Fault::CutAfter);
    assert!(post("a").await.is_err());
    assert_eq!(fleet.effects("a"), 1, "cut after it acted");
    assert_eq!(post("a").await.expect("an answer").status().as_u16(), 201);
    assert_eq!(fleet.effects("a"), 1, "the key was honoured");

    let hold = fleet.faults().hold("GET /garages");
    let held = tokio::spawn(client().get(format!("{base}/garages")).send());
    tokio::time::timeout(LIMIT, hold.reached()).await.expect("the call arrives");
    assert!(!held.is_finished());
    hold.release();
    assert_eq!(held.await.expect("joined").expect("an answer").status().as_u16(), 200);
    let statuses: Vec<u16> = fleet.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [0, 503, 0, 201, 200]);
}

#[tokio::test]
async fn a_report_may_come_with_a_photo() {
    let (fleet, base) = start().await;
    let url = format!("{base}/vehicles/veh_2/damage-reports");
    let send = async |key: &str, photo: &'static [u8], severity: &str| {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nmirror broken\r\n--b\r\n\
             Content-Disposition: form-data; name=\"severity\"\r\n\r\n{severity}\r\n--b\r\n\
             Content-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        );
        let body = [head.as_bytes(), photo, b"\r\n--b--\r\n"].concat();
        let request = client().post(&url).header("content-type", "multipart/form-data; boundary=b");
        request.header("idempotency-key", key).body(body).send().await.expect("an answer").status()
    };
    assert_eq!(send("k", b"\xff\xd8 one", "drivable").await, StatusCode::CREATED);
    assert_eq!(send("k", b"\xff\xd8 one", "drivable").await, StatusCode::CREATED);
    assert_eq!(send("k", b"\xff\xd8 two", "drivable").await, StatusCode::UNPROCESSABLE_ENTITY, "another photo");
    assert_eq!(send("k2", b"\xff\xd8 two", "awful").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(fleet.all_effects(), 1);
    let call = &fleet.calls()[0];
    assert_eq!((call.files[0].name.as_str(), call.files[0].content.as_slice()), ("a.jpg", b"\xff\xd8 one".as_slice()));
}
