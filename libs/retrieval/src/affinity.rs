//! How an operation's method and path fit what a sentence wants, beside its words. Units are those of the z-scored sum.

use std::collections::HashMap;

use super::{
    entry::{Entry, spaced},
    sentence::{Intent, Sentence},
    text,
};

/// What an operation's method and path say about it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    method: Method,
    parameters: usize,
    /// Fewest path parameters of an operation that does the same with the same resource.
    simplest: usize,
    ends_with_parameter: bool,
    neighbours: bool,
    counts: bool,
    /// What it takes is in its body, where no path shows it.
    hides: bool,
    /// Finds things by what people call them.
    pub looks_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Shape {
    /// Of each entry, in their order.
    pub fn of_all(entries: &[Entry]) -> Vec<Self> {
        let mut simplest: HashMap<SiblingKey<'_>, usize> = HashMap::new();
        let mut shapes: Vec<Self> = entries.iter().map(Self::alone).collect();
        for (entry, shape) in entries.iter().zip(&shapes) {
            let fewest = simplest.entry(sibling_key(entry)).or_insert(shape.parameters);
            *fewest = shape.parameters.min(*fewest);
        }
        for (entry, shape) in entries.iter().zip(&mut shapes) {
            shape.simplest = simplest.get(&sibling_key(entry)).copied().unwrap_or(shape.parameters);
        }
        shapes
    }

    fn alone(entry: &Entry) -> Self {
        let segments: Vec<&str> = entry.segments().collect();
        let parameters = segments.iter().filter(|segment| is_parameter(segment)).count();
        Self {
            method: Method::of(entry),
            parameters,
            simplest: parameters,
            ends_with_parameter: segments.last().is_some_and(|last| is_parameter(last)),
            neighbours: segments.windows(2).any(|two| is_parameter(two[0]) && is_parameter(two[1])),
            looks_up: Method::of(entry) == Method::Get && looks_up(entry),
            hides: entry.method == "POST",
            counts: segments.last().is_some_and(|segment| segment.to_ascii_lowercase().contains("count")),
        }
    }

    /// From about -3 to 1.
    pub fn affinity(self, sentence: &Sentence) -> f64 {
        let names = sentence.values;
        let mut affinity = self.by_method(sentence.intent);
        if self.hides {
            // A name may mislead: HTTP's method has half a say.
            let as_http = Self { method: Method::Post, ..self };
            affinity = 0.5 * (affinity + as_http.by_method(sentence.intent));
        }
        if matches!(sentence.intent, None | Some(Intent::Read | Intent::Create)) {
            let missing = self.missing(sentence);
            affinity -= [0.0, 0.25, 0.35, 0.4][missing.min(3)];
        } else if sentence.intent != Some(Intent::Act)
            && !self.ends_with_parameter
            && self.simplest == self.parameters
            && !sentence.all
        {
            // Changing or removing a whole collection at once is seldom meant.
            affinity -= 0.3;
        }
        if self.method == Method::Get
            && !self.hides
            && self.parameters == 0
            && names > 0
            && !sentence.pair
            && !sentence.all
        {
            affinity -= 0.25;
        }
        if sentence.pair && self.parameters > names {
            affinity -= 0.25;
        }
        if sentence.pair && !self.neighbours {
            affinity -= 0.6;
        }
        if self.counts && !sentence.counts {
            affinity -= 0.4;
        }
        affinity
    }

    /// How many more ids it needs than its simplest sibling that the sentence has no value for.
    pub fn missing(self, sentence: &Sentence) -> usize {
        let names = sentence.values;
        self.parameters.saturating_sub(names.max(self.simplest))
    }

    /// True when the sentence brings a pair of values, and with it one for every parameter of the path.
    pub fn has_values(self, sentence: &Sentence) -> bool {
        sentence.pair && self.parameters > 0 && sentence.values >= self.parameters
    }

    fn by_method(self, intent: Option<Intent>) -> f64 {
        match (intent, self.method) {
            (None | Some(Intent::Read), Method::Get) => 0.5,
            (None, Method::Post) => -0.2,
            (None, _) => -0.4,
            (Some(Intent::Read), Method::Post) => -0.4,
            (Some(Intent::Read), _) => -0.8,
            (Some(Intent::Create), Method::Post) => 0.6,
            (Some(Intent::Create), Method::Put) => 0.0,
            (Some(Intent::Create), Method::Patch) => -0.4,
            (Some(Intent::Create), Method::Get) => -0.6,
            (Some(Intent::Create), Method::Delete) => -1.0,
            (Some(Intent::Update), Method::Put | Method::Patch) => 0.6,
            (Some(Intent::Update), Method::Post) => 0.2,
            (Some(Intent::Update), Method::Get) => -0.8,
            (Some(Intent::Update), Method::Delete) => -0.8,
            (Some(Intent::Act), Method::Post | Method::Put | Method::Patch) => 0.5,
            (Some(Intent::Act), Method::Delete) => -0.3,
            (Some(Intent::Act), Method::Get) => -0.5,
            (Some(Intent::Delete), Method::Delete) => 0.8,
            (Some(Intent::Delete), Method::Post) => -0.2,
            (Some(Intent::Delete), _) => -1.0,
        }
    }
}

impl Method {
    /// As HTTP has it; of a POST what its name says, where it is called `getUpdates` or `chat.delete`.
    fn of(entry: &Entry) -> Self {
        match entry.method.as_str() {
            "POST" => Self::by_name(entry).unwrap_or(Self::Post),
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Get,
        }
    }

    /// The verb that the last segment of the path begins with, or has behind a dot.
    fn by_name(entry: &Entry) -> Option<Self> {
        let name = entry.segments().last().filter(|segment| !is_parameter(segment))?;
        let parts = name.rsplit('.').map(|part| text::fold(&text::split_case(part)));
        let verb = parts.filter_map(|part| text::runs(&part).next().map(str::to_owned));
        verb.take(2).find_map(|verb| match verb.as_str() {
            "get" | "list" | "search" | "find" | "fetch" | "retrieve" | "lookup" | "read" | "query" => Some(Self::Get),
            "delete" | "remove" => Some(Self::Delete),
            "update" | "edit" | "set" | "rename" | "modify" | "change" => Some(Self::Patch),
            _ => None,
        })
    }
}

/// Document, method and resource.
type SiblingKey<'a> = (&'a str, Method, Option<&'a str>);

fn sibling_key(entry: &Entry) -> SiblingKey<'_> {
    let resource = entry.segments().filter(|segment| !is_parameter(segment)).last();
    (&entry.document, Method::of(entry), resource)
}

/// True when two operations do the same with the same resource.
pub fn are_siblings(one: &Entry, other: &Entry) -> bool {
    sibling_key(one) == sibling_key(other)
}

/// True for a search: its path says so, or a parameter does.
fn looks_up(entry: &Entry) -> bool {
    let fixed = entry.segments().filter(|segment| !is_parameter(segment));
    let mut words = fixed.map(|segment| text::fold(&spaced(segment))).collect::<Vec<_>>();
    words.retain(|words| words.split(' ').any(|word| ["search", "lookup", "find"].contains(&word)));
    let by_parameter = || {
        let mut names = entry.parameters.iter().map(|name| name.to_ascii_lowercase());
        names.any(|name| ["q", "query", "search", "keyword", "keywords", "term", "name"].contains(&name.as_str()))
    };
    !words.is_empty() || by_parameter() && !entry.path.ends_with('}')
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sentence: &str, better: &str, worse: &str) {
        let entries: Vec<Entry> = [better, worse]
            .map(|operation| {
                let (method, path) = operation.split_once(' ').expect("a method and a path");
                Entry { method: method.into(), path: path.into(), ..Entry::default() }
            })
            .into();
        let affinity: Vec<f64> =
            Shape::of_all(&entries).into_iter().map(|shape| shape.affinity(&Sentence::new(sentence))).collect();
        assert!(affinity[0] > affinity[1], "{sentence}: {better} is not before {worse}");
    }

    #[test]
    fn method_follows_what_is_wanted() {
        check("show rooms", "GET /rooms", "DELETE /rooms/{id}");
        check("add a room", "POST /rooms", "GET /rooms");
        check("rename the room", "PATCH /rooms/{id}", "GET /rooms/{id}");
        check("delete the room", "DELETE /rooms/{id}", "PUT /rooms/{id}");
    }

    #[test]
    fn a_post_is_what_its_name_says() {
        check("show rooms", "POST /getRooms", "POST /addRoom");
        check("delete the room", "POST /rooms.delete", "POST /rooms.create");
        check("rename the room", "POST /setRoomName", "POST /getRoomName");
    }

    #[test]
    fn path_follows_the_values_at_hand() {
        check("show rooms", "GET /rooms", "GET /rooms/{id}");
        check("show room 5", "GET /rooms/{id}", "GET /rooms");
        check("issues of octo/hello", "GET /repos/{owner}/{repo}/issues", "GET /orgs/{org}/issues");
        check("delete the room", "DELETE /rooms/{id}", "DELETE /rooms");
    }

    #[test]
    fn count_is_offered_when_asked_for() {
        check("show users", "GET /users", "GET /users/count");
        assert!(Sentence::new("how many users").counts);
    }
}
