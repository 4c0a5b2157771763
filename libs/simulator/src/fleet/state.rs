//! What the fleet keeps, and the look-ups that all rules share.

use domain::Micros;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::words::{say, word};
use crate::backend::{Asked, Problem};

#[derive(Clone, Debug)]
pub(super) struct Vehicle {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) plate: String,
    pub(super) colour: String,
    pub(super) kind: String,
    pub(super) fuel: String,
    pub(super) seats: i64,
    pub(super) kilometres: i64,
    pub(super) parking: String,
    pub(super) status: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BookingStatus {
    Booked,
    UnderWay,
    Returned,
    Cancelled,
}

impl BookingStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::UnderWay => "under_way",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Booking {
    pub(super) id: u64,
    pub(super) vehicle: String,
    pub(super) person: String,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) status: BookingStatus,
    pub(super) purpose: String,
}

#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) vehicle: String,
    pub(super) kilometres: i64,
    pub(super) date: Date,
}

#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) id: String,
    pub(super) vehicle: String,
    pub(super) description: String,
    pub(super) severity: String,
    pub(super) status: String,
    pub(super) date: Date,
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) vehicle: String,
    pub(super) kind: String,
    pub(super) date: Date,
    pub(super) garage: String,
}

#[derive(Clone, Debug)]
pub(super) struct Fuel {
    pub(super) vehicle: String,
    pub(super) litres: f64,
    pub(super) amount: f64,
    pub(super) station: String,
    pub(super) date: Date,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) phone: &'static str,
    pub(super) department: (&'static str, &'static str),
    pub(super) vehicles: &'static [&'static str],
}

pub(crate) struct State {
    pub(super) zone: TimeZone,
    pub(super) vehicles: Vec<Vehicle>,
    pub(super) bookings: Vec<Booking>,
    pub(super) readings: Vec<Reading>,
    pub(super) damages: Vec<Damage>,
    pub(super) services: Vec<Service>,
    pub(super) fuel: Vec<Fuel>,
    pub(super) people: Vec<Person>,
    pub(super) next_booking: u64,
}

impl State {
    pub(super) fn vehicle(&self, id: &str, language: &str) -> Result<&Vehicle, Problem> {
        let missing = || not_found(say(language, "There is no such vehicle.", "Takvog vozila nema."));
        self.vehicles.iter().find(|vehicle| vehicle.id == id).ok_or_else(missing)
    }

    pub(super) fn vehicle_mut(&mut self, id: &str, language: &str) -> Result<&mut Vehicle, Problem> {
        let missing = || not_found(say(language, "There is no such vehicle.", "Takvog vozila nema."));
        self.vehicles.iter_mut().find(|vehicle| vehicle.id == id).ok_or_else(missing)
    }

    pub(super) fn person(&self, id: &str, language: &str) -> Result<&Person, Problem> {
        let missing = || not_found(say(language, "There is no such person.", "Takve osobe nema."));
        self.people.iter().find(|person| person.id == id).ok_or_else(missing)
    }

    /// `VW Caddy, ZG 5678-CD`; the id when the vehicle was retired.
    pub(super) fn title(&self, id: &str) -> String {
        let vehicle = self.vehicles.iter().find(|vehicle| vehicle.id == id);
        vehicle.map_or_else(|| id.to_owned(), |vehicle| format!("{}, {}", vehicle.name, vehicle.plate))
    }

    /// The first booking that holds the vehicle in the period, `except` aside.
    pub(super) fn taken(&self, vehicle: &str, from: Timestamp, to: Timestamp, except: Option<u64>) -> Option<&Booking> {
        self.bookings.iter().find(|booking| {
            booking.vehicle == vehicle
                && Some(booking.id) != except
                && matches!(booking.status, BookingStatus::Booked | BookingStatus::UnderWay)
                && booking.from < to
                && from < booking.to
        })
    }

    pub(super) fn today(&self, now: Micros) -> Date {
        timestamp(now).to_zoned(self.zone.clone()).date()
    }

    /// The given day, today when none is given; a day to come is refused.
    pub(super) fn day(&self, asked: &Asked) -> Result<Date, Problem> {
        let today = self.today(asked.now);
        match text(&asked.arguments.body, "date") {
            None => Ok(today),
            Some(day) => {
                let day: Date = day.parse().map_err(|_| unfit("That is no day."))?;
                if day > today {
                    let words = say(asked.language, "That day has not come yet.", "Taj dan još nije došao.");
                    return Err(unfit(words));
                }
                Ok(day)
            }
        }
    }
}

impl Vehicle {
    pub(super) fn json(&self, language: &str) -> Value {
        json!({
            "id": self.id, "name": self.name, "plate": self.plate, "colour": word(&self.colour, language),
            "type": word(&self.kind, language), "fuel": word(&self.fuel, language), "seats": self.seats,
            "kilometres": self.kilometres, "parking": self.parking, "status": word(&self.status, language),
        })
    }
}

pub(super) fn timestamp(now: Micros) -> Timestamp {
    Timestamp::from_microsecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A text field that is given.
pub(super) fn text<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.get(key).and_then(Value::as_str)
}

pub(super) fn not_found(detail: &str) -> Problem {
    Problem::new(404, "Not Found", detail)
}

pub(super) fn unfit(detail: impl Into<String>) -> Problem {
    Problem::new(422, "Unprocessable Content", detail)
}

/// A path value; the contract has checked that it is there.
pub(super) fn path<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.arguments.path.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A query value that is text and given.
pub(super) fn query<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.arguments.query.get(name).and_then(Value::as_str)
}

/// A point in time out of a query or body text.
pub(super) fn moment(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| unfit(format!("`{text}` is no time.")))
}
