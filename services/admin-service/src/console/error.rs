//! What keeps a page from being shown, as a page.

use std::sync::Arc;

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use file_store::FileStoreError;
use store::StoreError;

use crate::catalog::CatalogError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The caller's address is not in the list.
    #[error("The console is not open to your address.")]
    Address,
    /// The session has ended.
    #[error("Your session has ended. Sign in again.")]
    SignedOut,
    /// A form without its session's token.
    #[error("This form was not sent by a page of your session. Nothing was changed; open the page again.")]
    Forged,
    /// A file's link that is over, or that is not ours.
    #[error("This link is not good any more. Open the file from the conversation's page again.")]
    Link,
    /// A file of a conversation whose personal data the session does not see.
    #[error(
        "Personal data of this conversation is hidden. Open its page, say why it has to be seen, and open the file there."
    )]
    Hidden,
    /// The file store gave nothing.
    #[error("The file store does not answer now. Try again.")]
    Files(#[from] FileStoreError),
    /// The bytes lie in a file store that this service does not have.
    #[error(
        "This file lies in a file store that the console is not configured for: give admin-service the same [files] as the workers."
    )]
    FilesElsewhere,
    /// Nothing has this address, for this operator.
    #[error("There is no such page.")]
    NotFound,
    /// The request makes no sense.
    #[error("This cannot be done: {0}.")]
    Bad(String),
    /// The catalogue gave nothing.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// The database failed.
    #[error("The database does not answer now. Try again.")]
    Store(#[source] StoreError),
    /// The database failed for all who look at the figures.
    #[error("The database does not answer now. Try again.")]
    Board(#[source] Arc<StoreError>),
    /// A template failed.
    #[error("The page cannot be written.")]
    Render(#[from] askama::Error),
}

impl From<StoreError> for ConsoleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

impl ConsoleError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Address | Self::Forged | Self::Link | Self::Hidden => StatusCode::FORBIDDEN,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::Catalog(CatalogError::NotFound) => StatusCode::NOT_FOUND,
            Self::Bad(_) | Self::Catalog(CatalogError::Refused(_)) => StatusCode::BAD_REQUEST,
            Self::Store(error) if !error.is_retryable() => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_)
            | Self::Board(_)
            | Self::Files(_)
            | Self::FilesElsewhere
            | Self::Catalog(CatalogError::Away(_) | CatalogError::NoKey) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Render(_) | Self::Catalog(CatalogError::Unreadable(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    heading: &'static str,
    message: String,
}

impl IntoResponse for ConsoleError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            let error: &dyn std::error::Error = &self;
            tracing::warn!(error, "a page of the console could not be shown");
        }
        let page = ErrorPage { heading: status.canonical_reason().unwrap_or("Error"), message: self.to_string() };
        // A page without values cannot fail; if it did, its words alone would do.
        let body = page.render().unwrap_or_else(|_| status.to_string());
        (status, Html(body)).into_response()
    }
}
