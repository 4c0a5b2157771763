//! Plain values and rules of Dragoman: ids, messages, time, the names of telemetry. No I/O, no tokio.

pub mod id;
pub mod message;
pub mod telemetry;
pub mod time;

pub use id::{Account, ConversationId, OutboxId, PersonId, Tenant};
pub use message::{
    Category, Choice, Contact, Content, Failure, FailureClass, Incoming, Location, OrderItem, Outgoing, Receipt,
    ReceiptStatus, Reply, ReplyFile, Span, Style, Template, Unasked,
};
pub use time::{Clock, Micros, SystemClock};
