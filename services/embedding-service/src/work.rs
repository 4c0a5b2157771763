//! CPU work beside the async threads: as many at once as there are threads for it, a bounded queue, then refusal.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause that a refused caller is asked for.
pub const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Why work was not done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The queue is full.
    #[error("too many requests at once; retry after a pause")]
    Busy,
    /// The work itself panicked: our bug.
    #[error("a piece of work ended early")]
    Ended(#[source] Option<tokio::task::JoinError>),
}

/// A place in the queue, for as long as it is kept.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Where CPU work is done. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Work {
    queue: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    threads_max: usize,
}

impl Work {
    /// At most `threads` at work and `queue` more waiting.
    pub fn new(threads: NonZeroUsize, queue: usize) -> Self {
        Self {
            queue: Arc::new(Semaphore::new(threads.get().saturating_add(queue).min(Semaphore::MAX_PERMITS))),
            threads: Arc::new(Semaphore::new(threads.get().min(Semaphore::MAX_PERMITS))),
            threads_max: threads.get(),
        }
    }

    /// Pieces at the same time.
    pub fn threads(&self) -> usize {
        self.threads_max
    }

    /// A place in the queue, for work that is begun otherwise.
    ///
    /// # Errors
    /// `Busy`.
    pub fn place(&self) -> Result<Place, WorkError> {
        let permit = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| WorkError::Busy)?;
        Ok(Place { _permit: permit })
    }

    /// Begins work, whose callers have places, as soon as a thread is free.
    pub fn start(&self, work: impl FnOnce() + Send + 'static) {
        let begin = |thread: OwnedSemaphorePermit| {
            tokio::task::spawn_blocking(move || {
                let _held = thread;
                work();
            });
        };
        match Arc::clone(&self.threads).try_acquire_owned() {
            Ok(thread) => begin(thread),
            Err(_) => {
                let threads = Arc::clone(&self.threads);
                tokio::spawn(async move {
                    // Never closed, so acquiring cannot fail.
                    if let Ok(thread) = threads.acquire_owned().await {
                        begin(thread);
                    }
                });
            }
        }
    }

    /// Does `work` on a thread of its own.
    ///
    /// # Errors
    /// [`WorkError`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| WorkError::Busy)?;
        // Never closed, so acquiring cannot fail.
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| WorkError::Busy)?;
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            // Given back when the work is over, even if nobody waits for it any more.
            let _held = (place, thread);
            span.in_scope(work)
        });
        task.await.map_err(|error| WorkError::Ended(Some(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn full_queue_refuses_at_once_and_works_on_afterwards() {
        let work = Work::new(NonZeroUsize::MIN, 1);
        let (release, held) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let work = work.clone();
            async move { work.run(move || held.recv()).await }
        });
        while work.threads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let work = work.clone();
            async move { work.run(|| 2).await }
        });
        while work.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(work.run(|| 3).await, Err(WorkError::Busy)));
        release.send(()).expect("the first waits");
        assert!(first.await.expect("joined").is_ok());
        assert_eq!(second.await.expect("joined").expect("done"), 2);
        assert_eq!(work.run(|| 4).await.expect("done"), 4);
    }
}
