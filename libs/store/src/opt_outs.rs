//! Who may be written to: when a person wrote last, and what they do not want.
//!
//! What a turn changes about it goes with its commit, under its fence. A platform that says while we send that the person
//! blocked us is believed at once, without a fence. An opt-out is of a chat, known by account and peer.

use domain::{Account, Category, ConversationId, Micros, Tenant};

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{args, clean, sql},
};

/// What somebody does not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Any message that they did not ask for.
    All,
    /// Messages that are to sell something.
    Marketing,
    /// Anything, until they write again: they blocked us.
    Blocked,
}

impl Scope {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Marketing => "marketing",
            Self::Blocked => "blocked",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        [Self::All, Self::Marketing, Self::Blocked]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("scope", text))
    }
}

/// Somebody wants no more of something, or wants it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptChange {
    /// What.
    pub scope: Scope,
    /// No more; else again.
    pub out: bool,
    /// How it was said, without personal data: a platform's word, or `word`.
    pub how: String,
}

/// An opt-out that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// What.
    pub scope: Scope,
    /// How it was said.
    pub how: String,
    /// Since when.
    pub since: Micros,
}

/// Whether and how somebody may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The database's clock.
    pub now: Micros,
    /// When they wrote last; what a platform tells about them does not count.
    pub wrote_at: Option<Micros>,
    /// What they do not want, by scope.
    pub opt_outs: Vec<OptOut>,
}

impl Reach {
    /// The opt-out that forbids a message: one of this category, or the answer to a person's own message.
    pub fn forbidden(&self, category: Option<Category>) -> Option<&OptOut> {
        self.opt_outs.iter().find(|out| match out.scope {
            Scope::All => category.is_some(),
            Scope::Marketing => category == Some(Category::Marketing),
            Scope::Blocked => self.wrote_at.is_none_or(|at| at <= out.since),
        })
    }
}

impl Store {
    /// Whether and how the person of a chat may be written to. `conversation` is none where there is none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reach(
        &self,
        tenant: &Tenant,
        account: &Account,
        peer: &str,
        conversation: Option<ConversationId>,
    ) -> Result<Reach, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select " now " as now, (select i.accepted_at from inbox i join messages m "
                    "on m.conversation = i.conversation and m.seq = i.seq and m.part = -1 "
                    "where i.conversation = $4 and i.tenant = $1 and i.provider = $5 "
                    "and m.body not like '{\"type\":\"notice\"%' and m.body not like '{\"type\":\"other\",\"kind\":\"request_welcome\"%' order by i.seq desc limit 1) as wrote_at, "
                    "o.scope, o.how, o.since from (select 1 as one) as one left join opt_outs o "
                    "on o.tenant = $1 and o.account = $2 and o.peer = $3 and o.ended_at is null order by o.scope"
                ),
                args![tenant, account, peer, conversation.map(|id| id.0), account.channel()],
            )
            .await?;
        let first = rows.first().ok_or(StoreError::NotFound("row"))?;
        let (now, wrote_at) = (first.micros("now")?, first.opt_micros("wrote_at")?);
        let mut opt_outs = Vec::new();
        for row in &rows {
            if let Some(scope) = row.opt_text("scope")? {
                opt_outs.push(OptOut {
                    scope: Scope::parse(&scope)?,
                    how: row.text("how")?,
                    since: row.micros("since")?,
                });
            }
        }
        Ok(Reach { now, wrote_at, opt_outs })
    }

    /// Notes at once that the person of a conversation blocked us.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_blocked(&self, lease: &Lease, how: &str) -> Result<(), StoreError> {
        self.write(
            sql!(
                "insert into opt_outs (tenant, account, peer, scope, how, since) values ($1, $2, $3, 'blocked', $4, " now ") "
                "on conflict (tenant, account, peer, scope) do update set how = excluded.how, since = excluded.since, "
                "ended_at = null"
            ),
            args![&lease.tenant, &lease.account, &lease.peer, short(how)],
        )
        .await?;
        Ok(())
    }
}

/// Longest stored way in which an opt-out was said, in characters.
const HOW_CHARS_MAX: usize = 200;

fn short(how: &str) -> String {
    clean(how).chars().take(HOW_CHARS_MAX).collect()
}

/// Writes what a turn changes, within its commit. One that holds already keeps its time.
pub(crate) fn push(batch: &mut Batch, lease: &Lease, changes: &[OptChange]) {
    for change in changes {
        if change.out {
            batch.push(
                sql!(
                    "insert into opt_outs (tenant, account, peer, scope, how, since) "
                    "select $1, $2, $3, $4, $5, " now if_held " on conflict (tenant, account, peer, scope) do update "
                    "set how = excluded.how, since = excluded.since, ended_at = null where opt_outs.ended_at is not null "
                    "or opt_outs.scope = 'blocked' returning 1 as v"
                ),
                args![&lease.tenant, &lease.account, &lease.peer, change.scope.as_str(), short(&change.how)],
            );
        } else {
            batch.push(
                sql!(
                    "update opt_outs set ended_at = " now " where tenant = $1 and account = $2 and peer = $3 "
                    "and scope = $4 and ended_at is null" and_held " returning 1 as v"
                ),
                args![&lease.tenant, &lease.account, &lease.peer, change.scope.as_str()],
            );
        }
    }
}
