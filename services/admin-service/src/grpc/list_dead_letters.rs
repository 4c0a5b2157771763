//! ListDeadLetters.

use proto::admin::v1 as pb;
use service_kit::grpc::{Caller, GrpcError};
use store::{StoreError, dead_letters::DeadLetter};
use tonic::Code;
use uuid::Uuid;

use super::{Admin, database_code, timestamp};

const PAGE_SIZE: i64 = 50;
const PAGE_SIZE_MAX: i64 = 200;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("`page_size` is {0}; it is 0 to {PAGE_SIZE_MAX}")]
    PageSize(i32),
    #[error("`page_token` is none of ours")]
    PageToken,
    #[error("cannot read the dead letters")]
    Store(#[from] StoreError),
}

impl GrpcError for ListError {
    fn code(&self) -> Code {
        match self {
            Self::PageSize(_) | Self::PageToken => Code::InvalidArgument,
            Self::Store(error) => database_code(error),
        }
    }
}

impl Admin {
    pub(super) async fn list(
        &self,
        caller: &Caller,
        request: pb::ListDeadLettersRequest,
    ) -> Result<pb::ListDeadLettersResponse, ListError> {
        let size = page_size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(Uuid::parse_str(token).map_err(|_invalid| ListError::PageToken)?),
        };
        // One more than the page tells whether there is a next one.
        let mut letters = self.letters.store.list_dead_letters(&caller.tenant, before, size + 1).await?;
        let has_more = letters.len() as i64 > size;
        letters.truncate(usize::try_from(size).unwrap_or_default());
        let next_page_token = match letters.last() {
            Some(last) if has_more => last.id.to_string(),
            _ => String::new(),
        };
        Ok(pb::ListDeadLettersResponse { dead_letters: letters.into_iter().map(wire).collect(), next_page_token })
    }
}

fn page_size(asked: i32) -> Result<i64, ListError> {
    match i64::from(asked) {
        0 => Ok(PAGE_SIZE),
        size if (1..=PAGE_SIZE_MAX).contains(&size) => Ok(size),
        _ => Err(ListError::PageSize(asked)),
    }
}

fn wire(letter: DeadLetter) -> pb::DeadLetter {
    pb::DeadLetter {
        dead_letter_id: letter.id.to_string(),
        conversation_id: letter.conversation.to_string(),
        seq: letter.seq,
        last_seq: letter.last_seq,
        reason: letter.reason,
        attempts: letter.attempts,
        created_at: Some(timestamp(letter.created_at)),
        replayed_at: letter.replayed_at.map(timestamp),
        unknown_effect: letter.unknown_effect,
    }
}

#[cfg(test)]
mod tests {
    use domain::Micros;
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn page_sizes_have_limits() {
        for (asked, expected) in [(0, Some(50)), (1, Some(1)), (200, Some(200)), (201, None), (-1, None)] {
            assert_eq!(page_size(asked).ok(), expected, "{asked}");
        }
    }

    #[test]
    fn times_before_1970_are_times_too() {
        assert_eq!(timestamp(Micros(-1)), Timestamp { seconds: -1, nanos: 999_999_000 });
        assert_eq!(timestamp(Micros(1_500_000)), Timestamp { seconds: 1, nanos: 500_000_000 });
    }
}
