//! How the Bot API says no.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An answer with `ok: false`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) text: String,
    /// Whole seconds to wait.
    pub(super) retry_after: Option<u64>,
    /// The supergroup that the group became.
    pub(super) migrate_to: Option<i64>,
}

impl Refusal {
    pub(super) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None, migrate_to: None }
    }

    /// 400 with the server's prefix. As there, the first letter becomes small unless the word is a code in capitals.
    pub(super) fn bad(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let is_code = text.chars().nth(1).is_some_and(|second| second == '_' || second.is_ascii_uppercase());
        let mut text = text.to_owned();
        if let Some(first) = text.get_mut(..1).filter(|_| !is_code) {
            first.make_ascii_lowercase();
        }
        Self::new(400, format!("Bad Request: {text}"))
    }

    pub(super) fn forbidden(text: &str) -> Self {
        Self::new(403, format!("Forbidden: {text}"))
    }

    /// 429: nothing for `seconds`.
    pub(super) fn too_many(seconds: u64) -> Self {
        let text = format!("Too Many Requests: retry after {seconds}");
        Self { retry_after: Some(seconds), ..Self::new(429, text) }
    }

    /// 400: the group is a supergroup now.
    pub(super) fn migrated(to: i64) -> Self {
        Self { migrate_to: Some(to), ..Self::bad("group chat was upgraded to a supergroup chat") }
    }

    /// What a fault on command says.
    pub(super) fn ordered(status: u16, retry_after: Option<u64>) -> Self {
        match (status, retry_after) {
            (429, Some(seconds)) => Self::too_many(seconds),
            _ => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Self { retry_after, ..Self::new(status.as_u16(), status.canonical_reason().unwrap_or("Error")) }
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.text});
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        if let Some(chat) = self.migrate_to {
            body["parameters"] = json!({"migrate_to_chat_id": chat});
        }
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_becomes_small_unless_it_begins_a_code() {
        for (given, expected) in [
            ("Message text is empty", "Bad Request: message text is empty"),
            ("BUTTON_DATA_INVALID", "Bad Request: BUTTON_DATA_INVALID"),
            ("", "Bad Request: "),
        ] {
            assert_eq!(Refusal::bad(given).text, expected, "{given}");
        }
    }
}
