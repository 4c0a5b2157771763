//! All SQL of Dragoman, for PostgreSQL and SQLite, one module per subject.
//!
//! The database is the truth of every conversation; the protocol that these functions implement is described in
//! ARCHITECTURE.md. Every function takes the tenant, or a lease that was given for one; accept, claim, sweep and the
//! ripening of alarms, which find the tenant in what they are given, and the look at all switches are the exceptions.
//! Times are the database's own.

mod connect;
mod connections;
mod engine;
mod error;
#[cfg(feature = "faults")]
mod memory;
mod observe;

pub mod ai_services;
pub mod alarms;
pub mod api_keys;
pub mod audit;
mod batch;
pub mod catalogue;
pub mod console;
pub mod dead_letters;
pub mod feedback;
pub mod history;
pub mod inbox;
pub mod journal;
pub mod lease;
pub mod media;
pub mod migrations;
pub mod notifications;
pub mod opt_outs;
pub mod outbox;
mod peers;
pub mod people;
pub mod receipts;
pub mod reports;
pub mod roles;
pub mod steps;
pub mod switches;
pub mod timeline;
pub mod unreadable;
pub mod uploads;
pub mod work;

pub use alarms::{AlarmNew, Alarms};
pub use connect::{Role, Store, StoreConfig};
pub use error::StoreError;
pub use feedback::{Feedback, Rating};
pub use history::{Cursor, Direction};
pub use inbox::Accepted;
pub use journal::JournalRow;
pub use lease::{Lease, Seen, SweepInput};
pub use media::{FileContent, FileNew, FilePut, StoredFile, UnusedFile};
#[cfg(feature = "faults")]
pub use memory::Clock;
pub use notifications::NotificationState;
pub use opt_outs::{OptChange, OptOut, Reach, Scope};
pub use outbox::{OutboxRow, OutboxStatus, Outcome, Recorded, UnknownPolicy};
pub use people::UserMapping;
pub use reports::ReportNew;
pub use steps::{Step, StepKind, StepStatus};
pub use unreadable::{Unreadable, Why};
pub use uploads::{Upload, UploadNew, UploadPut, UploadQuota};
pub use work::{AuditRow, Commit, DeadLetterNew, InboxRow, ModelUse, OutboxNew, Snapshot};
