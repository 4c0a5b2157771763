//! The producer graph: for each id that an operation needs, the GETs of its document that yield it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    entry::{Entry, spaced},
    text,
};

/// Most producers kept for one need.
const MOST: usize = 6;

/// For each operation and each resource it needs: what yields it, best first, with the graph's weight.
#[derive(Debug, Default)]
pub struct Producers(Vec<Vec<Vec<(f64, usize)>>>);

impl Producers {
    /// Over all entries; those of different documents are never joined.
    pub fn new(entries: &[Entry]) -> Self {
        let needs: Vec<Vec<String>> = entries.iter().map(needs).collect();
        let mut documents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, entry) in entries.iter().enumerate() {
            documents.entry(&entry.document).or_default().push(number);
        }
        let mut graph = vec![Vec::new(); entries.len()];
        for members in documents.values() {
            let resources: BTreeSet<&str> =
                members.iter().flat_map(|member| &needs[*member]).map(String::as_str).collect();
            let reads: Vec<(usize, Yields)> = members
                .iter()
                .filter(|member| entries[**member].method == "GET")
                .map(|member| (*member, Yields::of(&entries[*member])))
                .collect();
            let mut best: HashMap<&str, Vec<(f64, usize)>> = HashMap::new();
            for resource in resources {
                let mut found: Vec<(f64, usize)> = reads
                    .iter()
                    .filter(|(number, _)| !needs[*number].iter().any(|need| need == resource))
                    .map(|(number, yields)| (yields.weight(resource), *number))
                    .filter(|(weight, _)| *weight >= 1.0)
                    .collect();
                found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                found.truncate(MOST);
                best.insert(resource, found);
            }
            for member in members {
                graph[*member] = needs[*member].iter().filter_map(|need| best.get(need.as_str()).cloned()).collect();
            }
        }
        Self(graph)
    }

    /// What yields each of the ids that this operation needs.
    pub fn of(&self, entry: usize) -> &[Vec<(f64, usize)>] {
        &self.0[entry]
    }
}

/// What a GET yields.
struct Yields {
    words: Vec<String>,
    searches: bool,
    last: Option<String>,
    values: BTreeSet<String>,
    resources: BTreeSet<String>,
    own: bool,
    has_parameter: bool,
}

impl Yields {
    fn of(entry: &Entry) -> Self {
        let stems = |texts: &[String]| texts.iter().flat_map(|value| stems_of(value)).collect();
        let words = stems_of(&entry.path);
        let last = entry.segments().last().filter(|segment| !segment.starts_with('{'));
        Self {
            searches: words.iter().any(|word| word == "search"),
            last: last.and_then(|segment| stems_of(segment).pop()),
            words,
            values: stems(&entry.values),
            resources: stems(&entry.yields),
            own: entry.path.trim_end_matches('/').ends_with("/me"),
            has_parameter: entry.path.contains('{'),
        }
    }

    /// How well it yields a resource: searches first, then collections, then by what the answer holds.
    fn weight(&self, resource: &str) -> f64 {
        let mut weight = 0.0;
        if self.searches {
            if self.words.iter().any(|word| word == resource) {
                weight += 3.0;
            } else if self.values.contains(resource) || self.words.len() == 1 {
                weight += 2.0;
            }
        }
        if self.last.as_deref() == Some(resource) {
            weight += 1.5;
        }
        if self.resources.contains(resource) {
            weight += 1.0;
        }
        if resource == "user" && self.own {
            weight += 2.0;
        }
        if self.has_parameter {
            weight -= 1.0;
        }
        weight
    }
}

/// Stems of the resources whose ids an operation needs: from the parameters of its path, then as its import found.
fn needs(entry: &Entry) -> Vec<String> {
    let segments: Vec<&str> = entry.segments().collect();
    let mut needs = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let Some(name) = segment.strip_prefix('{').map(|name| name.trim_end_matches('}')) else { continue };
        let lower = name.to_ascii_lowercase();
        let base =
            lower.strip_suffix("_id").or_else(|| lower.strip_suffix("id")).map_or(name, |base| &name[..base.len()]);
        let base = match (base.is_empty(), position) {
            (true, 0) => continue,
            (true, _) => segments[position - 1],
            (false, _) => base,
        };
        let ends_otherwise =
            ["number", "type", "window", "date"].iter().any(|end| base.to_ascii_lowercase().ends_with(end));
        if let (false, Some(last)) = (ends_otherwise, stems_of(base).pop()) {
            push_new(&mut needs, last);
        }
    }
    for need in &entry.needs {
        if let Some(last) = stems_of(need).pop() {
            push_new(&mut needs, last);
        }
    }
    needs
}

fn push_new(needs: &mut Vec<String>, need: String) {
    if !needs.contains(&need) {
        needs.push(need);
    }
}

fn stems_of(name: &str) -> Vec<String> {
    text::runs(&text::fold(&spaced(name))).map(text::stem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(operations: &[&str]) -> Vec<Entry> {
        let entry = |operation: &&str| {
            let (method, path) = operation.split_once(' ').expect("a method and a path");
            Entry { document: "d".into(), method: method.into(), path: path.into(), ..Entry::default() }
        };
        operations.iter().map(entry).collect()
    }

    fn check(operations: &[&str], of: usize, expected: &[&str]) {
        let producers = Producers::new(&graph(operations));
        let best: Vec<&str> =
            producers.of(of).iter().filter_map(|found| found.first()).map(|(_, at)| operations[*at]).collect();
        assert_eq!(best, expected);
    }

    #[test]
    fn search_comes_before_the_collection() {
        check(&["GET /person/{person_id}/films", "GET /person", "GET /search/person"], 0, &["GET /search/person"]);
    }

    #[test]
    fn collection_yields_the_id_of_its_item() {
        check(&["DELETE /rooms/{id}", "POST /rooms", "GET /rooms"], 0, &["GET /rooms"]);
    }

    #[test]
    fn own_account_yields_a_user() {
        check(&["GET /users/{user_id}/lists", "GET /me"], 0, &["GET /me"]);
    }

    #[test]
    fn nothing_yields_what_it_needs_itself() {
        check(&["GET /rooms/{id}"], 0, &[]);
    }
}
