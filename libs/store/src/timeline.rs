//! What happened in a conversation, turn by turn, for an operator who looks at it.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ConversationId, Incoming, Micros, OutboxId, PersonId, Tenant};
use serde_json::Value;

use crate::{
    Cursor, Feedback, JournalRow, OutboxStatus, Store, StoreError,
    dead_letters::DeadLetter,
    engine::{Arg, Row, args, sql},
};

/// A message and all that came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineTurn {
    /// Its seq.
    pub seq: i64,
    /// Who wrote.
    pub person: PersonId,
    /// What was accepted; none where it cannot be read.
    pub incoming: Option<Incoming>,
    /// When it was accepted.
    pub accepted_at: Micros,
    /// Attempts that ended without an explanation.
    pub attempts: i32,
    /// The journal of the turn that begins with it, the range included.
    pub steps: Vec<JournalRow>,
    /// The parts of its answer.
    pub sends: Vec<TimelineSend>,
    /// That it was given up.
    pub dead_letter: Option<DeadLetter>,
    /// Who answered.
    pub agent: Option<String>,
    /// That somebody said the answer was wrong.
    pub report: Option<TimelineReport>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineSend {
    /// Its id.
    pub id: OutboxId,
    /// Its place in the answer, from 0.
    pub part: i32,
    /// A `domain::Reply`.
    pub reply: Value,
    /// Where it is.
    pub status: OutboxStatus,
    /// Attempts begun.
    pub attempt: i32,
    /// Attempts whose end stayed unknown.
    pub unknown_ends: i32,
    /// It asks something.
    pub question: bool,
    /// When it was committed.
    pub created_at: Micros,
    /// Not before, or the end of its unknown state.
    pub due_at: Micros,
    /// When the last attempt began.
    pub sending_at: Option<Micros>,
    /// When it was recorded sent.
    pub sent_at: Option<Micros>,
    /// Why it failed or is held.
    pub reason: Option<String>,
    /// What the platform reported, lowest rank first.
    pub receipts: Vec<(String, Micros)>,
    /// What the person thinks of it, where they said.
    pub feedback: Option<Feedback>,
}

/// A report of a wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineReport {
    /// What kind of wrong, where the person said.
    pub category: Option<String>,
    /// When it was filed.
    pub at: Micros,
}

impl Store {
    /// The last `limit` turns of a conversation of this tenant before seq `before`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn timeline(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<TimelineTurn>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select seq, person, payload, accepted_at, attempts from inbox "
                    "where conversation = $1 and tenant = $2 and seq < $3 order by seq desc limit $4"
                ),
                args![conversation, tenant, before.unwrap_or(i64::MAX), limit.max(0)],
            )
            .await?;
        let mut turns = rows.iter().map(turn).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (turns.last(), turns.first()) else {
            return Ok(turns);
        };
        let range = args![conversation, tenant, first.seq, last.seq];
        let (mut steps, mut sends) = (self.steps_of(range.clone()).await?, self.sends_of(range.clone()).await?);
        let (mut agents, mut reports) = (self.agents_of(range.clone()).await?, self.reports_of(range.clone()).await?);
        let mut letters = self.letters_of(range).await?;
        let mut feedback = self.feedback(tenant, conversation, first.seq, last.seq).await?;
        for turn in &mut turns {
            turn.steps = steps.remove(&turn.seq).unwrap_or_default();
            turn.sends = sends.remove(&turn.seq).unwrap_or_default();
            for send in &mut turn.sends {
                send.feedback = feedback.remove(&Cursor { seq: turn.seq, part: send.part });
            }
            turn.agent = agents.remove(&turn.seq);
            turn.report = reports.remove(&turn.seq);
            turn.dead_letter = letters.remove(&turn.seq);
        }
        Ok(turns)
    }

    /// The names that people of a conversation go by: those platforms gave, and those backends gave.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn names_in(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
    ) -> Result<BTreeSet<String>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "with people as (select distinct person from inbox where conversation = $1 and tenant = $2) "
                    "select p.contact_name as name from people join person p on p.id = people.person and p.tenant = $2 "
                    "where p.contact_name is not null "
                    "union select u.label from people join user_mappings u on u.person = people.person and u.tenant = $2 "
                    "where u.label is not null"
                ),
                args![conversation, tenant],
            )
            .await?;
        rows.iter().map(|row| row.text("name")).collect()
    }

    async fn steps_of(&self, range: Vec<Arg>) -> Result<BTreeMap<i64, Vec<JournalRow>>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select s.seq, s.n, s.kind, s.request, s.result, s.created_at, s.finished_at "
                    "from steps s join conversations c on c.id = s.conversation "
                    "where s.conversation = $1 and c.tenant = $2 and s.seq between $3 and $4 order by s.seq, s.n"
                ),
                range,
            )
            .await?;
        grouped(&rows, |row| {
            Ok(JournalRow {
                seq: row.int("seq")?,
                n: row.small("n")?,
                kind: row.text("kind")?,
                // What cannot be read is shown as nothing: the page is for such cases, too.
                request: row.json("request").unwrap_or_default(),
                result: row.opt_json("result").unwrap_or_default(),
                started_at: row.micros("created_at")?,
                finished_at: row.opt_micros("finished_at")?,
            })
        })
    }

    async fn sends_of(&self, range: Vec<Arg>) -> Result<BTreeMap<i64, Vec<TimelineSend>>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select in_seq as seq, id, part, reply, status, attempt, unknown_ends, question, created_at, due_at, "
                    "sending_at, sent_at, reason from outbox "
                    "where conversation = $1 and tenant = $2 and in_seq between $3 and $4 order by in_seq, part"
                ),
                range.clone(),
            )
            .await?;
        // Reports that name our id, and those that name the platform's.
        let reports = self
            .read(
                sql!(
                    "select o.id, r.status, r.rank, r.at from outbox o join receipts r on r.outbox_id = o.id and r.tenant = o.tenant "
                    "where o.conversation = $1 and o.tenant = $2 and o.in_seq between $3 and $4 "
                    "union select o.id, r.status, r.rank, r.at from outbox o join conversations c on c.id = o.conversation "
                    "join receipts r on r.tenant = o.tenant and r.provider = "
                    ("split_part(c.account, ':', 1)" | "substr(c.account, 1, instr(c.account, ':') - 1)")
                    " and r.account = c.account and r.provider_message_id = o.provider_message_id "
                    "where o.conversation = $1 and o.tenant = $2 and o.in_seq between $3 and $4 order by 3"
                ),
                range,
            )
            .await?;
        let mut receipts: BTreeMap<uuid::Uuid, Vec<(String, Micros)>> = BTreeMap::new();
        for row in &reports {
            receipts.entry(row.uuid("id")?).or_default().push((row.text("status")?, row.micros("at")?));
        }
        grouped(&rows, |row| {
            let id = row.uuid("id")?;
            let status = row.text("status")?;
            Ok(TimelineSend {
                id: OutboxId(id),
                part: row.small("part")?,
                reply: row.json("reply").unwrap_or_default(),
                status: OutboxStatus::parse(&status)?,
                attempt: row.small("attempt")?,
                unknown_ends: row.small("unknown_ends")?,
                question: row.bool("question")?,
                created_at: row.micros("created_at")?,
                due_at: row.micros("due_at")?,
                sending_at: row.opt_micros("sending_at")?,
                sent_at: row.opt_micros("sent_at")?,
                reason: row.opt_text("reason")?,
                receipts: receipts.remove(&id).unwrap_or_default(),
                feedback: None,
            })
        })
    }

    async fn agents_of(&self, range: Vec<Arg>) -> Result<BTreeMap<i64, String>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select in_seq, agent from ai_audit_log "
                    "where conversation = $1 and tenant = $2 and in_seq between $3 and $4"
                ),
                range,
            )
            .await?;
        rows.iter().map(|row| Ok((row.int("in_seq")?, row.text("agent")?))).collect()
    }

    async fn reports_of(&self, range: Vec<Arg>) -> Result<BTreeMap<i64, TimelineReport>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select seq, category, created_at from hallucination_reports "
                    "where conversation = $1 and tenant = $2 and seq between $3 and $4"
                ),
                range,
            )
            .await?;
        rows.iter()
            .map(|row| {
                let report = TimelineReport { category: row.opt_text("category")?, at: row.micros("created_at")? };
                Ok((row.int("seq")?, report))
            })
            .collect()
    }

    async fn letters_of(&self, range: Vec<Arg>) -> Result<BTreeMap<i64, DeadLetter>, StoreError> {
        let rows = self.read(crate::dead_letters::OF_SEQS, range).await?;
        rows.iter().map(|row| Ok((row.int("seq")?, crate::dead_letters::dead_letter(row)?))).collect()
    }
}

fn grouped<T>(
    rows: &[Row],
    mut read: impl FnMut(&Row) -> Result<T, StoreError>,
) -> Result<BTreeMap<i64, Vec<T>>, StoreError> {
    let mut all: BTreeMap<i64, Vec<T>> = BTreeMap::new();
    for row in rows {
        all.entry(row.int("seq")?).or_default().push(read(row)?);
    }
    Ok(all)
}

fn turn(row: &Row) -> Result<TimelineTurn, StoreError> {
    Ok(TimelineTurn {
        seq: row.int("seq")?,
        person: PersonId(row.uuid("person")?),
        incoming: row.json("payload").ok(),
        accepted_at: row.micros("accepted_at")?,
        attempts: row.small("attempts")?,
        steps: Vec::new(),
        sends: Vec::new(),
        dead_letter: None,
        agent: None,
        report: None,
    })
}
