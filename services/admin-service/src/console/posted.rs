//! Forms: nothing is read from one that does not carry its session's token.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};

use super::{Console, error::ConsoleError, session::Session};

/// Longest reason for seeing personal data, in characters.
const REASON_CHARS_MAX: usize = 300;

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Why personal data has to be seen.
    ///
    /// # Errors
    /// When nothing is said.
    pub fn reason(&self) -> Result<String, ConsoleError> {
        let reason: String = self.get("why").unwrap_or_default().trim().chars().take(REASON_CHARS_MAX).collect();
        match reason.is_empty() {
            true => Err(ConsoleError::Bad("say why personal data has to be seen".to_owned())),
            false => Ok(reason),
        }
    }

    /// All fields of this name.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Fields of `name=value&..`.
impl From<&[u8]> for Fields {
    fn from(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }
}

/// A form that one of our pages posted within the session. The only way to the fields of a signed-in request.
pub struct Posted(pub Fields);

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = ConsoleError;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, ConsoleError> {
        let session = request.extensions().get::<Session>().cloned().ok_or(ConsoleError::SignedOut)?;
        let fields = read(request).await?;
        let token = fields.get("csrf").unwrap_or_default();
        if !console.sessions.verify("form", &session.id, token) {
            return Err(ConsoleError::Forged);
        }
        Ok(Self(fields))
    }
}

/// The fields of a form; the caller checks its token.
pub async fn read(request: Request) -> Result<Fields, ConsoleError> {
    if is_foreign(request.headers()) {
        return Err(ConsoleError::Forged);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(ConsoleError::Bad("this is no form of ours".to_owned()));
    }
    let body = Bytes::from_request(request, &()).await;
    let body = body.map_err(|error| ConsoleError::Bad(error.body_text()))?;
    Ok(Fields::from(&body[..]))
}

/// What a browser says itself about a form of another site.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    site.is_some_and(|site| !["same-origin", "none"].contains(&site))
}
