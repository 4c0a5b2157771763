//! A service tells how it was started and how its model is, for the console and for `GET /health/ai`.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use store::{
    Store,
    ai_services::{AiService, ModelState},
};
use tokio_util::sync::CancellationToken;

use crate::{Health, Switch, Values};

/// Between two looks at a model.
const EVERY: Duration = Duration::from_secs(15);
/// Between two tries to write it down.
const AGAIN: Duration = Duration::from_secs(2);
/// A service with a model that said nothing for so long cannot be believed.
pub const SILENT_AFTER: Duration = Duration::from_secs(60);

/// Who tells.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The service's name.
    pub service: &'static str,
    /// What it was started with.
    pub start: Values,
    /// The switches that it uses.
    pub uses: &'static [Switch],
}

/// A model that a service asks.
pub struct Model {
    /// Who serves it, as the configuration names providers.
    pub provider: &'static str,
    /// The ends of its calls.
    pub health: Arc<Health>,
    /// A question that costs no tokens; why it was not answered holds no key and no URL.
    pub probe: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Writes down how the service was started, and with a model every 15 s, and at once when it turns, how that is.
/// Ends with `stop`; without a model when it is written.
pub async fn tell(store: Store, told: Told, model: Option<Model>, stop: CancellationToken) {
    tokio::select! {
        () = telling(&store, told, model.as_ref()) => {}
        () = stop.cancelled() => {}
    }
}

async fn telling(store: &Store, told: Told, model: Option<&Model>) {
    let start_values = told.uses.iter().map(|switch| (switch.name().to_owned(), told.start.get(*switch))).collect();
    let mut word = AiService { service: told.service.to_owned(), start_values, model: None };
    loop {
        if let Some(model) = model {
            let failing = model.health.now((model.probe)()).await.err();
            let before = word.model.as_ref().and_then(|known| known.failing.as_ref());
            match (&failing, before) {
                (Some(reason), None) => tracing::warn!(reason, provider = model.provider, "the model gives no answers"),
                (None, Some(_)) => tracing::info!(provider = model.provider, "the model answers again"),
                _ => {}
            }
            word.model = Some(ModelState { provider: model.provider.to_owned(), failing });
        }
        let pause = match (store.tell_ai_service(&word).await, model) {
            (Ok(()), None) => return,
            (Ok(()), Some(_)) => EVERY,
            (Err(error), _) => {
                tracing::debug!(%error, "how the service is was not written down; will try again");
                AGAIN
            }
        };
        let turned = async {
            match model {
                Some(model) => model.health.turned().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = turned => {}
        }
    }
}
