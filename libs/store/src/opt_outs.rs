//! Who may be written to: when a person wrote last, and what they do not want.
//!
//! What a turn changes about it goes with its commit, under its fence. A platform that says while we send that the person
//! blocked us is believed at once, without a fence. An opt-out is of a chat, known by account and peer.

use domain::{Account, Category, ConversationId, Micros, Tenant};

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{Tx, args, clean, sql},
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
            Scope::All => category.is_some_and(|category| category != Category::Answer),
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
                    "and m.body not like '{\"type\":\"notice\"%' and m.body not like '{\"type\":\"moved\"%' and m.body not like '{\"type\":\"other\",\"kind\":\"request_welcome\"%' order by i.seq desc limit 1) as wrote_at, "
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

    /// Notes at once what a platform said while something was sent: that the person blocked us, or wants nothing that
    /// sells. `at`: when the sending began, by the database's clock; what was told or written since then is newer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_opt_out(&self, lease: &Lease, scope: Scope, how: &str, at: Micros) -> Result<(), StoreError> {
        self.write(
            sql!(
                "insert into opt_outs (tenant, account, peer, scope, how, since) values ($1, $2, $3, $4, $5, $6) "
                "on conflict (tenant, account, peer, scope) do update set how = excluded.how, since = excluded.since, "
                "ended_at = null where excluded.since > opt_outs.since and case when opt_outs.ended_at is null "
                "then opt_outs.scope = 'blocked' else excluded.since / 1000000 > opt_outs.ended_at / 1000000 end"
            ),
            args![&lease.tenant, &lease.account, &lease.peer, scope.as_str(), short(how), at],
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

/// Writes that a platform's report of a message says that its person wants nothing that sells, at its time.
pub(crate) async fn no_marketing(
    tx: &mut Tx,
    conversation: ConversationId,
    how: &str,
    at: Option<Micros>,
) -> Result<(), StoreError> {
    tx.execute(
        sql!(
            "insert into opt_outs (tenant, account, peer, scope, how, since) "
            "select c.tenant, c.account, c.peer, 'marketing', $2, " ("least" | "min") "(coalesce($3, " now "), " now ") "
            "from conversations c where c.id = $1 "
            "on conflict (tenant, account, peer, scope) do update set how = excluded.how, since = excluded.since, "
            "ended_at = null where excluded.since / 1000000 > opt_outs.ended_at / 1000000"
        ),
        args![conversation, short(how), at],
    )
    .await?;
    Ok(())
}

/// Writes what a turn changes, within its commit. One that holds already keeps its time. `at`: when it was said; what was
/// said later stays. Platforms tell whole seconds, so within one second the turn that comes later counts. What is taken
/// back without having been there is kept as well: an older word may still come.
pub(crate) fn push(batch: &mut Batch, lease: &Lease, changes: &[OptChange], at: Option<Micros>) {
    for change in changes {
        let sql = if change.out {
            sql!(
                "insert into opt_outs (tenant, account, peer, scope, how, since) "
                "select $1, $2, (select peer from conversations where id = $3), $4, $5, t.at from "
                // To the end of the second: what was accepted within it was written before.
                "(select " ("least" | "min") "(coalesce($6 + 999999, " now "), " now ") as at) t" if_held
                " on conflict (tenant, account, peer, scope) do update "
                "set how = excluded.how, since = excluded.since, ended_at = null "
                "where (opt_outs.ended_at is not null or opt_outs.scope = 'blocked') "
                "and excluded.since / 1000000 >= coalesce(opt_outs.ended_at, opt_outs.since) / 1000000 returning 1 as v"
            )
        } else {
            sql!(
                "insert into opt_outs (tenant, account, peer, scope, how, since, ended_at) "
                "select $1, $2, (select peer from conversations where id = $3), $4, $5, t.at, t.at from (select " ("least" | "min") "(coalesce($6, " now "), " now ") as at) t" if_held
                " on conflict (tenant, account, peer, scope) do update set ended_at = excluded.ended_at "
                "where excluded.ended_at / 1000000 >= coalesce(opt_outs.ended_at, opt_outs.since) / 1000000 returning 1 as v"
            )
        };
        // The chat may have another id by now than when the lease began.
        let args =
            args![&lease.tenant, &lease.account, lease.conversation, change.scope.as_str(), short(&change.how), at];
        batch.push(sql, args);
    }
}
