//! The body of `POST /api/v1/chat`.

use domain::{Content, ConversationId};
use serde_json::Value;
use uuid::Uuid;

use crate::json::{self, clean};

/// Longest message, in characters.
pub const MAX_MESSAGE_CHARS: usize = 10_000;
/// Most uploads that one message names.
pub const MAX_ATTACHMENTS: usize = 5;
/// Longest key that a client may make, and longest button id, in characters.
const MAX_KEY_CHARS: usize = 128;

/// What a browser or program asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The words, or the button that was pressed; none where uploads say it all.
    pub content: Option<Content>,
    /// Uploads that are sent with the words, in their order, none twice.
    pub attachments: Vec<Uuid>,
    /// Where to go on; a new conversation without it.
    pub conversation_id: Option<ConversationId>,
    /// The client's key, printable ASCII: the same key is accepted once.
    pub message_id: Option<String>,
}

/// Why a request is refused, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a JSON object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// Neither `message` nor `choice` says anything.
    #[error("`message` must be text that is not empty")]
    NoMessage,
    /// A field of the wrong type or length.
    #[error("`{0}` is not valid")]
    Field(&'static str),
    /// Too many characters.
    #[error("`message` has more than {MAX_MESSAGE_CHARS} characters")]
    TooLong,
}

impl Request {
    /// Reads and cleans a body.
    ///
    /// # Errors
    /// [`RequestError`]: answer 400 with its text.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let body = json::read(body).map_err(|_| RequestError::NotAnObject)?;
        if !body.is_object() {
            return Err(RequestError::NotAnObject);
        }
        let field = |name: &'static str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(RequestError::Field(name)),
        };
        let key = |name: &'static str, takes: fn(char) -> bool| match field(name)? {
            Some(key) if key.is_empty() || key.chars().count() > MAX_KEY_CHARS || !key.chars().all(takes) => {
                Err(RequestError::Field(name))
            }
            key => Ok(key.map(str::to_owned)),
        };
        let message = clean(field("message")?.unwrap_or_default());
        if message.chars().count() > MAX_MESSAGE_CHARS {
            return Err(RequestError::TooLong);
        }
        let message = sanitise(&message);
        let attachments = attachments(body.get("attachments")).ok_or(RequestError::Field("attachments"))?;
        let content = match (key("choice", |c| c != '\0')?, message.trim()) {
            (Some(_), _) if !attachments.is_empty() => return Err(RequestError::Field("attachments")),
            (Some(id), "") => Some(Content::Choice { title: id.clone(), id }),
            (Some(id), title) => Some(Content::Choice { id, title: title.to_owned() }),
            (None, "") if attachments.is_empty() => return Err(RequestError::NoMessage),
            (None, "") => None,
            (None, _) => Some(Content::Text { text: message }),
        };
        let conversation_id = field("conversation_id")?
            .map(|id| id.parse().map_err(|_| RequestError::Field("conversation_id")))
            .transpose()?;
        Ok(Self { content, attachments, conversation_id, message_id: key("message_id", |c| c.is_ascii_graphic())? })
    }
}

/// Ids of uploads, none twice; `None` for anything else.
fn attachments(value: Option<&Value>) -> Option<Vec<Uuid>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Some(Vec::new()) };
    let list = value.as_array().filter(|list| list.len() <= MAX_ATTACHMENTS)?;
    let mut ids = Vec::with_capacity(list.len());
    for id in list {
        let id = id.as_str()?.parse().ok()?;
        if ids.contains(&id) {
            return None;
        }
        ids.push(id);
    }
    Some(ids)
}

/// `text` without script tags and without `javascript:`, in any case and also where removing one makes another.
pub fn sanitise(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some((start, end)) = script_tag(&text).or_else(|| find(&text, "javascript:", 0)) {
        text.replace_range(start..end, "");
    }
    text
}

/// The first opening or closing script tag, up to its `>` or, unclosed, its name alone.
fn script_tag(text: &str) -> Option<(usize, usize)> {
    let opening = find(text, "<script", 0);
    let closing = find(text, "</script", 0);
    let (start, end) = [opening, closing].into_iter().flatten().min()?;
    Some((start, text[end..].find('>').map_or(end, |close| end + close + 1)))
}

/// Where the ASCII `needle` stands, in any case.
fn find(text: &str, needle: &str, from: usize) -> Option<(usize, usize)> {
    text.as_bytes()[from..]
        .windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
        .map(|at| (from + at, from + at + needle.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<Request, RequestError> {
        Request::parse(body.to_string().as_bytes())
    }

    #[test]
    fn words_and_buttons_are_read() {
        let id = ConversationId::new();
        assert_eq!(
            parse(json!({"message": "Hello\u{0}", "conversation_id": id, "message_id": "k1", "more": 1})),
            Ok(Request {
                content: Some(Content::Text { text: "Hello".into() }),
                attachments: Vec::new(),
                conversation_id: Some(id),
                message_id: Some("k1".into())
            })
        );
        assert_eq!(
            parse(json!({"message": "Yes", "choice": "b1"})).map(|request| request.content),
            Ok(Some(Content::Choice { id: "b1".into(), title: "Yes".into() }))
        );
        assert!(parse(json!({"choice": "b1"})).is_ok());
    }

    #[test]
    fn uploads_come_with_words_or_alone() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let with = parse(json!({"message": "look", "attachments": [two, one]})).expect("a request");
        assert_eq!((with.content, with.attachments), (Some(Content::Text { text: "look".into() }), vec![two, one]));
        let alone = parse(json!({"attachments": [one]})).expect("a request");
        assert_eq!((alone.content, alone.attachments), (None, vec![one]));
        let many: Vec<Uuid> = (0..6).map(Uuid::from_u128).collect();
        for bad in [json!("x"), json!([1]), json!(["x"]), json!([one, one]), json!(many), json!({})] {
            let body = json!({"message": "look", "attachments": bad});
            assert_eq!(parse(body), Err(RequestError::Field("attachments")), "{bad}");
        }
        let pressed = json!({"choice": "b1", "attachments": [one]});
        assert_eq!(parse(pressed), Err(RequestError::Field("attachments")));
        assert_eq!(parse(json!({"attachments": []})), Err(RequestError::NoMessage));
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_field() {
        for (body, expected) in [
            (json!([]), RequestError::NotAnObject),
            (json!({}), RequestError::NoMessage),
            (json!({"message": " <script> "}), RequestError::NoMessage),
            (json!({"message": 7}), RequestError::Field("message")),
            (json!({"message": "x", "conversation_id": "guess"}), RequestError::Field("conversation_id")),
            (json!({"message": "x", "choice": ""}), RequestError::Field("choice")),
            (json!({"message": "x", "choice": "a\0"}), RequestError::Field("choice")),
            (json!({"message": "x", "message_id": "k".repeat(129)}), RequestError::Field("message_id")),
            (json!({"message": "x", "message_id": "two words"}), RequestError::Field("message_id")),
            (json!({"message": "x".repeat(10_001)}), RequestError::TooLong),
        ] {
            assert_eq!(parse(body.clone()), Err(expected), "{body}");
        }
        assert!(parse(json!({"message": "ž".repeat(10_000)})).is_ok());
        assert_eq!(Request::parse(b""), Err(RequestError::NotAnObject));
    }

    #[test]
    fn scripts_are_removed_also_when_nested() {
        for (text, expected) in [
            ("a<script>b</script>c", "abc"),
            ("a<SCRIPT src='x'>b</Script >c", "abc"),
            ("<scr<script>ipt>x", "x"),
            ("javajavascript:script:alert(1)", "alert(1)"),
            ("JavaScript:x", "x"),
            ("<script", ""),
            ("I like javascript and 1 < 2", "I like javascript and 1 < 2"),
        ] {
            assert_eq!(sanitise(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_forbidden_is_left(text in "(<|/|s|scr|ript|script|>|java|javascript:|:|ž| ){0,30}") {
            let clean = sanitise(&text).to_lowercase();
            prop_assert!(!clean.contains("<script") && !clean.contains("</script") && !clean.contains("javascript:"));
        }
    }
}
