//! Where a thing is, when its answer says so by degrees.

use domain::Location;
use serde_json::{Map, Value};

use super::tell::Telling;
use crate::language::fold;

const LATITUDE: [&str; 2] = ["latitude", "lat"];
const LONGITUDE: [&str; 4] = ["longitude", "lon", "lng", "long"];

/// The place of a row: degrees of its own, or those of the only object within it that has any.
pub fn of(telling: &Telling<'_>, row: &Value) -> Option<Location> {
    let object = row.as_object()?;
    let (latitude, longitude) = degrees(object).or_else(|| {
        let mut within = object.values().filter_map(|value| degrees(value.as_object()?));
        within.next().filter(|_| within.next().is_none())
    })?;
    let name = telling.is_named(row).then(|| telling.label(row)).filter(|name| !name.trim().is_empty());
    Location::new(latitude, longitude, name)
}

fn degrees(object: &Map<String, Value>) -> Option<(f64, f64)> {
    let read = |names: &[&str]| {
        let mut found = object.iter().filter(|(name, _)| names.contains(&fold(name).as_str()));
        let (_, value) = found.next()?;
        // Two of them would leave open which one is meant.
        found.next().is_none().then(|| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()))?
    };
    Some((read(&LATITUDE)?, read(&LONGITUDE)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn degrees_are_read_where_they_are_clear() {
        let check = |row: Value, expected: Option<(f64, f64)>| {
            let object = row.as_object().expect("an object");
            assert_eq!(degrees(object), expected, "{row}");
        };
        check(json!({"latitude": 45.8, "longitude": 15.97}), Some((45.8, 15.97)));
        check(json!({"lat": "45.8", "lng": " -15.97"}), Some((45.8, -15.97)));
        check(json!({"Lat": 45, "Long": 15}), Some((45.0, 15.0)));
        check(json!({"lat": 45.8, "latitude": 1, "lon": 15.97}), None);
        check(json!({"latitude": 45.8}), None);
        check(json!({"latitude": "north", "longitude": 15.97}), None);
        check(json!({"latitude": null, "longitude": 15.97}), None);
    }
}
