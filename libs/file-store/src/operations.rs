//! What is asked of a folder or a bucket: so much at once and no more, and none of it is waited for without an end.

use std::{future::Future, sync::Arc};

use object_store::Error;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::{DEADLINE, FileStoreError};

/// Operations under way at once. One that hangs (a network volume that is away) holds a thread until the system gives it
/// back, so this is also how many threads a hung folder can take.
pub const AT_ONCE_MAX: usize = 32;

/// The places for operations of one store.
#[derive(Clone, Debug)]
pub struct Operations(Arc<Semaphore>);

impl Operations {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE_MAX)))
    }

    /// Does `work` as soon as there is a place. Who stops waiting does not end it: it keeps its place until it ends.
    ///
    /// # Errors
    /// [`FileStoreError::Away`], [`FileStoreError::Deadline`], [`FileStoreError::Busy`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, FileStoreError> {
        let until = Instant::now() + DEADLINE;
        let place = match timeout_at(until, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) | Err(_) => return Err(FileStoreError::Busy),
        };
        let under_way = tokio::spawn(async move {
            let ended = work.await;
            drop(place);
            ended
        });
        match timeout_at(until, under_way).await {
            Ok(Ok(ended)) => ended.map_err(FileStoreError::Away),
            Ok(Err(source)) => Err(FileStoreError::Away(Error::JoinError { source })),
            Err(_) => Err(FileStoreError::Deadline),
        }
    }
}
