//! The merged tree of all layers, and where each value came from.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value};

use super::{
    Args, Problems, aliases,
    mask::{self, url_passwords},
    prefix,
    tree::{TAGS, child, dotted, get, get_mut, inline, leaves, merge, walk},
    variable,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file of `--config`.
    File(String),
    /// An environment variable.
    Variable(String),
    /// The program itself.
    Program,
}

/// The merged tree.
pub struct Layers {
    pub service: String,
    pub tree: Value,
    pub defaults: Value,
    origins: BTreeMap<Vec<String>, Origin>,
}

impl Layers {
    /// Merges all layers; a layer that cannot be read is a problem and left out.
    pub fn read(
        service: &str,
        defaults: &'static str,
        args: &Args,
        env: &BTreeMap<String, String>,
        problems: &mut Problems,
    ) -> Self {
        let defaults = parse(defaults, "the built-in defaults", problems);
        let mut layers =
            Self { service: service.to_owned(), tree: defaults.clone(), defaults, origins: BTreeMap::new() };
        for (path, value) in &args.fallbacks {
            layers.set(path, value.clone(), Origin::Program);
        }
        if let Some(path) = &args.config {
            layers.add_file(path, problems);
        }
        layers.add_environment(env, problems);
        for (path, value) in &args.overrides {
            layers.set(path, value.clone(), Origin::Program);
        }
        layers
    }

    /// The value at `path`.
    pub fn get(&self, path: &[String]) -> Option<&Value> {
        get(&self.tree, path)
    }

    /// The built-in default of `path`.
    pub fn default_at(&self, path: &[String]) -> Option<Value> {
        get(&self.defaults, path).cloned()
    }

    /// Where the value at `path` came from; none for a default.
    pub fn origin(&self, path: &[String]) -> Option<&Origin> {
        self.origins.get(path)
    }

    /// Texts at or below `path` that came from the environment and so may mean a number, a truth value or a list.
    pub fn environment_texts(&self, path: &[String]) -> Vec<Vec<String>> {
        self.origins
            .iter()
            .filter(|(at, origin)| matches!(origin, Origin::Variable(_)) && at.starts_with(path))
            .filter(|(at, _)| self.get(at).is_some_and(Value::is_string))
            .map(|(at, _)| at.clone())
            .collect()
    }

    /// Replaces `env:VAR` by the value of VAR.
    pub fn resolve_indirections(&mut self, env: &BTreeMap<String, String>, problems: &mut Problems) {
        let mut found = Vec::new();
        walk(&self.tree, &mut Vec::new(), &mut |path, text| {
            if let Some(name) = text.strip_prefix("env:") {
                found.push((path.to_vec(), name.to_owned()));
            }
        });
        for (path, name) in found {
            match env.get(&name) {
                Some(value) => self.set(&path, Value::String(value.clone()), Origin::Variable(name)),
                None => problems.add(&dotted(&path), format!("the environment variable {name} is not set")),
            }
        }
    }

    /// Refuses secrets that are empty or a placeholder.
    pub fn refuse_weak_secrets(&self, problems: &mut Problems) {
        let weak = |text: &str| {
            let plain: String = text.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
            plain == "changeme"
        };
        walk(&self.tree, &mut Vec::new(), &mut |path, text| {
            let from = self.from(path);
            if mask::is_secret(path) && text.trim().is_empty() {
                problems.add(&dotted(path), format!("is empty{from}; set the secret or leave the key out"));
            } else if mask::is_secret(path) && weak(text) || url_passwords(text).any(weak) {
                problems.add(&dotted(path), format!("is still a placeholder{from}; set the real secret"));
            }
        });
    }

    /// ` (from X)` for a value that is no default.
    pub fn from(&self, path: &[String]) -> String {
        match self.origin(path) {
            Some(Origin::File(file)) => format!(" (in {file})"),
            Some(Origin::Variable(name)) => format!(" (from {name})"),
            Some(Origin::Program) => " (from the command line)".to_owned(),
            None => String::new(),
        }
    }

    /// All settings as lines of TOML, secrets masked.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        leaves(&self.tree, &mut Vec::new(), &mut |path, value| {
            let _ = writeln!(
                text,
                "{} = {}{}",
                dotted(path),
                inline(path, value),
                match self.from(path) {
                    from if from.is_empty() => from,
                    from => format!("  #{from}"),
                }
            );
        });
        text
    }

    /// Sets one value, making the tables above it.
    pub fn set(&mut self, path: &[String], value: Value, origin: Origin) {
        let Some((last, above)) = path.split_last() else {
            return;
        };
        let mut at = &mut self.tree;
        for segment in above {
            at = child(at, segment);
        }
        match at {
            Value::Array(items) => {
                if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    *item = value;
                }
            }
            other => {
                if !other.is_object() {
                    *other = Value::Object(Map::new());
                }
                if let Value::Object(map) = other {
                    if TAGS.contains(&last.as_str()) && map.get(last).is_some_and(|present| *present != value) {
                        map.clear();
                    }
                    map.insert(last.clone(), value);
                }
            }
        }
        self.origins.insert(path.to_vec(), origin);
    }

    /// Takes the value at `path` out.
    pub fn remove(&mut self, path: &[String]) {
        let Some((last, above)) = path.split_last() else {
            return;
        };
        match get_mut(&mut self.tree, above) {
            Some(Value::Object(map)) => drop(map.shift_remove(last)),
            Some(Value::Array(items)) => {
                if let Some(index) = last.parse::<usize>().ok().filter(|index| *index < items.len()) {
                    items.remove(index);
                }
            }
            _ => {}
        }
    }

    fn add_file(&mut self, path: &Path, problems: &mut Problems) {
        let name = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return problems.add("", format!("cannot read the configuration file {name}: {error}"));
            }
        };
        let mut file = parse(&text, &name, problems);
        leave_to_others(&self.service, &self.defaults, &mut file);
        merge(&mut self.tree, &file);
        let origins = &mut self.origins;
        leaves(&file, &mut Vec::new(), &mut |path, _| {
            origins.insert(path.to_vec(), Origin::File(name.clone()));
        });
    }

    fn add_environment(&mut self, env: &BTreeMap<String, String>, problems: &mut Problems) {
        for alias in aliases::settings(&self.service, env, &self.tree, problems) {
            self.set(&alias.path, alias.value, Origin::Variable(alias.variable));
        }
        let prefix = format!("{}__", prefix(&self.service));
        let mut own: Vec<(&String, &String, Vec<&str>)> = env
            .iter()
            .filter_map(|(name, value)| Some((name, value, name.strip_prefix(&prefix)?.split("__").collect())))
            .collect();
        // The choice of a variant clears its table, so it goes first.
        own.sort_by_key(|(name, _, keys)| {
            (!keys.last().is_some_and(|key| TAGS.contains(&key.to_ascii_lowercase().as_str())), (*name).clone())
        });
        for (name, value, keys) in own {
            if keys.iter().any(|key| key.is_empty()) {
                problems.add("", format!("the variable {name} names no setting"));
                continue;
            }
            let path = self.spelled(&keys);
            self.set(&path, Value::String(value.clone()), Origin::Variable(name.clone()));
        }
    }

    /// The keys of a variable in lower case, or as the key stands in the tree if only signs differ
    /// (`INFOBIP_MAIN` is `infobip:main`).
    fn spelled(&self, keys: &[&str]) -> Vec<String> {
        let plain = |key: &str| -> String {
            key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
        };
        let mut path: Vec<String> = Vec::new();
        for key in keys {
            let known = match self.get(&path) {
                Some(Value::Object(map)) => map.keys().find(|present| plain(present) == plain(key)).cloned(),
                _ => None,
            };
            path.push(known.unwrap_or_else(|| key.to_ascii_lowercase()));
        }
        path
    }

    /// How to set `path`: its variables.
    pub fn hint(&self, path: &[String]) -> String {
        match aliases::variable_of(&self.service, path) {
            Some(alias) => format!("set {alias}, or the key in the file of --config"),
            // A shell takes no other signs in a name; what is in the tree already is found without them, see `spelled`.
            None if path.iter().flat_map(|key| key.chars()).any(|c| !(c.is_ascii_alphanumeric() || c == '_')) => {
                "set the key in the file of --config".to_owned()
            }
            None => format!("set {}, or the key in the file of --config", variable(&self.service, &path.join("."))),
        }
    }
}

/// One file may serve all services: each leaves to the others the sections that only they have. The one process has no
/// others.
fn leave_to_others(service: &str, defaults: &Value, file: &mut Value) {
    let Value::Object(file) = file else { return };
    if service == "dragoman" {
        return;
    }
    file.retain(|name, section| {
        let own = defaults.get(name).is_some();
        // embedding-service has files of its own, which have no kind.
        let of_people = service == "embedding-service" && name == "files" && section.get("kind").is_some();
        own && !of_people || !own && !SECTIONS.contains(&name.as_str())
    });
}

/// All sections of the services.
const SECTIONS: &[&str] = &[
    "admin",
    "ai",
    "catalog",
    "chat",
    "console",
    "coordination",
    "database",
    "embedding",
    "files",
    "grpc",
    "http",
    "media",
    "model",
    "ops",
    "qdrant",
    "redis",
    "roles",
    "shared_cache",
    "telemetry",
    "tenants",
    "vectors",
    "webhook",
    "work",
    "worker",
];

/// `toml`'s own message shows the line, which may hold a secret: only its reason and place are told.
fn parse(text: &str, name: &str, problems: &mut Problems) -> Value {
    match toml::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            problems.add("", format!("{name}, line {line}: {}", error.message()));
            Value::Object(Map::new())
        }
    }
}
