//! The journals of a conversation's last turns, for people who look inside.

use domain::{ConversationId, Micros, Tenant};
use serde_json::Value;

use crate::{
    Store, StoreError,
    engine::{args, sql},
};

/// One journaled step, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// First seq of its turn.
    pub seq: i64,
    /// Its number within the turn, from 1.
    pub n: i32,
    /// `decision` or `call`.
    pub kind: String,
    /// What was decided.
    pub request: Value,
    /// What it gave; none while it runs.
    pub result: Option<Value>,
    /// When it was journaled.
    pub started_at: Micros,
    /// When its result was; none while it runs, and for steps that were journaled with it.
    pub finished_at: Option<Micros>,
}

impl Store {
    /// Steps of the last `turns` seqs of a conversation of this tenant, newest turn first, in order within a turn.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_steps(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        turns: i64,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select s.seq, s.n, s.kind, s.request, s.result, s.created_at, s.finished_at "
                    "from steps s join conversations c on c.id = s.conversation "
                    "where s.conversation = $1 and c.tenant = $2 and s.n > 0 and s.seq > c.next_seq - $3 "
                    "order by s.seq desc, s.n"
                ),
                args![conversation, tenant, turns],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(JournalRow {
                    seq: row.int("seq")?,
                    n: row.small("n")?,
                    kind: row.text("kind")?,
                    request: row.json("request")?,
                    result: row.opt_json("result")?,
                    started_at: row.micros("created_at")?,
                    finished_at: row.opt_micros("finished_at")?,
                })
            })
            .collect()
    }
}
