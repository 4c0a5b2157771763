//! The handshake that begins when a webhook is set.

use std::time::Duration;

use uuid::Uuid;

use super::Meta;

/// Bytes of an answer looked at; the challenge is far shorter.
const LONGEST_ANSWER: usize = 4096;
/// The whole handshake.
const LIMIT: Duration = Duration::from_secs(15);

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// 200 with the challenge and nothing else, as plain text.
    Accepted,
    /// Another status.
    Refused(u16),
    /// 200 with another text.
    WrongChallenge,
    /// The challenge came back as something else than `text/plain`.
    NotPlainText,
    /// No whole answer came.
    NoAnswer,
    /// No webhook is set.
    NoWebhook,
}

pub(super) async fn verify(meta: &Meta, verify_token: Option<&str>) -> Handshake {
    let Some(webhook) = meta.lock().webhook.clone() else {
        return Handshake::NoWebhook;
    };
    let challenge = (Uuid::new_v4().as_u128() % 10_000_000_000).to_string();
    let mut url = webhook.url;
    url.query_pairs_mut()
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.challenge", &challenge)
        .append_pair("hub.verify_token", verify_token.unwrap_or(&webhook.verify_token));
    let asked = async {
        let mut response = meta.0.posting.client.get(url).send().await?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST_ANSWER {
                break;
            }
        }
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Ok::<_, reqwest::Error>((response.status().as_u16(), kind.starts_with("text/plain"), answer))
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok((200, plain, answer))) if answer == challenge.as_bytes() => {
            if plain {
                Handshake::Accepted
            } else {
                Handshake::NotPlainText
            }
        }
        Ok(Ok((200, ..))) => Handshake::WrongChallenge,
        Ok(Ok((status, ..))) => Handshake::Refused(status),
        Ok(Err(_)) | Err(_) => Handshake::NoAnswer, // the error would name the address and with it the token
    }
}
