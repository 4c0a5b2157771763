//! Collections as files: out in a stream of pieces, and in again.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use domain::Tenant;
use futures::Stream;
use proto::embedding::v1 as pb;
use service_kit::grpc::into_status;
use tokio::{
    runtime::Handle,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::SendTimeoutError},
    },
};
use tonic::{Status, Streaming};

use super::{Vectors, VectorsError, count, work_status};
use crate::{
    vectors::{Export, VectorImport as _, VectorStore, to_wire},
    work::WorkError,
};

/// Bytes of a piece: a multiple of 3, so that pieces in base64 can be put together.
const PIECE_BYTES: usize = 786_432;
/// Transfers at the same time.
const TRANSFERS_MAX: usize = 2;
/// Longest wait for a caller to take a piece.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The right to transfer.
pub struct Transfers(Arc<Semaphore>);

/// The pieces of a file.
pub struct Pieces {
    receiver: mpsc::Receiver<Result<pb::ExportCollectionResponse, Status>>,
    /// They ended before their time, because nobody took them.
    stalled: Arc<AtomicBool>,
}

impl Stream for Pieces {
    type Item = Result<pb::ExportCollectionResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::task::ready!(self.receiver.poll_recv(cx)) {
            None if self.stalled.swap(false, Ordering::AcqRel) => {
                Poll::Ready(Some(Err(Status::aborted("the file was not read for too long; begin again"))))
            }
            piece => Poll::Ready(piece),
        }
    }
}

impl Transfers {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(TRANSFERS_MAX)))
    }

    fn begin(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| work_status(WorkError::Busy))
    }

    /// Sends a collection's file from a thread of its own, as fast as it is taken.
    pub fn export(&self, write: Export) -> Result<Pieces, Status> {
        let permit = self.begin()?;
        let (sender, receiver) = mpsc::channel(1);
        let stalled = Arc::new(AtomicBool::new(false));
        let pieces = Pieces { receiver, stalled: Arc::clone(&stalled) };
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // False when the caller has gone; one that stalls is told.
            let send = |piece: Result<Vec<u8>, Status>| {
                let piece = piece.map(|chunk| pb::ExportCollectionResponse { chunk: chunk.into() });
                let sent = runtime.block_on(sender.send_timeout(piece, STALL_MAX));
                stalled.store(matches!(sent, Err(SendTimeoutError::Timeout(_))), Ordering::Release);
                sent.is_ok()
            };
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let mut taken = true;
            let mut put = |mut bytes: &[u8]| {
                while taken && !bytes.is_empty() {
                    let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - piece.len()));
                    piece.extend_from_slice(now);
                    bytes = later;
                    if piece.len() == PIECE_BYTES {
                        taken = send(Ok(std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES))));
                    }
                }
                taken
            };
            match write(&mut put) {
                Ok(()) if taken && !piece.is_empty() => drop(send(Ok(piece))),
                Ok(()) => {}
                Err(error) => drop(send(Err(error.into()))),
            }
        });
        Ok(pieces)
    }
}

impl<S: VectorStore> Vectors<S> {
    /// Makes a collection of a file that comes in pieces.
    pub(super) async fn import(
        &self,
        tenant: Tenant,
        mut messages: Streaming<pb::ImportCollectionRequest>,
    ) -> Result<pb::ImportCollectionResponse, Status> {
        let _permit = self.transfers.begin()?;
        let stream = |reason| into_status(VectorsError::Stream(reason));
        let first = messages.message().await?.ok_or_else(|| stream("the stream has no message"))?;
        let name = first.collection;
        let mut import = self.store.import(&tenant, &name).await?;
        let mut chunk = first.chunk;
        loop {
            import = import.feed(chunk).await?;
            let Some(message) = messages.message().await? else { break };
            if !message.collection.is_empty() && message.collection != name {
                return Err(stream("a later message names another collection"));
            }
            chunk = message.chunk;
        }
        let (schema, points) = import.finish().await?;
        let collection = Some(to_wire(name, &schema));
        Ok(pb::ImportCollectionResponse { collection, point_count: count(points) })
    }
}
