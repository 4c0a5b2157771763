//! What the services say of themselves: the switches' values they were started with, and how their models are.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Store, StoreError,
    engine::{args, clean, sql},
};

/// What a service says. With several processes of a service, the last word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AiService {
    /// Its name.
    pub service: String,
    /// Switch -> the value it was started with, of those that it uses.
    pub start_values: BTreeMap<String, String>,
    /// Its model, where it has one.
    pub model: Option<ModelState>,
}

/// How a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelState {
    /// Who serves it.
    pub provider: String,
    /// Why it gives no answers; none when it is well. Holds no key and no URL.
    pub failing: Option<String>,
}

impl Store {
    /// Keeps what a service says, in place of what it said before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell_ai_service(&self, told: &AiService) -> Result<(), StoreError> {
        let start_values = serde_json::to_string(&told.start_values).map_err(|e| StoreError::Payload(e.to_string()))?;
        let (provider, failing) = match &told.model {
            Some(model) => (Some(model.provider.clone()), model.failing.as_deref().map(clean)),
            None => (None, None),
        };
        self.write(
            sql!(
                "insert into ai_services (service, start_values, provider, failing, told_at) "
                "values ($1, $2, $3, $4, " now ") on conflict (service) do update set "
                "start_values = excluded.start_values, provider = excluded.provider, failing = excluded.failing, "
                "told_at = excluded.told_at"
            ),
            args![&told.service, start_values, provider, failing],
        )
        .await?;
        Ok(())
    }

    /// What all services said last, and how long ago.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ai_services(&self) -> Result<Vec<(AiService, Duration)>, StoreError> {
        let rows = self
            .read(
                sql!(
                    "select service, start_values, provider, failing, told_at, " now " as now "
                    "from ai_services order by service"
                ),
                args![],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let failing = row.opt_text("failing")?;
                let told = AiService {
                    service: row.text("service")?,
                    start_values: row.json("start_values")?,
                    model: row.opt_text("provider")?.map(|provider| ModelState { provider, failing }),
                };
                Ok((told, row.micros("now")?.since(row.micros("told_at")?)))
            })
            .collect()
    }
}
