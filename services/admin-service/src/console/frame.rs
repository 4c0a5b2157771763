//! What stands around every page, and turning a template into an answer.

use askama::Template;
use axum::response::Html;

use super::{error::ConsoleError, session::Notice};

/// Where in the console a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The overview.
    Overview,
    /// Dead letters.
    DeadLetters,
    /// Conversations.
    Conversations,
    /// The catalogue.
    Catalogue,
    /// What platforms tell, and what of it nothing reads.
    Platforms,
    /// What operators may change while everything runs.
    Switches,
    /// What operators did.
    Audit,
}

/// What stands around a page.
pub struct Frame {
    /// Title of the page.
    pub title: String,
    /// Where it is.
    pub place: Place,
    /// Whose data it shows.
    pub tenant: String,
    /// Whose data the operator may see.
    pub tenants: Vec<String>,
    /// Who looks.
    pub operator: String,
    /// What its forms carry.
    pub csrf: String,
    /// What the last deed came to.
    pub notice: Option<Notice>,
}

/// A line of the navigation.
pub struct Link {
    /// Its words.
    pub label: &'static str,
    /// Below the tenant's address.
    pub path: &'static str,
    /// The page is there.
    pub here: bool,
}

impl Frame {
    /// The navigation.
    pub fn links(&self) -> Vec<Link> {
        [
            (Place::Overview, "Overview", ""),
            (Place::DeadLetters, "Dead letters", "/dead-letters"),
            (Place::Conversations, "Conversations", "/conversations"),
            (Place::Catalogue, "Catalogue", "/catalogue"),
            (Place::Platforms, "Platforms", "/platforms"),
            (Place::Switches, "Switches", "/switches"),
            (Place::Audit, "Audit", "/audit"),
        ]
        .map(|(place, label, path)| Link { label, path, here: place == self.place })
        .into()
    }
}

/// The page of a template; what it shows is escaped.
///
/// # Errors
/// [`ConsoleError::Render`].
pub fn html(page: &impl Template) -> Result<Html<String>, ConsoleError> {
    Ok(Html(page.render()?))
}
