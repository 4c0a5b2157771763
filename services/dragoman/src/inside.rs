//! What happened inside the last turns of a phone's conversation, for the phone page: read from the journals.

use std::{future::Future, pin::Pin};

use domain::{Account, Tenant};
use serde_json::{Value, json};
use simulator::Inside;
use store::{Direction, JournalRow, Store};

/// Turns shown.
const TURNS: i64 = 8;

/// Reads the journals of the conversations on one account.
#[derive(Clone)]
pub struct Journals {
    /// The database.
    pub store: Store,
    /// Tenant of the account.
    pub tenant: Tenant,
    /// The account of the phones.
    pub account: Account,
}

impl Inside for Journals {
    fn inside(&self, peer: String) -> Pin<Box<dyn Future<Output = Value> + Send>> {
        let journals = self.clone();
        Box::pin(async move {
            journals.turns(&peer).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read what happened inside");
                json!({ "turns": [] })
            })
        })
    }
}

impl Journals {
    async fn turns(&self, peer: &str) -> Result<Value, store::StoreError> {
        let Some(conversation) = self.store.find_conversation(&self.tenant, &self.account, peer).await? else {
            return Ok(json!({ "turns": [] }));
        };
        let steps = self.store.last_steps(&self.tenant, conversation, TURNS).await?;
        let next = self.store.conversation(&self.tenant, conversation).await?.map_or(0, |row| row.next_seq);
        let after = Some(store::Cursor { seq: next - TURNS, part: i32::MAX });
        let said = self.store.messages(&self.tenant, conversation, after, 100, Some(Direction::Inbound)).await?;
        let turns: Vec<Value> = said
            .iter()
            .rev()
            .map(|message| {
                let seq = message.cursor.seq;
                let steps: Vec<&JournalRow> = steps.iter().filter(|step| step.seq == seq).collect();
                json!({
                    "said": words(&message.body),
                    "outcome": message.status,
                    "candidates": steps.iter().map(|step| candidates(step)).find(|found| !found.is_empty()).unwrap_or_default(),
                    "calls": steps.iter().filter(|step| step.kind == "call").map(|step| call(step)).collect::<Vec<_>>(),
                })
            })
            .collect();
        Ok(json!({ "turns": turns }))
    }
}

fn words(body: &Value) -> &str {
    ["text", "title", "caption", "type"].iter().find_map(|name| body[*name].as_str()).unwrap_or("")
}

fn candidates(step: &JournalRow) -> Vec<Value> {
    let hits = step.result.as_ref().and_then(|result| result["hits"].as_array()).map_or(&[][..], Vec::as_slice);
    hits.iter()
        .take(5)
        .map(|hit| {
            json!({
                "operation": hit["operation_id"],
                "title": hit["title"],
                "score": hit["score"],
                "probability": hit["probability"],
            })
        })
        .collect()
}

fn call(step: &JournalRow) -> Value {
    let took = step.finished_at.map(|end| end.since(step.started_at).as_millis());
    let result = step.result.as_ref().unwrap_or(&Value::Null);
    json!({
        "operation": step.request["operation_id"],
        "purpose": step.request["purpose"],
        "method": step.request["method"],
        "url": step.request["url"],
        "status": result["status"],
        "outcome": result["outcome"],
        "took_ms": took.map(|took| u64::try_from(took).unwrap_or(u64::MAX)),
    })
}
