//! A document of any version to operations that stand alone.

mod body;
mod form;
pub(crate) mod operation;
mod parameters;
mod response;
mod security;
mod servers;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    model::Document,
    read::{self, Files},
    refs::At,
    resources,
    schema::{Mode, Schemas, scalar_text},
    text,
};

/// Most operations of one document.
const MAX_OPERATIONS: usize = 10_000;
/// Most warnings kept.
const MAX_WARNINGS: usize = 200;
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What is known about a document besides its content.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Base URL of the backend; takes the place of the document's servers.
    pub backend_url: Option<Url>,
    /// Where the content came from: relative servers and references are joined with it.
    pub source_url: Option<Url>,
    /// Names of headers that configuration sends with every call (the tenant header): they are no fields.
    pub supplied: Vec<String>,
}

/// Why a document can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Neither JSON nor YAML, or a broken archive.
    #[error("the document can't be read: {0}")]
    Unreadable(String),
    /// Too many bytes after unpacking.
    #[error("the document is larger than {} MiB unpacked", limit_bytes / 1024 / 1024)]
    TooLarge {
        /// Most bytes allowed.
        limit_bytes: u64,
    },
    /// An archive of too many files.
    #[error("the document has more than {limit} files")]
    TooManyFiles {
        /// Most files allowed.
        limit: usize,
    },
    /// No file has `openapi` or `swagger` at its top.
    #[error("this is no OpenAPI document: it has neither `openapi` nor `swagger` at its top")]
    NoDocument,
    /// A version that we do not read.
    #[error("OpenAPI version {0:?} is not supported; 2.0, 3.0, 3.1 and 3.2 are")]
    UnknownVersion(String),
    /// Nothing to call.
    #[error("the document has no `paths` with operations")]
    NoOperations,
    /// Too many operations.
    #[error("the document has more than {limit} operations")]
    TooManyOperations {
        /// Most operations allowed.
        limit: usize,
    },
}

/// The families that differ in structure; schemas are told apart keyword by keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Swagger 2.0.
    Two,
    /// OpenAPI 3.x.
    Three,
}

/// What the parts of an import share.
struct Context<'a> {
    document: &'a str,
    dialect: Dialect,
    files: &'a Files,
    root: At<'a>,
    options: &'a ImportOptions,
    /// Web address of the document, if it has one.
    source: Option<Url>,
    requests: Schemas<'a>,
    responses: Schemas<'a>,
    warnings: Vec<String>,
}

impl Context<'_> {
    fn warn(&mut self, warning: impl FnOnce() -> String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning());
        }
    }
}

/// Imports a document: JSON or YAML, plain or gzip, a tar of many files, or what [`crate::fetch`] gave.
///
/// Reads nothing but `content`. What a single operation can't do is said in
/// [`Operation::not_callable`](crate::Operation::not_callable).
///
/// # Errors
/// [`ImportError`] when there is no document in `content`, or one beyond the limits.
pub fn import(document_id: &str, content: &[u8], options: &ImportOptions) -> Result<Document, ImportError> {
    let files = read::read(content, options.source_url.as_ref())?;
    let root = files.root().ok_or(ImportError::NoDocument)?;
    let dialect = dialect(root.value)?;
    let mut context = Context {
        document: document_id,
        dialect,
        files: &files,
        root,
        options,
        source: options
            .source_url
            .clone()
            .or_else(|| Url::parse(&files.root).ok())
            .filter(|url| matches!(url.scheme(), "http" | "https")),
        requests: Schemas::new(&files, Mode::Request),
        responses: Schemas::new(&files, Mode::Response),
        warnings: files.warnings.clone(),
    };
    let mut operations = Vec::new();
    let Some(Value::Object(paths)) = root.value.get("paths") else { return Err(ImportError::NoOperations) };
    for (path, item) in paths {
        if path.starts_with("x-") {
            continue;
        }
        let item = match files.deref(root.with(item)) {
            Ok(item) => item,
            Err(reference) => {
                context.warn(|| format!("{path} was left out: `{reference}` leads nowhere"));
                continue;
            }
        };
        for method in METHODS {
            let Some(operation) = item.get(method).filter(|at| at.value.is_object()) else { continue };
            if operations.len() >= MAX_OPERATIONS {
                return Err(ImportError::TooManyOperations { limit: MAX_OPERATIONS });
            }
            operations.push(operation::read(&mut context, path, method, item, operation));
        }
    }
    if operations.is_empty() {
        return Err(ImportError::NoOperations);
    }
    resources::link(&mut operations);
    let mut operations: Vec<_> = operations.into_iter().map(|draft| draft.operation).collect();
    operations.iter_mut().for_each(operation::seal);
    let info = root.value.get("info").unwrap_or(&Value::Null);
    let info_text = |key: &str, limit| match info.get(key) {
        Some(value @ (Value::String(_) | Value::Number(_))) => text::plain(&scalar_text(value), limit),
        _ => String::new(),
    };
    let title = info_text("title", 200);
    Ok(Document {
        id: document_id.to_owned(),
        title: if title.is_empty() { document_id.to_owned() } else { title },
        version: info_text("version", 50),
        description: info_text("description", 2_000),
        operations,
        warnings: context.warnings,
        content_hash: hex::encode(Sha256::digest(content)),
    })
}

fn dialect(root: &Value) -> Result<Dialect, ImportError> {
    if let Some(version) = root.get("openapi") {
        let version = scalar_text(version);
        return if version.starts_with("3.") || version == "3" {
            Ok(Dialect::Three)
        } else {
            Err(ImportError::UnknownVersion(version))
        };
    }
    match root.get("swagger").map(scalar_text) {
        Some(version) if version == "2.0" || version == "2" => Ok(Dialect::Two),
        Some(version) => Err(ImportError::UnknownVersion(version.chars().take(50).collect())),
        None => Err(ImportError::NoDocument),
    }
}
