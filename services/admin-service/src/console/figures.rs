//! The overview's figures: read at most every second and a half, however many look at them.

use std::{sync::Arc, time::Duration};

use domain::Tenant;
use moka::future::Cache;
use serde::Serialize;
use store::{Store, StoreError, console::Figures};

use super::times::{counted, span};
use crate::catalog::Catalog;

/// Figures are believed so long.
const FIGURES_AGE_MAX: Duration = Duration::from_millis(1_500);
/// Counts of the catalogue are believed so long.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(15);
/// Tenants held at most.
const TENANTS_MAX: u64 = 1_000;
/// An older waiting message asks for a look.
const OLDEST_FINE: Duration = Duration::from_secs(60);
/// A slower answer does.
const LATENCY_FINE: Duration = Duration::from_secs(10);

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Names it on the page.
    pub key: &'static str,
    /// What it counts.
    #[serde(skip)]
    pub label: &'static str,
    /// Its value.
    pub value: String,
    /// A word more; may be empty.
    pub note: String,
    /// An operator should look.
    pub look: bool,
    /// Page below the tenant's address that says more.
    #[serde(skip)]
    pub path: Option<&'static str>,
}

/// Figures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they have in common.
    #[serde(skip)]
    pub title: &'static str,
    /// The figures.
    pub figures: Vec<Figure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    documents: i64,
    operations: i64,
    callable: i64,
}

/// Reads and keeps the figures.
#[derive(Clone)]
pub struct Board {
    store: Store,
    catalog: Catalog,
    figures: Cache<Tenant, Figures>,
    counts: Cache<Tenant, Option<Counts>>,
}

impl Board {
    /// Nothing is read yet.
    pub fn new(store: Store, catalog: Catalog) -> Self {
        Self {
            store,
            catalog,
            figures: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(FIGURES_AGE_MAX).build(),
            counts: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(COUNTS_AGE_MAX).build(),
        }
    }

    /// The tenant's figures as they stand.
    ///
    /// # Errors
    /// When the database fails. A catalogue that is away has no counts.
    pub async fn groups(&self, tenant: &Tenant) -> Result<Vec<Group>, Arc<StoreError>> {
        let figures = self.figures.try_get_with(tenant.clone(), self.store.figures(tenant)).await?;
        let counts = self.counts.get_with(tenant.clone(), self.count(tenant)).await;
        Ok(groups(&figures, counts))
    }

    async fn count(&self, tenant: &Tenant) -> Option<Counts> {
        let documents = self.catalog.documents(tenant).await.ok()?;
        Some(Counts {
            documents: i64::try_from(documents.len()).unwrap_or(i64::MAX),
            operations: documents.iter().map(|document| i64::from(document.operation_count)).sum(),
            callable: documents.iter().map(|document| i64::from(document.callable_count)).sum(),
        })
    }
}

fn groups(figures: &Figures, counts: Option<Counts>) -> Vec<Group> {
    let plain = |key, label, value: i64| Figure {
        key,
        label,
        value: value.to_string(),
        note: String::new(),
        look: false,
        path: None,
    };
    let alarming = |key, label, value: i64| Figure { look: value > 0, ..plain(key, label, value) };
    let oldest = figures.oldest_at.map(|at| figures.at.since(at));
    let time = |key, label, duration: Option<Duration>, fine: Duration| Figure {
        value: duration.map_or_else(|| "–".to_owned(), span),
        look: duration.is_some_and(|duration| duration > fine),
        ..plain(key, label, 0)
    };
    let unknown = || "–".to_owned();
    vec![
        Group {
            title: "Messages",
            figures: vec![
                Figure { path: Some("/conversations?state=waiting"), ..plain("waiting", "Waiting", figures.waiting) },
                time("oldest", "Oldest waiting", oldest, OLDEST_FINE),
                Figure {
                    path: Some("/conversations?state=working"),
                    ..plain("in_flight", "Turns in flight", figures.in_flight)
                },
                Figure {
                    path: Some("/dead-letters"),
                    ..alarming("dead_letters", "Dead letters", figures.dead_letters)
                },
            ],
        },
        Group {
            title: "Outbox",
            figures: vec![
                Figure { path: Some("/conversations?state=unsent"), ..plain("unsent", "Unsent", figures.unsent) },
                Figure { note: "ends not known yet".to_owned(), ..plain("unknown", "Unknown", figures.unknown) },
                Figure { note: "for an operator".to_owned(), ..alarming("held", "Held", figures.held) },
            ],
        },
        Group {
            title: "Last hour",
            figures: vec![
                plain("answered", "Answers sent", figures.answered),
                Figure {
                    note: "accepted to sent".to_owned(),
                    ..time("latency_p50", "Latency p50", figures.latency_p50, LATENCY_FINE)
                },
                Figure {
                    note: "accepted to sent".to_owned(),
                    ..time("latency_p95", "Latency p95", figures.latency_p95, LATENCY_FINE)
                },
                alarming("failed", "Sends failed", figures.failed),
            ],
        },
        Group {
            title: "Catalogue",
            figures: vec![
                Figure {
                    value: counts.map_or_else(unknown, |counts| counts.documents.to_string()),
                    path: Some("/catalogue"),
                    ..plain("documents", "Documents", 0)
                },
                Figure {
                    value: counts.map_or_else(unknown, |counts| counts.operations.to_string()),
                    note: match counts {
                        Some(counts) if counts.callable < counts.operations => {
                            format!("{} not callable", counts.operations - counts.callable)
                        }
                        Some(_) => String::new(),
                        None => "the catalogue does not answer".to_owned(),
                    },
                    look: counts.is_none(),
                    path: Some("/catalogue"),
                    ..plain("operations", "Operations", 0)
                },
            ],
        },
    ]
}

/// What an operator should look at, in one sentence.
pub fn summary(groups: &[Group]) -> String {
    let look = groups.iter().flat_map(|group| &group.figures).filter(|figure| figure.look);
    let names: Vec<String> = look.map(|figure| figure.label.to_lowercase()).collect();
    match names.len() {
        0 => "Nothing asks for a look.".to_owned(),
        count => {
            let count = counted(i64::try_from(count).unwrap_or(i64::MAX), "figure");
            let verb = if names.len() == 1 { "asks" } else { "ask" };
            format!("{count} {verb} for a look: {}.", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Micros;

    use super::*;

    #[test]
    fn what_asks_for_a_look_is_said() {
        let calm = Figures { at: Micros(100_000_000), ..Figures::default() };
        let counts = Some(Counts { documents: 1, operations: 3, callable: 3 });
        assert_eq!(summary(&groups(&calm, counts)), "Nothing asks for a look.");
        let busy = Figures { oldest_at: Some(Micros(0)), waiting: 1, dead_letters: 2, held: 1, ..calm };
        let groups = groups(&busy, None);
        assert_eq!(summary(&groups), "4 figures ask for a look: oldest waiting, dead letters, held, operations.");
        let keys: std::collections::BTreeSet<_> =
            groups.iter().flat_map(|group| &group.figures).map(|figure| figure.key).collect();
        assert_eq!(keys.len(), 13);
    }
}
