//! The switches as they stand now.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::Tenant;
use store::{Store, StoreError, switches::Switched};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Switch, Values};

/// Pause between two looks: with the look itself a change is known within 2 s.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The switches of all tenants. Cheap to clone. An operator's change wins over what the process was started with, until
/// it is cleared.
#[derive(Clone)]
pub struct Switches {
    store: Store,
    start: Values,
    changed: Arc<watch::Sender<HashMap<Tenant, Values>>>,
}

impl Switches {
    /// As the process was started; nothing is read yet.
    pub fn new(store: Store, start: Values) -> Self {
        Self { store, start, changed: Arc::new(watch::Sender::new(HashMap::new())) }
    }

    /// What holds for a tenant, as it was read last.
    pub fn of(&self, tenant: &Tenant) -> Values {
        self.changed.borrow().get(tenant).copied().unwrap_or(self.start)
    }

    /// What the process was started with.
    pub fn start(&self) -> Values {
        self.start
    }

    /// Told of each change.
    pub fn changes(&self) -> watch::Receiver<HashMap<Tenant, Values>> {
        self.changed.subscribe()
    }

    /// Reads the operators' changes.
    ///
    /// # Errors
    /// When the database fails; what was read last stays.
    pub async fn look(&self) -> Result<(), StoreError> {
        let now = merged(self.start, &self.store.switched().await?);
        self.changed.send_if_modified(|known| {
            let is_news = *known != now;
            if is_news {
                tracing::info!(tenants = now.len(), "the operators' switches have changed");
                *known = now;
            }
            is_news
        });
        Ok(())
    }

    /// Looks again and again until `stop`. A database that is away changes nothing.
    pub async fn follow(self, stop: CancellationToken) {
        let mut told = false;
        loop {
            match self.look().await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(%error, "the switches cannot be read; they stay as they are");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Tenants whose switches were changed. What another release wrote and this one does not know is left out.
fn merged(start: Values, changes: &[Switched]) -> HashMap<Tenant, Values> {
    let mut tenants: HashMap<Tenant, Values> = HashMap::new();
    for change in changes {
        if let Some(switch) = Switch::find(&change.name) {
            let values = tenants.entry(change.tenant.clone()).or_insert(start);
            if let Err(error) = values.set(switch, &change.value) {
                tracing::debug!(%error, switch = change.name, "a switch has a value of another release");
            }
        }
    }
    tenants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_go_over_the_start_for_their_tenant_alone() {
        let tenant = |name: &str| Tenant::new(name).expect("a name");
        let change = |name: &str, value: &str| Switched { tenant: tenant("a"), name: name.into(), value: value.into() };
        let start = Values { enabled: false, ..Values::default() };
        let changes = [
            change("AI_ENABLED", "true"),
            change("AI_RATE_LIMIT", "7"),
            change("AI_DEBUG", "perhaps"),
            change("AI_OF_TOMORROW", "1"),
        ];
        let now = merged(start, &changes);
        let expected = Values { enabled: true, rate_limit: 7.try_into().expect("not 0"), ..start };
        assert_eq!(now, HashMap::from([(tenant("a"), expected)]));
    }
}
