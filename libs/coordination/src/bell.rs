//! What a doorbell says.

use domain::{ConversationId, Micros};

/// "Look at this conversation": never carries the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bell {
    /// The conversation to look at.
    pub conversation: ConversationId,
    /// W3C trace context of whoever rang.
    pub traceparent: Option<String>,
    /// Position in the stream; acknowledged with it.
    pub id: String,
}

/// The doorbell cannot be heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Away {
    /// Redis does not answer: poll the store meanwhile.
    #[error("Redis does not answer: {0}")]
    Unreachable(String),
    /// Stream or group was deleted: `ensure_group` makes them again; what was in them is lost and the sweeper rings.
    #[error("the stream or its group is gone")]
    GroupLost,
}

/// State of the group of listeners, for the sweeper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// Time in the id of the last delivered bell, by Redis's clock; none when nothing was delivered yet.
    pub last_delivered_at: Option<Micros>,
    /// Bells not delivered yet; none when Redis cannot tell.
    pub lag: Option<i64>,
    /// Stream or group were lost and made again since the last time this was asked: bells were lost.
    pub recreated: bool,
}

/// Microseconds of the milliseconds in a stream id; none for `0-0`.
pub(crate) fn time_of(id: &str) -> Option<Micros> {
    let millis: i64 = id.split('-').next()?.parse().ok()?;
    (millis > 0).then(|| Micros(millis.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_in_the_id() {
        assert_eq!(time_of("1700000000123-4"), Some(Micros(1_700_000_000_123_000)));
        assert_eq!(time_of("0-0"), None);
        assert_eq!(time_of("x"), None);
    }
}
