//! What an OpenAPI document says about one operation, self-contained: everything a call needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One operation of a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// `<document id>/<METHOD> <path template>`.
    pub id: String,
    /// Configured name of the document.
    pub document: String,
    /// HTTP method in upper case.
    pub method: String,
    /// Path template: `/items/{itemId}`.
    pub path: String,
    /// Base URLs, the document's own order; may be empty.
    pub servers: Vec<String>,
    /// `operationId`; only a label.
    pub label: Option<String>,
    /// One line, without markup.
    pub summary: String,
    /// Longer text, without markup.
    pub description: String,
    /// Tags of the document.
    pub tags: Vec<String>,
    /// Parameters and top-level properties of a JSON body, in the document's order.
    pub fields: Vec<Field>,
    /// The body, where there is one.
    pub body: Option<BodyShape>,
    /// What a good answer looks like.
    pub response: Option<ResponseOutline>,
    /// How much harm a repeated call can do.
    pub risk: Risk,
    /// Resources whose ids the answer yields, singular and in lower case.
    pub produces: Vec<String>,
    /// Ids that a person is not to be asked for.
    pub needs: Vec<Need>,
    /// Alternatives of schemes with their scopes; empty = no credential.
    pub security: Vec<BTreeMap<String, Vec<String>>>,
    /// The schemes named in `security`.
    pub schemes: BTreeMap<String, SecurityScheme>,
    /// Why it cannot be called, in words; none = callable.
    pub not_callable: Option<String>,
    /// SHA-256 of all the rest, lower-case hex.
    pub content_hash: String,
    /// Callable for people who are not known to the backend.
    #[serde(default)]
    pub public: bool,
}

/// One value that a call takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `path:id`, `query:from`, `header:X`, `cookie:c`, `body:start`; `body:` is a body that is no object.
    pub key: String,
    /// Name within its place.
    pub name: String,
    /// Where it goes.
    pub location: Location,
    /// A call without it is refused.
    pub required: bool,
    /// JSON Schema (2020-12), self-contained with local `$defs`.
    pub schema: Value,
    /// For people, without markup.
    pub description: String,
    /// `simple`, `form`, `deepObject` and the like; none in a body.
    pub style: Option<String>,
    /// Whether arrays and objects become several pairs.
    pub explode: bool,
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A part of the path.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
    /// A property of the JSON body, or the body itself.
    Body,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyShape {
    /// `application/json` or a `+json` type.
    pub media_type: String,
    /// A call without it is refused.
    pub required: bool,
    /// JSON Schema of the whole body.
    pub whole_schema: Value,
    /// The body is no object: its one field is `body:`.
    pub wrapped: bool,
}

/// What a good answer looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseOutline {
    /// JSON Schema with local `$defs`; `true` when not said.
    pub schema: Value,
    /// Its media type.
    pub media_type: String,
    /// The answer is or holds a list.
    pub is_list: bool,
    /// JSON pointer to the rows; the empty pointer is the answer itself.
    pub list_pointer: Option<String>,
    /// Names of a row's properties, or of the object's.
    pub item_fields: Vec<String>,
}

/// An id that some other operation yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// [`Field::key`] that takes it.
    pub field: String,
    /// The resource, singular and in lower case.
    pub resource: String,
    /// Property of a row that holds it.
    pub id_property: String,
}

/// How much harm a repeated call can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Reads only.
    Safe,
    /// The same call twice leaves the same state.
    Idempotent,
    /// The backend honours `Idempotency-Key`.
    Keyed,
    /// Never to be repeated after an ambiguous end.
    Once,
}

/// How a call proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SecurityScheme {
    /// A key.
    ApiKey {
        /// Header, query or cookie.
        location: Location,
        /// Its name there.
        name: String,
    },
    /// HTTP basic.
    Basic,
    /// HTTP bearer.
    Bearer,
    /// OAuth2 client credentials.
    OAuth2 {
        /// Token endpoint, absolute or relative to the server.
        token_url: String,
    },
    /// Something we cannot do, in words.
    Other {
        /// Its type in the document.
        kind: String,
    },
}
