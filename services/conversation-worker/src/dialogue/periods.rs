//! Days and times of a sentence onto the fields of an operation.

use jiff::civil::{Date, DateTime, Time};
use openapi::Field;
use serde_json::json;

use super::{
    fill::Filler,
    hints::{hour, minute, whole_day},
    schema::{self, Kind, kind},
};
use crate::language::{
    format::read_date,
    when::{When, after, at},
};

impl Filler<'_> {
    /// Days and times; true when the operation takes any.
    pub fn times(&mut self) -> bool {
        let temporal = |field: &&Field| matches!(kind(&field.schema), Kind::Date | Kind::DateTime | Kind::Time);
        let Some(first_field) = self.fields().find(temporal) else { return false };
        let said = self.sentence.when.clone();
        self.out.used.clone_from(&said.used);
        if let Some(bad) = said.bad {
            self.out.bad = Some((first_field.key.clone(), bad));
            return true;
        }
        if said.is_empty() {
            return true;
        }
        if let Some((from, to)) = schema::span(self.operation) {
            let (from, to) = (from.clone(), to.clone());
            self.span(&from, &to, &said);
            return true;
        }
        let single = self.fields().filter(temporal).filter(|f| f.required).chain(self.fields().filter(temporal)).next();
        if let Some(field) = single.filter(|field| self.open(field)) {
            let old = self.moment(&field.key);
            let day = said.first.or(said.last).or(old.map(|at| at.date()));
            let clock = said.start.or(said.end);
            match (kind(&field.schema), day) {
                (Kind::Date, Some(day)) if said.first.or(said.last).is_some() => {
                    self.set(&field.key.clone(), json!(day.to_string()))
                }
                (Kind::DateTime, Some(day))
                    if clock.is_none() && old.is_none() && self.operation.risk != openapi::Risk::Safe =>
                {
                    self.frame.day = Some(day);
                }
                (Kind::DateTime, day) => {
                    let day = day.or(self.frame.day).unwrap_or(self.place.today);
                    let moment = match (clock, old) {
                        (Some(clock), _) => at(day, clock),
                        (None, Some(old)) => day.to_datetime(old.time()),
                        (None, None) => day.to_datetime(Time::midnight()),
                    };
                    let instant = self.place.instant(moment);
                    self.set(&field.key.clone(), json!(instant));
                }
                (Kind::Time, _) => {
                    if let Some(clock) = clock {
                        let text = at(self.place.today, clock).time().to_string();
                        self.set(&field.key.clone(), json!(text));
                    }
                }
                _ => {}
            }
        }
        true
    }

    fn moment(&self, key: &str) -> Option<DateTime> {
        let text = self.frame.arguments.get(key)?.as_str()?;
        read_date(text).map(|day| day.to_datetime(Time::midnight())).or_else(|| self.place.read_instant(text))
    }

    fn span(&mut self, from: &Field, to: &Field, said: &When) {
        let (old_from, old_to) = (self.moment(&from.key), self.moment(&to.key));
        let keep = !self.overwrite;
        if kind(&from.schema) == Kind::Date {
            let first = said.first.or(said.last);
            if let Some(first) = first.filter(|_| self.open(from)) {
                self.set(&from.key, json!(first.to_string()));
            }
            if let Some(last) = said.last.or(said.first).filter(|_| self.open(to)) {
                self.set(&to.key, json!(last.to_string()));
            }
            return;
        }
        let known = old_from.map(|at| at.date()).or(self.frame.day);
        let day = said.first.or(known).or(old_to.map(|at| at.date())).unwrap_or(self.place.today);
        // An effect for a day needs its hours; a look-up takes the whole day, and so does who says so.
        let hours_open = self.operation.risk != openapi::Risk::Safe
            && said.start.is_none()
            && said.last.is_none_or(|last| said.first.is_none_or(|first| first == last))
            && old_from.is_none()
            && !whole_day(&self.sentence.words);
        if hours_open && said.first.is_some() {
            self.frame.day = said.first;
        }
        let begin = match (said.start, said.first, old_from) {
            (_, _, Some(old)) if keep => Some(old),
            (Some(start), ..) => Some(at(day, start)),
            (None, Some(first), Some(old)) => Some(first.to_datetime(old.time())),
            // "tomorrow until 12" says no begin; "tomorrow" is the whole day.
            (None, Some(first), None) if said.end.is_none() && !hours_open => Some(first.to_datetime(Time::midnight())),
            (None, Some(_), None) => None,
            (None, None, old) => old,
        };
        let midnight_after = |day: Date| day.saturating_add(jiff::ToSpan::days(1)).to_datetime(Time::midnight());
        let end = match (said.end, old_to) {
            (_, Some(old)) if keep => Some(old),
            (Some(end), _) => {
                let whole = old_to.is_some_and(|to| to.time() == Time::midnight())
                    && old_from.is_some_and(|from| from.time() == Time::midnight());
                let last = said.last.or(said.first).or(old_to.map(|at| at.date()).filter(|_| !whole)).unwrap_or(day);
                let end = begin.filter(|b| b.date() == last).map_or(end, |b| after(end, hour(b), minute(b)));
                Some(at(last, end))
            }
            (None, _) if said.last.is_some() => said.last.map(midnight_after),
            (None, Some(old)) => match (begin, old_from) {
                // The begin moved: the end moves with it, when it moved by days or would no longer come after.
                (Some(begin), Some(before)) if said.first.is_some() || begin >= old => {
                    Some(begin.saturating_add(before.duration_until(old)))
                }
                _ => Some(old),
            },
            (None, None) if said.first.is_some() && said.start.is_none() && !hours_open => {
                said.first.map(midnight_after)
            }
            (None, None) => None,
        };
        for (field, moment) in [(from, begin), (to, end)] {
            if let Some(moment) = moment.filter(|_| self.open(field)) {
                let instant = self.place.instant(moment);
                self.set(&field.key, json!(instant));
            }
        }
    }
}
