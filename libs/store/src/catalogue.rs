//! The catalogue's truth: documents, overlays, examples and notes, each change under its tenant's next version.

use domain::{Micros, Tenant};
use serde_json::Value;

use crate::{
    Store, StoreError,
    engine::{Tx, args, clean, sql},
};

/// A backend's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogDocument {
    /// Its configured name.
    pub id: String,
    /// Its own title.
    pub title: String,
    /// Its own version.
    pub version: String,
    /// Path or URL it came from; empty when it was posted.
    pub source: String,
    /// Where the backend is, if not where the document says.
    pub backend_url: Option<String>,
    /// The document.
    pub content: Vec<u8>,
    /// Hash of the content.
    pub content_hash: String,
}

/// What was added to an operation by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The operation's id.
    pub operation: String,
    /// Aliases, examples, risk class and the like, as the catalogue writes them.
    pub overlay: Value,
}

/// A sentence that means an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The operation's id.
    pub operation: String,
    /// BCP 47.
    pub language: String,
    /// The sentence.
    pub text: String,
    /// Who said so: [`ACCEPTED`], `operator` and the like.
    pub origin: String,
}

/// Origin of a sentence for which a person chose the operation.
pub const ACCEPTED: &str = "accepted";

/// What was learned about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The operation's id.
    pub operation: String,
    /// `hint` (what a 4xx taught) or `capability` (whether we may call it).
    pub kind: String,
    /// Field or status that it is about.
    pub subject: String,
    /// The note.
    pub note: String,
    /// How often it was seen.
    pub seen: i64,
    /// When it was seen last.
    pub updated_at: Micros,
}

impl Store {
    /// Keeps a document, in place of an older one of its name. Gives the catalogue's version: a new one when the content
    /// or the backend changed, else the one there was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn upsert_document(&self, tenant: &Tenant, document: &CatalogDocument) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx, tenant).await?;
        let changed = tx
            .execute(
                sql!(
                    "insert into catalog_documents (tenant, document, title, version, source, backend_url, content, content_hash, catalog_version, updated_at) "
                    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, " now ") on conflict (tenant, document) do update set "
                    "title = excluded.title, version = excluded.version, source = excluded.source, backend_url = excluded.backend_url, "
                    "content = excluded.content, content_hash = excluded.content_hash, catalog_version = excluded.catalog_version, "
                    "updated_at = excluded.updated_at where catalog_documents.content_hash <> excluded.content_hash "
                    "or coalesce(catalog_documents.backend_url, '') <> coalesce(excluded.backend_url, '')"
                ),
                args![
                    tenant,
                    &document.id,
                    clean(&document.title),
                    clean(&document.version),
                    &document.source,
                    document.backend_url.clone(),
                    document.content.as_slice(),
                    &document.content_hash,
                    version
                ],
            )
            .await?;
        if changed == 0 {
            tx.rollback().await?;
            return self.catalog_version(tenant).await;
        }
        tx.commit().await?;
        Ok(version)
    }

    /// The tenant's documents, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn documents(&self, tenant: &Tenant) -> Result<Vec<CatalogDocument>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select document, title, version, source, backend_url, content, content_hash from catalog_documents "
                    "where tenant = $1 order by document"
                ),
                args![tenant],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CatalogDocument {
                    id: row.text("document")?,
                    title: row.text("title")?,
                    version: row.text("version")?,
                    source: row.text("source")?,
                    backend_url: row.opt_text("backend_url")?,
                    content: row.bytes("content")?,
                    content_hash: row.text("content_hash")?,
                })
            })
            .collect()
    }

    /// The catalogue's version; 0 before anything was imported.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn catalog_version(&self, tenant: &Tenant) -> Result<i64, StoreError> {
        let row = self.read_one(sql!("select version from catalog_version where tenant = $1"), args![tenant]).await?;
        row.map_or(Ok(0), |row| row.int("version"))
    }

    /// Keeps what was added to an operation, in place of what was there. Gives the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn upsert_overlay(&self, tenant: &Tenant, operation: &str, overlay: &Value) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx, tenant).await?;
        tx.execute(
            sql!(
                "insert into catalog_overlays (tenant, operation, overlay, catalog_version, updated_at) "
                "values ($1, $2, $3, $4, " now ") on conflict (tenant, operation) do update set "
                "overlay = excluded.overlay, catalog_version = excluded.catalog_version, updated_at = excluded.updated_at"
            ),
            args![tenant, operation, overlay, version],
        )
        .await?;
        tx.commit().await?;
        Ok(version)
    }

    /// The tenant's overlays, by operation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn overlays(&self, tenant: &Tenant) -> Result<Vec<Overlay>, StoreError> {
        let rows = self
            .read(
                sql!("select operation, overlay from catalog_overlays where tenant = $1 order by operation"),
                args![tenant],
            )
            .await?;
        rows.iter()
            .map(|row| Ok(Overlay { operation: row.text("operation")?, overlay: row.json("overlay")? }))
            .collect()
    }

    /// Adds a sentence that means an operation; of its origin the oldest beyond `most`, 1 to 1,000, go. Gives the new
    /// version; none when the sentence was known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_example(&self, tenant: &Tenant, example: &Example, most: u32) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx, tenant).await?;
        let added = tx
            .execute(
                sql!(
                    "insert into catalog_examples (tenant, operation, language, text, origin, catalog_version, created_at) "
                    "values ($1, $2, $3, $4, $5, $6, " now ") on conflict (tenant, operation, language, text) do nothing"
                ),
                args![tenant, &example.operation, &example.language, clean(&example.text), &example.origin, version],
            )
            .await?;
        if added == 0 {
            tx.rollback().await?;
            return Ok(None);
        }
        // A version is taken once, so it says which is older; the clock need not.
        tx.execute(
            sql!(
                "delete from catalog_examples where tenant = $1 and operation = $2 and origin = $3 and catalog_version <= "
                "(select catalog_version from catalog_examples where tenant = $1 and operation = $2 and origin = $3 "
                "order by catalog_version desc limit 1 offset $4)"
            ),
            args![tenant, &example.operation, &example.origin, i64::from(most)],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(version))
    }

    /// Takes a sentence of this origin away from an operation, in every language. Gives the new version; none when there
    /// was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_example(
        &self,
        tenant: &Tenant,
        operation: &str,
        origin: &str,
        text: &str,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx, tenant).await?;
        let removed = tx
            .execute(
                sql!("delete from catalog_examples where tenant = $1 and operation = $2 and origin = $3 and text = $4"),
                args![tenant, operation, origin, text],
            )
            .await?;
        if removed == 0 {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(version))
    }

    /// The tenant's examples, by operation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn examples(&self, tenant: &Tenant) -> Result<Vec<Example>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select operation, language, text, origin from catalog_examples where tenant = $1 "
                    "order by operation, language, text"
                ),
                args![tenant],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Example {
                    operation: row.text("operation")?,
                    language: row.text("language")?,
                    text: row.text("text")?,
                    origin: row.text("origin")?,
                })
            })
            .collect()
    }

    /// Keeps or counts what was learned about an operation. A note that says the same again makes no new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn learn(
        &self,
        tenant: &Tenant,
        operation: &str,
        kind: &str,
        subject: &str,
        note: &str,
    ) -> Result<(), StoreError> {
        let (subject, note) = (clean(subject), clean(note));
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx, tenant).await?;
        let again = tx
            .execute(
                sql!(
                    "update catalog_notes set seen = seen + 1, updated_at = " now
                    " where tenant = $1 and operation = $2 and kind = $3 and subject = $4 and note = $5"
                ),
                args![tenant, operation, kind, &subject, &note],
            )
            .await?;
        if again == 0 {
            tx.execute(
                sql!(
                    "insert into catalog_notes (tenant, operation, kind, subject, note, catalog_version, updated_at) "
                    "values ($1, $2, $3, $4, $5, $6, " now ") on conflict (tenant, operation, kind, subject) do update set "
                    "note = excluded.note, seen = 1, catalog_version = excluded.catalog_version, updated_at = excluded.updated_at"
                ),
                args![tenant, operation, kind, subject, note, version],
            )
            .await?;
        } else {
            tx.execute(sql!("update catalog_version set version = version - 1 where tenant = $1"), args![tenant])
                .await?;
        }
        tx.commit().await
    }

    /// What was learned about the tenant's operations.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notes(&self, tenant: &Tenant) -> Result<Vec<Note>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select operation, kind, subject, note, seen, updated_at from catalog_notes where tenant = $1 "
                    "order by operation, kind, subject"
                ),
                args![tenant],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Note {
                    operation: row.text("operation")?,
                    kind: row.text("kind")?,
                    subject: row.text("subject")?,
                    note: row.text("note")?,
                    seen: row.int("seen")?,
                    updated_at: row.micros("updated_at")?,
                })
            })
            .collect()
    }
}

/// Takes the tenant's next version; its row is the lock of the tenant's catalogue until the transaction ends.
async fn next_version(tx: &mut Tx, tenant: &Tenant) -> Result<i64, StoreError> {
    let row = tx
        .optional(
            sql!(
                "insert into catalog_version (tenant, version) values ($1, 1) "
                "on conflict (tenant) do update set version = catalog_version.version + 1 returning version"
            ),
            args![tenant],
        )
        .await?;
    row.ok_or(StoreError::NotFound("catalogue"))?.int("version")
}
