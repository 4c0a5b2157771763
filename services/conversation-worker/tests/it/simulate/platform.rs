//! The messaging platform: takes parts, loses answers, asks to wait, and reports later what it took.

use std::{sync::Arc, time::Duration};

use domain::{Choice, Micros, OutboxId, Receipt, ReceiptStatus};
use faults::wire::Answer;
use http::Response;
use serde_json::{Value, json};

use super::{
    people,
    world::{Mode, World},
};

/// A part that the platform took; a person sees it from then on.
#[derive(Clone, Debug)]
pub struct Taken {
    pub id: OutboxId,
    pub to: String,
    pub text: String,
    pub buttons: Vec<Choice>,
    pub at: Micros,
}

/// One POST.
pub async fn answer(world: Arc<World>, path: String, body: Value) -> Answer {
    if path.ends_with("/read") {
        return is(200, None, json!({}));
    }
    let fails = !world.is_calm() && world.chance("platform fails", world.plan.platform_fails);
    let kinds = ["429", "early", "lost", "acted", "5xx", "5xx_acted", "slow", "4xx"];
    let kind = if fails { world.pick("platform kind", &kinds) } else { "ok" };
    world.log(|| format!("platform: POST {kind}"));
    tokio::time::sleep(world.time("platform in", 10, 300)).await;
    match kind {
        "429" => return is(429, Some(world.range("platform wait", 1, 45)), json!({})),
        "early" => return Answer::NotSent,
        "5xx" => return is(500, None, json!({})),
        "4xx" => return is(400, None, json!({ "errorCode": "E400", "description": "refused" })),
        "lost" => return std::future::pending().await,
        "slow" => {
            // It takes it, whatever becomes of who asked.
            let wait = world.time("platform slow", 100, 9_000);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                take(&world, &body);
            });
            return std::future::pending().await;
        }
        _ => take(&world, &body),
    }
    match kind {
        "acted" => std::future::pending().await,
        "5xx_acted" => is(503, None, json!({})),
        _ => {
            tokio::time::sleep(world.time("platform out", 10, 300)).await;
            is(200, None, json!({ "messageId": body["messageId"], "status": { "groupId": 1 } }))
        }
    }
}

fn is(status: u16, retry_after_s: Option<u64>, body: Value) -> Answer {
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after_s {
        response = response.header("retry-after", seconds);
    }
    Answer::Is(response.body(body.to_string().into_bytes()).unwrap())
}

fn take(world: &Arc<World>, body: &Value) {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id: OutboxId = text("/messageId").parse().unwrap();
    let buttons = body.pointer("/content/action/buttons").and_then(Value::as_array).cloned().unwrap_or_default();
    let word = |button: &Value, key: &str| button[key].as_str().unwrap_or_default().to_owned();
    let taken = Taken {
        id,
        to: text("/to"),
        text: if body.pointer("/content/text").is_some() { text("/content/text") } else { text("/content/body/text") },
        buttons: buttons
            .iter()
            .map(|button| Choice { id: word(button, "id"), title: word(button, "title"), description: None })
            .collect(),
        at: world.now(),
    };
    let mut outside = world.outside.lock().unwrap();
    let known = outside.taken.iter().any(|other| other.id == id);
    if known && world.plan.mode == Mode::Key {
        return;
    }
    world.log(|| format!("platform took: {} {:?}", taken.text, taken.buttons));
    outside.taken.push(taken.clone());
    drop(outside);
    if !known {
        people::see(world, &taken);
    }
    report(world, id);
}

/// Tells us later that it took a part.
fn report(world: &Arc<World>, id: OutboxId) {
    let wait = world.pick("report", &[(5, 300), (2_000, 40_000)]);
    let wait = world.time("report wait", wait.0, wait.1);
    let receipt = Receipt {
        provider: "infobip".to_owned(),
        account: "infobip:main".parse().unwrap(),
        provider_message_id: id.to_string(),
        outbox_id: (world.plan.mode == Mode::Echo).then_some(id),
        status: ReceiptStatus::Delivered,
        at: None,
        failure: None,
    };
    people::post(world, people::Hook::Receipt(receipt), wait.max(Duration::from_millis(1)));
}
