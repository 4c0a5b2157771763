//! Stored rows as wire messages.

use domain::{Content, Micros, Outgoing};
use proto::conversation::v1 as pb;
use store::{
    Direction,
    history::{ConversationRow, MessageRow},
};

use super::cursor;

/// A message of either direction.
pub fn message(row: MessageRow) -> pb::Message {
    let outbound = row.direction == Direction::Outbound;
    let (text, choices) = if outbound { said_by_us(&row) } else { (said_by_them(&row), Vec::new()) };
    let direction = if outbound { pb::Direction::Outbound } else { pb::Direction::Inbound };
    pb::Message {
        cursor: cursor::write(row.cursor),
        direction: direction.into(),
        text,
        choices,
        created_at: Some(timestamp(row.created_at)),
        status: if outbound { row.status } else { String::new() },
        reason: row.reason.filter(|_| outbound).unwrap_or_default(),
    }
}

fn said_by_us(row: &MessageRow) -> (String, Vec<pb::Choice>) {
    let said: Outgoing = serde_json::from_value(row.body.clone()).unwrap_or_default();
    let words = said.in_words();
    let choice = |choice: domain::Choice| pb::Choice { id: choice.id, title: choice.title };
    (words, said.reply.choices.into_iter().map(choice).collect())
}

fn said_by_them(row: &MessageRow) -> String {
    match serde_json::from_value::<Content>(row.body.clone()) {
        Ok(Content::Choice { title, .. }) => title,
        Ok(Content::Media { caption: Some(caption), .. }) => caption,
        Ok(Content::Location { name: Some(name), .. }) => name,
        Ok(content) => content.in_words(),
        Err(_) => String::new(),
    }
}

/// A conversation.
pub fn conversation(row: &ConversationRow) -> pb::Conversation {
    pb::Conversation {
        conversation_id: row.id.to_string(),
        account: row.account.to_string(),
        next_seq: row.next_seq,
        done_seq: row.done_seq,
        unsent: i32::try_from(row.unsent).unwrap_or(i32::MAX),
        created_at: Some(timestamp(row.created_at)),
    }
}

fn timestamp(at: Micros) -> prost_types::Timestamp {
    let nanos = at.0.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp { seconds: at.seconds(), nanos: i32::try_from(nanos).unwrap_or(0) }
}
