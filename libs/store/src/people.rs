//! Who a person is in a backend.

use domain::{Micros, PersonId, Tenant};
use serde_json::Value;

use crate::{
    Store, StoreError,
    engine::{args, clean, sql},
};

/// A person's identity in the backend of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct UserMapping {
    /// The backend's id of the person.
    pub backend_user: String,
    /// What later calls are filled with: parameter name to value.
    pub values: Value,
    /// The backend's name of the person.
    pub label: Option<String>,
    /// The operation that said so.
    pub source: String,
    /// To be asked again from then on.
    pub expires_at: Micros,
}

impl Store {
    /// The person's identity in the backend of `document`, unless it has expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity(
        &self,
        tenant: &Tenant,
        person: PersonId,
        document: &str,
    ) -> Result<Option<UserMapping>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select backend_user, attributes, label, source, expires_at from user_mappings "
                    "where tenant = $1 and person = $2 and document = $3 and expires_at > " now
                ),
                args![tenant, person, document],
            )
            .await?;
        row.map(|row| {
            Ok(UserMapping {
                backend_user: row.text("backend_user")?,
                values: row.json("attributes")?,
                label: row.opt_text("label")?,
                source: row.text("source")?,
                expires_at: row.micros("expires_at")?,
            })
        })
        .transpose()
    }

    /// Keeps an identity, in place of an older one. Only for a person of this tenant.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for somebody else's person.
    pub async fn save_mapping(
        &self,
        tenant: &Tenant,
        person: PersonId,
        document: &str,
        mapping: &UserMapping,
    ) -> Result<(), StoreError> {
        let saved = self
            .write(
                sql!(
                    "insert into user_mappings (tenant, person, document, backend_user, attributes, label, source, expires_at, updated_at) "
                    "select tenant, id, $3, $4, $5, $6, $7, $8, " now " from person where id = $2 and tenant = $1 "
                    "on conflict (tenant, person, document) do update set backend_user = excluded.backend_user, "
                    "attributes = excluded.attributes, label = excluded.label, source = excluded.source, "
                    "expires_at = excluded.expires_at, updated_at = excluded.updated_at returning document"
                ),
                args![
                    tenant,
                    person,
                    document,
                    clean(&mapping.backend_user),
                    &mapping.values,
                    mapping.label.as_deref().map(clean),
                    &mapping.source,
                    mapping.expires_at
                ],
            )
            .await?;
        if saved.is_empty() { Err(StoreError::NotFound("person")) } else { Ok(()) }
    }
}
