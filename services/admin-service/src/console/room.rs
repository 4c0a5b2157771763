//! Where a signed-in request is: its operator, and a tenant that the operator may see.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::Tenant;
use serde_json::Value;
use store::{
    StoreError,
    audit::{Actor, AuditEntry},
};

use super::{
    Console,
    error::ConsoleError,
    frame::{Frame, Place},
    guard::Origin,
    session::{Scope, Session},
};

/// A tenant's pages, opened by somebody who may see them.
pub struct Room {
    /// The console.
    pub console: Arc<Console>,
    /// The operator's session.
    pub session: Session,
    /// Whose data is shown: all that a page reads is read for this tenant.
    pub tenant: Tenant,
    /// Where the operator is.
    from: IpAddr,
}

impl FromRequestParts<Arc<Console>> for Room {
    type Rejection = ConsoleError;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, ConsoleError> {
        let path = RawPathParams::from_request_parts(parts, console).await.map_err(|_| ConsoleError::NotFound)?;
        let name = path.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned());
        let tenant = name.and_then(|name| Tenant::new(name).ok()).ok_or(ConsoleError::NotFound)?;
        let session = parts.extensions.get::<Session>().cloned().ok_or(ConsoleError::SignedOut)?;
        let origin = parts.extensions.get::<Origin>().copied().ok_or(ConsoleError::Address)?;
        if !session.scope.has(&tenant) {
            return Err(ConsoleError::NotFound);
        }
        Ok(Self { console: console.clone(), session, tenant, from: origin.address })
    }
}

impl Room {
    /// Who is here.
    pub fn actor(&self) -> Actor {
        Actor { name: self.session.operator.clone(), from: Some(self.from) }
    }

    /// Writes down what the operator does or looks at; a look that cannot be written down does not happen.
    pub async fn record(&self, action: &str, subject: impl ToString, detail: Value) -> Result<(), StoreError> {
        let entry = AuditEntry::of(&self.actor(), &self.tenant, action, subject, detail);
        self.console.store.append_audit(&entry).await
    }

    /// What stands around a page.
    pub async fn frame(&self, place: Place, title: impl Into<String>) -> Result<Frame, StoreError> {
        let tenants = match &self.session.scope {
            Scope::Some(tenants) => tenants.clone(),
            Scope::All => {
                let mut tenants = self.console.store.tenants().await?;
                if !tenants.contains(&self.tenant) {
                    tenants.push(self.tenant.clone());
                }
                tenants
            }
        };
        Ok(Frame {
            title: title.into(),
            place,
            tenant: self.tenant.to_string(),
            tenants: tenants.into_iter().map(String::from).collect(),
            operator: self.session.operator.clone(),
            csrf: self.session.csrf.clone(),
            notice: self.console.sessions.notice(&self.session.id),
        })
    }

    /// An address below this tenant's pages.
    pub fn path(&self, rest: &str) -> String {
        format!("/console/t/{}{rest}", self.tenant)
    }
}
