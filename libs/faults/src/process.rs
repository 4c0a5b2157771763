//! What comes to the points: this process, or one of several that a test has in one.

/// One process, as far as points are concerned. Cheap to clone.
#[derive(Clone, Default)]
pub struct Process {
    #[cfg(feature = "on")]
    watch: Option<std::sync::Arc<dyn Watch>>,
}

/// Hears of each point that a process comes to; the process goes on when the future is ready.
#[cfg(feature = "on")]
pub trait Watch: Send + Sync {
    /// It came to `point`.
    fn at<'a>(&'a self, point: &'static str) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// It loses the answer to what it wrote before `point`.
    fn loses(&self, _point: &'static str) -> bool {
        false
    }
}

impl Process {
    /// Passes a point, one of [`crate::POINTS`].
    #[cfg(not(feature = "on"))]
    #[inline(always)]
    pub async fn at(&self, _point: &'static str) {}

    /// Passes a point behind a write; false where the answer to it is lost.
    #[cfg(not(feature = "on"))]
    #[inline(always)]
    pub async fn answered(&self, _point: &'static str) -> bool {
        true
    }

    /// Passes the beginning of a statement or transaction.
    #[cfg(not(feature = "on"))]
    #[inline(always)]
    pub async fn statement(&self) {}
}

#[cfg(feature = "on")]
impl Process {
    /// A process that `watch` hears of.
    pub fn watched(watch: std::sync::Arc<dyn Watch>) -> Self {
        Self { watch: Some(watch) }
    }

    /// Passes a point, one of [`crate::POINTS`].
    pub async fn at(&self, point: &'static str) {
        debug_assert!(crate::POINTS.contains(&point), "{point} is not in the list");
        crash::at(point);
        if let Some(watch) = &self.watch {
            watch.at(point).await;
        }
    }

    /// Passes a point behind a write; false where the answer to it is lost.
    pub async fn answered(&self, point: &'static str) -> bool {
        self.at(point).await;
        self.watch.as_ref().is_none_or(|watch| !watch.loses(point))
    }

    /// Passes the beginning of a statement or transaction: no point of the list, but `watch` hears of it.
    pub async fn statement(&self) {
        if let Some(watch) = &self.watch {
            watch.at("statement").await;
        }
    }
}

/// The end of this very process.
#[cfg(feature = "on")]
mod crash {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    struct Plan {
        point: String,
        hits_left: AtomicU32,
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let read = || {
            let text = std::env::var("DRAGOMAN_CRASH_AT").ok()?;
            let (point, hit) = text.rsplit_once(':').unwrap_or((&text, "1"));
            let hits = hit.parse().ok().filter(|hits| *hits > 0);
            let hits = hits.unwrap_or_else(|| panic!("DRAGOMAN_CRASH_AT is <point>:<hit from 1>, not {text}"));
            assert!(crate::POINTS.contains(&point), "there is no point {point}");
            Some(Plan { point: point.to_owned(), hits_left: AtomicU32::new(hits) })
        };
        PLAN.get_or_init(read).as_ref()
    }

    /// Aborts at the planned hit of the planned point: nothing is finished, flushed or dropped.
    pub fn at(point: &str) {
        let Some(plan) = plan().filter(|plan| plan.point == point) else { return };
        let count = |left: u32| left.checked_sub(1);
        if plan.hits_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1) {
            if let Ok(path) = std::env::var("DRAGOMAN_CRASHED") {
                // Without the file the test fails, and says so.
                let _ = std::fs::write(path, point);
            }
            std::process::abort();
        }
    }
}
