//! What people said was wrong: reports for an operator to review.

use domain::PersonId;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Lease, Store, StoreError,
    engine::{args, sql},
};

/// A report of a wrong answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportNew {
    /// Who said so.
    pub person: PersonId,
    /// What was asked.
    pub question: String,
    /// What we answered.
    pub answer: String,
    /// What was found and called for it.
    pub retrieved: Value,
    /// `wrong_tool`, `wrong_data`, `wrong_format` or `other`, where the person said.
    pub category: Option<String>,
}

impl Store {
    /// Files the report that the turn of `seq` came to; filing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    pub async fn file_report(&self, lease: &Lease, seq: i64, report: &ReportNew) -> Result<(), StoreError> {
        let category = report
            .category
            .as_deref()
            .filter(|category| ["wrong_tool", "wrong_data", "wrong_format", "other"].contains(category));
        let id = Uuid::new_v5(&lease.conversation.0, format!("report/{seq}").as_bytes());
        let mut tx = self.fenced(lease).await?;
        tx.execute(
            sql!(
                "insert into hallucination_reports (id, tenant, conversation, seq, person, question, answer, retrieved, category, created_at) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, " now ") on conflict do nothing"
            ),
            args![
                id,
                &lease.tenant,
                lease.conversation,
                seq,
                report.person,
                report.question.replace('\0', ""),
                report.answer.replace('\0', ""),
                &report.retrieved,
                category.map(str::to_owned)
            ],
        )
        .await?;
        tx.commit().await
    }
}
