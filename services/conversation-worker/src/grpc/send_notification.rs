//! SendNotification: accepts a message that the person did not ask for. Whether it may be sent is judged here for the
//! caller, and again when it is sent (`reach.rs`).

use channels::Channel;
use domain::{Account, Category, Content, ConversationId, Incoming, Template, Tenant, Unasked, telemetry::metric};
use proto::conversation::v1::{self as pb, send_notification_request::Recipient};
use service_kit::{grpc::GrpcError, telemetry};
use sha2::{Digest as _, Sha256};
use store::{Accepted, Reach, Store, StoreError, alarms::PROVIDER, history::ConversationRow};
use tonic::Code;
use tracing::Instrument as _;

use super::{Conversations, store_code};

/// Fits one message of every platform, so that a template stands for all of it.
const TEXT_UNITS_MAX: usize = 4_000;
const KEY_BYTES_MAX: usize = 200;
const ADDRESS_BYTES_MAX: usize = 200;
const NAME_BYTES_MAX: usize = 512;
const LANGUAGE_BYTES_MAX: usize = 15;
const PARAMETERS_MAX: usize = 100;
const PARAMETER_CHARS_MAX: usize = 1_024;
/// People who had a number one after the other.
const HOLDERS_MAX: usize = 8;

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendNotificationError {
    #[error("idempotency_key is 1 to {KEY_BYTES_MAX} bytes: the same key is accepted once")]
    Key,
    #[error("give a conversation_id, or an address of 1 to {ADDRESS_BYTES_MAX} bytes with its account")]
    Recipient,
    #[error("the address is no phone number in digits, and no chat that we know")]
    Address,
    #[error("give a category: service or marketing")]
    Category,
    #[error("give a text or a template")]
    Empty,
    #[error("text has {units} UTF-16 units; the limit is {TEXT_UNITS_MAX}")]
    TooLong { units: usize },
    #[error("{0}")]
    Template(&'static str),
    #[error("this platform has no templates: give a text")]
    NoTemplates,
    #[error("there is no such conversation")]
    NoConversation,
    #[error("no such account is configured: write <channel>:<name>")]
    NoAccount,
    #[error("no such chat: this platform lets nobody be written to who has not written first")]
    NoChat,
    #[error("the person wants no such messages since {since} ({how}); do not repeat it before they opt in again")]
    OptedOut { how: String, since: String },
    #[error("the person has not written in the last 24 hours: give a template")]
    WindowClosed,
    #[error(
        "this idempotency_key was accepted with another text, template or category for this recipient: give a new key, or \
         repeat it as it was"
    )]
    KeyTaken,
    #[error("cannot save the notification")]
    Store(#[from] StoreError),
}

impl GrpcError for SendNotificationError {
    fn code(&self) -> Code {
        match self {
            Self::Key
            | Self::Recipient
            | Self::Address
            | Self::Category
            | Self::Empty
            | Self::TooLong { .. }
            | Self::Template(_)
            | Self::NoTemplates => Code::InvalidArgument,
            Self::NoConversation | Self::NoAccount | Self::NoChat => Code::NotFound,
            Self::KeyTaken => Code::AlreadyExists,
            Self::OptedOut { .. } | Self::WindowClosed => Code::FailedPrecondition,
            Self::Store(error) => store_code(error),
        }
    }
}

pub(super) async fn handle(
    service: &Conversations,
    tenant: &Tenant,
    request: pb::SendNotificationRequest,
) -> Result<pb::SendNotificationResponse, SendNotificationError> {
    let (text, unasked) = check(&request)?;
    let category = unasked.category;
    let accepted = accept(service, tenant, &request, text, unasked).await;
    let outcome = match &accepted {
        Ok(accepted) if accepted.duplicate => "duplicate",
        Ok(_) => "accepted",
        Err(_) => "refused",
    };
    metrics::counter!(metric::NOTIFICATIONS, "category" => category.as_str(), "outcome" => outcome).increment(1);
    let accepted = accepted?;
    Ok(pb::SendNotificationResponse {
        conversation_id: accepted.conversation.to_string(),
        seq: accepted.seq,
        duplicate: accepted.duplicate,
    })
}

async fn accept(
    service: &Conversations,
    tenant: &Tenant,
    request: &pb::SendNotificationRequest,
    text: String,
    unasked: Unasked,
) -> Result<Accepted, SendNotificationError> {
    let to = find(service, tenant, request.recipient.as_ref()).await?;
    // A repeat is one whatever has changed since.
    let content = Content::Notification { text: text.clone(), unasked: unasked.clone() };
    let message = match key(&service.store, tenant, &to, &request.idempotency_key).await? {
        Key::Free(message) => message,
        Key::Accepted(accepted, said) => {
            if said != content {
                return Err(SendNotificationError::KeyTaken);
            }
            if accepted.ring {
                service.coordination.ring(accepted.conversation, telemetry::traceparent().as_deref());
            }
            return Ok(accepted);
        }
    };
    if to.channel.window().is_none() && text.is_empty() {
        return Err(SendNotificationError::NoTemplates);
    }
    let reach = service.store.reach(tenant, &to.account, &to.peer, to.conversation).await?;
    judge(&to.channel, &reach, &unasked)?;
    let span = telemetry::send_inbox(1);
    let traceparent = telemetry::traceparent_of(&span);
    let account = to.account.clone();
    let incoming = Incoming {
        tenant: tenant.clone(),
        account: to.account,
        user: to.peer.clone(),
        peer: to.peer,
        provider: PROVIDER.to_owned(),
        provider_message_id: message.clone(),
        written_at: None,
        contact_name: None,
        phone: None,
        quoted: None,
        content: content.clone(),
        traceparent: traceparent.clone(),
    };
    let accepted = service.store.accept(&[incoming]).instrument(span).await?;
    let accepted = accepted.first().copied().ok_or(StoreError::NotFound("message"))?;
    // Somebody else was accepted with this key since we looked.
    if accepted.duplicate
        && let Some((_, said)) = service.store.find_notification(tenant, &account, &message).await?
        && said != content
    {
        return Err(SendNotificationError::KeyTaken);
    }
    if accepted.ring {
        service.coordination.ring(accepted.conversation, traceparent.as_deref());
    }
    Ok(accepted)
}

/// Whether it could be sent now.
fn judge(channel: &Channel, reach: &Reach, unasked: &Unasked) -> Result<(), SendNotificationError> {
    if let Some(out) = reach.forbidden(Some(unasked.category)) {
        let since = jiff::Timestamp::from_microsecond(out.since.0).map(|at| at.to_string()).unwrap_or_default();
        return Err(SendNotificationError::OptedOut { how: out.how.clone(), since });
    }
    let open = |window| reach.wrote_at.is_some_and(|at| reach.now.since(at) <= window);
    if unasked.template.is_none() && !channel.window().is_none_or(open) {
        return Err(SendNotificationError::WindowClosed);
    }
    Ok(())
}

/// Where it goes.
struct To {
    account: Account,
    channel: Channel,
    peer: String,
    /// The peer when the conversation began: it stays when the chat is called otherwise.
    first_peer: String,
    conversation: Option<ConversationId>,
}

async fn find(
    service: &Conversations,
    tenant: &Tenant,
    recipient: Option<&Recipient>,
) -> Result<To, SendNotificationError> {
    let store = &service.store;
    match recipient {
        Some(Recipient::ConversationId(id)) => {
            let id: ConversationId = id.parse().map_err(|_| SendNotificationError::NoConversation)?;
            let row = store.conversation(tenant, id).await?.ok_or(SendNotificationError::NoConversation)?;
            let channel = service.tenants.channel(tenant, &row.account).ok_or(SendNotificationError::NoAccount)?;
            in_conversation(store, tenant, row, channel).await
        }
        Some(Recipient::Address(to)) => {
            let known = (1..=ADDRESS_BYTES_MAX).contains(&to.address.len()) && !to.address.contains('\0');
            if !known || to.account.is_empty() {
                return Err(SendNotificationError::Recipient);
            }
            let account: Account = to.account.parse().map_err(|_| SendNotificationError::NoAccount)?;
            let channel = service.tenants.channel(tenant, &account).ok_or(SendNotificationError::NoAccount)?;
            let address = to.address.trim();
            let number = channel.peer_of_number(address);
            let asked = number.as_deref().unwrap_or(address);
            // Several keys may lead to one conversation; its own is the one that counts.
            if let Some(id) = store.find_conversation(tenant, &account, asked).await?
                && let Some(row) = store.conversation(tenant, id).await?
            {
                return in_conversation(store, tenant, row, channel).await;
            }
            match number {
                Some(peer) => Ok(To { account, channel, first_peer: peer.clone(), peer, conversation: None }),
                None if channel.window().is_some() => Err(SendNotificationError::Address),
                None => Err(SendNotificationError::NoChat),
            }
        }
        None => Err(SendNotificationError::Recipient),
    }
}

async fn in_conversation(
    store: &Store,
    tenant: &Tenant,
    row: ConversationRow,
    channel: Channel,
) -> Result<To, SendNotificationError> {
    let first_peer = store.first_peer(tenant, row.id).await?.unwrap_or_else(|| row.peer.clone());
    Ok(To { account: row.account, channel, peer: row.peer, first_peer, conversation: Some(row.id) })
}

/// Text and what is known of it.
fn check(request: &pb::SendNotificationRequest) -> Result<(String, Unasked), SendNotificationError> {
    if !(1..=KEY_BYTES_MAX).contains(&request.idempotency_key.len()) {
        return Err(SendNotificationError::Key);
    }
    let category = match request.category() {
        pb::NotificationCategory::Service => Category::Service,
        pb::NotificationCategory::Marketing => Category::Marketing,
        pb::NotificationCategory::Unspecified => return Err(SendNotificationError::Category),
    };
    let template = request.template.as_ref().map(template).transpose()?;
    // NUL never reaches PostgreSQL.
    let text = request.text.replace('\0', "").trim().to_owned();
    let units = text.encode_utf16().count();
    if units > TEXT_UNITS_MAX {
        return Err(SendNotificationError::TooLong { units });
    }
    if text.is_empty() && template.is_none() {
        return Err(SendNotificationError::Empty);
    }
    Ok((text, Unasked { category, template }))
}

fn template(template: &pb::Template) -> Result<Template, SendNotificationError> {
    let refuse = |why| Err(SendNotificationError::Template(why));
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let tag = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (name, language) = (&template.name, &template.language);
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(named) {
        return refuse("template.name is 1 to 512 of a-z, 0-9 and `_`");
    }
    if !(1..=LANGUAGE_BYTES_MAX).contains(&language.len()) || !language.bytes().all(tag) {
        return refuse("template.language is a language such as `hr` or `en_US`");
    }
    let fits = |words: &String| {
        (1..=PARAMETER_CHARS_MAX).contains(&words.chars().count())
            && !words.trim().is_empty()
            && !words.contains(|c: char| c.is_control())
            && !words.contains("     ")
    };
    if template.body_parameters.len() > PARAMETERS_MAX || !template.body_parameters.iter().all(fits) {
        return refuse(
            "template.body_parameters are at most 100, each 1 to 1024 characters without line breaks, tabs and more \
             than four spaces in a row",
        );
    }
    Ok(Template { name: name.clone(), language: language.clone(), parameters: template.body_parameters.clone() })
}

/// What a key stands for.
enum Key {
    /// Nothing yet; it will be accepted under this message id.
    Free(String),
    /// This.
    Accepted(Accepted, Content),
}

/// A number may have been somebody's who has another one now: their keys stay theirs.
async fn key(store: &Store, tenant: &Tenant, to: &To, key: &str) -> Result<Key, StoreError> {
    let mut message = message_id(&to.first_peer, key, None);
    for _ in 0..HOLDERS_MAX {
        let Some((accepted, said)) = store.find_notification(tenant, &to.account, &message).await? else { break };
        let here = match to.conversation {
            Some(id) => Some(id),
            // It may have begun with this very notification since we looked.
            None => store.find_conversation(tenant, &to.account, &to.peer).await?,
        };
        if here == Some(accepted.conversation) {
            return Ok(Key::Accepted(accepted, said));
        }
        message = message_id(&to.first_peer, key, Some(accepted.conversation));
    }
    Ok(Key::Free(message))
}

/// The key that is accepted once: one recipient's keys are no other's. Tenant and account stand beside it. `before`: whose
/// number it was.
fn message_id(first_peer: &str, key: &str, before: Option<ConversationId>) -> String {
    let mut hash = Sha256::new();
    let before = before.map(|id| id.to_string());
    for part in [first_peer, key].into_iter().chain(before.as_deref()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("notification:{}", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::SendNotificationRequest {
        let mut request = pb::SendNotificationRequest {
            text: "Your parcel is here.".to_owned(),
            idempotency_key: "k".to_owned(),
            ..Default::default()
        };
        request.set_category(pb::NotificationCategory::Service);
        request
    }

    fn with_template(name: &str, language: &str, parameters: &[&str]) -> pb::SendNotificationRequest {
        let body_parameters = parameters.iter().map(|words| (*words).to_owned()).collect();
        let template = pb::Template { name: name.to_owned(), language: language.to_owned(), body_parameters };
        pb::SendNotificationRequest { text: String::new(), template: Some(template), ..request() }
    }

    #[test]
    fn a_notification_needs_a_key_a_category_and_something_to_say() {
        assert!(check(&request()).is_ok());
        let with = |change: &dyn Fn(&mut pb::SendNotificationRequest)| {
            let mut request = request();
            change(&mut request);
            check(&request).expect_err("refused")
        };
        assert!(matches!(with(&|r| r.idempotency_key.clear()), SendNotificationError::Key));
        assert!(matches!(with(&|r| r.idempotency_key = "k".repeat(201)), SendNotificationError::Key));
        assert!(matches!(with(&|r| r.category = 0), SendNotificationError::Category));
        assert!(matches!(with(&|r| r.category = 99), SendNotificationError::Category));
        assert!(matches!(with(&|r| r.text = " \0".to_owned()), SendNotificationError::Empty));
        assert!(matches!(with(&|r| r.text = "😀".repeat(2_001)), SendNotificationError::TooLong { units: 4_002 }));
    }

    #[test]
    fn a_template_has_the_form_that_platforms_take() {
        assert!(check(&with_template("parcel_here", "en_US", &["Ana", "4711"])).is_ok());
        assert!(check(&with_template("parcel_here", "hr", &[])).is_ok());
        for bad in [
            with_template("", "hr", &[]),
            with_template("Parcel here", "hr", &[]),
            with_template("parcel", "", &[]),
            with_template("parcel", "hr", &[""]),
            with_template("parcel", "hr", &["two\nlines"]),
            with_template("parcel", "hr", &["far     away"]),
            with_template("parcel", "hr", &["x"; 101]),
        ] {
            assert!(matches!(check(&bad), Err(SendNotificationError::Template(_))), "{bad:?}");
        }
    }
}
