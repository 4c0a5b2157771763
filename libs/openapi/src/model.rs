//! What an imported document is made of: plain values, stored and sent as JSON.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::media;

/// Largest self-contained operation in bytes of JSON; a larger one is not callable.
pub const MAX_OPERATION_BYTES: usize = 256 * 1024;

/// An imported document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Configured name, the first part of each operation id.
    pub id: String,
    /// Title from the document.
    pub title: String,
    /// Version text from the document.
    pub version: String,
    /// Description without markup.
    pub description: String,
    /// In the order of the document.
    pub operations: Vec<Operation>,
    /// What was left out or mended, for the operator.
    pub warnings: Vec<String>,
    /// SHA-256 of the imported bytes, lower-case hex.
    pub content_hash: String,
}

/// One operation with everything that a call needs; refers to nothing outside itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// `<document>/<METHOD> <path template>`.
    pub id: String,
    /// Document id.
    pub document: String,
    /// HTTP method in upper case.
    pub method: String,
    /// Path template as the document has it.
    pub path: String,
    /// Base URLs, best first; relative ones are kept when nothing is known to join them with.
    pub servers: Vec<String>,
    /// The document's `operationId`.
    pub label: Option<String>,
    /// One line without markup; made from the path when the document has none.
    pub summary: String,
    /// Without markup, at most 2,000 characters.
    pub description: String,
    /// The document's tags.
    pub tags: Vec<String>,
    /// What a caller can give. What configuration or the worker supplies is not among them.
    pub fields: Vec<Field>,
    /// The body, when the operation takes one.
    pub body: Option<BodyShape>,
    /// What a good answer looks like, when the document says so.
    pub response: Option<ResponseOutline>,
    /// How much harm a repeated call can do.
    pub risk: Risk,
    /// Resources whose ids the answer holds, singular lower-case words (`vehicle`, `damage report`), surest first.
    pub produces: Vec<String>,
    /// Ids that a person is not asked for, since a safe operation of the document yields them.
    pub needs: Vec<Need>,
    /// Alternatives; each maps scheme names to scopes, all of which it needs. Empty: none needed.
    pub security: Vec<BTreeMap<String, Vec<String>>>,
    /// The schemes that this operation can use, by name.
    pub schemes: BTreeMap<String, SecurityScheme>,
    /// Why it can't be called; `None` when it can.
    pub not_callable: Option<String>,
    /// SHA-256 of this operation (with this field empty) as JSON, lower-case hex.
    pub content_hash: String,
    /// Callable by people whose identity is not known; set by the tenant's overlay.
    #[serde(default)]
    pub public: bool,
}

impl Operation {
    /// The field with this key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// A call needs a file: without one, [`crate::Backend::prepare`] refuses it.
    pub fn needs_file(&self) -> bool {
        self.fields.iter().any(|field| field.required && field.file.as_ref().is_some_and(|file| !file.or_text))
    }
}

/// One value that a caller gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `<location>:<name>`: `path:id`, `query:from`, `header:X-Trace`, `cookie:c`, `body:start`;
    /// `body:` alone is a body that is not an object with properties.
    pub key: String,
    /// Name on the wire.
    pub name: String,
    /// Where it goes.
    pub location: Location,
    /// Must be given.
    pub required: bool,
    /// JSON Schema (draft 2020-12) with local `$defs`; the top level is never a mere `$ref`.
    pub schema: Value,
    /// Without markup, at most 500 characters.
    pub description: String,
    /// How arrays and objects are written.
    pub style: Style,
    /// Arrays and objects take one `name=value` for each element.
    pub explode: bool,
    /// Query and form: `:/?@!$'()*,;=` stay as they are (`allowReserved`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_reserved: bool,
    /// Form and multipart: the media type that the document names for this part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_type: Option<String>,
    /// The value is a file: its argument (or each item of it) is the reference under which [`Files`] has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileField>,
}

/// What kind of file a field takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileField {
    /// Media types that the backend takes, `image/*` among them; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_types: Vec<String>,
    /// A plain text will do as well (the address of a file, the id of an earlier one).
    #[serde(default, skip_serializing_if = "is_false")]
    pub or_text: bool,
}

impl FileField {
    /// True when the backend takes files of this media type.
    pub fn takes(&self, media_type: &str) -> bool {
        self.media_types.is_empty() || self.media_types.iter().any(|wanted| media::is_wanted(wanted, media_type))
    }
}

/// A file that a caller gives or a backend answers with. Printing it shows neither name nor content.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Name without folders, where one is known.
    pub name: Option<String>,
    /// Media type in lower case without parameters.
    pub media_type: String,
    /// All of it.
    pub content: Bytes,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("media_type", &self.media_type)
            .field("size_bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// The files of a call by reference: any text that stands for the file in the arguments.
pub type Files = BTreeMap<String, File>;

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// Part of the path.
    Path,
    /// `?name=value`.
    Query,
    /// Request header.
    Header,
    /// Cookie of the request.
    Cookie,
    /// Property of the body.
    Body,
}

impl Location {
    /// The word used in [`Field::key`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// How a value is written into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `a,b` (path and header).
    Simple,
    /// `.a,b`, or `.a.b` with explode (path).
    Label,
    /// `;k=a,b`, or `;k=a;k=b` with explode (path).
    Matrix,
    /// `k=a&k=b`, or `k=a,b` without explode (query, cookie, form).
    Form,
    /// `k=a%20b`.
    SpaceDelimited,
    /// `k=a%7Cb`.
    PipeDelimited,
    /// `k=a%09b` (`tsv` of Swagger 2.0).
    TabDelimited,
    /// `k[p]=v`.
    DeepObject,
    /// As [`Self::Form`], but with `; ` between and nothing percent-encoded (cookies of OpenAPI 3.2).
    Cookie,
    /// The value as JSON text (`content: application/json`). In a body: by [`BodyShape::encoding`]; in a form, scalars
    /// are written plainly, lists repeat their name, objects are JSON text.
    Json,
}

/// The body of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyShape {
    /// Sent as `Content-Type`.
    pub media_type: String,
    /// Must be sent, be it as `{}`.
    pub required: bool,
    /// Schema of the whole body, for rules over several fields.
    pub whole_schema: Value,
    /// The body is not an object with named properties: its one field is `body:`.
    pub wrapped: bool,
    /// How the fields are written into it.
    #[serde(default, skip_serializing_if = "BodyEncoding::is_json")]
    pub encoding: BodyEncoding,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyEncoding {
    /// One JSON value.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// The value of `body:` as text.
    Text,
    /// The file that `body:` refers to.
    File,
}

impl BodyEncoding {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What a good answer looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseOutline {
    /// JSON Schema with local `$defs`; `true` when it was left out for its size.
    pub schema: Value,
    /// Media type of the answer.
    pub media_type: String,
    /// The answer holds rows.
    pub is_list: bool,
    /// JSON pointer to the array of rows (`""` is the answer itself).
    pub list_pointer: Option<String>,
    /// Property names of a row, or of the answer when it is not a list; at most 60.
    pub item_fields: Vec<String>,
}

/// How much harm a repeated call can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Reads only.
    Safe,
    /// Has an effect; twice leaves the same state.
    Idempotent,
    /// Has an effect; the backend honours `Idempotency-Key`.
    Keyed,
    /// Has an effect and is never repeated after an ambiguous end.
    Once,
}

/// An id that another operation yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// [`Field::key`] to fill.
    pub field: String,
    /// The word under which operations [`produce`](Operation::produces) it.
    pub resource: String,
    /// Property of the producer's rows that holds the value.
    pub id_property: String,
}

/// A way to show who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum SecurityScheme {
    /// A secret text in a header, query parameter or cookie.
    ApiKey {
        /// Where it goes.
        location: KeyLocation,
        /// Name of the header, parameter or cookie.
        name: String,
    },
    /// HTTP basic.
    Basic,
    /// HTTP bearer.
    Bearer,
    /// OAuth2; `token_url` is set when the document has the client credentials flow.
    Oauth2 {
        /// Absolute, or relative when nothing is known to join it with.
        token_url: Option<String>,
    },
    /// A scheme that we do not speak; only a bearer token from configuration can serve it.
    Other {
        /// What the document calls it.
        kind: String,
    },
}

/// Where an API key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLocation {
    /// Request header.
    Header,
    /// Query parameter.
    Query,
    /// Cookie.
    Cookie,
}

/// Why an argument does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// [`Field::key`].
    pub field: String,
    /// What is wrong, for code.
    pub kind: ProblemKind,
    /// What is wrong, in English, for logs.
    pub message: String,
}

/// The kinds of [`Problem`].
#[derive(Clone, Debug, PartialEq)]
pub enum ProblemKind {
    /// A required value is not there.
    Missing,
    /// Another JSON type is wanted.
    WrongType,
    /// Not one of these.
    Enum {
        /// The allowed values.
        allowed: Vec<Value>,
    },
    /// A number, length or count out of range; `None` is the side that was not hit.
    Range {
        /// Least allowed.
        min: Option<Value>,
        /// Most allowed.
        max: Option<Value>,
    },
    /// Does not match this regular expression.
    Pattern {
        /// The expression.
        pattern: String,
    },
    /// Not of this format (`date`, `date-time`, `email`, `uuid` ...).
    Format {
        /// The format's name.
        format: String,
    },
    /// Anything else.
    Other,
}
