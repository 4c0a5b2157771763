//! Ids that are needed and who yields them.

use openapi::{Document, Producers};
use serde_json::json;

use crate::{document, operation};

fn rows(item: &str) -> serde_json::Value {
    json!({ "200": { "description": "", "content": { "application/json": { "schema": { "type": "array", "items": { "$ref": format!("#/components/schemas/{item}") } } } } } })
}

fn garage() -> Document {
    let text = json!({ "type": "string" });
    let path = |name: &str, schema: &serde_json::Value| json!({ "name": name, "in": "path", "required": true, "schema": schema });
    let body = json!({ "required": true, "content": { "application/json": { "schema": { "type": "object", "required": ["carId"], "properties": {
        "carId": { "type": "string" }, "pickupStationId": { "type": "string" }, "externalId": { "type": "string" }, "id": { "type": "string" }, "wheelIds": { "type": "array", "items": { "type": "string" } } } } } } });
    let content = json!({ "openapi": "3.1.0", "info": { "title": "Garage", "version": "1" },
        "components": { "schemas": {
            "Car": { "type": "object", "properties": { "id": { "type": "string" }, "plate": { "type": "string" }, "stationId": { "type": "string" } } },
            "StationDto": { "type": "object", "properties": { "stationId": { "type": "string" }, "name": { "type": "string" } } },
            "Colour": { "type": "object", "properties": { "name": { "type": "string" } } },
        } },
        "paths": {
            "/cars": { "get": { "responses": rows("Car") } },
            "/cars/available": { "get": { "responses": rows("Car") } },
            "/stations/{stationId}/cars": { "get": { "parameters": [path("stationId", &text)], "responses": rows("Car") } },
            "/stations": { "get": { "responses": rows("StationDto") } },
            "/colours": { "get": { "responses": rows("Colour") } },
            "/colours/{colourId}": { "get": { "parameters": [path("colourId", &text)] } },
            "/cars/{id}": { "get": { "parameters": [path("id", &text)] } },
            "/cars/{car}/wheels/{number}": { "get": { "parameters": [path("car", &json!({ "type": "integer" })), path("number", &json!({ "type": "integer" }))] } },
            "/owners/{name}/cars/{slug}": { "get": { "parameters": [path("name", &text), path("slug", &text)] } },
            "/rentals": { "post": { "requestBody": body } },
        } });
    document(&content.to_string())
}

#[test]
fn ids_that_a_safe_operation_yields_are_needs_and_what_people_know_is_not() {
    let garage = garage();
    for (id, expected) in [
        ("GET /cars/{id}", vec![("path:id", "car", "id")]),
        ("GET /cars/{car}/wheels/{number}", vec![("path:car", "car", "id")]),
        ("GET /owners/{name}/cars/{slug}", vec![]),
        ("GET /stations/{stationId}/cars", vec![("path:stationId", "station", "stationId")]),
        // Colours have no id in their rows: the person is asked.
        ("GET /colours/{colourId}", vec![]),
        ("POST /rentals", vec![("body:carId", "car", "id"), ("body:pickupStationId", "station", "stationId")]),
    ] {
        let needs: Vec<_> = operation(&garage, id)
            .needs
            .iter()
            .map(|need| (need.field.as_str(), need.resource.as_str(), need.id_property.as_str()))
            .collect();
        assert_eq!(needs, expected, "{id}");
    }
    assert_eq!(operation(&garage, "GET /cars/available").produces, ["car"]);
    assert!(operation(&garage, "GET /colours").produces.is_empty());
}

#[test]
fn plain_collections_come_before_those_below_another_resource() {
    let garage = garage();
    let producers = Producers::new(&garage.operations);
    let paths: Vec<&str> =
        producers.of("car").iter().map(|(_, index)| garage.operations[*index].path.as_str()).collect();
    assert_eq!(paths, ["/cars", "/cars/available", "/stations/{stationId}/cars"]);
    assert!(producers.of("unicorn").is_empty());
}
