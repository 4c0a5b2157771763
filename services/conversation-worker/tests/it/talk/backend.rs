//! The library itself, in memory: its books, rooms, loans and people, and the faults a test plants.

use std::collections::{BTreeMap, VecDeque};

use conversation_worker::turn::{AnswerFile, Call, CallOutcome, Cut};
use openapi::Risk;
use serde_json::{Map, Value, json};

use super::world::fold;

/// How the next call of an operation goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Not reached.
    Away,
    /// Reached, and busy for so many seconds: nothing was done.
    Busy(u64),
    /// No answer came; it was done or not.
    Unknown {
        /// The backend did it.
        done: bool,
    },
    /// Refused with this status and body.
    Refused(u16, Value),
    /// Our credentials are refused.
    NoCredentials,
    /// It answers with a file; it was done.
    File(AnswerFile),
}

/// A period in which somebody has a room.
#[derive(Clone, Debug)]
struct Booking {
    number: i64,
    room: &'static str,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    member: String,
}

/// What the library knows.
#[derive(Clone)]
pub struct Library {
    bookings: Vec<Booking>,
    next_number: i64,
    faults: BTreeMap<String, VecDeque<Fault>>,
    /// What was answered to calls with a key, where keys are honoured.
    keys: BTreeMap<String, (u16, Value)>,
    lockers: Vec<(i64, String, String)>,
    /// Rows of one page of a list, and of all pages together.
    pages: Option<(usize, usize)>,
}

const BOOKS: &[(&str, &str, &str, &str, &str, &str, i64)] = &[
    ("bok_1", "Dune", "Frank Herbert", "SF-12", "blue", "novel", 612),
    ("bok_2", "Atlas of the World", "John Mills", "MP-01", "green", "maps", 240),
    ("bok_3", "Leaves of Grass", "Walt Whitman", "PO-07", "white", "verse", 180),
    ("bok_4", "Emma", "Jane Austen", "EN-04", "red", "novel", 474),
    ("bok_5", "Emma", "Jane Austen", "EN-05", "grey", "novel", 474),
    ("bok_6", "The Waste Land", "T. S. Eliot", "PO-11", "black", "verse", 64),
];
const ROOMS: &[(&str, &str, &str, &str, i64, i64)] = &[
    ("rom_1", "Tesla", "T-101", "blue", 8, 1),
    ("rom_2", "Krleža", "K-202", "red", 12, 2),
    ("rom_3", "Gundulić", "G-303", "green", 4, 3),
];
const LOANS: &[(&str, &str, &str, &str)] = &[
    ("loa_1", "Dune", "2026-11-30", "mem_1"),
    ("loa_2", "Atlas of the World", "2026-12-02", "mem_1"),
    ("loa_3", "Emma", "2026-11-25", "mem_9"),
];
/// Id, name and phone.
const MEMBERS: &[(&str, &str, &str)] =
    &[("mem_1", "Ana Horvat", "385910000001"), ("mem_2", "Marko Babić", "385910000002")];

impl Library {
    /// As it is on the morning of Saturday 21 November 2026: Ana has booked Gundulić on Monday.
    pub fn new() -> Self {
        let mut library = Self {
            bookings: Vec::new(),
            next_number: 4700,
            faults: BTreeMap::new(),
            keys: BTreeMap::new(),
            lockers: Vec::new(),
            pages: None,
        };
        library.book("rom_3", "2026-11-23T14:00:00+01:00", "2026-11-23T15:00:00+01:00", "mem_1");
        library.next_number = 4711;
        library
    }

    /// Somebody books a room.
    pub fn book(&mut self, room: &'static str, from: &str, to: &str, member: &str) {
        let (from, to) = (moment(from), moment(to));
        self.bookings.push(Booking { number: self.next_number, room, from, to, member: member.to_owned() });
        self.next_number += 1;
    }

    /// The next call of this operation (`<METHOD> <path>`) goes wrong.
    pub fn fault(&mut self, operation: &str, fault: Fault) {
        self.faults.entry(format!("library/{operation}")).or_default().push_back(fault);
    }

    /// How many bookings there are.
    pub fn bookings(&self) -> usize {
        self.bookings.len()
    }

    /// From now on lists come in pages of so many rows, of which so many can be read in all.
    pub fn pages(&mut self, rows: usize, most: usize) {
        self.pages = Some((rows, most));
    }

    /// A locker is rented for somebody.
    pub fn rent(&mut self, day: &str, member: &str) {
        let number = 80 + i64::try_from(self.lockers.len()).expect("few");
        self.lockers.push((number, day.to_owned(), member.to_owned()));
    }

    /// How many lockers are rented.
    pub fn lockers(&self) -> usize {
        self.lockers.len()
    }

    /// Answers a call with this key.
    pub fn call(&mut self, call: &Call, key: &str) -> CallOutcome {
        let fault = self.faults.get_mut(&call.operation_id).and_then(VecDeque::pop_front);
        match fault {
            Some(Fault::Away) => {
                CallOutcome::Away { reason: "connection refused".to_owned(), again: true, wait_s: None }
            }
            Some(Fault::Busy(wait_s)) => {
                CallOutcome::Away { reason: "busy".to_owned(), again: call.risk != Risk::Once, wait_s: Some(wait_s) }
            }
            Some(Fault::NoCredentials) => CallOutcome::NoCredentials { reason: "401".to_owned() },
            Some(Fault::Refused(status, body)) => CallOutcome::Answered { status, body, cut: None, file: None },
            Some(Fault::File(file)) => {
                let (status, _) = self.answer_once(call, key);
                CallOutcome::Answered { status, body: json!("(application/pdf, 7 bytes)"), cut: None, file: Some(file) }
            }
            Some(Fault::Unknown { done }) => {
                if done {
                    self.answer_once(call, key);
                }
                CallOutcome::Unknown { reason: "deadline".to_owned() }
            }
            None => {
                let (status, mut body) = self.answer_once(call, key);
                let cut = self.pages.and_then(|(rows, most)| page(&mut body, if call.whole { most } else { rows }));
                CallOutcome::Answered { status, body, cut, file: None }
            }
        }
    }

    /// What has its effect once for a key has it once.
    fn answer_once(&mut self, call: &Call, key: &str) -> (u16, Value) {
        let own = format!("{} {key}", call.operation_id);
        if let Some(known) = self.keys.get(&own).filter(|_| call.risk == Risk::Keyed) {
            return known.clone();
        }
        let answer = self.answer(call);
        if answer.0 < 300 {
            self.keys.insert(own, answer.clone());
        }
        answer
    }

    fn answer(&mut self, call: &Call) -> (u16, Value) {
        let args = &call.arguments;
        let language = call.language.as_str();
        let name = call.operation_id.strip_prefix("library/").unwrap_or_default();
        match name {
            "GET /books" => {
                let genre = text(args, "query:genre");
                let rows = BOOKS.iter().filter(|book| genre.is_none_or(|genre| genre == book.5));
                (200, found(rows.map(|book| book_row(book, language)), text(args, "query:search")))
            }
            "GET /books/{book_id}" => {
                one(BOOKS.iter().find(|book| is(args, "path:book_id", book.0)).map(|book| book_row(book, language)))
            }
            "POST /books/{book_id}/damage-reports" => match title_of(args) {
                None => not_found(),
                Some(title) => (
                    201,
                    json!({"id": 91, "book": title, "description": args["body:description"], "severity": args["body:severity"]}),
                ),
            },
            "POST /books/{book_id}/progress" => match title_of(args) {
                None => not_found(),
                Some(title) => (201, json!({"book": title, "pages": args["body:pages"]})),
            },
            "GET /rooms" => (200, found(ROOMS.iter().map(|room| room_row(room, language)), text(args, "query:search"))),
            "GET /rooms/free" => {
                let (from, to) = (moment_of(args, "query:from"), moment_of(args, "query:to"));
                let rows = ROOMS.iter().filter(|room| self.is_free(room.0, from, to));
                (200, found(rows.map(|room| room_row(room, language)), None))
            }
            "GET /rooms/{room_id}" => {
                one(ROOMS.iter().find(|room| is(args, "path:room_id", room.0)).map(|room| room_row(room, language)))
            }
            "GET /room-bookings" => (200, self.list(args)),
            "POST /room-bookings" => self.take(args),
            "DELETE /room-bookings/{booking_id}" => {
                let number = args["path:booking_id"].as_i64();
                let before = self.bookings.len();
                self.bookings.retain(|booking| Some(booking.number) != number);
                if self.bookings.len() < before { (204, Value::Null) } else { not_found() }
            }
            "GET /locker-rentals" => {
                let member = text(args, "query:member_id");
                let rows = self.lockers.iter().filter(|locker| member.is_none_or(|member| member == locker.2));
                (200, rows.map(locker_row).collect())
            }
            "POST /locker-rentals" => {
                let (day, member) = (text(args, "body:day"), text(args, "body:member_id"));
                let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
                self.rent(&owned(day), &owned(member));
                (201, locker_row(self.lockers.last().expect("just pushed")))
            }
            "GET /loans" => {
                let member = text(args, "query:member_id");
                let rows = LOANS.iter().filter(|loan| member.is_none_or(|member| member == loan.3));
                (200, Value::Array(rows.map(|loan| loan_row(loan, loan.2)).collect()))
            }
            "POST /loans" => {
                let title = BOOKS.iter().find(|book| is(args, "body:book_id", book.0)).map(|book| book.1);
                let member = text(args, "body:member_id").unwrap_or_default();
                match title {
                    None => not_found(),
                    Some(title) => {
                        (201, json!({"id": "loa_9", "book": title, "due": "2026-12-21", "member": member_name(member)}))
                    }
                }
            }
            "PATCH /loans/{loan_id}" => {
                let due = text(args, "body:due").unwrap_or_default();
                one(LOANS.iter().find(|loan| is(args, "path:loan_id", loan.0)).map(|loan| loan_row(loan, due)))
            }
            "POST /scans" => (201, json!({"number": 31})),
            "POST /suggestions" => (201, json!({"title": args["body:title"]})),
            "GET /branches" => (
                200,
                json!([
                    {
                        "id": "brn_1", "name": "Centre", "address": "Ilica 5", "hours": "Mon-Fri 8-20",
                        "position": {"lat": 45.8131, "lng": 15.9713},
                    },
                    {"id": "brn_2", "name": "Trešnjevka", "address": "Ozaljska 10", "hours": "Mon-Fri 9-17"},
                ]),
            ),
            "GET /members" => {
                let phone = text(args, "query:phone").unwrap_or_default();
                let rows = MEMBERS.iter().filter(|member| member.2 == phone);
                (200, rows.map(|member| json!({"id": member.0, "name": member.1, "email": null})).collect())
            }
            "PATCH /members/{member_id}" => {
                let email = args["body:email"].clone();
                one(MEMBERS
                    .iter()
                    .find(|member| is(args, "path:member_id", member.0))
                    .map(|member| json!({"id": member.0, "name": member.1, "email": email})))
            }
            other => panic!("the library has no {other}"),
        }
    }

    fn is_free(&self, room: &str, from: jiff::Timestamp, to: jiff::Timestamp) -> bool {
        !self.bookings.iter().any(|booking| booking.room == room && booking.from < to && from < booking.to)
    }

    fn list(&self, args: &Map<String, Value>) -> Value {
        let from = text(args, "query:from").map(moment);
        let to = text(args, "query:to").map(moment);
        let (member, room) = (text(args, "query:member_id"), text(args, "query:room_id"));
        let mut rows: Vec<&Booking> = self
            .bookings
            .iter()
            .filter(|booking| from.is_none_or(|from| booking.to > from) && to.is_none_or(|to| booking.from < to))
            .filter(|booking| member.is_none_or(|member| member == booking.member))
            .filter(|booking| room.is_none_or(|room| room == booking.room))
            .collect();
        rows.sort_by_key(|booking| (booking.from, booking.number));
        let number = |key: &str, default: u64| {
            usize::try_from(args.get(key).and_then(Value::as_u64).unwrap_or(default)).unwrap_or(100)
        };
        let page = rows.iter().skip(number("query:offset", 0)).take(number("query:limit", 100));
        json!({"total": rows.len(), "items": page.map(|booking| booking_row(booking)).collect::<Vec<_>>()})
    }

    fn take(&mut self, args: &Map<String, Value>) -> (u16, Value) {
        let Some(room) = ROOMS.iter().find(|room| is(args, "body:room_id", room.0)) else { return not_found() };
        let (from, to) = (moment_of(args, "body:from"), moment_of(args, "body:to"));
        if !self.is_free(room.0, from, to) {
            let detail = format!("{} was booked by somebody else a moment ago.", room.1);
            return (409, json!({"title": "Conflict", "status": 409, "detail": detail}));
        }
        let member = text(args, "body:member_id").unwrap_or_default().to_owned();
        self.bookings.push(Booking { number: self.next_number, room: room.0, from, to, member });
        self.next_number += 1;
        (201, booking_row(self.bookings.last().expect("just pushed")))
    }
}

/// The first rows of a list; what it lacks then.
fn page(body: &mut Value, most: usize) -> Option<Cut> {
    let list = if body.is_array() { body.as_array_mut() } else { body.get_mut("items").and_then(Value::as_array_mut) };
    let list = list.filter(|list| list.len() > most)?;
    list.truncate(most);
    Some(Cut { rows: most, kept: most, more: true })
}

fn text<'a>(args: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    args.get(key).and_then(Value::as_str)
}

fn is(args: &Map<String, Value>, key: &str, value: &str) -> bool {
    text(args, key) == Some(value)
}

/// An RFC 3339 time.
pub fn moment(text: &str) -> jiff::Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text} is no time: {error}"))
}

fn moment_of(args: &Map<String, Value>, key: &str) -> jiff::Timestamp {
    moment(text(args, key).unwrap_or_else(|| panic!("{key} is missing in {args:?}")))
}

fn one(row: Option<Value>) -> (u16, Value) {
    row.map_or_else(not_found, |row| (200, row))
}

fn not_found() -> (u16, Value) {
    (404, json!({"title": "Not found", "status": 404, "detail": "There is no such entry."}))
}

/// The rows that hold all words of the search.
fn found(rows: impl Iterator<Item = Value>, search: Option<&str>) -> Value {
    let wanted = fold(search.unwrap_or_default());
    let fits = |row: &Value| {
        let own = fold(&row.to_string());
        wanted.split(' ').filter(|word| !["the", "a", "room", "book"].contains(word)).all(|word| own.contains(word))
    };
    Value::Array(rows.filter(fits).collect())
}

fn title_of(args: &Map<String, Value>) -> Option<&'static str> {
    BOOKS.iter().find(|book| is(args, "path:book_id", book.0)).map(|book| book.1)
}

fn member_name(id: &str) -> &'static str {
    MEMBERS.iter().find(|member| member.0 == id).map_or("Ivo Ivić", |member| member.1)
}

/// A colour's name in Croatian, German and Spanish.
const COLOURS: &[(&str, [&str; 3])] = &[
    ("red", ["crvena", "rot", "roja"]),
    ("grey", ["siva", "grau", "gris"]),
    ("blue", ["plava", "blau", "azul"]),
    ("green", ["zelena", "grün", "verde"]),
    ("white", ["bijela", "weiß", "blanca"]),
    ("black", ["crna", "schwarz", "negra"]),
];

fn colour(english: &'static str, language: &str) -> &'static str {
    let place = ["hr", "de", "es"].iter().position(|known| *known == language);
    let named = COLOURS.iter().find(|(name, _)| *name == english);
    place.and_then(|at| Some(named?.1[at])).unwrap_or(english)
}

fn book_row(book: &(&str, &str, &str, &str, &'static str, &str, i64), language: &str) -> Value {
    json!({
        "id": book.0, "title": book.1, "author": book.2, "shelf": book.3,
        "cover": colour(book.4, language), "genre": book.5, "pages": book.6,
    })
}

fn room_row(room: &(&str, &str, &str, &'static str, i64, i64), language: &str) -> Value {
    json!({
        "id": room.0, "name": room.1, "code": room.2, "colour": colour(room.3, language), "seats": room.4, "floor": room.5,
    })
}

fn booking_row(booking: &Booking) -> Value {
    let room = ROOMS.iter().find(|room| room.0 == booking.room).map_or("", |room| room.1);
    let zone = jiff::tz::TimeZone::get("Europe/Zagreb").expect("a known zone");
    let local = |at: jiff::Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    json!({
        "id": booking.number, "room": room, "from": local(booking.from), "to": local(booking.to),
        "member": member_name(&booking.member),
    })
}

fn locker_row(locker: &(i64, String, String)) -> Value {
    json!({"id": locker.0, "day": locker.1, "member_id": locker.2})
}

fn loan_row(loan: &(&str, &str, &str, &str), due: &str) -> Value {
    json!({"id": loan.0, "book": loan.1, "due": due, "member": member_name(loan.3)})
}
