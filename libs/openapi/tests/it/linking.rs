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

/// A library with these books, and a loan that takes this field.
fn lending(books: &str, answer: &serde_json::Value, field: &str, schema: &serde_json::Value) -> Document {
    let body = json!({ "required": true, "content": { "application/json": { "schema": {
        "type": "object", "required": [field], "properties": { field: schema } } } } });
    let content = json!({ "openapi": "3.1.0", "info": { "title": "Library", "version": "1" },
        "components": { "schemas": { "Book": { "type": "object", "properties": { "id": { "type": "integer" }, "title": { "type": "string" } } } } },
        "paths": {
            books: { "get": { "responses": answer } },
            "/loans": { "get": { "responses": rows("Loan") }, "post": { "requestBody": body } },
        } });
    document(&content.to_string())
}

#[test]
fn an_id_is_known_by_any_habit_of_naming_it() {
    let integer = json!({ "type": "integer" });
    let uuid = json!({ "type": "string", "format": "uuid" });
    let text = json!({ "type": "string" });
    let described = json!({ "type": "string", "description": "ID of the book to lend." });
    for (field, schema, is_need) in [
        ("book_id", &integer, true),
        ("bookId", &integer, true),
        ("bookID", &integer, true),
        ("BOOK_ID", &text, true),
        ("book-id", &text, true),
        ("book.id", &integer, true),
        ("bookid", &text, true),
        ("bookuuid", &text, true),
        ("bookguid", &text, true),
        ("id_book", &integer, true),
        ("idBook", &integer, true),
        ("bookUuid", &text, true),
        ("lentBookId", &integer, true),
        ("book", &integer, true),
        ("book", &uuid, true),
        ("book", &described, true),
        ("loan.book", &integer, true),
        // These a person can say.
        ("book", &text, false),
        ("books", &text, false),
        ("bookTitle", &text, false),
        ("scrapbook", &integer, false),
        ("bookLevel", &integer, false),
        ("paid", &integer, false),
    ] {
        let library = lending("/books", &rows("Book"), field, schema);
        let found: Vec<_> = operation(&library, "POST /loans")
            .needs
            .iter()
            .map(|need| (need.field.clone(), need.resource.as_str(), need.id_property.as_str()))
            .collect();
        let expected = if is_need { vec![(format!("body:{field}"), "book", "id")] } else { Vec::new() };
        assert_eq!(found, expected, "{field} {schema}");
    }
}

#[test]
fn a_list_is_known_by_any_habit_of_naming_it() {
    let open = json!({ "200": { "description": "ok" } });
    let loose =
        json!({ "200": { "description": "ok", "content": { "application/json": { "schema": { "type": "array" } } } } });
    let plain = json!({ "200": { "description": "", "content": { "application/json": { "schema": { "type": "array", "items": {
        "type": "object", "properties": { "id": { "type": "integer" }, "title": { "type": "string" } } } } } } } });
    for (path, answer) in [
        ("/books", &plain),
        ("/v1/library/books", &plain),
        ("/Books", &plain),
        ("/books.json", &plain),
        ("/book/list", &plain),
        ("/getBooks", &plain),
        ("/listAllBooks", &plain),
        // A document that does not say what its list holds.
        ("/books", &open),
        ("/books", &loose),
    ] {
        let library = lending(path, answer, "book_id", &json!({ "type": "integer" }));
        assert_eq!(operation(&library, &format!("GET {path}")).produces, ["book"], "{path}");
        assert_eq!(operation(&library, "POST /loans").needs.len(), 1, "{path}");
    }
    // One thing is no list of them.
    let library = lending("/book", &open, "book_id", &json!({ "type": "integer" }));
    assert!(operation(&library, "GET /book").produces.is_empty());
}
