//! Infobip's send API: one POST per rendered part, and what its answers mean.

use std::time::Duration;

use domain::{OutboxId, Reply, ReplyFile, Template};
use http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Infobip;
use crate::{
    RejectClass, SendOutcome,
    exchange::{failure, read, retry_after, too_fast},
    split::shorten,
    whatsapp::{marked, place},
};

/// Largest picture, in bytes.
const IMAGE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Largest document, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Longest caption.
const CAPTION: usize = 3_000;
/// Longest name of a document.
const FILE_NAME: usize = 240;
/// For read marks, which nobody waits for.
const READ_MARK_TIMEOUT: Duration = Duration::from_secs(5);

impl Infobip {
    /// See [`crate::Channel::send`].
    pub(crate) async fn send(&self, peer: &str, id: OutboxId, part: &Reply, deadline: Duration) -> SendOutcome {
        let (path, content) = request(part);
        self.post(path, self.message(peer, id, content), id, deadline).await
    }

    /// See [`crate::Channel::send_file`]: the platform fetches it.
    pub(crate) async fn send_file(
        &self,
        peer: &str,
        id: OutboxId,
        file: &ReplyFile,
        url: &Url,
        deadline: Duration,
    ) -> SendOutcome {
        let (path, content, most) = file_request(file, url);
        if file.size_bytes > most {
            let reason = format!("{} of {} bytes; the platform takes {most}", file.media_type, file.size_bytes);
            return SendOutcome::Rejected { class: RejectClass::Content, reason };
        }
        self.post(path, self.message(peer, id, content), id, deadline).await
    }

    /// See [`crate::Channel::send_template`]: its path takes a list.
    pub(crate) async fn send_template(
        &self,
        peer: &str,
        id: OutboxId,
        template: &Template,
        deadline: Duration,
    ) -> SendOutcome {
        let content = json!({
            "templateName": template.name, "language": template.language,
            "templateData": { "body": { "placeholders": template.parameters } },
        });
        let body = json!({ "messages": [self.message(peer, id, content)] });
        self.post("whatsapp/1/message/template", body, id, deadline).await
    }

    fn message(&self, peer: &str, id: OutboxId, content: Value) -> Value {
        json!({
            "from": self.0.sender, "to": peer, "messageId": id.to_string(), "content": content,
            "callbackData": id.to_string(),
        })
    }

    async fn post(&self, path: &str, body: Value, id: OutboxId, deadline: Duration) -> SendOutcome {
        let Ok(url) = self.0.base_url.join(path) else {
            return SendOutcome::NotSent { reason: "the base URL cannot be joined".to_owned() };
        };
        let request = self.0.client.post(url).header(AUTHORIZATION, self.0.authorization.clone()).json(&body);
        let exchange = async {
            let response = faults::send!(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, read(response).await))
        };
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok((status, headers, answer))) => outcome(id, status, &headers, &answer),
            Ok(Err(error)) => failure(&error),
            Err(_) => SendOutcome::Unknown { reason: "no answer within the deadline".to_owned() },
        }
    }

    /// See [`crate::Channel::mark_read`].
    pub(crate) async fn mark_read(&self, provider_message_id: &str) {
        let mut url = self.0.base_url.clone();
        {
            let Ok(mut path) = url.path_segments_mut() else { return };
            path.pop_if_empty();
            path.extend(["whatsapp", "1", "senders", &self.0.sender, "message", provider_message_id, "read"]);
        }
        let request =
            self.0.client.post(url).header(AUTHORIZATION, self.0.authorization.clone()).timeout(READ_MARK_TIMEOUT);
        match faults::send!(request).await {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => tracing::debug!(status = response.status().as_u16(), "read mark was not taken"),
            Err(error) => tracing::debug!(error = %error.without_url(), "read mark was not sent"),
        }
    }
}

/// Path and `content` for a part as [`crate::whatsapp::render`] made it.
fn request(part: &Reply) -> (&'static str, Value) {
    if let Some(location) = &part.location {
        return ("whatsapp/1/message/location", place(location));
    }
    if part.choices.is_empty() {
        return ("whatsapp/1/message/text", json!({ "text": marked(part) }));
    }
    match &part.list_title {
        None => {
            let buttons: Vec<Value> = part
                .choices
                .iter()
                .map(|choice| json!({ "type": "REPLY", "id": choice.id, "title": choice.title }))
                .collect();
            let content = json!({ "body": { "text": marked(part) }, "action": { "buttons": buttons } });
            ("whatsapp/1/message/interactive/buttons", content)
        }
        Some(title) => {
            let rows: Vec<Value> = part
                .choices
                .iter()
                .map(|choice| {
                    let mut row = json!({ "id": choice.id, "title": choice.title });
                    if let Some(description) = &choice.description {
                        row["description"] = json!(description);
                    }
                    row
                })
                .collect();
            let action = json!({ "title": title, "sections": [{ "rows": rows }] });
            ("whatsapp/1/message/interactive/list", json!({ "body": { "text": marked(part) }, "action": action }))
        }
    }
}

/// Path and `content` for a file, and the most bytes that it may have.
fn file_request(file: &ReplyFile, url: &Url) -> (&'static str, Value, u64) {
    let mut content = json!({ "mediaUrl": url.as_str() });
    let caption = file.caption.as_deref().map(|caption| shorten(caption, CAPTION)).unwrap_or_default();
    if !caption.is_empty() {
        content["caption"] = json!(caption);
    }
    if matches!(file.media_type.as_str(), "image/jpeg" | "image/png") {
        return ("whatsapp/1/message/image", content, IMAGE_BYTES_MAX);
    }
    content["filename"] = json!(shorten(&file.file_name(), FILE_NAME));
    ("whatsapp/1/message/document", content, DOCUMENT_BYTES_MAX)
}

/// What the platform's answer means.
fn outcome(id: OutboxId, status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> SendOutcome {
    if status.is_success() {
        return accepted(id, answer);
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS => too_fast(retry_after(headers)),
        StatusCode::REQUEST_TIMEOUT => SendOutcome::Unknown { reason: "408 Request Timeout".to_owned() },
        _ if status.is_client_error() => {
            let refusal = Refusal::read(answer);
            SendOutcome::Rejected { class: refusal.class(status), reason: refusal.reason(status) }
        }
        _ => SendOutcome::Unknown { reason: format!("HTTP {}", status.as_u16()) },
    }
}

/// A 2xx. An answer that cannot be read still is one: the message goes by the id that we gave it.
fn accepted(id: OutboxId, answer: &[u8]) -> SendOutcome {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Accepted {
        message_id: Option<String>,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        group_id: Option<i64>,
        group_name: Option<String>,
        name: Option<String>,
    }
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    // Of a list the answer is one, too.
    let answer = answer.pointer("/messages/0").cloned().unwrap_or(answer);
    let answer: Accepted = serde_json::from_value(answer).unwrap_or_default();
    let refused = answer.status.and_then(|status| {
        let by_name = matches!(status.group_name.as_deref(), Some("REJECTED" | "UNDELIVERABLE" | "EXPIRED"));
        (matches!(status.group_id, Some(2 | 4 | 5)) || by_name)
            .then(|| status.name.or(status.group_name).unwrap_or_else(|| "REJECTED".to_owned()))
    });
    SendOutcome::Sent {
        provider_message_id: answer.message_id.filter(|id| !id.is_empty()).unwrap_or_else(|| id.to_string()),
        refused,
        peer: None,
    }
}

/// A refusal in either of Infobip's two forms: `{errorCode, description, ..}` and
/// `{requestError: {serviceException: {messageId, text, ..}}}`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: String,
    text: String,
    /// Names of the fields that did not pass, in the order given.
    fields: Vec<String>,
}

impl Refusal {
    fn read(answer: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(exception) = answer.pointer("/requestError/serviceException") {
            let fields = exception.get("validationErrors").and_then(Value::as_object);
            return Self {
                code: word(exception, "messageId"),
                text: word(exception, "text"),
                fields: fields.map(|errors| errors.keys().cloned().collect()).unwrap_or_default(),
            };
        }
        let violations = answer.get("violations").and_then(Value::as_array);
        Self {
            code: word(&answer, "errorCode"),
            text: word(&answer, "description"),
            fields: violations.into_iter().flatten().map(|violation| word(violation, "property")).collect(),
        }
    }

    fn class(&self, status: StatusCode) -> RejectClass {
        let words = format!("{} {}", self.code, self.text).to_ascii_lowercase();
        let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
        let about = |field: &str| self.fields.iter().any(|name| name == field || name.ends_with(&format!(".{field}")));
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || about("from") {
            RejectClass::Credentials
        } else if super::window_closed(&words) {
            RejectClass::WindowClosed
        } else if about("to") || says(&["destination", "recipient", "131026", "blocked"]) {
            RejectClass::Recipient
        } else {
            RejectClass::Content
        }
    }

    /// For logs and operators: status, code, names of fields. The text may quote the number, so it stays out.
    fn reason(&self, status: StatusCode) -> String {
        let mut reason = format!("HTTP {}", status.as_u16());
        for word in std::iter::once(&self.code).chain(&self.fields).filter(|word| !word.is_empty()) {
            reason.push(' ');
            reason.extend(word.chars().filter(|c| c.is_ascii_alphanumeric() || "_.[]-".contains(*c)).take(60));
        }
        reason.truncate(500);
        reason
    }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    fn judge(status: u16, retry_after: Option<&str>, answer: &str) -> SendOutcome {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
        }
        outcome(OutboxId::default(), StatusCode::from_u16(status).expect("a status"), &headers, answer.as_bytes())
    }

    fn check_class(status: u16, answer: &str, expected: RejectClass) {
        match judge(status, None, answer) {
            SendOutcome::Rejected { class, reason } => {
                assert_eq!(class, expected, "{status} {answer}");
                assert!(!reason.contains("385"), "{reason}");
            }
            other => panic!("{status} {answer}: {other:?}"),
        }
    }

    #[test]
    fn both_error_bodies_are_classified() {
        check_class(
            401,
            r#"{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED","text":"Invalid login details"}}}"#,
            RejectClass::Credentials,
        );
        check_class(
            403,
            r#"{"errorCode":"E403","description":"Forbidden","action":"","violations":[]}"#,
            RejectClass::Credentials,
        );
        check_class(
            400,
            r#"{"requestError":{"serviceException":{"messageId":"BAD_REQUEST","text":"Bad Request","validationErrors":{"content.text":["size must be between 1 and 4096"]}}}}"#,
            RejectClass::Content,
        );
        check_class(
            400,
            r#"{"requestError":{"serviceException":{"messageId":"BAD_REQUEST","text":"385910000001","validationErrors":{"to":["invalid"]}}}}"#,
            RejectClass::Recipient,
        );
        check_class(
            400,
            r#"{"errorCode":"E400","description":"Request cannot be processed.","violations":[{"property":"content.action.buttons[0].title","violation":"size must be between 1 and 20"}]}"#,
            RejectClass::Content,
        );
        check_class(
            400,
            r#"{"errorCode":"E400","description":"x","violations":[{"property":"from","violation":"unknown sender"}]}"#,
            RejectClass::Credentials,
        );
        check_class(
            422,
            r#"{"errorCode":"E131047","description":"Message sent outside the 24 hour window"}"#,
            RejectClass::WindowClosed,
        );
        check_class(404, "<html>", RejectClass::Content);
    }

    #[test]
    fn answers_are_taken_apart_by_status() {
        let sent = |id: &str, refused: Option<&str>| SendOutcome::Sent {
            provider_message_id: id.to_owned(),
            refused: refused.map(str::to_owned),
            peer: None,
        };
        assert_eq!(
            judge(
                200,
                None,
                r#"{"to":"1","messageCount":1,"messageId":"m-9","status":{"groupId":1,"groupName":"PENDING"}}"#
            ),
            sent("m-9", None)
        );
        assert_eq!(
            judge(200, None, r#"{"messageId":"m-9","status":{"groupId":5,"name":"REJECTED_DESTINATION"}}"#),
            sent("m-9", Some("REJECTED_DESTINATION"))
        );
        assert!(matches!(judge(200, None, "not json"), SendOutcome::Sent { refused: None, .. }));
        assert_eq!(
            judge(429, Some("7"), ""),
            SendOutcome::RetryAfter { wait: Duration::from_secs(7), account_wide: true }
        );
        assert_eq!(judge(429, None, ""), SendOutcome::TooFast { account_wide: true });
        assert_eq!(judge(429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), ""), SendOutcome::TooFast { account_wide: true });
        for ambiguous in [302, 408, 500, 502, 503] {
            assert!(matches!(judge(ambiguous, None, "{}"), SendOutcome::Unknown { .. }), "{ambiguous}");
        }
    }
}
