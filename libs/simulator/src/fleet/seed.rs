//! The fleet as it stands when it starts: the same each time, around the day it starts on.

use domain::Micros;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::state::{Booking, BookingStatus, Damage, Fuel, Person, Reading, Service, State, Vehicle, timestamp};

/// Bookings that begin in the current month.
const BOOKINGS_THIS_MONTH: usize = 37;
/// Number of the first booking that a person makes.
const FIRST_NUMBER: u64 = 4711;

type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, i64, i64, &'static str, &'static str);

const VEHICLES: [Row; 8] = [
    ("Škoda Octavia", "ZG 1234-AB", "red", "car", "petrol", 5, 61_480, "Savska 12", "active"),
    ("VW Caddy", "ZG 5678-CD", "white", "van", "diesel", 5, 84_210, "Savska 12", "active"),
    ("Škoda Octavia", "ZG 3456-GH", "grey", "car", "diesel", 5, 84_120, "Radnička 80", "active"),
    ("VW Transporter", "ZG 9012-EF", "red", "van", "diesel", 9, 120_430, "Radnička 80", "active"),
    ("Renault Kangoo", "ZG 7890-KL", "blue", "van", "electric", 5, 23_900, "Savska 12", "active"),
    ("Renault Clio", "ZG 2468-MN", "white", "car", "petrol", 5, 47_050, "Slavonska 6", "active"),
    ("Ford Transit", "ZG 1357-PR", "silver", "truck", "diesel", 3, 158_700, "Slavonska 6", "active"),
    ("Toyota Corolla", "ZG 8642-TS", "black", "car", "petrol", 5, 71_330, "Autoservis Horvat", "workshop"),
];

pub(super) fn state(now: Micros, zone: TimeZone) -> State {
    let today = timestamp(now).to_zoned(zone.clone()).date();
    let vehicles = VEHICLES.iter().zip(1..).map(|(row, number)| vehicle(row, number)).collect();
    let mut state = State {
        vehicles,
        bookings: Vec::new(),
        readings: Vec::new(),
        damages: vec![Damage {
            id: "dam_1".to_owned(),
            vehicle: "veh_8".to_owned(),
            description: "Clutch slips".to_owned(),
            severity: "not_drivable".to_owned(),
            status: "in_repair".to_owned(),
            date: back(today, 3),
        }],
        services: vec![
            Service {
                vehicle: "veh_2".to_owned(),
                kind: "yearly".to_owned(),
                date: ahead(today, 12),
                garage: "Autoservis Horvat".to_owned(),
            },
            Service {
                vehicle: "veh_4".to_owned(),
                kind: "tyres".to_owned(),
                date: ahead(today, 20),
                garage: "Vulkanizer Sesvete".to_owned(),
            },
            Service {
                vehicle: "veh_2".to_owned(),
                kind: "oil".to_owned(),
                date: back(today, 180),
                garage: "Autoservis Horvat".to_owned(),
            },
        ],
        fuel: Vec::new(),
        people: people(),
        next_booking: FIRST_NUMBER,
        zone,
    };
    for (vehicle, days) in state.vehicles.clone().iter().zip(1_i32..) {
        let kilometres = vehicle.kilometres;
        state.readings.push(Reading {
            vehicle: vehicle.id.clone(),
            kilometres: kilometres - 900,
            date: back(today, 30 + days),
        });
        state.readings.push(Reading { vehicle: vehicle.id.clone(), kilometres, date: back(today, days) });
        if vehicle.fuel != "electric" {
            state.fuel.push(Fuel {
                vehicle: vehicle.id.clone(),
                litres: 35.0 + f64::from(days),
                amount: 52.5 + 1.5 * f64::from(days),
                station: "INA Savska".to_owned(),
                date: back(today, days),
            });
        }
    }
    bookings(&mut state, today);
    state
}

fn vehicle(row: &Row, number: usize) -> Vehicle {
    let (name, plate, colour, kind, fuel, seats, kilometres, parking, status) = *row;
    Vehicle {
        id: format!("veh_{number}"),
        name: name.to_owned(),
        plate: plate.to_owned(),
        colour: colour.to_owned(),
        kind: kind.to_owned(),
        fuel: fuel.to_owned(),
        seats,
        kilometres,
        parking: parking.to_owned(),
        status: status.to_owned(),
    }
}

fn people() -> Vec<Person> {
    let person = |id, name, phone, department, vehicles| Person { id, name, phone, department, vehicles };
    vec![
        person("per_1", "Ana Horvat", super::ANA, ("Sales", "Prodaja"), &["veh_2", "veh_1"]),
        person("per_2", "Marko Kovač", super::MARKO, ("Service", "Servis"), &["veh_4", "veh_3"]),
        person("per_3", "Ivana Babić", "385981112223", ("Warehouse", "Skladište"), &["veh_7"]),
        person("per_4", "Petra Novak", "385953334445", ("Sales", "Prodaja"), &["veh_5"]),
        person("per_5", "Luka Jurić", "385915556667", ("Service", "Servis"), &["veh_6"]),
    ]
}

/// Tomorrow exactly two vehicles are free all day, and the red van until 15:00; Ana has two bookings to come.
fn bookings(state: &mut State, today: Date) {
    let tomorrow = ahead(today, 1);
    for (vehicle, person, day, from, to) in [
        ("veh_3", "per_2", tomorrow, 7, 18),
        ("veh_4", "per_3", tomorrow, 15, 17),
        ("veh_5", "per_4", tomorrow, 14, 16),
        ("veh_6", "per_5", tomorrow, 8, 16),
        ("veh_7", "per_3", tomorrow, 9, 15),
        ("veh_2", "per_4", ahead(today, 2), 10, 12),
        ("veh_2", "per_1", ahead(today, 3), 8, 12),
        ("veh_1", "per_1", ahead(today, 6), 9, 15),
    ] {
        add(state, vehicle, person, day, from, to, today);
    }
    let month = |state: &State| {
        let begins = |booking: &&Booking| {
            booking.from.to_zoned(state.zone.clone()).date().first_of_month() == today.first_of_month()
        };
        state.bookings.iter().filter(begins).count()
    };
    let quiet = [today, tomorrow, ahead(today, 2), ahead(today, 3), ahead(today, 6)];
    let others = ["per_2", "per_3", "per_4", "per_5"];
    let mut turn = 0_usize;
    let mut day = today.first_of_month();
    // Each pass over the month adds at most two bookings a day, so they spread over it.
    for pass in 0..7 {
        while day.first_of_month() == today.first_of_month() {
            for (hour, length) in [(8, 2), (13, 3)] {
                if month(state) < BOOKINGS_THIS_MONTH && !quiet.contains(&day) {
                    let vehicle = format!("veh_{}", (turn + pass) % 7 + 1);
                    let person = others.get(turn % others.len()).copied().unwrap_or("per_2");
                    add(state, &vehicle, person, day, hour, hour + length, today);
                    turn += 1;
                }
            }
            day = ahead(day, 1);
        }
        day = today.first_of_month();
    }
    state.bookings.sort_by_key(|booking| booking.from);
    let first = FIRST_NUMBER - u64::try_from(state.bookings.len()).unwrap_or(0);
    for (booking, number) in state.bookings.iter_mut().zip(first..) {
        booking.id = number;
    }
}

fn add(state: &mut State, vehicle: &str, person: &str, day: Date, from: i8, to: i8, today: Date) {
    let (from, to) = (at(state, day, from), at(state, day, to));
    let clash = |booking: &Booking| booking.vehicle == vehicle && booking.from < to && from < booking.to;
    if state.bookings.iter().any(clash) {
        return;
    }
    state.bookings.push(Booking {
        id: 0,
        vehicle: vehicle.to_owned(),
        person: person.to_owned(),
        from,
        to,
        status: if day < today { BookingStatus::Returned } else { BookingStatus::Booked },
        purpose: String::new(),
    });
}

fn at(state: &State, day: Date, hour: i8) -> Timestamp {
    let zoned = day.at(hour, 0, 0, 0).to_zoned(state.zone.clone());
    zoned.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}

fn ahead(day: Date, days: i32) -> Date {
    day.saturating_add(days.days())
}

fn back(day: Date, days: i32) -> Date {
    day.saturating_sub(days.days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_year_has_37_bookings_in_its_month() {
        let zone = TimeZone::get("Europe/Zagreb").expect("a zone");
        let first: Timestamp = "2026-01-01T11:00:00Z".parse().expect("a time");
        for day in 0..366_i64 {
            let now = Micros(first.as_microsecond() + day * 86_400_000_000);
            let state = state(now, zone.clone());
            let month = state.today(now).first_of_month();
            let begins = |booking: &&Booking| booking.from.to_zoned(zone.clone()).date().first_of_month() == month;
            assert_eq!(state.bookings.iter().filter(begins).count(), BOOKINGS_THIS_MONTH, "day {day}");
            assert_eq!(state.bookings.last().map(|booking| booking.id), Some(FIRST_NUMBER - 1), "day {day}");
        }
    }
}
