//! Rules of what is written down about vehicles: mileage, damage, services, fuel.

use jiff::{ToSpan as _, civil::Date};
use serde_json::{Value, json};

use super::{
    state::{Damage, Fuel, Reading, Service, State, not_found, path, query, text, unfit},
    words::say,
};
use crate::backend::{Answer, Asked, Problem};

pub(super) const GARAGES: [(&str, &str, &str, &str); 2] = [
    ("gar_1", "Autoservis Horvat", "Ilica 300, Zagreb", "+385 1 3777 100"),
    ("gar_2", "Vulkanizer Sesvete", "Zagrebačka 15, Sesvete", "+385 1 2001 200"),
];

pub(super) fn act(state: &mut State, id: &str, asked: &Asked) -> Option<Result<Answer, Problem>> {
    let vehicle = path(asked, "vehicle_id");
    if id.contains("{vehicle_id}")
        && let Err(problem) = state.vehicle(vehicle, asked.language)
    {
        return Some(Err(problem));
    }
    Some(match id {
        "GET /vehicles/{vehicle_id}/mileage" => {
            let rows = state.readings.iter().rev().filter(|reading| reading.vehicle == vehicle);
            Ok(Answer::read(rows.map(|reading| reading_json(state, reading)).collect()))
        }
        "POST /vehicles/{vehicle_id}/mileage" => mileage(state, asked),
        "GET /vehicles/{vehicle_id}/damage-reports" => {
            let rows = state.damages.iter().rev().filter(|damage| damage.vehicle == vehicle);
            Ok(Answer::read(rows.map(|damage| damage_json(state, damage)).collect()))
        }
        "POST /vehicles/{vehicle_id}/damage-reports" => report(state, asked),
        "GET /damage-reports" => {
            let is = |name: &str, own: &str| query(asked, name).is_none_or(|wanted| wanted == own);
            let fits = |damage: &&Damage| is("severity", &damage.severity) && is("status", &damage.status);
            Ok(Answer::read(state.damages.iter().rev().filter(fits).map(|damage| damage_json(state, damage)).collect()))
        }
        "GET /damage-reports/{report_id}" => find_damage(state, asked)
            .map(|at| Answer::read(state.damages.get(at).map_or(Value::Null, |damage| damage_json(state, damage)))),
        "PUT /damage-reports/{report_id}" => find_damage(state, asked).map(|at| {
            if let Some(damage) = state.damages.get_mut(at) {
                text(&asked.arguments.body, "status").unwrap_or("open").clone_into(&mut damage.status);
            }
            Answer::changed(200, state.damages.get(at).map_or(Value::Null, |damage| damage_json(state, damage)))
        }),
        "GET /vehicles/{vehicle_id}/services" => Ok(services(state, |service| service.vehicle == vehicle)),
        "POST /vehicles/{vehicle_id}/services" => book_service(state, asked),
        "GET /services/due" => {
            let days = asked.arguments.query.get("days").and_then(Value::as_i64).unwrap_or(30);
            let today = state.today(asked.now);
            let last = today.saturating_add(days.days());
            Ok(services(state, |service| service.date >= today && service.date <= last))
        }
        "GET /vehicles/{vehicle_id}/fuel" => {
            let rows = state.fuel.iter().rev().filter(|fuel| fuel.vehicle == vehicle);
            Ok(Answer::read(rows.map(|fuel| fuel_json(state, fuel)).collect()))
        }
        "POST /vehicles/{vehicle_id}/fuel" => Ok(refuel(state, asked)),
        "GET /costs" => costs(state, asked),
        "GET /garages" => Ok(Answer::read(
            GARAGES
                .iter()
                .map(|(id, name, address, phone)| json!({"id": id, "name": name, "address": address, "phone": phone}))
                .collect(),
        )),
        _ => return None,
    })
}

fn reading_json(state: &State, reading: &Reading) -> Value {
    json!({"vehicle": state.title(&reading.vehicle), "kilometres": reading.kilometres, "date": reading.date.to_string()})
}

fn damage_json(state: &State, damage: &Damage) -> Value {
    json!({
        "id": damage.id, "vehicle": state.title(&damage.vehicle), "description": damage.description,
        "severity": damage.severity, "status": damage.status, "date": damage.date.to_string(), "vehicle_id": damage.vehicle,
    })
}

fn fuel_json(state: &State, fuel: &Fuel) -> Value {
    let mut value = json!({
        "vehicle": state.title(&fuel.vehicle), "litres": fuel.litres, "amount_eur": fuel.amount, "date": fuel.date.to_string(),
    });
    if !fuel.station.is_empty() {
        value["station"] = json!(fuel.station);
    }
    value
}

impl State {
    /// Takes an odometer reading, which cannot go back.
    pub(super) fn read_odometer(&mut self, reading: Reading, language: &str) -> Result<(), Problem> {
        let vehicle = self.vehicle_mut(&reading.vehicle, language)?;
        if reading.kilometres < vehicle.kilometres {
            let words = say(language, "The last reading was", "Zadnje je stanje bilo");
            return Err(unfit(format!("{words} {} km.", vehicle.kilometres)));
        }
        vehicle.kilometres = reading.kilometres;
        self.readings.push(reading);
        Ok(())
    }
}

fn mileage(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let kilometres = asked.arguments.body.get("kilometres").and_then(Value::as_i64).unwrap_or(0);
    let reading = Reading { vehicle: path(asked, "vehicle_id").to_owned(), kilometres, date: state.day(asked)? };
    state.read_odometer(reading.clone(), asked.language)?;
    Ok(Answer::changed(201, reading_json(state, &reading)))
}

fn report(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let body = &asked.arguments.body;
    let given = |key: &str| text(body, key).unwrap_or_default().to_owned();
    let damage = Damage {
        id: format!("dam_{}", state.damages.len() + 1),
        vehicle: path(asked, "vehicle_id").to_owned(),
        description: given("description"),
        severity: given("severity"),
        status: "open".to_owned(),
        date: state.day(asked)?,
    };
    let answer = damage_json(state, &damage);
    state.damages.push(damage);
    Ok(Answer::changed(201, answer))
}

fn find_damage(state: &State, asked: &Asked) -> Result<usize, Problem> {
    let id = path(asked, "report_id");
    let missing = || not_found(say(asked.language, "There is no such report.", "Takve prijave nema."));
    state.damages.iter().position(|damage| damage.id == id).ok_or_else(missing)
}

fn service_json(state: &State, service: &Service) -> Value {
    json!({
        "vehicle": state.title(&service.vehicle), "kind": service.kind, "date": service.date.to_string(),
        "garage": service.garage, "vehicle_id": service.vehicle,
    })
}

fn services(state: &State, fits: impl Fn(&Service) -> bool) -> Answer {
    let mut rows: Vec<&Service> = state.services.iter().filter(|service| fits(service)).collect();
    rows.sort_by_key(|service| service.date);
    Answer::read(rows.into_iter().map(|service| service_json(state, service)).collect())
}

fn book_service(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let body = &asked.arguments.body;
    let garage = GARAGES.iter().find(|(id, ..)| Some(*id) == text(body, "garage_id"));
    let Some((_, garage, ..)) = garage else {
        return Err(unfit(say(asked.language, "There is no such garage.", "Takvog servisa nema.")));
    };
    let date: Date = text(body, "date").unwrap_or_default().parse().map_err(|_| unfit("That is no day."))?;
    if date < state.today(asked.now) {
        return Err(unfit(say(asked.language, "That day has passed.", "Taj je dan prošao.")));
    }
    let service = Service {
        vehicle: path(asked, "vehicle_id").to_owned(),
        kind: text(body, "kind").unwrap_or_default().to_owned(),
        date,
        garage: (*garage).to_owned(),
    };
    let answer = service_json(state, &service);
    state.services.push(service);
    Ok(Answer::changed(201, answer))
}

fn refuel(state: &mut State, asked: &Asked) -> Answer {
    let body = &asked.arguments.body;
    let number = |key: &str| body.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let fuel = Fuel {
        vehicle: path(asked, "vehicle_id").to_owned(),
        litres: number("litres"),
        amount: number("amount_eur"),
        station: text(body, "station").unwrap_or_default().to_owned(),
        date: state.today(asked.now),
    };
    let answer = fuel_json(state, &fuel);
    state.fuel.push(fuel);
    Answer::changed(201, answer)
}

fn costs(state: &State, asked: &Asked) -> Result<Answer, Problem> {
    let day = |name: &str| query(asked, name).unwrap_or_default().parse::<Date>().map_err(|_| unfit("That is no day."));
    let (from, to) = (day("from")?, day("to")?);
    let rows: Vec<&Fuel> = state.fuel.iter().filter(|fuel| from <= fuel.date && fuel.date <= to).collect();
    let cents = |value: f64| (value * 100.0).round() / 100.0;
    Ok(Answer::read(json!({
        "refuellings": rows.len(),
        "litres": cents(rows.iter().map(|fuel| fuel.litres).sum()),
        "amount_eur": cents(rows.iter().map(|fuel| fuel.amount).sum()),
    })))
}
