//! Sending through the Bot API, and what its answers mean. It knows no key that would keep it from sending twice.

use std::time::Duration;

use domain::{Reply, ReplyFile, Span, Style};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Telegram,
    address::{Address, of_message},
    api::ApiError,
};
use crate::{
    RejectClass, SendOutcome,
    exchange::too_fast,
    form::{FormFile, form},
    split::{shorten, units},
    words::usable,
};

/// For what nobody waits for: "typing", and the end of a button's wait.
const SIGN_TIMEOUT: Duration = Duration::from_secs(5);
/// Buttons whose titles have so many characters together stand in one row.
const ROW_CHARS: usize = 24;
/// Most entities of a message; the platform leaves out what is more.
const ENTITIES_MAX: usize = 100;
/// Largest picture, in bytes; a larger one goes as a document.
const PHOTO_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Largest document, in bytes.
const DOCUMENT_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Longest caption, in UTF-16 units.
const CAPTION: usize = 1_024;
/// Most buttons in one row.
const ROW_BUTTONS: usize = 3;

impl Telegram {
    /// See [`crate::Channel::send`].
    pub(crate) async fn send(&self, peer: &str, part: &Reply, deadline: Duration) -> SendOutcome {
        let Some(mut address) = Address::of_peer(peer) else {
            return SendOutcome::Rejected { class: RejectClass::Recipient, reason: "the peer is no chat".to_owned() };
        };
        let begun = Instant::now();
        let method = if part.location.is_some() { "sendLocation" } else { "sendMessage" };
        let mut body = message(&address, part);
        let mut sent = self.call(method, &body, deadline).await;
        // Nothing was sent: the group has another id now, and later messages come from there.
        if let Err(ApiError::Refused { migrate_to_chat_id: Some(chat), .. }) = sent {
            address = Address { chat, thread: address.thread };
            body["chat_id"] = json!(chat);
            sent = self.call(method, &body, deadline.saturating_sub(begun.elapsed())).await;
        }
        // Nothing was sent: the words matter more than how they look.
        if let Err(ApiError::Refused { code: 400, description, .. }) = &sent
            && description.to_ascii_lowercase().contains("entit")
            && body.as_object_mut().is_some_and(|body| body.remove("entities").is_some())
        {
            tracing::warn!(description, "a text is sent without its formatting");
            sent = self.call(method, &body, deadline.saturating_sub(begun.elapsed())).await;
        }
        match outcome(&address, sent) {
            SendOutcome::Sent { provider_message_id, refused, peer } => {
                SendOutcome::Sent { provider_message_id: self.with_bot(&provider_message_id), refused, peer }
            }
            other => other,
        }
    }

    /// See [`crate::Channel::send_file`]. A picture that the platform takes as none goes as a document.
    pub(crate) async fn send_file(
        &self,
        peer: &str,
        file: &ReplyFile,
        content: &[u8],
        deadline: Duration,
    ) -> SendOutcome {
        let Some(mut address) = Address::of_peer(peer) else {
            return SendOutcome::Rejected { class: RejectClass::Recipient, reason: "the peer is no chat".to_owned() };
        };
        if content.len() > DOCUMENT_BYTES_MAX {
            let reason = format!("a file of {} bytes; the platform takes {DOCUMENT_BYTES_MAX}", content.len());
            return SendOutcome::Rejected { class: RejectClass::Content, reason };
        }
        let begun = Instant::now();
        let left = || deadline.saturating_sub(begun.elapsed());
        let mut photo = is_photo(file, content.len());
        let mut sent = self.call_with_file(method(photo), file_form(&address, file, content, photo), left()).await;
        // In both cases nothing was sent: the group has another id now, or the picture is of an odd size or format.
        if let Err(ApiError::Refused { migrate_to_chat_id: Some(chat), .. }) = sent {
            address = Address { chat, thread: address.thread };
            sent = self.call_with_file(method(photo), file_form(&address, file, content, photo), left()).await;
        }
        if photo && matches!(outcome(&address, sent.clone()), SendOutcome::Rejected { class: RejectClass::Content, .. })
        {
            photo = false;
            sent = self.call_with_file(method(photo), file_form(&address, file, content, photo), left()).await;
        }
        match outcome(&address, sent) {
            SendOutcome::Sent { provider_message_id, refused, peer } => {
                SendOutcome::Sent { provider_message_id: self.with_bot(&provider_message_id), refused, peer }
            }
            other => other,
        }
    }

    /// See [`crate::Channel::mark_read`]: there are no read marks; a message is answered by "typing", a button by the end
    /// of its wait and the end of its keyboard, so that nobody taps twice.
    pub(crate) async fn mark_read(&self, provider_message_id: &str) {
        let id = self.without_bot(provider_message_id);
        if let Some((query, message)) = id.strip_prefix("callback/").map(split_callback) {
            self.sign("answerCallbackQuery", &json!({ "callback_query_id": query })).await;
            if let Some((chat, number)) = message.and_then(of_message) {
                // In a group the tap may be somebody's who was not asked.
                if chat > 0 {
                    self.sign("editMessageReplyMarkup", &json!({ "chat_id": chat, "message_id": number })).await;
                }
                self.typing(chat).await;
            }
        } else if let Some((chat, _)) = of_message(id) {
            self.typing(chat).await;
        }
    }

    /// See [`crate::Channel::type_on`].
    pub(crate) async fn type_on(&self, provider_message_id: &str) {
        let id = self.without_bot(provider_message_id);
        let message = match id.strip_prefix("callback/").map(split_callback) {
            Some((_, message)) => message,
            None => Some(id),
        };
        if let Some((chat, _)) = message.and_then(of_message) {
            self.typing(chat).await;
        }
    }

    async fn typing(&self, chat: i64) {
        self.sign("sendChatAction", &json!({ "chat_id": chat, "action": "typing" })).await;
    }

    async fn sign(&self, method: &str, body: &Value) {
        if let Err(error) = self.call(method, body, SIGN_TIMEOUT).await {
            tracing::debug!(method, %error, "a sign was not taken");
        }
    }
}

/// Id of the query, and of the message under which the button stands.
fn split_callback(rest: &str) -> (&str, Option<&str>) {
    rest.split_once('/').map_or((rest, None), |(query, message)| (query, Some(message)))
}

/// What the platform shows as a picture.
fn is_photo(file: &ReplyFile, size_bytes: usize) -> bool {
    matches!(file.media_type.as_str(), "image/jpeg" | "image/png") && size_bytes <= PHOTO_BYTES_MAX
}

fn method(photo: bool) -> &'static str {
    if photo { "sendPhoto" } else { "sendDocument" }
}

/// The form of a file: content type and bytes.
fn file_form(address: &Address, file: &ReplyFile, content: &[u8], photo: bool) -> (String, Vec<u8>) {
    let mut texts = vec![("chat_id", address.chat.to_string())];
    texts.extend(address.thread.map(|thread| ("message_thread_id", thread.to_string())));
    let caption = file.caption.as_deref().map(|caption| shorten(caption, CAPTION)).unwrap_or_default();
    if !caption.is_empty() {
        texts.push(("caption", caption));
    }
    let field = if photo { "photo" } else { "document" };
    form(&texts, &FormFile { field, name: &file.file_name(), media_type: &file.media_type, content })
}

/// The request of a part as [`super::render`] made it.
fn message(address: &Address, part: &Reply) -> Value {
    let mut body = match &part.location {
        Some(location) => json!({ "latitude": location.latitude, "longitude": location.longitude }),
        None => text(part),
    };
    body["chat_id"] = json!(address.chat);
    if let Some(thread) = address.thread {
        body["message_thread_id"] = json!(thread);
    }
    if !part.choices.is_empty() {
        let buttons: Vec<Value> =
            part.choices.iter().map(|choice| json!({ "text": choice.title, "callback_data": choice.id })).collect();
        let chars: usize = part.choices.iter().map(|choice| choice.title.chars().count()).sum();
        let rows: Vec<Value> = if buttons.len() <= ROW_BUTTONS && chars <= ROW_CHARS {
            vec![Value::Array(buttons)]
        } else {
            buttons.into_iter().map(|button| json!([button])).collect()
        };
        body["reply_markup"] = json!({ "inline_keyboard": rows });
    }
    body
}

/// The text with its spans as entities, whose places are in UTF-16 units.
fn text(part: &Reply) -> Value {
    let mut body = json!({ "text": part.text, "link_preview_options": { "is_disabled": true } });
    let entity = |span: &Span| {
        let kind = match span.style {
            Style::Bold => "bold",
            Style::Code => "code",
        };
        let offset = units(part.text.get(..span.start)?);
        let length = units(part.text.get(span.start..span.end)?);
        Some(json!({ "type": kind, "offset": offset, "length": length }))
    };
    let entities: Vec<Value> = usable(&part.text, &part.spans).iter().filter_map(entity).take(ENTITIES_MAX).collect();
    if !entities.is_empty() {
        body["entities"] = json!(entities);
    }
    body
}

fn outcome(address: &Address, sent: Result<Value, ApiError>) -> SendOutcome {
    let rejected = |class, reason: String| SendOutcome::Rejected { class, reason };
    match sent {
        Ok(message) => match message.get("message_id").and_then(Value::as_i64) {
            Some(number) => {
                SendOutcome::Sent { provider_message_id: address.message(number), refused: None, peer: None }
            }
            None => SendOutcome::Unknown { reason: "an answer without a message id".to_owned() },
        },
        Err(ApiError::NotSent(reason)) => SendOutcome::NotSent { reason },
        Err(ApiError::Unknown(reason)) => SendOutcome::Unknown { reason },
        Err(ApiError::Refused { code, description, retry_after, .. }) => {
            let about = |words: &[&str]| words.iter().any(|word| description.to_ascii_lowercase().contains(word));
            let reason = format!("{code} {description}");
            match code {
                429 => too_fast(retry_after),
                // A token that is not known is answered with 404.
                401 | 404 => rejected(RejectClass::Credentials, reason),
                403 if about(&["blocked", "kicked"]) => rejected(RejectClass::OptedOut, reason),
                403 => rejected(RejectClass::Recipient, reason),
                400 if about(&["chat not found", "user is deactivated", "peer_id_invalid", "migrated"]) => {
                    rejected(RejectClass::Recipient, reason)
                }
                408 => SendOutcome::Unknown { reason },
                _ => rejected(RejectClass::Content, reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Choice;
    use proptest::prelude::*;

    use super::*;

    const HERE: Address = Address { chat: 42, thread: None };

    fn choices(titles: &[&str]) -> Vec<Choice> {
        let choice =
            |(n, title): (usize, &&str)| Choice { id: format!("c{n}"), title: (*title).to_owned(), description: None };
        titles.iter().enumerate().map(choice).collect()
    }

    #[test]
    fn short_buttons_share_a_row() {
        let rows = |titles: &[&str]| {
            let body = message(&HERE, &Reply { text: "?".to_owned(), choices: choices(titles), ..Reply::default() });
            let rows = body.pointer("/reply_markup/inline_keyboard").and_then(Value::as_array).expect("rows").clone();
            rows.iter().map(|row| row.as_array().map_or(0, Vec::len)).collect::<Vec<_>>()
        };
        assert_eq!(rows(&["Yes", "No", "Change"]), [3]);
        assert_eq!(rows(&["Yes", "No", "Change", "Help"]), [1, 1, 1, 1]);
        assert_eq!(rows(&["The long corridor", "The short corridor"]), [1, 1]);
    }

    #[test]
    fn a_topic_is_answered_in_the_topic() {
        let body = message(&Address { chat: -100, thread: Some(7) }, &Reply { text: "x".into(), ..Reply::default() });
        assert_eq!((&body["chat_id"], &body["message_thread_id"]), (&json!(-100), &json!(7)));
        assert_eq!(body.get("reply_markup"), None);
    }

    #[test]
    fn spans_are_entities_counted_in_utf_16() {
        let span = |start, end, style| Span { start, end, style };
        let spans = vec![span(0, 8, Style::Bold), span(9, 13, Style::Code), span(50, 60, Style::Bold)];
        let body = message(&HERE, &Reply { text: "Oak 😀 4711".into(), spans, ..Reply::default() });
        let expected = json!([
            { "type": "bold", "offset": 0, "length": 6 }, { "type": "code", "offset": 7, "length": 4 },
        ]);
        assert_eq!((&body["text"], &body["entities"]), (&json!("Oak 😀 4711"), &expected));
    }

    proptest! {
        #[test]
        fn entities_lie_between_characters_of_the_text(
            text in "(?s).{0,60}", places in prop::collection::vec((0_usize..120, 0_usize..120), 0..8),
        ) {
            let spans = places.into_iter().map(|(start, end)| Span { start, end, style: Style::Code }).collect();
            let body = message(&HERE, &Reply { text: text.clone(), spans, ..Reply::default() });
            let units: Vec<u16> = text.encode_utf16().collect();
            for entity in body["entities"].as_array().into_iter().flatten() {
                let number = |key: &str| entity[key].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
                let (start, end) = (number("offset"), number("offset") + number("length"));
                let shown = units.get(start..end).expect("within the text");
                prop_assert!(String::from_utf16(shown).is_ok_and(|shown| !shown.trim().is_empty()));
            }
        }
    }

    #[test]
    fn every_refusal_has_its_class() {
        let refused = |code, description: &str, wait: Option<u64>| {
            outcome(
                &HERE,
                Err(ApiError::Refused {
                    code,
                    description: description.to_owned(),
                    retry_after: wait.map(Duration::from_secs),
                    migrate_to_chat_id: None,
                }),
            )
        };
        for (code, description, class) in [
            (401, "Unauthorized", RejectClass::Credentials),
            (404, "Not Found", RejectClass::Credentials),
            (403, "Forbidden: bot was blocked by the user", RejectClass::OptedOut),
            (403, "Forbidden: bot was kicked from the group chat", RejectClass::OptedOut),
            (403, "Forbidden: user is deactivated", RejectClass::Recipient),
            (400, "Bad Request: chat not found", RejectClass::Recipient),
            (400, "Bad Request: message is too long", RejectClass::Content),
        ] {
            let reason = format!("{code} {description}");
            assert_eq!(refused(code, description, None), SendOutcome::Rejected { class, reason });
        }
        let wait = |seconds| SendOutcome::RetryAfter { wait: Duration::from_secs(seconds), account_wide: true };
        assert_eq!(refused(429, "Too Many Requests", Some(31)), wait(31));
        assert_eq!(refused(429, "", None), SendOutcome::TooFast { account_wide: true });
        let sent = outcome(&HERE, Ok(json!({ "message_id": 9 })));
        assert_eq!(sent, SendOutcome::Sent { provider_message_id: "42/9".to_owned(), refused: None, peer: None });
    }
}
