//! Rules of vehicles: find, free ones, details, changes, papers.

use domain::Micros;
use jiff::ToSpan as _;
use serde_json::{Value, json};

use super::{
    state::{State, Vehicle, moment, path, query, text, timestamp, unfit},
    words::{say, search, tokens, word},
};
use crate::backend::{Answer, Asked, Problem};

pub(super) fn act(state: &mut State, id: &str, asked: &Asked) -> Option<Result<Answer, Problem>> {
    Some(match id {
        "GET /vehicles" => Ok(list(state, asked)),
        "POST /vehicles" => add(state, asked),
        "GET /vehicles/available" => available(state, asked),
        "GET /vehicles/{vehicle_id}" => state
            .vehicle(path(asked, "vehicle_id"), asked.language)
            .map(|found| Answer::read(found.json(asked.language))),
        "PATCH /vehicles/{vehicle_id}" => change(state, asked),
        "DELETE /vehicles/{vehicle_id}" => retire(state, asked),
        "GET /vehicles/{vehicle_id}/location" => location(state, asked),
        "GET /vehicles/{vehicle_id}/documents" => papers(state, asked),
        _ => return None,
    })
}

fn rows<'a>(vehicles: impl Iterator<Item = &'a Vehicle>, language: &str) -> Answer {
    Answer::read(vehicles.map(|vehicle| vehicle.json(language)).collect())
}

fn list(state: &State, asked: &Asked) -> Answer {
    let fits = |vehicle: &&Vehicle| {
        let is = |name: &str, own: &str| query(asked, name).is_none_or(|wanted| wanted == own);
        is("colour", &vehicle.colour) && is("type", &vehicle.kind) && is("status", &vehicle.status)
    };
    let found: Vec<&Vehicle> = state.vehicles.iter().filter(fits).collect();
    let Some(words) = query(asked, "search").filter(|words| !tokens(words).is_empty()) else {
        return rows(found.into_iter(), asked.language);
    };
    let texts: Vec<String> = found.iter().map(|vehicle| searched(vehicle)).collect();
    rows(search(words, &texts).into_iter().filter_map(|index| found.get(index).copied()), asked.language)
}

fn searched(vehicle: &Vehicle) -> String {
    let both = |code: &str| format!("{} {}", word(code, "en"), word(code, "hr"));
    format!("{} {} {} {}", vehicle.name, vehicle.plate, both(&vehicle.colour), both(&vehicle.kind))
}

fn available(state: &State, asked: &Asked) -> Result<Answer, Problem> {
    let from = moment(query(asked, "from").unwrap_or_default())?;
    let to = moment(query(asked, "to").unwrap_or_default())?;
    if from >= to {
        return Err(unfit(say(asked.language, "The end must be after the begin.", "Kraj mora biti nakon početka.")));
    }
    let seats = asked.arguments.query.get("seats").and_then(Value::as_i64).unwrap_or(0);
    let free = state.vehicles.iter().filter(|vehicle| {
        vehicle.status == "active"
            && vehicle.seats >= seats
            && query(asked, "type").is_none_or(|kind| kind == vehicle.kind)
            && state.taken(&vehicle.id, from, to, None).is_none()
    });
    Ok(rows(free, asked.language))
}

fn add(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let body = &asked.arguments.body;
    let given = |key: &str| text(body, key).unwrap_or_default().to_owned();
    let plate = given("plate");
    if state.vehicles.iter().any(|vehicle| tokens(&vehicle.plate) == tokens(&plate)) {
        let words =
            say(asked.language, "A vehicle with this plate is there already.", "Vozilo s tom tablicom već postoji.");
        return Err(Problem::new(409, "Conflict", words));
    }
    let number = state.vehicles.iter().filter_map(|vehicle| vehicle.id.strip_prefix("veh_")?.parse::<u32>().ok()).max();
    let vehicle = Vehicle {
        id: format!("veh_{}", number.unwrap_or(0) + 1),
        name: format!("{} {}", given("make"), given("model")),
        plate,
        colour: given("colour"),
        kind: given("type"),
        fuel: "petrol".to_owned(),
        seats: body.get("seats").and_then(Value::as_i64).unwrap_or(5),
        kilometres: 0,
        parking: "Savska 12".to_owned(),
        status: "active".to_owned(),
    };
    let answer = vehicle.json(asked.language);
    state.vehicles.push(vehicle);
    Ok(Answer::changed(201, answer))
}

fn change(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let vehicle = state.vehicle_mut(path(asked, "vehicle_id"), asked.language)?;
    let set = |field: &mut String, key: &str| {
        if let Some(value) = text(&asked.arguments.body, key) {
            value.clone_into(field);
        }
    };
    set(&mut vehicle.parking, "parking");
    set(&mut vehicle.colour, "colour");
    set(&mut vehicle.status, "status");
    Ok(Answer::changed(200, vehicle.json(asked.language)))
}

fn retire(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let id = path(asked, "vehicle_id");
    state.vehicle(id, asked.language)?;
    let now = timestamp(asked.now);
    if state.taken(id, now, jiff::Timestamp::MAX, None).is_some() {
        let words = say(asked.language, "The vehicle has bookings to come.", "Vozilo još ima rezervacija.");
        return Err(Problem::new(409, "Conflict", words));
    }
    state.vehicles.retain(|vehicle| vehicle.id != id);
    Ok(Answer::changed(204, Value::Null))
}

fn location(state: &State, asked: &Asked) -> Result<Answer, Problem> {
    let vehicle = state.vehicle(path(asked, "vehicle_id"), asked.language)?;
    let (latitude, longitude) = match vehicle.parking.as_str() {
        "Radnička 80" => (45.7989, 16.0107),
        "Slavonska 6" => (45.8003, 16.0361),
        _ => (45.8062, 15.9672),
    };
    let since = timestamp(Micros(asked.now.0 - asked.now.0.rem_euclid(3_600_000_000))) - 2.hours();
    Ok(Answer::read(json!({
        "vehicle": state.title(&vehicle.id), "place": vehicle.parking,
        "latitude": latitude, "longitude": longitude, "since": since.to_string(),
    })))
}

fn papers(state: &State, asked: &Asked) -> Result<Answer, Problem> {
    let vehicle = state.vehicle(path(asked, "vehicle_id"), asked.language)?;
    let number = i32::try_from(vehicle.kilometres % 300).unwrap_or(0);
    let until = |days: i32| state.today(asked.now).saturating_add(days.days()).to_string();
    let paper =
        |english, croatian, days| json!({"name": say(asked.language, english, croatian), "valid_until": until(days)});
    Ok(Answer::read(json!([
        paper("Registration", "Prometna dozvola", 40 + number),
        paper("Insurance", "Osiguranje", 40 + number),
        paper("Inspection", "Tehnički pregled", 20 + number),
    ])))
}
