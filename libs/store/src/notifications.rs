//! Messages that nobody asked for: how far one has come, the template that follows one that came too late, and the
//! sentence that follows a file that did not arrive.

use domain::{Category, Content, ConversationId, Incoming, OutboxId, Outgoing, PersonId, Tenant, Unasked};

use crate::{
    Accepted, Store, StoreError,
    alarms::PROVIDER,
    engine::{Tx, args, sql},
    inbox,
};

/// Most messages that follow one another: the words, and the template in their place.
const FOLLOWERS_MAX: usize = 2;

/// How far a notification has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationState {
    /// `pending`, `sending`, `sent`, `delivered`, `read`, `unknown`, `held` or `failed`.
    pub status: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// The template was sent after the words were refused.
    pub followed: bool,
}

impl Store {
    /// Where a notification stands that was accepted under this message id, and what it says.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_notification(
        &self,
        tenant: &Tenant,
        account: &domain::Account,
        message: &str,
    ) -> Result<Option<(Accepted, Content)>, StoreError> {
        let row = self
            .read_one(
                sql!(
                    "select i.conversation, i.seq, i.payload, c.done_seq from inbox i join conversations c on c.id = i.conversation "
                    "where i.tenant = $1 and i.provider = $2 and i.account = $3 and i.provider_message_id = $4"
                ),
                args![tenant, PROVIDER, account, message],
            )
            .await?;
        row.map(|row| {
            let (seq, done) = (row.int("seq")?, row.int("done_seq")?);
            let conversation = ConversationId(row.uuid("conversation")?);
            let incoming: Incoming = row.json("payload")?;
            Ok((Accepted { conversation, seq, duplicate: true, ring: seq > done }, incoming.content))
        })
        .transpose()
    }

    /// How far the notification of this seq has come; none where that message is no notification.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notification(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        seq: i64,
    ) -> Result<Option<NotificationState>, StoreError> {
        let (mut seq, mut state) = (seq, None);
        for n in 0..FOLLOWERS_MAX {
            let row = self
                .read_one(
                    sql!(
                        "select i.payload, o.status, o.reason, o.id as outbox_id, d.reason as given_up, "
                        "coalesce((select r.status from receipts r where r.outbox_id = o.id and r.tenant = i.tenant "
                        "order by r.rank desc limit 1), "
                        "(select r.status from receipts r where r.tenant = i.tenant and r.provider = "
                        ("split_part(i.account, ':', 1)" | "substr(i.account, 1, instr(i.account, ':') - 1)")
                        " and r.account = i.account and r.provider_message_id = o.provider_message_id "
                        "order by r.rank desc limit 1)) as told, "
                        "coalesce((select r.reason from receipts r where r.outbox_id = o.id and r.tenant = i.tenant "
                        "and r.status = 'failed' limit 1), "
                        "(select r.reason from receipts r where r.tenant = i.tenant and r.provider = "
                        ("split_part(i.account, ':', 1)" | "substr(i.account, 1, instr(i.account, ':') - 1)")
                        " and r.account = i.account and r.provider_message_id = o.provider_message_id "
                        "and r.status = 'failed' limit 1)) as told_reason, f.seq as follower from inbox i "
                        "left join outbox o on o.conversation = i.conversation and o.in_seq = i.seq and o.part = 1 "
                        "left join dead_letters d on d.conversation = i.conversation and d.seq <= i.seq and d.last_seq >= i.seq "
                        "left join inbox f on f.tenant = i.tenant and f.account = i.account and f.provider = $4 "
                        "and f.provider_message_id = 'template:' || "
                        ("o.id::text" | "lower(substr(hex(o.id), 1, 8) || '-' || substr(hex(o.id), 9, 4) || '-' || substr(hex(o.id), 13, 4) || '-' || substr(hex(o.id), 17, 4) || '-' || substr(hex(o.id), 21))")
                        " where i.conversation = $1 and i.tenant = $2 and i.seq = $3 limit 1"
                    ),
                    args![conversation, tenant, seq, PROVIDER],
                )
                .await?;
            let Some(row) = row else { return Ok(state) };
            let incoming: Incoming = row.json("payload")?;
            if !matches!(incoming.content, Content::Notification { .. }) {
                return Ok(state);
            }
            let (status, given_up) = (row.opt_text("status")?, row.opt_text("given_up")?);
            let (told, own) = (row.opt_text("told")?, row.opt_text("reason")?);
            let status = match (told, status) {
                (Some(told), _) if told == "accepted" => "sent".to_owned(),
                (Some(told), _) => told,
                (None, Some(status)) => status,
                (None, None) if given_up.is_some() => "failed".to_owned(),
                (None, None) => "pending".to_owned(),
            };
            let reason = row.opt_text("told_reason")?.or(own).or(given_up).filter(|_| status == "failed");
            state = Some(NotificationState { status, reason, followed: n > 0 });
            match row.opt_int("follower")? {
                Some(follower) => seq = follower,
                None => return Ok(state),
            }
        }
        Ok(state)
    }
}

/// Has a message that was refused because it came too late follow as its template, as a message of its own behind what
/// the conversation has: once, since its key is accepted once. The conversation is locked. False: it has no template,
/// was one, or is followed already.
pub(crate) async fn follow(tx: &mut Tx, conversation: ConversationId, id: OutboxId) -> Result<bool, StoreError> {
    let Some(refused) = Refused::find(tx, conversation, id).await? else { return Ok(false) };
    match &refused.outgoing.unasked {
        Some(unasked) if unasked.template.is_some() && !refused.outgoing.reply.text.is_empty() => {
            let content = Content::Notification { text: String::new(), unasked: unasked.clone() };
            refused.follow_with(tx, conversation, format!("template:{id}"), content).await
        }
        _ => Ok(false),
    }
}

/// The same for a file that the platform took and then did not deliver: the sentence in its place follows it, where that
/// was not what was sent, and no report says that the file is there.
pub(crate) async fn follow_file(tx: &mut Tx, conversation: ConversationId, id: OutboxId) -> Result<bool, StoreError> {
    let Some(refused) = Refused::find(tx, conversation, id).await? else { return Ok(false) };
    match &refused.outgoing.reply.file {
        Some(file) if !file.instead.is_empty() && refused.is_file => {
            let unasked = Unasked { category: Category::Answer, template: None };
            let content = Content::Notification { text: file.instead.clone(), unasked };
            refused.follow_with(tx, conversation, format!("instead:{id}"), content).await
        }
        _ => Ok(false),
    }
}

/// A part that did not arrive, and what it answered.
struct Refused {
    outgoing: Outgoing,
    /// It was sent as its file, and not reported delivered by another attempt.
    is_file: bool,
    payload: String,
    person: PersonId,
    next_seq: i64,
}

impl Refused {
    async fn find(tx: &mut Tx, conversation: ConversationId, id: OutboxId) -> Result<Option<Self>, StoreError> {
        let row = tx
            .optional(
                sql!(
                    "select o.reply, i.payload, i.person, c.next_seq, o.file_sha256 is not null and not exists "
                    "(select 1 from receipts r where r.outbox_id = o.id and r.tenant = o.tenant "
                    "and r.status in ('delivered', 'read')) as is_file from outbox o "
                    "join inbox i on i.conversation = o.conversation and i.seq = o.in_seq "
                    "join conversations c on c.id = o.conversation where o.id = $1 and o.conversation = $2"
                ),
                args![id, conversation],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let Ok(outgoing) = serde_json::from_value(row.json("reply")?) else { return Ok(None) };
        Ok(Some(Self {
            outgoing,
            is_file: row.bool("is_file")?,
            payload: row.text("payload")?,
            person: PersonId(row.uuid("person")?),
            next_seq: row.int("next_seq")?,
        }))
    }

    /// False: there is a message of this key, or what was answered cannot be read by this program.
    async fn follow_with(
        self,
        tx: &mut Tx,
        conversation: ConversationId,
        key: String,
        content: Content,
    ) -> Result<bool, StoreError> {
        let Ok(before) = serde_json::from_str::<Incoming>(&self.payload) else { return Ok(false) };
        let message =
            Incoming { provider: PROVIDER.to_owned(), provider_message_id: key, content, quoted: None, ..before };
        let payload = serde_json::to_string(&message).map_err(|error| StoreError::Payload(error.to_string()))?;
        let seq = self.next_seq + 1;
        let new = inbox::NewRow {
            tenant: message.tenant,
            person: self.person,
            provider: message.provider,
            account: message.account,
            provider_message_id: message.provider_message_id,
            payload,
        };
        if !inbox::insert_row(tx, conversation, seq, &new).await? {
            return Ok(false);
        }
        tx.execute(
            sql!("update conversations set next_seq = $2, wake_at = " now ", rung_at = " now " where id = $1"),
            args![conversation, seq],
        )
        .await?;
        Ok(true)
    }
}
