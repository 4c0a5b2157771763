//! A collection that is made of a file: its points come under a mark in the metadata, whose end makes it a collection.

use bytes::Bytes;
use domain::Tenant;
use tokio::runtime::Handle;

use super::{Qdrant, check, check_schema, wire};
use crate::vectors::{
    BackupError, CollectionError, Point, Schema, StoreError, VectorImport,
    backup::{Reader, Record},
};

/// A collection in the making.
pub struct QdrantImport {
    place: Place,
    reader: Reader,
    schema: Option<Schema>,
    points: usize,
}

/// Where it is; what was made there goes when it was not finished.
struct Place {
    qdrant: Qdrant,
    tenant: Tenant,
    name: String,
    unfinished: bool,
}

impl Place {
    /// Clears within the call, as far as its time goes.
    async fn clear(&mut self) {
        if self.unfinished && clear(&self.qdrant, &self.tenant, &self.name).await.is_ok() {
            self.unfinished = false;
        }
    }
}

impl Drop for Place {
    /// For calls that ended before they had cleared. Where the process ends, what was made stays.
    fn drop(&mut self) {
        let Some(runtime) = Handle::try_current().ok().filter(|_| self.unfinished) else { return };
        let (qdrant, tenant, name) = (self.qdrant.clone(), self.tenant.clone(), self.name.clone());
        runtime.spawn(async move {
            if let Err(error) = clear(&qdrant, &tenant, &name).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%tenant, name, error, "an unfinished import stays in Qdrant until it is deleted");
            }
        });
    }
}

/// Removes what was made, unless somebody finished one of this name.
async fn clear(qdrant: &Qdrant, tenant: &Tenant, name: &str) -> Result<(), CollectionError> {
    match qdrant.look(tenant, name).await {
        Ok((_, _, true)) => {
            qdrant.call(name, qdrant.client.delete_collection(qdrant.name_of(tenant, name))).await.map(drop)
        }
        Ok(_) | Err(CollectionError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl QdrantImport {
    pub(super) fn new(qdrant: Qdrant, tenant: Tenant, name: String) -> Self {
        let place = Place { qdrant, tenant, name, unfinished: false };
        Self { place, reader: Reader::default(), schema: None, points: 0 }
    }
}

impl VectorImport for QdrantImport {
    async fn feed(mut self, bytes: Bytes) -> Result<Self, StoreError> {
        match self.take(bytes).await {
            Ok(()) => Ok(self),
            Err(error) => {
                self.place.clear().await;
                Err(error)
            }
        }
    }

    async fn finish(mut self) -> Result<(Schema, usize), StoreError> {
        let finished = self.end().await;
        self.place.clear().await;
        finished
    }
}

impl QdrantImport {
    async fn take(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let mut records = Vec::new();
        let mut reader = std::mem::take(&mut self.reader);
        let work = self.place.qdrant.work.clone();
        let read = move || {
            reader.feed(&bytes, |record| {
                records.push(record);
                Ok(())
            })?;
            Ok::<_, CollectionError>((reader, records))
        };
        let (reader, records) = work.run(read).await??;
        self.reader = reader;
        for record in records {
            match record {
                Record::Schema(schema) => {
                    check_schema(&schema)?;
                    let place = &mut self.place;
                    place.unfinished = true;
                    let made = place.qdrant.make(&place.tenant, &place.name, &schema, true).await;
                    // Somebody else's goes with nobody.
                    place.unfinished = !matches!(made, Err(CollectionError::Exists(_)));
                    made?;
                    self.schema = Some(schema);
                }
                Record::Points(points) => self.store(points).await?,
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(Schema, usize), StoreError> {
        let points = self.reader.end().map_err(CollectionError::from)?;
        let Place { qdrant, tenant, name, .. } = &self.place;
        let schema = self.schema.take().ok_or(CollectionError::Backup(BackupError::Truncated))?;
        let stored = qdrant.count(tenant, name).await?;
        // Ids that came twice.
        if stored as u64 != points {
            return Err(CollectionError::Backup(BackupError::Damaged).into());
        }
        let finish = wire::finish(qdrant.name_of(tenant, name), qdrant.seconds());
        qdrant.call(name, qdrant.client.update_collection(finish)).await?;
        self.place.unfinished = false;
        Ok((schema, stored))
    }

    async fn store(&mut self, points: Vec<Point>) -> Result<(), StoreError> {
        // The reader gives the schema first.
        let schema = self.schema.as_ref().ok_or(CollectionError::Backup(BackupError::Damaged))?;
        let Place { qdrant, tenant, name, .. } = &self.place;
        self.points += points.len();
        if self.points > qdrant.limits.points_max {
            return Err(CollectionError::TooManyPoints(qdrant.limits.points_max).into());
        }
        for point in &points {
            check(schema, point)?;
        }
        qdrant.put(tenant, name, schema, points).await
    }
}
