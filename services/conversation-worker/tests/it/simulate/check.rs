//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Content, Micros};
use serde_json::Value;

use super::{
    people,
    world::{Kind, Mode, World},
};

/// Everything that is wrong.
pub async fn check(world: &World) -> Vec<String> {
    let rows = async |query: &'static str| -> Vec<Value> {
        let texts = world.store.texts(query).await.unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    };
    let inbox = rows(
        "select json_object('conversation', hex(conversation), 'seq', seq, 'id', provider_message_id, 'payload', json(payload)) \
         as text from inbox order by conversation, seq",
    )
    .await;
    let outbox = rows(
        "select json_object('conversation', hex(conversation), 'in_seq', in_seq, 'part', part, 'status', status, \
         'unknown', unknown_ends, 'text', reply ->> '$.text', 'id', lower(hex(id))) as text \
         from outbox order by conversation, in_seq, part",
    )
    .await;
    let letters = rows(
        "select json_object('conversation', hex(conversation), 'seq', seq, 'last_seq', last_seq) as text from dead_letters",
    )
    .await;
    let mut wrong = Vec::new();
    accepted(world, &inbox, &mut wrong);
    if world.kind == Kind::Script {
        answered(&inbox, &outbox, &letters, &mut wrong);
    }
    sent(world, &outbox, &mut wrong);
    effects(world, &mut wrong);
    world.count(|stats| {
        stats.unknown += outbox.iter().map(|row| row["unknown"].as_u64().unwrap()).sum::<u64>();
        stats.held += outbox.iter().filter(|row| row["status"] == "held").count() as u64;
        stats.dead_letters += letters.len() as u64;
    });
    wrong
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

/// What was answered with 2xx stands in the inbox, once, and numbers have no gaps.
fn accepted(world: &World, inbox: &[Value], wrong: &mut Vec<String>) {
    let outside = world.outside.lock().unwrap();
    for id in outside.acknowledged.keys() {
        let count = inbox.iter().filter(|row| text(row, "id") == id).count();
        if count != 1 {
            wrong.push(format!("{id} was acknowledged and stands {count} times in the inbox"));
        }
    }
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for row in inbox {
        let last = last.entry(text(row, "conversation")).or_default();
        *last += 1;
        if row["seq"] != *last {
            wrong.push(format!("a gap in the numbers: {row}"));
        }
    }
}

/// Each message is answered by one part, or is a dead letter.
fn answered(inbox: &[Value], outbox: &[Value], letters: &[Value], wrong: &mut Vec<String>) {
    let tokens = |row: &Value| -> Vec<String> {
        let parts = text(row, "text").split('|').filter_map(|part| part.split_once('='));
        parts.map(|(token, _)| token.to_owned()).collect()
    };
    for row in inbox {
        let content: Content = serde_json::from_value(row["payload"]["content"].clone()).unwrap();
        let (verb, id) = match &content {
            Content::Text { text } => text.split_once(' ').map(|(verb, id)| (verb.to_owned(), id.to_owned())).unwrap(),
            Content::Alarm { key } => ("rang".to_owned(), format!("rang:{key}")),
            other => panic!("nobody says {other:?}"),
        };
        let covers = |letter: &&Value| {
            letter["conversation"] == row["conversation"]
                && letter["seq"].as_i64() <= row["seq"].as_i64()
                && letter["last_seq"].as_i64() >= row["seq"].as_i64()
        };
        let dead = letters.iter().filter(covers).count();
        let told = |wanted: &str| outbox.iter().filter(|row| tokens(row).iter().any(|token| token == wanted)).count();
        if dead + told(&id) != 1 {
            wrong.push(format!("{verb} {id}: {} answers and {dead} dead letters", told(&id)));
        }
        if verb == "poison" && dead != 1 {
            wrong.push(format!("poison {id} is no dead letter"));
        }
        let second = told(&format!("and:{id}"));
        if verb == "two" && second + dead != 1 {
            wrong.push(format!("{id}: {second} second parts"));
        }
        let reminded = told(&format!("rang:{id}"));
        if verb == "remind" && dead == 0 && reminded != 1 {
            let rung = letters.iter().any(|letter| letter["conversation"] == row["conversation"]);
            if reminded > 1 || !rung {
                wrong.push(format!("{id}: reminded {reminded} times"));
            }
        }
    }
}

/// What is recorded as sent was taken, in order, and twice only where that is allowed.
fn sent(world: &World, outbox: &[Value], wrong: &mut Vec<String>) {
    let outside = world.outside.lock().unwrap();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for row in outbox {
        let id = text(row, "id");
        let simple = |taken: &super::platform::Taken| taken.id.to_string().replace('-', "");
        let taken: Vec<usize> = (0..outside.taken.len()).filter(|at| simple(&outside.taken[*at]) == id).collect();
        let unknown = row["unknown"].as_u64().unwrap();
        let what = format!("{}.{} {:?}", row["in_seq"], row["part"], text(row, "text"));
        match text(row, "status") {
            "sent" if taken.is_empty() => wrong.push(format!("{what} is recorded as sent and was never taken")),
            "sent" | "failed" => {}
            "held" if unknown == 0 => wrong.push(format!("{what} is held without reason")),
            "held" if !world.plan.hold && unknown < 3 => wrong.push(format!("{what} is held by a policy to resend")),
            "held" => {}
            other => wrong.push(format!("{what} is still {other}")),
        }
        let doubles = taken.len().saturating_sub(1) as u64;
        if doubles > 0 {
            world.count(|stats| stats.doubles += doubles);
            if world.plan.mode == Mode::Key || world.plan.hold || doubles > unknown {
                wrong.push(format!("{what} was taken {} times with {unknown} unknown ends", taken.len()));
            }
        }
        // What was given up as unknown may arrive late.
        if let Some(first) = taken.first()
            && text(row, "status") != "held"
            && unknown == 0
        {
            let last = last.entry(text(row, "conversation")).or_default();
            if *first < *last {
                wrong.push(format!("{what} was taken out of order"));
            }
            *last = *first;
        }
    }
}

/// No effect twice; none without a yes of the asked person to a question that was seen, by the platform's second.
fn effects(world: &World, wrong: &mut Vec<String>) {
    let outside = world.outside.lock().unwrap();
    let mut names = BTreeSet::new();
    for effect in &outside.effects {
        world.count(|stats| stats.effects += 1);
        if !names.insert(&effect.name) {
            wrong.push(format!("{} happened twice", effect.name));
        }
        if world.kind != Kind::Questions {
            continue;
        }
        let wish = outside.said.iter().find(|(_, _, words, _)| people::asks_for(words, &effect.name));
        let Some((peer, user, ..)) = wish else {
            wrong.push(format!("nobody wished {}", effect.name));
            continue;
        };
        let seen_at: Option<Micros> = outside
            .taken
            .iter()
            .filter(|part| part.to == *peer && part.text.contains(&effect.name) && !part.buttons.is_empty())
            .map(|part| part.at)
            .min();
        let said_yes = outside.said.iter().any(|(at, who, words, when)| {
            at == peer
                && who == user
                && words.to_lowercase().starts_with("yes")
                && seen_at.is_some_and(|seen| seen.floor_second() <= *when)
                && *when <= effect.at
        });
        if !said_yes {
            wrong.push(format!("{} happened without a yes of {user} to a question seen at {seen_at:?}", effect.name));
        }
    }
}
