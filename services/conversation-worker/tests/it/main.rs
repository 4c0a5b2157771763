//! The worker against real stores, a fake platform, a fake backend and a fake catalogue, on both engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alarms;
mod answers;
mod backend;
mod bench;
mod calls;
mod catalog;
#[cfg(feature = "faults")]
mod crashes;
mod faults;
mod files;
mod notifications;
mod platform;
#[cfg(feature = "faults")]
mod points;
mod reply_files;
mod rpc;
mod script;
mod sends;
#[cfg(feature = "faults")]
mod simulate;
mod switches;
mod talk;
mod waiting;

/// Makes of each `async fn name(engine: Engine)` a test on SQLite and one on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::bench::Engine::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::bench::Engine::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;
