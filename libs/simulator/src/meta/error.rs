//! Errors as the Graph API words them.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Invalid parameter: unknown fields, wrong types, texts of a wrong length.
pub(super) const INVALID: u32 = 100;
/// A required parameter is missing.
pub(super) const MISSING: u32 = 131_008;
/// A parameter's value is not valid.
pub(super) const VALUE: u32 = 131_009;
/// The person cannot be reached.
pub(super) const UNDELIVERABLE: u32 = 131_026;
/// More than 24 hours have passed since the person wrote.
pub(super) const WINDOW: u32 = 131_047;
/// Too many messages from one business to one person.
pub(super) const PAIR: u32 = 131_056;
/// Too many messages in all.
pub(super) const THROUGHPUT: u32 = 130_429;

/// HTTP status and title of an error, from "Error codes" of the Cloud API's documentation.
fn facts(code: u32) -> (u16, &'static str) {
    match code {
        0 => (401, "We were unable to authenticate the app user"),
        2 => (503, "Service temporarily unavailable"),
        3 => (500, "Capability or permissions issue"),
        4 => (400, "Application request limit reached"),
        10 => (403, "Application does not have permission for this action"),
        33 => (400, "Parameter value is not valid"),
        100 => (400, "Invalid parameter"),
        190 => (401, "Invalid OAuth access token - Cannot parse access token"),
        200..=299 => (403, "Permissions error"),
        368 => (403, "Temporarily blocked for policies violations"),
        2500 => (400, "Unknown path components"),
        80_007 => (400, "Rate limit issues"),
        130_429 => (400, "Rate limit hit"),
        130_472 => (400, "User's number is part of an experiment"),
        131_000 => (500, "Something went wrong"),
        131_005 => (403, "Access denied"),
        131_008 => (400, "Required parameter is missing"),
        131_009 => (400, "Parameter value is not valid"),
        131_016 => (500, "Service unavailable"),
        131_021 => (400, "Recipient cannot be sender"),
        131_026 => (400, "Message undeliverable"),
        131_030 => (400, "Recipient phone number not in allowed list"),
        131_031 => (403, "Account has been locked"),
        131_042 => (400, "Business eligibility payment issue"),
        131_047 => (400, "Re-engagement message"),
        131_048 => (400, "Spam rate limit hit"),
        131_049 => (400, "This message was not delivered to maintain healthy ecosystem engagement."),
        131_051 => (400, "Unsupported message type"),
        131_052 => (400, "Media download error"),
        131_053 => (400, "Media upload error"),
        131_056 => (400, "(Business Account, Consumer Account) pair rate limit hit"),
        131_057 => (500, "Account in maintenance mode"),
        132_000 => (400, "Number of parameters does not match the expected number of params"),
        132_001 => (404, "Template name does not exist in the translation"),
        _ => (400, "Unknown error"),
    }
}

/// A refused request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: u32,
    kind: &'static str,
    message: String,
    subcode: Option<u32>,
    details: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: u32, details: impl Into<String>) -> Self {
        let (status, title) = facts(code);
        let message = format!("(#{code}) {title}");
        Self { status, code, kind: "OAuthException", message, subcode: None, details: Some(details.into()) }
    }

    /// The one sentence that stands for a code whose cause has no details.
    pub(super) fn plain(code: u32) -> Self {
        Self::new(code, facts(code).1)
    }

    /// The token is missing or not the right one.
    pub(super) fn token() -> Self {
        let (status, title) = facts(190);
        let message = title.to_owned();
        Self { status, code: 190, kind: "OAuthException", message, subcode: None, details: None }
    }

    /// There is nothing with this id, or nothing that can be done with it. `verb` is the method in lower case.
    pub(super) fn no_object(verb: &str, id: &str) -> Self {
        let message = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api"
        );
        Self { status: 400, code: INVALID, kind: "GraphMethodException", message, subcode: Some(33), details: None }
    }

    /// The path is none of the API's.
    pub(super) fn no_path(path: &str) -> Self {
        let (status, title) = facts(2500);
        let message = format!("{title}: {path}");
        Self { status, code: 2500, kind: "OAuthException", message, subcode: None, details: None }
    }

    /// A fault on command, in the words that go with its status.
    pub(super) fn fault(status: u16) -> Self {
        let code = match status {
            401 => return Self::token(),
            403 => 10,
            429 => THROUGHPUT,
            503 => 2,
            500.. => 131_000,
            _ => INVALID,
        };
        Self { status, ..Self::plain(code) }
    }

    pub(super) fn response(self, retry_after: Option<u64>) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = json!({"message": self.message, "type": self.kind, "code": self.code});
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(details) = self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        error["fbtrace_id"] = json!(format!("A{}", URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes())));
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if let Some(wait) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// An error as `failed` statuses carry it.
pub(super) fn in_status(code: u32, details: &str) -> Value {
    let (_, title) = facts(code);
    json!({
        "code": code, "title": title, "message": title, "error_data": {"details": details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}
