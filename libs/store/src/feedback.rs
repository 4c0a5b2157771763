//! What people think of answers: thumbs and words, one line for each part of an answer, of which the last counts.

use std::{collections::BTreeMap, fmt, str::FromStr};

use domain::{ConversationId, Micros, Tenant};

use crate::{
    Cursor, Store, StoreError,
    engine::{Row, args, clean, sql},
};

/// Longest comment, in characters.
pub const COMMENT_CHARS_MAX: usize = 2_000;

/// A thumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rating {
    /// It helped.
    Up,
    /// It did not.
    Down,
}

/// What somebody thinks of a part of an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The thumb.
    pub rating: Rating,
    /// Their words, where there are some.
    pub comment: Option<String>,
    /// When it was said last.
    pub at: Micros,
}

impl Rating {
    /// `up` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl FromStr for Rating {
    type Err = UnknownRating;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            _ => Err(UnknownRating),
        }
    }
}

/// Neither `up` nor `down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rating is `up` or `down`")]
pub struct UnknownRating;

impl Store {
    /// Keeps what the person whom it answers thinks of a part of an answer, in place of what they thought before.
    /// False: the conversation has no such answer.
    ///
    /// # Errors
    /// [`StoreError::Payload`] for a comment of more than [`COMMENT_CHARS_MAX`] characters.
    pub async fn give_feedback(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        place: Cursor,
        rating: Rating,
        comment: Option<&str>,
    ) -> Result<bool, StoreError> {
        if comment.is_some_and(|comment| comment.chars().count() > COMMENT_CHARS_MAX) {
            return Err(StoreError::Payload(format!("a comment of more than {COMMENT_CHARS_MAX} characters")));
        }
        let kept = self
            .write(
                sql!(
                    "insert into feedback "
                    "(conversation, seq, part, tenant, person, rating, comment, created_at, updated_at) "
                    "select m.conversation, m.seq, m.part, m.tenant, i.person, $5, $6, " now ", " now
                    " from messages m join inbox i on i.conversation = m.conversation and i.seq = m.seq "
                    "where m.conversation = $1 and m.tenant = $2 and m.seq = $3 and m.part = $4 "
                    "and m.direction = 'outbound' on conflict (conversation, seq, part) do update set "
                    "rating = excluded.rating, comment = excluded.comment, updated_at = excluded.updated_at returning seq"
                ),
                args![conversation, tenant, place.seq, place.part, rating.as_str(), comment.map(clean)],
            )
            .await?;
        Ok(!kept.is_empty())
    }

    /// What was said of answers to the messages from seq `first` to `last`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        first: i64,
        last: i64,
    ) -> Result<BTreeMap<Cursor, Feedback>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select seq, part, rating, comment, updated_at from feedback "
                    "where conversation = $1 and tenant = $2 and seq between $3 and $4"
                ),
                args![conversation, tenant, first, last],
            )
            .await?;
        rows.iter().map(feedback).collect()
    }
}

fn feedback(row: &Row) -> Result<(Cursor, Feedback), StoreError> {
    let place = Cursor { seq: row.int("seq")?, part: row.small("part")? };
    Ok((
        place,
        Feedback { rating: row.parse("rating")?, comment: row.opt_text("comment")?, at: row.micros("updated_at")? },
    ))
}

impl fmt::Debug for Feedback {
    /// Without their words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback").field("rating", &self.rating).field("at", &self.at).finish_non_exhaustive()
    }
}
