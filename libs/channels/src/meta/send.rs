//! The Cloud API's send: one POST per rendered part, and what its answers mean.

use std::time::Duration;

use domain::{OutboxId, Reply, ReplyFile, Template};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{GROUP, Meta, NO_MARKETING, WINDOW_CLOSED};
use crate::{
    RejectClass, SendOutcome,
    exchange::{failure, read, retry_after, too_fast},
    fields::is_phone,
    form::{FormFile, form},
    split::shorten,
    whatsapp::{marked, marked_numbered, place},
};

/// Largest picture, in bytes.
const IMAGE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Largest document, in bytes.
const DOCUMENT_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Longest caption.
const CAPTION: usize = 1_024;
/// Longest name of a document.
const FILE_NAME: usize = 240;
/// Of the time of a send, for the upload before it.
const UPLOAD_SHARE: f64 = 0.6;
/// For read marks, which nobody waits for.
const READ_MARK_TIMEOUT: Duration = Duration::from_secs(5);
/// After an error by which the platform says that it is away for a while.
const AWAY_WAIT: Duration = Duration::from_secs(10);

impl Meta {
    /// See [`crate::Channel::send`].
    pub(crate) async fn send(&self, peer: &str, id: OutboxId, part: &Reply, deadline: Duration) -> SendOutcome {
        other_than(peer, self.exchange(&body(peer, id, part), deadline).await)
    }

    /// See [`crate::Channel::send_template`].
    pub(crate) async fn send_template(
        &self,
        peer: &str,
        id: OutboxId,
        template: &Template,
        deadline: Duration,
    ) -> SendOutcome {
        other_than(peer, self.exchange(&template_body(peer, id, template), deadline).await)
    }

    /// See [`crate::Channel::send_file`]: its bytes are uploaded, and the message names them by the id that they got.
    pub(crate) async fn send_file(
        &self,
        peer: &str,
        id: OutboxId,
        file: &ReplyFile,
        content: &[u8],
        deadline: Duration,
    ) -> SendOutcome {
        let begun = Instant::now();
        // The message needs time, too: an end that nobody knows is worse than an upload that is made again.
        match self.upload(file, content, deadline.mul_f64(UPLOAD_SHARE)).await {
            Ok(media) => {
                let body = file_body(peer, id, file, &media);
                other_than(peer, self.exchange(&body, deadline.saturating_sub(begun.elapsed())).await)
            }
            Err(end) => end,
        }
    }

    /// Gives the platform a file; its id there. Whatever fails here, no message has left.
    async fn upload(&self, file: &ReplyFile, content: &[u8], deadline: Duration) -> Result<String, SendOutcome> {
        let most = if file.media_type.starts_with("image/") { IMAGE_BYTES_MAX } else { DOCUMENT_BYTES_MAX };
        if content.len() > most {
            let reason = format!("{} of {} bytes; the platform takes {most}", file.media_type, content.len());
            return Err(SendOutcome::Rejected { class: RejectClass::Content, reason });
        }
        let texts = [("messaging_product", "whatsapp".to_owned()), ("type", file.media_type.clone())];
        let name = file.file_name();
        let file = FormFile { field: "file", name: &name, media_type: &file.media_type, content };
        let (content_type, body) = form(&texts, &file);
        let request = self.post(&[&self.0.phone_number_id, "media"]).header(CONTENT_TYPE, content_type).body(body);
        match self.ask(request, deadline).await {
            Ok((status, headers, answer)) => uploaded(status, &headers, &answer),
            Err(SendOutcome::Unknown { reason }) => Err(SendOutcome::NotSent { reason }),
            Err(end) => Err(end),
        }
    }

    async fn exchange(&self, body: &Value, deadline: Duration) -> SendOutcome {
        let request = self.post(&[&self.0.phone_number_id, "messages"]).json(body);
        match self.ask(request, deadline).await {
            Ok((status, headers, answer)) => outcome(status, &headers, &answer),
            Err(end) => end,
        }
    }

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        deadline: Duration,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), SendOutcome> {
        let exchange = async {
            let response = faults::send!(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, read(response).await))
        };
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(SendOutcome::Unknown { reason: "no answer within the deadline".to_owned() }),
        }
    }

    /// See [`crate::Channel::mark_read`]: two ticks in blue, and "typing" for 25 s or until the answer.
    pub(crate) async fn mark_read(&self, provider_message_id: &str) {
        let body = json!({
            "messaging_product": "whatsapp", "status": "read", "message_id": provider_message_id,
            "typing_indicator": { "type": "text" },
        });
        let request = self.post(&[&self.0.phone_number_id, "messages"]).json(&body).timeout(READ_MARK_TIMEOUT);
        match faults::send!(request).await {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => tracing::debug!(status = response.status().as_u16(), "read mark was not taken"),
            Err(error) => tracing::debug!(error = %error.without_url(), "read mark was not sent"),
        }
    }
}

/// The request for a part.
fn body(peer: &str, id: OutboxId, part: &Reply) -> Value {
    let (kind, content) = match peer.strip_prefix(GROUP) {
        // Groups have neither buttons nor lists.
        Some(_) if part.location.is_none() => ("text", json!({ "body": marked_numbered(part), "preview_url": false })),
        _ => message(part),
    };
    envelope(peer, id, kind, content)
}

/// The request for a file that was uploaded.
fn file_body(peer: &str, id: OutboxId, file: &ReplyFile, media: &str) -> Value {
    let picture = matches!(file.media_type.as_str(), "image/jpeg" | "image/png");
    let mut content = json!({ "id": media });
    let caption = file.caption.as_deref().map(|caption| shorten(caption, CAPTION)).unwrap_or_default();
    if !caption.is_empty() {
        content["caption"] = json!(caption);
    }
    if !picture {
        content["filename"] = json!(shorten(&file.file_name(), FILE_NAME));
    }
    envelope(peer, id, if picture { "image" } else { "document" }, content)
}

/// The id of a file that was uploaded, or how the send ends without it.
fn uploaded(status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> Result<String, SendOutcome> {
    if status.is_success() {
        let told: Value = serde_json::from_slice(answer).unwrap_or_default();
        let id = told.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        return id.ok_or_else(|| SendOutcome::NotSent { reason: "an upload without an id".to_owned() });
    }
    Err(match outcome(status, headers, answer) {
        SendOutcome::Unknown { reason } => SendOutcome::NotSent { reason },
        end => end,
    })
}

/// The request for a template.
fn template_body(peer: &str, id: OutboxId, template: &Template) -> Value {
    let mut content = json!({ "name": template.name, "language": { "code": template.language } });
    if !template.parameters.is_empty() {
        let words = |words: &String| json!({ "type": "text", "text": words });
        let parameters: Vec<Value> = template.parameters.iter().map(words).collect();
        content["components"] = json!([{ "type": "body", "parameters": parameters }]);
    }
    envelope(peer, id, "template", content)
}

fn envelope(peer: &str, id: OutboxId, kind: &str, content: Value) -> Value {
    // The platform knows no key of ours that would keep it from sending twice; reports bring this one back.
    let mut body = json!({ "messaging_product": "whatsapp", "biz_opaque_callback_data": id.to_string() });
    let group = peer.strip_prefix(GROUP);
    body["recipient_type"] = json!(if group.is_some() { "group" } else { "individual" });
    match group {
        Some(group) => body["to"] = json!(group),
        None if is_phone(peer) => body["to"] = json!(peer),
        // Whoever hides their number is written to by the id that the platform gave.
        None => body["recipient"] = json!(peer),
    }
    body["type"] = json!(kind);
    body[kind] = content;
    body
}

/// Type and content of a part as [`crate::whatsapp::render`] made it.
fn message(part: &Reply) -> (&'static str, Value) {
    if let Some(location) = &part.location {
        return ("location", place(location));
    }
    if part.choices.is_empty() {
        return ("text", json!({ "body": marked(part), "preview_url": false }));
    }
    let action = match &part.list_title {
        None => {
            let button = |choice: &domain::Choice| json!({ "type": "reply", "reply": { "id": choice.id, "title": choice.title } });
            json!({ "buttons": part.choices.iter().map(button).collect::<Vec<_>>() })
        }
        Some(title) => {
            let row = |choice: &domain::Choice| {
                let mut row = json!({ "id": choice.id, "title": choice.title });
                if let Some(description) = &choice.description {
                    row["description"] = json!(description);
                }
                row
            };
            json!({ "button": title, "sections": [{ "rows": part.choices.iter().map(row).collect::<Vec<_>>() }] })
        }
    };
    let kind = if part.list_title.is_some() { "list" } else { "button" };
    ("interactive", json!({ "type": kind, "body": { "text": marked(part) }, "action": action }))
}

/// What the platform's answer means.
fn outcome(status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> SendOutcome {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    if status.is_success() {
        return match answer.pointer("/messages/0/id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            Some(id) => SendOutcome::Sent {
                provider_message_id: id.to_owned(),
                refused: None,
                peer: answer.pointer("/contacts/0/wa_id").and_then(Value::as_str).map(str::to_owned),
            },
            None => SendOutcome::Unknown { reason: "an answer without a message id".to_owned() },
        };
    }
    let error = answer.get("error").unwrap_or(&Value::Null);
    let number = |key: &str| error.get(key).and_then(Value::as_i64);
    let Some(code) = number("code") else {
        return match status {
            StatusCode::TOO_MANY_REQUESTS => too_fast(retry_after(headers)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => rejected(RejectClass::Credentials, status, None),
            StatusCode::REQUEST_TIMEOUT => SendOutcome::Unknown { reason: "408 Request Timeout".to_owned() },
            status if status.is_client_error() => rejected(RejectClass::Content, status, None),
            status => SendOutcome::Unknown { reason: format!("HTTP {}", status.as_u16()) },
        };
    };
    match code {
        4 | 80_007 | 130_429 => too_fast(retry_after(headers)),
        // This pair of numbers: about one message in six seconds.
        131_056 => SendOutcome::TooFast { account_wide: false },
        131_016 | 131_057 => SendOutcome::RetryAfter { wait: AWAY_WAIT, account_wide: true },
        0 | 3 | 10 | 33 | 190 | 200..=299 | 368 | 131_005 | 131_031 | 131_042 | 133_010 => {
            rejected(RejectClass::Credentials, status, Some(code))
        }
        // "Object does not exist": the number's id, since nothing else in the address names one.
        100 if number("error_subcode") == Some(33) => rejected(RejectClass::Credentials, status, Some(code)),
        WINDOW_CLOSED => rejected(RejectClass::WindowClosed, status, Some(code)),
        NO_MARKETING => rejected(RejectClass::NoMarketing, status, Some(code)),
        130_472 | 131_021 | 131_026 | 131_049 => rejected(RejectClass::Recipient, status, Some(code)),
        _ if status == StatusCode::TOO_MANY_REQUESTS => too_fast(retry_after(headers)),
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            SendOutcome::Unknown { reason: reason(status, Some(code)) }
        }
        _ => rejected(RejectClass::Content, status, Some(code)),
    }
}

/// Of whom the platform says where it sent it, what is another number than the one we wrote to: some countries write
/// numbers in two ways (Brazil, Mexico, Argentina), and the platform has its own.
fn other_than(peer: &str, sent: SendOutcome) -> SendOutcome {
    match sent {
        SendOutcome::Sent { provider_message_id, refused, peer: Some(number) }
            if number == peer || !is_phone(peer) || !is_phone(&number) =>
        {
            SendOutcome::Sent { provider_message_id, refused, peer: None }
        }
        sent => sent,
    }
}

fn rejected(class: RejectClass, status: StatusCode, code: Option<i64>) -> SendOutcome {
    SendOutcome::Rejected { class, reason: reason(status, code) }
}

/// Numbers alone: the platform's sentence may name the person.
fn reason(status: StatusCode, code: Option<i64>) -> String {
    match code {
        Some(code) => format!("HTTP {} code {code}", status.as_u16()),
        None => format!("HTTP {}", status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Location, Span, Style};

    use super::*;

    fn judge(status: u16, answer: &str) -> SendOutcome {
        outcome(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), answer.as_bytes())
    }

    #[test]
    fn each_code_has_its_meaning() {
        let rejected = |status: u16, code: i64, class| {
            let answer = json!({ "error": { "message": "(#1) x", "code": code } }).to_string();
            assert_eq!(
                judge(status, &answer),
                SendOutcome::Rejected { class, reason: format!("HTTP {status} code {code}") }
            );
        };
        for code in [0, 3, 10, 190, 200, 299] {
            rejected(401, code, RejectClass::Credentials);
        }
        rejected(400, 131_047, RejectClass::WindowClosed);
        rejected(400, 131_026, RejectClass::Recipient);
        rejected(400, 131_050, RejectClass::NoMarketing);
        for code in [100, 131_008, 131_009, 131_051, 132_000] {
            rejected(400, code, RejectClass::Content);
        }
        for (code, account_wide) in [(4, true), (130_429, true), (80_007, true), (131_056, false)] {
            let answer = json!({ "error": { "code": code } }).to_string();
            assert_eq!(judge(400, &answer), SendOutcome::TooFast { account_wide });
        }
        let gone = json!({ "error": { "code": 100, "error_subcode": 33 } }).to_string();
        assert!(matches!(judge(400, &gone), SendOutcome::Rejected { class: RejectClass::Credentials, .. }));
    }

    #[test]
    fn each_kind_of_peer_is_written_to_in_its_own_field() {
        let choice = domain::Choice { id: "y".to_owned(), title: "Yes".to_owned(), description: None };
        let part = Reply { text: "Sure?".to_owned(), choices: vec![choice], ..Reply::default() };
        let to = |peer: &str| {
            let body = body(peer, OutboxId::new(), &part);
            let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            [field("recipient_type"), field("to"), field("recipient"), field("type")]
        };
        assert_eq!(to("385910000001"), ["individual", "385910000001", "", "interactive"]);
        assert_eq!(to("HR.13491208655302741918"), ["individual", "", "HR.13491208655302741918", "interactive"]);
        assert_eq!(to("group:Y2FwaV9n"), ["group", "Y2FwaV9n", "", "text"]);
        let throttled = json!({ "error": { "code": 131_048 } }).to_string();
        assert_eq!(judge(429, &throttled), SendOutcome::TooFast { account_wide: true });
    }

    #[test]
    fn spans_are_marks_and_a_location_is_a_message_of_its_own() {
        let id = OutboxId::new();
        let spans = vec![Span { start: 0, end: 5, style: Style::Bold }];
        let location = Location { latitude: 45.8, longitude: 15.97, name: Some("Oak room".to_owned()) };
        let reply = Reply { text: "Rooms: *x*".to_owned(), spans: spans.clone(), ..Reply::default() };
        assert_eq!(body("385910000001", id, &reply)["text"]["body"], json!("Rooms: `*x*`"));
        let reply = Reply { text: "Rooms: Oak".to_owned(), spans, location: Some(location), ..Reply::default() };
        let parts = crate::whatsapp::render(&reply);
        for (peer, to) in [("385910000001", "385910000001"), ("group:Y2FwaV9n", "Y2FwaV9n")] {
            let sent: Vec<Value> = parts.iter().map(|part| body(peer, id, part)).collect();
            assert!(sent.iter().all(|body| body["to"] == json!(to)));
            assert_eq!(sent[0]["text"]["body"], json!("*Rooms*: Oak"));
            assert_eq!(sent[1]["type"], json!("location"));
            assert_eq!(sent[1]["location"], json!({ "latitude": 45.8, "longitude": 15.97, "name": "Oak room" }));
        }
    }

    #[test]
    fn a_file_is_named_by_the_id_of_its_upload() {
        let id = OutboxId::new();
        let file = |media_type: &str, caption: Option<&str>| ReplyFile {
            sha256: String::new(),
            media_type: media_type.to_owned(),
            name: Some("plan.pdf".to_owned()),
            size_bytes: 7,
            caption: caption.map(str::to_owned),
            instead: String::new(),
        };
        let long = "x".repeat(2_000);
        let body = |file: &ReplyFile| file_body("385910000001", id, file, "m-1");
        let image = body(&file("image/png", Some(&long)));
        let caption = format!("{}…", "x".repeat(1_023));
        assert_eq!((&image["type"], &image["image"]), (&json!("image"), &json!({ "id": "m-1", "caption": caption })));
        for media_type in ["application/pdf", "image/webp"] {
            let document = body(&file(media_type, None));
            assert_eq!(document["document"], json!({ "id": "m-1", "filename": "plan.pdf" }), "{media_type}");
        }
    }

    #[test]
    fn an_upload_that_fails_has_sent_nothing() {
        let uploaded = |status: u16, answer: &str| {
            uploaded(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), answer.as_bytes())
        };
        assert_eq!(uploaded(200, r#"{"id":"m-1"}"#), Ok("m-1".to_owned()));
        for (status, answer) in [(200, "{}"), (500, ""), (408, ""), (503, r#"{"error":{"code":2}}"#)] {
            assert!(matches!(uploaded(status, answer), Err(SendOutcome::NotSent { .. })), "{status} {answer}");
        }
        let kind = uploaded(400, r#"{"error":{"code":100}}"#);
        assert!(matches!(kind, Err(SendOutcome::Rejected { class: RejectClass::Content, .. })), "{kind:?}");
        let limit = uploaded(400, r#"{"error":{"code":80007}}"#);
        assert_eq!(limit, Err(SendOutcome::TooFast { account_wide: true }));
    }

    #[test]
    fn a_template_has_its_name_language_and_what_is_put_into_it() {
        let id = OutboxId::new();
        let template = |parameters: &[&str]| Template {
            name: "parcel".to_owned(),
            language: "en_US".to_owned(),
            parameters: parameters.iter().map(|words| (*words).to_owned()).collect(),
        };
        let body = template_body("385910000001", id, &template(&["Ana", "4711"]));
        let expected = json!({
            "messaging_product": "whatsapp", "biz_opaque_callback_data": id.to_string(), "recipient_type": "individual",
            "to": "385910000001", "type": "template",
            "template": {
                "name": "parcel", "language": {"code": "en_US"},
                "components": [{"type": "body", "parameters": [
                    {"type": "text", "text": "Ana"}, {"type": "text", "text": "4711"},
                ]}],
            },
        });
        assert_eq!(body, expected);
        let plain = template_body("385910000001", id, &template(&[]));
        assert_eq!(plain["template"], json!({"name": "parcel", "language": {"code": "en_US"}}));
    }

    #[test]
    fn where_the_platform_sent_it_is_told_when_it_is_another_number() {
        let answer = |wa_id: &str| json!({ "contacts": [{ "input": "5547988887777", "wa_id": wa_id }], "messages": [{ "id": "wamid.1" }] });
        for (to, wa_id, expected) in [
            ("5547988887777", "554788887777", Some("554788887777")),
            ("5547988887777", "5547988887777", None),
            ("5547988887777", "", None),
            ("HR.13491208655302741918", "554788887777", None),
            ("group:Y2FwaV9n", "554788887777", None),
        ] {
            let sent = other_than(to, judge(200, &answer(wa_id).to_string()));
            let expected = expected.map(str::to_owned);
            let expected =
                SendOutcome::Sent { provider_message_id: "wamid.1".to_owned(), refused: None, peer: expected };
            assert_eq!(sent, expected, "{to} {wa_id}");
        }
    }

    #[test]
    fn what_may_have_been_taken_is_unknown() {
        for (status, answer) in [
            (200, ""),
            (200, r#"{"messages":[]}"#),
            (500, ""),
            (502, "<html>"),
            (408, ""),
            (500, r#"{"error":{"code":2}}"#),
            (408, r#"{"error":{"code":1}}"#),
        ] {
            assert!(matches!(judge(status, answer), SendOutcome::Unknown { .. }), "{status} {answer}");
        }
        let taken = r#"{"messaging_product":"whatsapp","messages":[{"id":"wamid.1"}]}"#;
        assert_eq!(
            judge(200, taken),
            SendOutcome::Sent { provider_message_id: "wamid.1".to_owned(), refused: None, peer: None }
        );
    }
}
