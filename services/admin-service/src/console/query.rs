//! The part of an address after `?`, and writing one.

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};

use super::posted::Fields;

/// What an address asks for. Empty values count as not given.
pub struct Query(Fields);

impl Query {
    /// The first value of this name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// All values of this name.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.all(name)
    }

    /// The first value of this name, if it can be read.
    pub fn parse<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
}

impl From<&Uri> for Query {
    fn from(uri: &Uri) -> Self {
        Self(Fields::from(uri.query().unwrap_or_default().as_bytes()))
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::from(&parts.uri))
    }
}

/// `path?name=value&..`, without what has no value.
pub fn link(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
