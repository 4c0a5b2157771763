//! Collections in files of this replica, used from the threads for CPU and disk work.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use domain::Tenant;

use super::{
    CollectionError, Collections, Export, Found, Import, Point, Question, Room, Schema, Stats, StoreError,
    VectorImport, VectorStore, ask,
};
use crate::work::Work;

/// The files, and who works on them.
#[derive(Clone, Debug)]
pub struct Files {
    collections: Arc<Collections>,
    work: Work,
}

impl Files {
    /// Of these collections.
    pub fn new(collections: Collections, work: Work) -> Self {
        Self { collections: Arc::new(collections), work }
    }

    /// Does something with the collections, on a thread for it.
    async fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Arc<Collections>) -> Result<T, CollectionError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let collections = Arc::clone(&self.collections);
        Ok(self.work.run(move || what(&collections)).await??)
    }
}

impl VectorStore for Files {
    type Import = FilesImport;

    async fn create(&self, tenant: &Tenant, name: &str, schema: &Schema) -> Result<(), StoreError> {
        let (tenant, name, schema) = (tenant.clone(), name.to_owned(), schema.clone());
        self.with(move |collections| collections.create(&tenant, &name, &schema)).await
    }

    async fn delete(&self, tenant: &Tenant, name: &str) -> Result<(), StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.with(move |collections| collections.delete(&tenant, &name)).await
    }

    async fn list(&self, tenant: &Tenant, after: &str, limit: usize) -> Result<Vec<(String, Schema)>, StoreError> {
        let (tenant, after) = (tenant.clone(), after.to_owned());
        self.with(move |collections| Ok(collections.list(&tenant, &after, limit))).await
    }

    async fn upsert(&self, tenant: &Tenant, name: &str, points: Vec<Point>) -> Result<usize, StoreError> {
        self.collections.wait_for_room(tenant, name).await?;
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.with(move |collections| collections.upsert(&tenant, &name, &points)).await
    }

    async fn remove(&self, tenant: &Tenant, name: &str, ids: Vec<String>) -> Result<usize, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.with(move |collections| collections.remove(&tenant, &name, &ids)).await
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        name: &str,
        questions: Vec<Question>,
        room: Room,
        until: Option<Instant>,
    ) -> Result<Vec<Vec<Found>>, StoreError> {
        let collection = self.collections.find(tenant, name)?;
        Ok(ask(&collection, &self.work, questions, room, until).await??)
    }

    async fn page(
        &self,
        tenant: &Tenant,
        name: &str,
        (after, limit): (&str, usize),
        with_vectors: bool,
        room: Room,
    ) -> Result<(Vec<Point>, bool), StoreError> {
        let (tenant, name, after) = (tenant.clone(), name.to_owned(), after.to_owned());
        self.with(move |collections| collections.page(&tenant, &name, (&after, limit), with_vectors, room)).await
    }

    async fn stats(&self, tenant: &Tenant, name: &str) -> Result<(Schema, Stats), StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.with(move |collections| {
            let collection = collections.find(&tenant, &name)?;
            Ok((collection.schema(), collection.stats()))
        })
        .await
    }

    async fn export(&self, tenant: &Tenant, name: &str) -> Result<Export, StoreError> {
        let collection = self.collections.find(tenant, name)?;
        Ok(Box::new(move |put| Collections::export(&collection, put)))
    }

    async fn import(&self, tenant: &Tenant, name: &str) -> Result<FilesImport, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        let import = self.with(move |collections| collections.import(&tenant, &name)).await?;
        Ok(FilesImport { import, work: self.work.clone() })
    }
}

/// A folder in the making.
#[derive(Debug)]
pub struct FilesImport {
    import: Import,
    work: Work,
}

impl VectorImport for FilesImport {
    async fn feed(self, bytes: Bytes) -> Result<Self, StoreError> {
        let Self { mut import, work } = self;
        let import = work.run(move || import.feed(&bytes).map(|()| import)).await??;
        Ok(Self { import, work })
    }

    async fn finish(self) -> Result<(Schema, usize), StoreError> {
        let Self { import, work } = self;
        Ok(work.run(move || import.finish()).await??)
    }
}
