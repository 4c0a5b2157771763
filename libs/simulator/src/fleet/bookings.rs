//! Rules of bookings: nobody has a vehicle that somebody else has.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{
    state::{Booking, BookingStatus, Reading, State, moment, not_found, path, query, text, timestamp, unfit},
    words::say,
};
use crate::backend::{Answer, Asked, Problem};

const LONGEST_DAYS: i64 = 60;

pub(super) fn act(state: &mut State, id: &str, asked: &Asked) -> Option<Result<Answer, Problem>> {
    Some(match id {
        "GET /bookings" => list(state, asked),
        "POST /bookings" => create(state, asked),
        "GET /bookings/{booking_id}" => find(state, asked)
            .map(|at| Answer::read(state.bookings.get(at).map_or(Value::Null, |one| json(state, one)))),
        "PATCH /bookings/{booking_id}" => change(state, asked),
        "DELETE /bookings/{booking_id}" => set(state, asked, BookingStatus::Cancelled),
        "POST /bookings/{booking_id}/pickup" => set(state, asked, BookingStatus::UnderWay),
        "POST /bookings/{booking_id}/return" => give_back(state, asked),
        "GET /vehicles/{vehicle_id}/bookings" => {
            let id = path(asked, "vehicle_id");
            state.vehicle(id, asked.language).map(|_| to_come(state, asked, |booking| booking.vehicle == id))
        }
        "GET /people/{person_id}/bookings" => {
            let id = path(asked, "person_id");
            state.person(id, asked.language).map(|_| to_come(state, asked, |booking| booking.person == id))
        }
        _ => return None,
    })
}

fn json(state: &State, booking: &Booking) -> Value {
    let vehicle = state.vehicles.iter().find(|vehicle| vehicle.id == booking.vehicle);
    let person = state.people.iter().find(|person| person.id == booking.person);
    let mut value = json!({
        "id": booking.id,
        "vehicle": vehicle.map_or(booking.vehicle.as_str(), |vehicle| vehicle.name.as_str()),
        "plate": vehicle.map_or("", |vehicle| vehicle.plate.as_str()),
        "from": booking.from.to_string(), "to": booking.to.to_string(),
        "person": person.map_or("", |person| person.name),
        "status": booking.status.as_str(),
        "vehicle_id": booking.vehicle, "person_id": booking.person,
    });
    if !booking.purpose.is_empty() {
        value["purpose"] = json!(booking.purpose);
    }
    value
}

fn to_come(state: &State, asked: &Asked, fits: impl Fn(&Booking) -> bool) -> Answer {
    let now = timestamp(asked.now);
    let open = |booking: &&Booking| matches!(booking.status, BookingStatus::Booked | BookingStatus::UnderWay);
    let mut rows: Vec<&Booking> = state.bookings.iter().filter(open).filter(|one| one.to > now && fits(one)).collect();
    rows.sort_by_key(|booking| booking.from);
    Answer::read(rows.into_iter().map(|booking| json(state, booking)).collect())
}

fn list(state: &State, asked: &Asked) -> Result<Answer, Problem> {
    let limit = |name: &str| query(asked, name).map(moment).transpose();
    let (from, to) = (limit("from")?, limit("to")?);
    let is = |name: &str, own: &str| query(asked, name).is_none_or(|wanted| wanted == own);
    let mut rows: Vec<&Booking> = state
        .bookings
        .iter()
        .filter(|one| from.is_none_or(|from| one.to > from) && to.is_none_or(|to| one.from < to))
        .filter(|one| {
            is("person_id", &one.person) && is("vehicle_id", &one.vehicle) && is("status", one.status.as_str())
        })
        .collect();
    let now = timestamp(asked.now);
    // Those to come first, the next at the top; then the past ones, the last at the top.
    rows.sort_by_key(|one| (one.to <= now, if one.to > now { one.from.as_second() } else { -one.from.as_second() }));
    let number = |name: &str, default: usize| {
        asked
            .arguments
            .query
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(default)
    };
    let items: Vec<Value> =
        rows.iter().skip(number("offset", 0)).take(number("limit", 100)).map(|booking| json(state, booking)).collect();
    Ok(Answer::read(json!({"total": rows.len(), "items": items})))
}

impl State {
    fn check_period(&self, from: Timestamp, to: Timestamp, language: &str) -> Result<(), Problem> {
        if from >= to {
            return Err(unfit(say(language, "The end must be after the begin.", "Kraj mora biti nakon početka.")));
        }
        if from.saturating_add((24 * LONGEST_DAYS).hours()).is_ok_and(|longest| to > longest) {
            return Err(unfit(say(
                language,
                "A booking is for 60 days at most.",
                "Rezervacija traje najviše 60 dana.",
            )));
        }
        Ok(())
    }

    fn check_free(
        &self,
        vehicle: &str,
        from: Timestamp,
        to: Timestamp,
        except: Option<u64>,
        language: &str,
    ) -> Result<(), Problem> {
        if self.vehicle(vehicle, language)?.status != "active" {
            let words = say(language, "The vehicle is in the workshop.", "Vozilo je u servisu.");
            return Err(Problem::new(409, "Conflict", words));
        }
        let Some(other) = self.taken(vehicle, from, to, except) else {
            return Ok(());
        };
        let time = |moment: Timestamp| moment.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        let words = say(language, "The vehicle was booked by somebody else", "Vozilo je već rezervirao netko drugi");
        let detail = format!("{words} ({}-{}).", time(other.from), time(other.to));
        Err(Problem::new(409, "Conflict", detail))
    }

    pub(super) fn book(
        &mut self,
        vehicle: &str,
        person: &str,
        from: Timestamp,
        to: Timestamp,
        purpose: &str,
        language: &str,
    ) -> Result<u64, Problem> {
        self.check_period(from, to, language)?;
        self.person(person, language)?;
        self.check_free(vehicle, from, to, None, language)?;
        let id = self.next_booking;
        self.next_booking += 1;
        self.bookings.push(Booking {
            id,
            vehicle: vehicle.to_owned(),
            person: person.to_owned(),
            from,
            to,
            status: BookingStatus::Booked,
            purpose: purpose.to_owned(),
        });
        Ok(id)
    }
}

fn create(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let body = &asked.arguments.body;
    let given = |key: &str| text(body, key).unwrap_or_default();
    let (from, to) = (moment(given("from"))?, moment(given("to"))?);
    if to <= timestamp(asked.now) {
        return Err(unfit(say(asked.language, "That time has passed.", "To je vrijeme prošlo.")));
    }
    let id = state.book(given("vehicle_id"), given("person_id"), from, to, given("purpose"), asked.language)?;
    let booking = state.bookings.iter().find(|booking| booking.id == id);
    Ok(Answer::changed(201, booking.map_or(Value::Null, |booking| json(state, booking))))
}

fn find(state: &State, asked: &Asked) -> Result<usize, Problem> {
    let id = asked.arguments.path.get("booking_id").and_then(Value::as_u64);
    let missing =
        || not_found(say(asked.language, "There is no booking with this number.", "Nema rezervacije s tim brojem."));
    state.bookings.iter().position(|booking| Some(booking.id) == id).ok_or_else(missing)
}

/// The booking's place, if it can still be changed.
fn find_open(state: &State, asked: &Asked) -> Result<usize, Problem> {
    let at = find(state, asked)?;
    let status = state.bookings.get(at).map(|booking| booking.status);
    let refused = |words: &str| Err(Problem::new(409, "Conflict", words));
    match status {
        Some(BookingStatus::Cancelled) => {
            refused(say(asked.language, "This booking is cancelled.", "Ta je rezervacija otkazana."))
        }
        Some(BookingStatus::Returned) => refused(say(asked.language, "This trip is over.", "Ta je vožnja završena.")),
        Some(BookingStatus::Booked | BookingStatus::UnderWay) | None => Ok(at),
    }
}

fn change(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let at = find_open(state, asked)?;
    let Some(mut booking) = state.bookings.get(at).cloned() else {
        return Err(not_found(""));
    };
    let body = &asked.arguments.body;
    if let Some(vehicle) = text(body, "vehicle_id") {
        vehicle.clone_into(&mut booking.vehicle);
    }
    if let Some(from) = text(body, "from") {
        booking.from = moment(from)?;
    }
    if let Some(to) = text(body, "to") {
        booking.to = moment(to)?;
    }
    if let Some(purpose) = text(body, "purpose") {
        purpose.clone_into(&mut booking.purpose);
    }
    state.check_period(booking.from, booking.to, asked.language)?;
    state.check_free(&booking.vehicle, booking.from, booking.to, Some(booking.id), asked.language)?;
    let answer = json(state, &booking);
    if let Some(place) = state.bookings.get_mut(at) {
        *place = booking;
    }
    Ok(Answer::changed(200, answer))
}

fn set(state: &mut State, asked: &Asked, status: BookingStatus) -> Result<Answer, Problem> {
    let at = find_open(state, asked)?;
    if let Some(booking) = state.bookings.get_mut(at) {
        booking.status = status;
    }
    Ok(Answer::changed(200, state.bookings.get(at).map_or(Value::Null, |booking| json(state, booking))))
}

fn give_back(state: &mut State, asked: &Asked) -> Result<Answer, Problem> {
    let at = find_open(state, asked)?;
    let vehicle = state.bookings.get(at).map(|booking| booking.vehicle.clone()).unwrap_or_default();
    let date = state.today(asked.now);
    let kilometres = asked.arguments.body.get("kilometres").and_then(Value::as_i64).unwrap_or(0);
    state.read_odometer(Reading { vehicle: vehicle.clone(), kilometres, date }, asked.language)?;
    if let Some(parking) = text(&asked.arguments.body, "parking") {
        parking.clone_into(&mut state.vehicle_mut(&vehicle, asked.language)?.parking);
    }
    set(state, asked, BookingStatus::Returned)
}
