//! Answers as clients see them, and where a client stands in them.

use std::fmt;

use domain::{Choice, ConversationId, Reply, ReplyFile};
use serde_json::{Value, json};

/// A place in a conversation's answers; everything up to it was seen. Written `<in_seq>.<part>`, or `<in_seq>` for
/// all parts of that message's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub seq: i64,
    pub part: i32,
}

impl Place {
    /// Behind all parts of the answer to `seq`.
    pub fn behind(seq: i64) -> Self {
        Self { seq, part: i32::MAX }
    }

    /// Reads a client's `Last-Event-ID`.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, part) = match text.split_once('.') {
            Some((seq, part)) => (seq, part.parse().ok()?),
            None => (text, i32::MAX),
        };
        let place = Self { seq: seq.parse().ok()?, part };
        (place.seq >= 0 && place.part >= 0).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            i32::MAX => write!(f, "{}", self.seq),
            part => write!(f, "{}.{part}", self.seq),
        }
    }
}

/// `{"id", "text", "buttons"?: [{"id", "title", "description"?}], "file"?: {"url", "media_type", "size_bytes", "name"?,
/// "caption"?}}`
pub(crate) fn message(conversation: ConversationId, place: Place, reply: &Reply) -> Value {
    let mut message = json!({ "id": place.to_string(), "text": reply.text });
    if !reply.choices.is_empty() {
        let button = |choice: &Choice| match &choice.description {
            Some(text) => json!({ "id": choice.id, "title": choice.title, "description": text }),
            None => json!({ "id": choice.id, "title": choice.title }),
        };
        message["buttons"] = reply.choices.iter().map(button).collect();
    }
    if let Some(file) = &reply.file {
        message["file"] = shown(conversation, file);
    }
    message
}

/// Where a file is had by the authority of the session, and what it is.
fn shown(conversation: ConversationId, file: &ReplyFile) -> Value {
    let mut shown = json!({
        "url": format!("/api/v1/chat/{conversation}/files/{}", file.sha256),
        "media_type": file.media_type, "size_bytes": file.size_bytes,
    });
    for (key, text) in [("name", &file.name), ("caption", &file.caption)] {
        if let Some(text) = text {
            shown[key] = json!(text);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_and_read() {
        for (text, place) in [("3.1", Place { seq: 3, part: 1 }), ("0", Place::behind(0)), ("7", Place::behind(7))] {
            assert_eq!(Place::parse(text), Some(place));
            assert_eq!(place.to_string(), text);
        }
        for bad in ["", ".", "1.", ".1", "-1", "1.-1", "a.b", "1.2.3", "99999999999999999999"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
        assert!(Place { seq: 3, part: 9 } < Place::behind(3) && Place::behind(3) < Place { seq: 4, part: 0 });
    }

    #[test]
    fn buttons_are_there_only_when_there_is_a_choice() {
        let place = Place { seq: 1, part: 0 };
        let message = |place, reply: &Reply| super::message(ConversationId::new(), place, reply);
        let plain = Reply { text: "Hello".into(), ..Reply::default() };
        assert_eq!(message(place, &plain), json!({"id": "1.0", "text": "Hello"}));
        let choices = vec![Choice { id: "y".into(), title: "Yes".into(), description: None }];
        assert_eq!(
            message(place, &Reply { choices, ..plain }),
            json!({"id": "1.0", "text": "Hello", "buttons": [{"id": "y", "title": "Yes"}]})
        );
    }

    #[test]
    fn a_file_is_an_address_of_its_conversation_and_what_it_is() {
        let conversation = ConversationId::new();
        let file = ReplyFile {
            sha256: "ab".repeat(32),
            media_type: "application/pdf".into(),
            name: Some("bill.pdf".into()),
            size_bytes: 7,
            caption: None,
            instead: "not here".into(),
        };
        let reply = Reply { text: "bill.pdf".into(), file: Some(file), ..Reply::default() };
        let url = format!("/api/v1/chat/{conversation}/files/{}", "ab".repeat(32));
        assert_eq!(
            message(conversation, Place { seq: 1, part: 1 }, &reply),
            json!({"id": "1.1", "text": "bill.pdf", "file": {
                "url": url, "media_type": "application/pdf", "size_bytes": 7, "name": "bill.pdf",
            }})
        );
    }
}
