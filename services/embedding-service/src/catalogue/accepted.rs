//! Sentences for which people chose an operation: kept as its examples, as far as they say nothing about a person.

use domain::Tenant;
use retrieval::text::{fold, runs};
use store::{
    StoreError,
    catalogue::{ACCEPTED, Example},
};

use super::{Catalogue, CatalogueError};

/// Sentences of an operation; a further one takes the place of the oldest.
pub const SENTENCES_MAX: u32 = 20;

/// Why a sentence was neither kept nor removed.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is no such operation.
    #[error("there is no operation `{0}`")]
    NoOperation(String),
    /// The operation has no such sentence.
    #[error("no such sentence was accepted for `{0}`")]
    NoSentence(String),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl From<StoreError> for AcceptError {
    fn from(error: StoreError) -> Self {
        Self::Catalogue(error.into())
    }
}

impl Catalogue {
    /// Keeps what may be kept of a sentence; not what is known or says nothing. Gives whether it did, and the version in the
    /// database. The poll builds with it, so that many at once cost one build.
    ///
    /// # Errors
    /// [`AcceptError::NoOperation`], [`AcceptError::Catalogue`].
    pub async fn accept(
        &self,
        tenant: &Tenant,
        operation: &str,
        language: &str,
        (text, values): (&str, &[String]),
    ) -> Result<(bool, i64), AcceptError> {
        let snapshot = self.snapshot(tenant).await?;
        if !snapshot.operations().contains_key(operation) {
            return Err(AcceptError::NoOperation(operation.to_owned()));
        }
        // A hidden one is in no index.
        let entry = snapshot.index().entries().iter().find(|entry| entry.id == operation);
        let is_new =
            |text: &String| entry.is_some_and(|entry| !entry.others.iter().any(|known| words(known) == words(text)));
        if let Some(text) = snapshot.index().keepable(text, values).filter(is_new) {
            let (operation, language) = (operation.to_owned(), language.to_owned());
            let example = Example { operation, language, text, origin: ACCEPTED.to_owned() };
            if let Some(version) = self.store.add_example(tenant, &example, SENTENCES_MAX).await? {
                return Ok((true, version));
            }
        }
        Ok((false, self.store.catalog_version(tenant).await?))
    }

    /// Removes an accepted sentence. Gives the new version, which is built.
    ///
    /// # Errors
    /// [`AcceptError::NoSentence`], [`AcceptError::Catalogue`].
    pub async fn forget(&self, tenant: &Tenant, operation: &str, text: &str) -> Result<i64, AcceptError> {
        let version = self.store.remove_example(tenant, operation, ACCEPTED, text).await?;
        let version = version.ok_or_else(|| AcceptError::NoSentence(operation.to_owned()))?;
        self.refresh(tenant).await?;
        Ok(version)
    }
}

/// A sentence as it is compared: its words, folded.
fn words(text: &str) -> Vec<String> {
    runs(&fold(text)).map(str::to_owned).collect()
}
