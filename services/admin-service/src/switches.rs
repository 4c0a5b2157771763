//! What both doors, gRPC and console, do with switches.

use ai::{BadValue, Switch};
use domain::Tenant;
use store::{Store, StoreError, audit::Actor, switches::SwitchChange};

/// Reads and changes the switches of tenants.
#[derive(Clone)]
pub(crate) struct Switchboard {
    pub store: Store,
}

/// One switch as it stands for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub switch: Switch,
    /// An operator's change.
    pub change: Option<SwitchChange>,
    /// The parts that use it, with the value each was started with, as it told.
    pub starts: Vec<(String, String)>,
}

/// A change that is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwitchError {
    #[error("there is no switch `{0}`; there are {all}", all = Switch::ALL.map(Switch::name).join(", "))]
    Name(String),
    #[error("{} {cause}", switch.name())]
    Value { switch: Switch, cause: BadValue },
    #[error("cannot read or change the switches")]
    Store(#[from] StoreError),
}

impl Standing {
    /// What holds; none while the parts have not told their start or were started with different values.
    pub fn value(&self) -> Option<&str> {
        match (&self.change, self.starts.as_slice()) {
            (Some(change), _) => Some(&change.value),
            (None, [(_, first), rest @ ..]) if rest.iter().all(|(_, value)| value == first) => Some(first),
            (None, _) => None,
        }
    }
}

impl Switchboard {
    /// All switches, as they stand for the tenant.
    pub async fn list(&self, tenant: &Tenant) -> Result<Vec<Standing>, StoreError> {
        let changes = self.store.switch_changes(tenant).await?;
        let told = self.store.ai_services().await?;
        let standing = |switch: Switch| Standing {
            switch,
            change: changes.iter().find(|change| change.name == switch.name()).cloned(),
            starts: told
                .iter()
                .filter_map(|(told, _)| Some((told.service.clone(), told.start_values.get(switch.name())?.clone())))
                .collect(),
        };
        Ok(Switch::ALL.map(standing).into())
    }

    /// Changes one; gives how it stands then.
    pub async fn set(&self, tenant: &Tenant, name: &str, value: &str, actor: &Actor) -> Result<Standing, SwitchError> {
        let switch = find(name)?;
        let value = switch.normal(value).map_err(|cause| SwitchError::Value { switch, cause })?;
        self.store.set_switch(tenant, switch.name(), &value, actor).await?;
        tracing::info!(switch = name, value, "a switch was changed");
        self.one(tenant, switch).await
    }

    /// Takes a change back; gives how it stands then. Where there is none, nothing is written down.
    pub async fn clear(&self, tenant: &Tenant, name: &str, actor: &Actor) -> Result<Standing, SwitchError> {
        let switch = find(name)?;
        if self.store.clear_switch(tenant, switch.name(), actor).await? {
            tracing::info!(switch = name, "a switch's change was taken back");
        }
        self.one(tenant, switch).await
    }

    async fn one(&self, tenant: &Tenant, switch: Switch) -> Result<Standing, SwitchError> {
        let all = self.list(tenant).await?;
        Ok(all.into_iter().find(|standing| standing.switch == switch).ok_or(StoreError::NotFound("switch"))?)
    }
}

/// The switch of this name.
pub(crate) fn find(name: &str) -> Result<Switch, SwitchError> {
    Switch::find(name).ok_or_else(|| SwitchError::Name(name.chars().take(40).collect()))
}

#[cfg(test)]
mod tests {
    use domain::Micros;

    use super::*;

    #[test]
    fn what_holds_is_the_change_else_what_all_parts_began_with() {
        let starts = |values: &[&str]| values.iter().map(|value| ("part".to_owned(), (*value).to_owned())).collect();
        let change = SwitchChange { name: String::new(), value: "7".into(), by: String::new(), at: Micros(0) };
        for (change, values, expected) in [
            (None, &[][..], None),
            (None, &["60"], Some("60")),
            (None, &["60", "60"], Some("60")),
            (None, &["60", "30"], None),
            (Some(change.clone()), &["60", "30"], Some("7")),
            (Some(change), &[], Some("7")),
        ] {
            let standing = Standing { switch: Switch::RateLimit, change, starts: starts(values) };
            assert_eq!(standing.value(), expected);
        }
    }
}
