//! PostgreSQL's connections.
//!
//! sqlx asks a connection whether it lives each time it goes back to its pool: a round trip behind every statement. So
//! one that has just worked waits here for the next statement; when that comes, those that waited longer go back.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::observe::InUse;

/// A connection that worked so lately is believed to work.
const WARM: Duration = Duration::from_millis(500);
/// After so long a connection goes back in any case: sqlx replaces old ones.
const AWAY_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest wait for a connection.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The connections of a store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    /// As many as the pool has: who has a place finds a connection here, or the pool has one to give.
    places: Arc<Semaphore>,
    /// The one that worked last is the last.
    warm: Arc<Mutex<Vec<Warm>>>,
    /// How many wait for the pool.
    asking: Arc<AtomicUsize>,
}

struct Warm {
    connection: Option<PoolConnection<Postgres>>,
    taken_at: Instant,
    worked_at: Instant,
}

impl Drop for Warm {
    fn drop(&mut self) {
        // The way back to the pool needs a runtime, and a store may outlive it.
        if tokio::runtime::Handle::try_current().is_err()
            && let Some(connection) = self.connection.take()
        {
            drop(connection.leak());
        }
    }
}

/// A connection in use. Dropped, it goes back to the pool, which looks whether it still works.
pub(crate) struct InHand {
    connection: PoolConnection<Postgres>,
    taken_at: Instant,
    home: Connections,
    _place: OwnedSemaphorePermit,
    _in_use: InUse,
}

impl Connections {
    /// Those of a pool of so many.
    pub fn new(pool: PgPool, count: u32) -> Self {
        let places = Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { pool, places, warm: Arc::default(), asking: Arc::default() }
    }

    /// A connection, waited for.
    pub async fn acquire(&self) -> Result<InHand, sqlx::Error> {
        let acquired = tokio::time::timeout(WAIT_MAX, self.acquire_at_last()).await;
        acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn acquire_at_last(&self) -> Result<InHand, sqlx::Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, taken_at) = match self.take_warm() {
            Some(known) => known,
            None => {
                let _asking = Asking::new(&self.asking);
                // In a box: it may have to connect, which would make every statement's future 15 KB larger, whoever waits.
                (Box::pin(self.pool.acquire()).await?, Instant::now())
            }
        };
        Ok(InHand { connection, taken_at, home: self.clone(), _place: place, _in_use: InUse::begin() })
    }

    /// The connection that worked last, and when it was taken from the pool.
    fn take_warm(&self) -> Option<(PoolConnection<Postgres>, Instant)> {
        let mut warm = self.lock();
        let cold = warm.partition_point(|one| one.worked_at.elapsed() >= WARM);
        warm.drain(..cold);
        let mut last = warm.pop()?;
        Some((last.connection.take()?, last.taken_at))
    }

    /// One round trip.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.acquire().await?;
        connection.ping().await?;
        connection.put_back();
        Ok(())
    }

    /// Closes all, waiting for those in use.
    pub async fn close(&self) {
        let closed = self.pool.close(); // from here on nothing is put back
        self.lock().clear();
        closed.await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Warm>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted while it lives.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InHand {
    /// For the next statement: this one was answered.
    pub fn put_back(self) {
        let Self { connection, taken_at, home, _place, _in_use } = self;
        let mut warm = home.lock();
        // Who waits for the pool gets it there: one that is being closed holds a place of the pool for a while.
        let wanted = home.asking.load(Ordering::Relaxed) > 0;
        if !wanted && taken_at.elapsed() < AWAY_MAX && !home.pool.is_closed() {
            warm.push(Warm { connection: Some(connection), taken_at, worked_at: Instant::now() });
        }
    }

    /// It is closed instead of going back.
    pub fn close_on_drop(&mut self) {
        self.connection.close_on_drop();
    }
}

impl Deref for InHand {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for InHand {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
