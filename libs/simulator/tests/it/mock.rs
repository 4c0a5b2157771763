use serde_json::{Value, json};
use simulator::mock::{Backend, Config};

use crate::{client, serve};

fn document() -> Value {
    let device = json!({
        "type": "object",
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "uniqueId": {"type": "string"}, "disabled": {"type": "boolean"}},
        "required": ["name", "uniqueId"],
    });
    let one = json!({"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Device"}}}});
    let list = json!({"description": "", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Device"}}}}});
    let body =
        json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Device"}}}});
    json!({
        "openapi": "3.1.0",
        "paths": {
            "/devices": {
                "get": {"parameters": [{"name": "id", "in": "query", "schema": {"type": "integer"}}], "responses": {"200": list}},
                "post": {"requestBody": body, "responses": {"200": one}},
            },
            "/devices/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                "get": {"responses": {"200": one}},
                "delete": {"responses": {"204": {"description": ""}}},
            },
        },
        "components": {"schemas": {"Device": device}},
    })
}

#[tokio::test]
async fn a_document_becomes_a_backend() {
    let backend = Backend::new(document(), Config { base_path: "/api".to_owned(), ..Config::default() });
    assert_eq!(backend.operations(), 4);
    let base = serve(backend.router()).await;
    let get = async |path: &str| -> Value {
        client().get(format!("{base}{path}")).send().await.expect("an answer").json().await.expect("JSON")
    };
    let rows = get("/api/devices").await;
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
    assert_eq!((&rows[1]["id"], &rows[1]["name"]), (&json!(2), &json!("Bravo")));
    assert_eq!(get("/api/devices?id=3").await.as_array().map(Vec::len), Some(1));
    assert_eq!(get("/api/devices/2").await, rows[1]);

    let post =
        async |body: Value| client().post(format!("{base}/api/devices")).json(&body).send().await.expect("an answer");
    assert_eq!(post(json!({"name": "Van"})).await.status().as_u16(), 422);
    let made: Value = post(json!({"name": "Van", "uniqueId": "v-1"})).await.json().await.expect("JSON");
    assert_eq!((&made["id"], &made["name"]), (&json!(101), &json!("Van")));
    assert_eq!(backend.all_effects(), 1);
    let last = backend.calls().pop().expect("a call");
    assert_eq!((last.operation.as_str(), last.acted, &last.body["uniqueId"]), ("POST /devices", true, &json!("v-1")));

    backend.set_answer("GET /devices", json!([{"id": 7, "name": "Golf"}]));
    assert_eq!(get("/api/devices").await, json!([{"id": 7, "name": "Golf"}]));
}
