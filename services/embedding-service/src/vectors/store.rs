//! What keeps collections: files of this replica ([`Files`](super::Files)), or a Qdrant that several replicas share.
//! Who calls the service sees no difference.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::Tenant;

use super::{CollectionError, Found, Point, Question, Room, Schema, Stats};
use crate::work::WorkError;

/// Writes a collection's file, in pieces, until the sink has enough of it. It blocks.
pub type Export = Box<dyn FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> Result<(), CollectionError> + Send>;

/// Collections of all tenants.
///
/// Every call may give `Work`; where collections are on another machine, `Qdrant` and `Stopped`.
pub trait VectorStore: Clone + Send + Sync + 'static {
    /// A collection in the making.
    type Import: VectorImport;

    /// Creates a collection; one of the same name and schema is left as it is.
    ///
    /// # Errors
    /// `Name`, `Dimension`, `PartitionField`, `Exists`, `TooManyCollections`.
    fn create(
        &self,
        tenant: &Tenant,
        name: &str,
        schema: &Schema,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes a collection and its points.
    ///
    /// # Errors
    /// `NotFound`.
    fn delete(&self, tenant: &Tenant, name: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The tenant's collections behind `after`, by name, at most `limit`.
    fn list(
        &self,
        tenant: &Tenant,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(String, Schema)>, StoreError>> + Send;

    /// Inserts or replaces points, the last of equal ids winning: all of them on disk afterwards, or none. How many were
    /// given.
    ///
    /// # Errors
    /// `NotFound`, `Id`, `Payload`, `Vector`, `TooManyPoints`, `TooManyBytes`, `TooManyPartitions`, `Behind`.
    fn upsert(
        &self,
        tenant: &Tenant,
        name: &str,
        points: Vec<Point>,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Removes points; how many were there.
    ///
    /// # Errors
    /// `NotFound`.
    fn remove(
        &self,
        tenant: &Tenant,
        name: &str,
        ids: Vec<String>,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Answers questions to a collection, in their order, at most until `until`, with all that is found in `room`.
    ///
    /// # Errors
    /// `NotFound`, `Vector`, `AnswerTooLarge`, `Stopped`.
    fn ask(
        &self,
        tenant: &Tenant,
        name: &str,
        questions: Vec<Question>,
        room: Room,
        until: Option<Instant>,
    ) -> impl Future<Output = Result<Vec<Vec<Found>>, StoreError>> + Send;

    /// Points behind `after`, in an order that never changes, at most `limit` and as many as there is room for; true
    /// when there are more.
    ///
    /// # Errors
    /// `NotFound`; `AnswerTooLarge`, when there is no room for one.
    fn page(
        &self,
        tenant: &Tenant,
        name: &str,
        asked: (&str, usize),
        with_vectors: bool,
        room: Room,
    ) -> impl Future<Output = Result<(Vec<Point>, bool), StoreError>> + Send;

    /// What a collection is like, and its size.
    ///
    /// # Errors
    /// `NotFound`.
    fn stats(&self, tenant: &Tenant, name: &str) -> impl Future<Output = Result<(Schema, Stats), StoreError>> + Send;

    /// A collection as a file.
    ///
    /// # Errors
    /// `NotFound`.
    fn export(&self, tenant: &Tenant, name: &str) -> impl Future<Output = Result<Export, StoreError>> + Send;

    /// Begins to make a collection of such a file.
    ///
    /// # Errors
    /// `Name`, `Exists`, `TooManyCollections`.
    fn import(&self, tenant: &Tenant, name: &str) -> impl Future<Output = Result<Self::Import, StoreError>> + Send;
}

/// A collection that is made of a file: there with [`finish`](Self::finish), and not at all without it.
pub trait VectorImport: Sized + Send + 'static {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// `Backup`, and what `create` and `upsert` give.
    fn feed(self, bytes: Bytes) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// Puts the collection where it belongs; its schema, and how many points it has.
    ///
    /// # Errors
    /// `Backup`, `Exists`, `TooManyCollections`.
    fn finish(self) -> impl Future<Output = Result<(Schema, usize), StoreError>> + Send;
}

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There was no thread for it.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// As it says.
    #[error(transparent)]
    Collection(#[from] CollectionError),
}

/// Why Qdrant could not do it.
#[derive(Debug, thiserror::Error)]
pub enum QdrantError {
    /// It does not answer, or has trouble of its own: the same call may do later.
    #[error("Qdrant cannot answer")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It wants a pause.
    #[error("Qdrant has too much to do; retry after a pause")]
    Busy(Duration),
    /// It refuses what was checked before: a fault of ours, or of `[qdrant]`.
    #[error("Qdrant refuses; see [qdrant]")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something of this name is there that is not ours.
    #[error(
        "collection `{0}` in Qdrant was not made by this program, or by a Qdrant older than 1.16: remove it there, or \
         use another name"
    )]
    Foreign(String),
    /// A payload that it cannot keep.
    #[error("payload of `{0}`: Qdrant keeps finite numbers, values that have a kind, and 24 levels of them")]
    Payload(String),
}
