//! The journal of a turn: what was decided stands here before its first effect, so that a replay asks nobody again.

use serde_json::{Value, json};

use crate::{
    Lease, Store, StoreError,
    batch::Batch,
    engine::{Row, args, sql},
};

/// Version of the results written now; a release reads the one before, too.
pub const RESULT_FORMAT: i16 = 1;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Step 0: how far the turn reaches.
    Range,
    /// Something decided, by model or dialogue.
    Decision,
    /// A call with its request fully resolved.
    Call,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// Its first byte may have gone out.
    Started,
    /// Its result is known.
    Done,
}

/// One line of a turn's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number in the turn; 0 is the range.
    pub n: i32,
    /// What it is.
    pub kind: StepKind,
    /// Hash of the request; a replay that differs is logged and changes nothing.
    pub request_hash: String,
    /// Given to the backend with a call.
    pub idempotency_key: Option<String>,
    /// How far it is.
    pub status: StepStatus,
    /// What was asked, fully resolved.
    pub request: Value,
    /// What came of it.
    pub result: Option<Value>,
    /// Version of the result's shape.
    pub format: i16,
}

impl Step {
    /// Step 0: the turn answers all messages up to `last_seq`.
    pub fn range(last_seq: i64) -> Self {
        Self {
            n: 0,
            kind: StepKind::Range,
            request_hash: String::new(),
            idempotency_key: None,
            status: StepStatus::Done,
            request: json!({ "last_seq": last_seq }),
            result: None,
            format: RESULT_FORMAT,
        }
    }

    /// Of a range: the last seq it covers.
    pub fn last_seq(&self) -> Option<i64> {
        (self.kind == StepKind::Range).then(|| self.request.get("last_seq")?.as_i64()).flatten()
    }
}

impl Store {
    /// Counts an attempt before it begins, and fixes its range where none stands yet. Gives the attempt's number, from 1.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::NotFound`] for a message that is not there; [`StoreError::JournalConflict`]
    /// when a range stands: nothing was counted then.
    pub async fn begin_attempt(&self, lease: &Lease, seq: i64, range: Option<&Step>) -> Result<i32, StoreError> {
        self.at("attempt.before").await;
        let mut batch = Batch::fenced(lease).and(
            sql!(
                "update inbox set attempts = attempts + 1 where conversation = $1 and seq = $2" and_held
                " returning attempts as v"
            ),
            args![lease.conversation, seq],
        );
        if let Some(range) = range {
            push_step(&mut batch, lease, seq, range);
        }
        let values = self.write_fenced(batch).await.map_err(conflict)?;
        self.answered("attempt.after").await?;
        let attempts = values.first().copied().flatten().ok_or(StoreError::NotFound("message"))?;
        i32::try_from(attempts).map_err(|_| StoreError::corrupt("attempts", "number out of range"))
    }

    /// The attempt ended in an orderly way: a park, a hand-over, an infrastructure error.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    pub async fn reset_attempts(&self, lease: &Lease, seq: i64) -> Result<(), StoreError> {
        let mut batch = Batch::fenced(lease);
        push_orderly(&mut batch, lease, seq);
        self.write_fenced(batch).await.map(drop)
    }

    /// The journal of a turn, by its first seq.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn steps(&self, lease: &Lease, seq: i64) -> Result<Vec<Step>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select n, kind, request_hash, idempotency_key, status, request, result, format from steps "
                    "where conversation = $1 and seq = $2 and exists "
                    "(select 1 from conversations c where c.id = $1 and c.tenant = $3) order by n"
                ),
                args![lease.conversation, seq, &lease.tenant],
            )
            .await?;
        rows.iter().map(step).collect()
    }

    /// Writes steps down, before the first effect of the last one. A decision or a call also ends the attempt in an
    /// orderly way.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::JournalConflict`] when one of them stands there already: use that one.
    pub async fn journal(&self, lease: &Lease, seq: i64, steps: &[Step]) -> Result<(), StoreError> {
        self.at("journal.before").await;
        let mut batch = Batch::fenced(lease);
        for step in steps {
            push_step(&mut batch, lease, seq, step);
        }
        if steps.iter().any(|step| step.n > 0) {
            push_orderly(&mut batch, lease, seq);
        }
        self.write_fenced(batch).await.map_err(conflict)?;
        self.answered("journal.after").await?;
        Ok(())
    }

    /// Writes a call's result down.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::NotFound`] for a step that was never journaled.
    pub async fn finish_step(&self, lease: &Lease, seq: i64, n: i32, result: &Value) -> Result<(), StoreError> {
        self.at("finish.before").await;
        let mut batch = Batch::fenced(lease).and(
            sql!(
                "update steps set status = 'done', result = $4, format = $5, finished_at = " now
                " where conversation = $1 and seq = $2 and n = $3" and_held " returning 1 as v"
            ),
            args![lease.conversation, seq, n, result, RESULT_FORMAT],
        );
        push_orderly(&mut batch, lease, seq);
        let values = self.write_fenced(batch).await?;
        values.first().copied().flatten().ok_or(StoreError::NotFound("step"))?;
        self.answered("finish.after").await?;
        Ok(())
    }

    /// Writes step 0 of a turn anew. Once a decision is journaled its range stands, and this changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    pub async fn rewrite_range(&self, lease: &Lease, seq: i64, range: &Step) -> Result<(), StoreError> {
        let batch = Batch::fenced(lease).and(
            sql!(
                "update steps set request = $3 where conversation = $1 and seq = $2 and n = 0 "
                "and not exists (select 1 from steps d where d.conversation = $1 and d.seq = $2 and d.n > 0)" and_held
                " returning 1 as v"
            ),
            args![lease.conversation, seq, &range.request],
        );
        self.write_fenced(batch).await.map(drop)
    }
}

/// A step that stands there already.
pub(crate) fn conflict(error: StoreError) -> StoreError {
    if error.is_key_conflict() { StoreError::JournalConflict } else { error }
}

pub(crate) fn push_step(batch: &mut Batch, lease: &Lease, seq: i64, step: &Step) {
    batch.push(
        sql!(
            "insert into steps (conversation, seq, n, kind, request_hash, idempotency_key, status, request, result, format, created_at) "
            "select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, " now if_held
            " returning 1 as v"
        ),
        args![
            lease.conversation,
            seq,
            step.n,
            kind_text(step.kind),
            &step.request_hash,
            step.idempotency_key.clone(),
            if step.status == StepStatus::Done { "done" } else { "started" },
            &step.request,
            step.result.as_ref().map(Value::to_string),
            step.format
        ],
    );
}

fn push_orderly(batch: &mut Batch, lease: &Lease, seq: i64) {
    batch.push(
        sql!("update inbox set attempts = 0 where conversation = $1 and seq = $2" and_held " returning 1 as v"),
        args![lease.conversation, seq],
    );
}

fn kind_text(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Range => "range",
        StepKind::Decision => "decision",
        StepKind::Call => "call",
    }
}

fn step(row: &Row) -> Result<Step, StoreError> {
    Ok(Step {
        n: row.small("n")?,
        kind: match row.text("kind")?.as_str() {
            "range" => StepKind::Range,
            "decision" => StepKind::Decision,
            "call" => StepKind::Call,
            other => return Err(StoreError::corrupt("kind", other)),
        },
        request_hash: row.text("request_hash")?,
        idempotency_key: row.opt_text("idempotency_key")?,
        status: if row.text("status")? == "done" { StepStatus::Done } else { StepStatus::Started },
        request: row.json("request")?,
        result: row.opt_json("result")?,
        format: i16::try_from(row.int("format")?).map_err(|_| StoreError::corrupt("format", "number out of range"))?,
    })
}
