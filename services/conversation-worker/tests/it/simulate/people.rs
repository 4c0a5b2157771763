//! People write, and see what they are asked; the platform posts what they write until it hears 2xx, some of it twice.

use std::{sync::Arc, time::Duration};

use domain::{Content, Incoming, Micros, Receipt};
use store::StoreError;

use super::{
    platform::Taken,
    process::Proc,
    world::{Kind, World},
};
use crate::bench::{incoming, tenant};

/// The platform waits so long for its 2xx.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// A webhook.
#[derive(Clone)]
pub enum Hook {
    /// What people wrote.
    Messages(Vec<Incoming>),
    /// What became of a part.
    Receipt(Receipt),
}

/// All that people say by themselves.
pub fn talk(world: &Arc<World>) {
    for conversation in 0..world.plan.conversations {
        match world.kind {
            Kind::Script => script(world, conversation),
            Kind::Questions => wishes(world, conversation),
        }
    }
}

fn script(world: &Arc<World>, conversation: u64) {
    let peer = format!("38591{conversation}");
    let verbs = ["say", "say", "say", "say", "two", "two", "keyed", "keyed", "once", "once", "remind", "poison"];
    let mut at = Duration::ZERO;
    let mut with_next = Vec::new();
    for n in 0..world.plan.messages {
        at += match world.pick("gap", &["burst", "soon", "later"]) {
            "burst" => world.time("gap ms", 1, 900),
            "soon" => world.time("gap ms", 500, 4_000),
            _ => world.time("gap ms", 2_000, 15_000),
        };
        let id = format!("m{conversation}.{n}");
        let verb = world.pick("verb", &verbs);
        // A poisonous message is rare: it ends five workers.
        let verb = if verb == "poison" && world.chance("no poison", 0.8) { "say" } else { verb };
        with_next.push(said(world, &peer, &peer, &id, Content::Text { text: format!("{verb} {id}") }, at));
        if n + 1 == world.plan.messages || !world.chance("two in one webhook", 0.2) {
            post(world, Hook::Messages(std::mem::take(&mut with_next)), at + world.time("way", 5, 3_000));
        }
    }
}

/// Wishes that the dialogue asks about; some say yes before they can have seen the question.
fn wishes(world: &Arc<World>, conversation: u64) {
    let peer = format!("38591{conversation}");
    let mut at = Duration::ZERO;
    for n in 0..world.plan.messages.min(2) {
        at += world.time("gap ms", 1_000, 20_000);
        let user = format!("{peer}-{}", world.pick("who", &["a", "b"]));
        let id = format!("w{conversation}.{n}");
        let text = format!("create a ticket: printer {}{conversation}{n}", word(n));
        post_text(world, &peer, &user, &id, &text, at);
        if world.chance("early yes", 0.4) {
            world.count(|stats| stats.early += 1);
            let soon = world.time("early ms", 1, 3_000);
            post_text(world, &peer, &user, &format!("e{conversation}.{n}"), "yes", at + soon);
        }
    }
}

fn word(n: u64) -> &'static str {
    ["alpha", "bravo", "charlie", "delta"][n as usize % 4]
}

fn post_text(world: &Arc<World>, peer: &str, user: &str, id: &str, text: &str, at: Duration) {
    let message = said(world, peer, user, id, Content::Text { text: text.to_owned() }, at);
    post(world, Hook::Messages(vec![message]), at + world.time("way", 5, 6_000));
}

/// Something that a person says `after` from now.
fn said(world: &World, peer: &str, user: &str, id: &str, content: Content, after: Duration) -> Incoming {
    let at: Micros = world.now() + after;
    let words = match &content {
        Content::Text { text } => text.clone(),
        Content::Choice { title, .. } => title.clone(),
        other => format!("{other:?}"),
    };
    world.outside.lock().unwrap().said.push((peer.to_owned(), user.to_owned(), words, at));
    world.count(|stats| stats.messages += 1);
    let mut message = incoming(peer, id, "");
    message.user = user.to_owned();
    message.content = content;
    // Platforms say when a message was written, to the second.
    message.written_at = Some(at.floor_second());
    message
}

/// A part is on the screens of its conversation; somebody may react.
pub fn see(world: &Arc<World>, part: &Taken) {
    let Some(yes) = part.buttons.iter().find(|button| button.title.starts_with("Yes")) else { return };
    world.count(|stats| stats.questions += 1);
    if !world.chance("reacts", 0.85) {
        return;
    }
    let wait = world.pick("reaction", &[(100, 3_000), (3_000, 30_000), (85_000, 100_000)]);
    let wait = world.time("reaction ms", wait.0, wait.1);
    // Whoever asked for it is among the words that were said.
    let user = {
        let outside = world.outside.lock().unwrap();
        let of =
            |(peer, _, words, _): &&(String, String, String, Micros)| *peer == part.to && asks_for(words, &part.text);
        let Some((_, user, ..)) = outside.said.iter().find(of) else { return };
        user.clone()
    };
    let user = if world.chance("somebody else", 0.3) {
        world.count(|stats| stats.foreign += 1);
        format!("{}-{}", part.to, if user.ends_with('a') { "b" } else { "a" })
    } else {
        user
    };
    let id = format!("y{}", (world.draw("reaction id") * 1e12) as u64);
    let content = if world.chance("button", 0.3) {
        Content::Choice { id: yes.id.clone(), title: yes.title.clone() }
    } else {
        Content::Text { text: "yes".to_owned() }
    };
    let message = said(world, &part.to, &user, &id, content, wait);
    post(world, Hook::Messages(vec![message]), wait + world.time("way", 5, 6_000));
}

/// True when these words are the wish that a text is about.
pub fn asks_for(words: &str, text: &str) -> bool {
    words.split_once(": ").is_some_and(|(_, title)| text.contains(title))
}

/// Posts a webhook `after` from now until it is answered with 2xx; some of them once more.
pub fn post(world: &Arc<World>, hook: Hook, after: Duration) {
    world.outside.lock().unwrap().open_hooks += 1;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        deliver(&world, &hook).await;
        while world.chance("redelivered", 0.1) {
            world.count(|stats| stats.redelivered += 1);
            tokio::time::sleep(world.time("redelivery ms", 1, 30_000)).await;
            deliver(&world, &hook).await;
        }
        world.outside.lock().unwrap().open_hooks -= 1;
    });
}

async fn deliver(world: &Arc<World>, hook: &Hook) {
    loop {
        let gateway = {
            let gateways = world.gateways.lock().unwrap();
            let at = world.range("gateway", 0, gateways.len() as u64);
            Arc::clone(&gateways[at as usize])
        };
        if !gateway.is_dead() {
            let taken = tokio::time::timeout(POST_TIMEOUT, take(world, gateway, hook)).await;
            if let Ok(Ok(())) = taken {
                break;
            }
        }
        tokio::time::sleep(world.time("hook retry", 500, 15_000)).await;
    }
    if let Hook::Messages(messages) = hook {
        for message in messages {
            world
                .log(|| format!("acknowledged {} {} {:?}", message.provider_message_id, message.user, message.content));
        }
        let mut outside = world.outside.lock().unwrap();
        for message in messages {
            outside.acknowledged.insert(message.provider_message_id.clone(), message.peer.clone());
        }
    }
}

/// What a gateway does with a webhook.
async fn take(world: &Arc<World>, gateway: Arc<Proc>, hook: &Hook) -> Result<(), StoreError> {
    let store = world.store.of_process(faults::Process::watched(gateway));
    let ring = match hook {
        Hook::Messages(messages) => {
            let accepted = store.accept(messages).await?;
            accepted.into_iter().filter(|one| one.ring).map(|one| one.conversation).collect()
        }
        Hook::Receipt(receipt) => store.record_receipts(&tenant(), std::slice::from_ref(receipt)).await?,
    };
    for conversation in ring {
        world.coordination.get().unwrap().ring(conversation, None);
    }
    Ok(())
}
