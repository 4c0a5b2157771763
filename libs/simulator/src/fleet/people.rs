//! Rules of people, and what everybody may know.

use jiff::ToSpan as _;
use serde_json::{Value, json};

use super::{
    state::{Person, State, path, query},
    words::{say, search, tokens},
};
use crate::backend::{Answer, Asked, Problem};

pub(super) fn act(state: &mut State, id: &str, asked: &Asked) -> Option<Result<Answer, Problem>> {
    let language = asked.language;
    let person = || state.person(path(asked, "person_id"), language);
    Some(match id {
        "GET /people" => Ok(list(state, asked)),
        "GET /people/{person_id}" => person().map(|person| Answer::read(json_of(person, language))),
        "GET /people/{person_id}/vehicles" => person().map(|person| {
            let own = person.vehicles.iter().filter_map(|id| state.vehicles.iter().find(|vehicle| vehicle.id == *id));
            Answer::read(own.map(|vehicle| vehicle.json(language)).collect())
        }),
        "GET /people/{person_id}/licence" => person().map(|person| {
            let until = state.today(asked.now).saturating_add(700.days());
            Answer::read(json!({"person": person.name, "categories": ["B"], "valid_until": until.to_string()}))
        }),
        "GET /parking-lots" => Ok(Answer::read(
            [("lot_1", "Centar", "Savska 12", 10), ("lot_2", "Radnička", "Radnička 80", 6), ("lot_3", "Istok", "Slavonska 6", 8)]
                .map(|(id, name, address, places)| {
                    let used = state.vehicles.iter().filter(|vehicle| vehicle.parking == address).count();
                    json!({"id": id, "name": name, "address": address, "free_places": places - i64::try_from(used).unwrap_or(0)})
                })
                .into_iter()
                .collect(),
        )),
        "GET /contacts" => Ok(Answer::read(json!([
            {"name": say(language, "Emergency", "Hitni slučaj"), "phone": "112", "hours": "00:00-24:00"},
            {"name": say(language, "Roadside assistance", "Pomoć na cesti"), "phone": "+385 1 1987", "hours": "00:00-24:00"},
            {"name": say(language, "Fleet manager", "Voditelj voznog parka"), "phone": "+385 1 6001 600", "hours": "08:00-16:00"},
        ]))),
        _ => return None,
    })
}

fn json_of(person: &Person, language: &str) -> Value {
    let (english, croatian) = person.department;
    json!({"id": person.id, "name": person.name, "phone": person.phone, "department": say(language, english, croatian)})
}

fn list(state: &State, asked: &Asked) -> Answer {
    let phone = query(asked, "phone").map(|phone| phone.trim_start_matches('+'));
    let mut found: Vec<&Person> =
        state.people.iter().filter(|person| phone.is_none_or(|phone| phone == person.phone)).collect();
    if let Some(words) = query(asked, "search").filter(|words| !tokens(words).is_empty()) {
        let texts: Vec<String> = found.iter().map(|person| person.name.to_owned()).collect();
        found = search(words, &texts).into_iter().filter_map(|index| found.get(index).copied()).collect();
    }
    Answer::read(found.into_iter().map(|person| json_of(person, asked.language)).collect())
}
