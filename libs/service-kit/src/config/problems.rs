//! What is wrong with a configuration, collected.

use std::fmt;

/// Collects what is wrong, each under the path of its setting.
#[derive(Debug, Default)]
pub struct Problems {
    at: String,
    found: Vec<(String, String)>,
}

impl Problems {
    /// Adds a problem of the setting `path`, relative to where we are.
    pub fn add(&mut self, path: &str, message: impl Into<String>) {
        let path = self.join(path);
        self.found.push((path, message.into()));
    }

    /// Runs `check` with its paths below `path`.
    pub fn within(&mut self, path: &str, check: impl FnOnce(&mut Self)) {
        let below = self.join(path);
        let at = std::mem::replace(&mut self.at, below);
        check(self);
        self.at = at;
    }

    /// True when nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Adds what `other` found, except where something is known to be wrong already.
    pub(super) fn extend_untouched(&mut self, other: Problems) {
        let known: Vec<String> = self.found.iter().map(|(path, _)| path.clone()).collect();
        let related = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
        self.found.extend(
            other.found.into_iter().filter(|(path, _)| !known.iter().any(|k| related(path, k) || related(k, path))),
        );
    }

    pub(super) fn into_errors(self, service: &str) -> ConfigErrors {
        ConfigErrors { service: service.to_owned(), found: self.found }
    }

    fn join(&self, path: &str) -> String {
        match (self.at.is_empty(), path.is_empty()) {
            (_, true) => self.at.clone(),
            (true, _) => path.to_owned(),
            _ => format!("{}.{path}", self.at),
        }
    }
}

/// All that is wrong with a configuration; one line each, no secret in any.
#[derive(Debug)]
pub struct ConfigErrors {
    service: String,
    found: Vec<(String, String)>,
}

impl ConfigErrors {
    /// One error for a single setting, for checks outside [`super::load`].
    pub fn one(service: &str, path: &str, message: impl Into<String>) -> Self {
        Self { service: service.to_owned(), found: vec![(path.to_owned(), message.into())] }
    }

    /// The problems, one line each.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.found.iter().map(|(path, message)| match path.is_empty() {
            true => message.clone(),
            false => format!("{path}: {message}"),
        })
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of {} is not valid", self.service)?;
        self.lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ConfigErrors {}
