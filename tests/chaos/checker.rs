//! Reads what the platform, the backend and the database saw, and says what was lost, repeated, out of order or doubled.

use std::collections::{BTreeMap, HashMap, HashSet};

use simulator::infobip::Send;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    faults::Kill,
    load::{Wish, Written},
    town::Town,
};

/// Seconds after a kill, behind which a takeover is told: what a lease lasts, and the sweep that finds it over.
const LATE_S: f64 = 35.0;

/// Seconds after its question, behind which a yes is asked again.
const YES_S: i64 = 90;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Messages that were written.
    pub messages: usize,
    /// Messages without an answer that the person saw.
    pub lost: usize,
    /// Messages of ours that a person saw more than once, each time too many.
    pub repeated: usize,
    /// Messages of ours that came after one of a later message.
    pub reordered: usize,
    /// Effects beyond the first of a confirmed wish, and effects that nobody confirmed.
    pub double_effects: usize,
    /// Single messages whose answer does not name their parcel.
    pub strange: usize,
    /// Losses and repetitions of messages of ours whose end was never unknown.
    pub unexplained: usize,
    /// Wishes that were confirmed.
    pub confirmed: usize,
    /// Those without an effect, besides the late ones.
    pub missing_effects: usize,
    /// Those whose yes was accepted so long after its question that the person was asked again.
    pub late: usize,
    /// Sends whose end nobody knew, as the database saw it.
    pub unknown: usize,
    /// Sends of ours that ended held.
    pub held: usize,
    /// Commits by a process that was not the one that claimed the conversation's epoch.
    pub foreign_commits: usize,
    /// Turns that were begun again after an attempt that nobody explained.
    pub replays: usize,
    /// Messages that were given up with an apology.
    pub dead_letters: i64,
    /// Takeovers of conversations whose holder was killed, in seconds after the kill, sorted.
    pub recoveries: Vec<f64>,
    /// What went wrong, a few examples.
    pub examples: Vec<String>,
}

impl Verdict {
    fn example(&mut self, text: String) {
        if self.examples.len() < 20 {
            self.examples.push(text);
        }
    }

    /// The time that all but one in a hundred takeovers needed; 0 without takeovers.
    pub fn recovery_p99(&self) -> f64 {
        let at = (self.recoveries.len() * 99).div_ceil(100).max(1) - 1;
        self.recoveries.get(at).copied().unwrap_or(0.0)
    }
}

/// As the query reads it; the first is its id.
type OutboxRow = (Uuid, Uuid, i64, i64, String, bool, Option<i64>, Option<i64>, Option<i64>, bool);

struct Outbox {
    conversation: Uuid,
    order: (i64, i64),
    status: String,
    question: bool,
    shown: Shown,
}

/// From when a question is shown, as the worker counts it.
struct Shown {
    /// When the message came that it answers.
    asked_at: Option<i64>,
    /// When its last send began.
    begun_at: Option<i64>,
    sent_at: Option<i64>,
    /// An earlier send of it may have been seen.
    resent: bool,
}

impl Shown {
    fn before(&self, yes_at: i64) -> Option<i64> {
        let seen = !self.resent || self.sent_at.is_some_and(|at| at <= yes_at);
        self.begun_at.filter(|at| seen && *at <= yes_at).or(self.asked_at)
    }
}

struct Inbox {
    conversation: Uuid,
    seq: i64,
    accepted_at: i64,
    /// The message of ours that it answers.
    quoted: Option<Uuid>,
}

#[derive(Clone)]
struct Event {
    at: i64,
    process: String,
    kind: String,
    conversation: Uuid,
    epoch: i64,
}

/// What the database holds.
#[derive(Default)]
struct Records {
    outbox: HashMap<Uuid, Outbox>,
    /// By the platform's message id.
    inbox: HashMap<String, Inbox>,
    /// Last seq by conversation and first seq.
    ranges: BTreeMap<(Uuid, i64), i64>,
    events: Vec<Event>,
    /// Outbox rows whose end was unknown once.
    unknown: HashSet<Uuid>,
    dead_letters: i64,
}

impl Records {
    async fn read(town: &Town) -> anyhow::Result<Self> {
        let mut db = PgConnection::connect(&town.database).await?;
        let outbox: Vec<OutboxRow> = sqlx::query_as(
            "select id, conversation, in_seq, part, status, question, (select accepted_at from inbox i where i.conversation = \
             o.conversation and i.seq = o.in_seq), sending_at, sent_at, attempt > 1 and unknown_ends > 0 from outbox o",
        )
        .fetch_all(&mut db)
        .await?;
        let inbox: Vec<(String, Uuid, i64, i64, Option<String>)> = sqlx::query_as(
            "select provider_message_id, conversation, seq, accepted_at, payload::json ->> 'quoted' from inbox \
             where provider = 'infobip'",
        )
        .fetch_all(&mut db)
        .await?;
        let ranges: Vec<(Uuid, i64, i64)> = sqlx::query_as(
            "select conversation, seq, (request::json ->> 'last_seq')::bigint from steps where kind = 'range'",
        )
        .fetch_all(&mut db)
        .await?;
        let events: Vec<(i64, String, String, Uuid, Option<i64>)> =
            sqlx::query_as("select at, process, kind, conversation, epoch from chaos_log order by n")
                .fetch_all(&mut db)
                .await?;
        let unknown: Vec<Uuid> = sqlx::query_scalar("select distinct outbox from chaos_log where kind = 'unknown'")
            .fetch_all(&mut db)
            .await?;
        let dead_letters = sqlx::query_scalar("select count(*) from dead_letters").fetch_one(&mut db).await?;
        db.close().await?;
        let of = |row: OutboxRow| {
            let (id, conversation, in_seq, part, status, question, asked_at, begun_at, sent_at, resent) = row;
            let shown = Shown { asked_at, begun_at, sent_at, resent };
            (id, Outbox { conversation, order: (in_seq, part), status, question, shown })
        };
        let accepted = |(id, conversation, seq, accepted_at, quoted): (String, Uuid, i64, i64, Option<String>)| {
            (id, Inbox { conversation, seq, accepted_at, quoted: quoted.and_then(|id| id.parse().ok()) })
        };
        let event = |(at, process, kind, conversation, epoch): (i64, String, String, Uuid, Option<i64>)| Event {
            at,
            process,
            kind,
            conversation,
            epoch: epoch.unwrap_or(0),
        };
        Ok(Self {
            outbox: outbox.into_iter().map(of).collect(),
            inbox: inbox.into_iter().map(accepted).collect(),
            ranges: ranges.into_iter().map(|(conversation, first, last)| ((conversation, first), last)).collect(),
            events: events.into_iter().map(event).collect(),
            unknown: unknown.into_iter().collect(),
            dead_letters,
        })
    }

    /// The parts of the turn that answered this message.
    fn answer(&self, message: &Inbox) -> impl Iterator<Item = (Uuid, &Outbox)> {
        let first = (message.conversation, self.first_of(message.conversation, message.seq));
        self.outbox.iter().filter(move |(_, row)| (row.conversation, row.order.0) == first).map(|(id, row)| (*id, row))
    }

    /// A yes that was accepted later than it counts, after the question that it answers.
    fn is_late(&self, yes: &Inbox) -> bool {
        let question = yes.quoted.and_then(|id| self.outbox.get(&id));
        let shown_at = question.and_then(|question| question.shown.before(yes.accepted_at));
        shown_at.is_some_and(|shown_at| yes.accepted_at - shown_at > YES_S * 1_000_000)
    }

    /// The first seq of the turn that answered this one.
    fn first_of(&self, conversation: Uuid, seq: i64) -> i64 {
        let before = self.ranges.range((conversation, i64::MIN)..=(conversation, seq)).next_back();
        before.filter(|(_, last)| **last >= seq).map_or(seq, |((_, first), _)| *first)
    }
}

/// Judges a run that is over. The messages are those of the ledger.
pub async fn check(town: &Town, written: &[Written], kills: &[Kill]) -> anyhow::Result<Verdict> {
    let records = Records::read(town).await?;
    let calls = town.backend.calls();
    let acted: Vec<u64> =
        calls.iter().filter(|call| call.acted).filter_map(|call| call.body["number"].as_u64()).collect();
    Ok(judge(&records, &town.infobip.sends(), &acted, written, kills))
}

fn judge(records: &Records, sent: &[Send], acted: &[u64], written: &[Written], kills: &[Kill]) -> Verdict {
    let mut verdict = Verdict { messages: written.len(), dead_letters: records.dead_letters, ..Verdict::default() };
    let shown = sends(sent, records, &mut verdict);
    answers(written, records, &shown, &mut verdict);
    effects(acted, written, (records, &shown), &mut verdict);
    events(records, kills, &mut verdict);
    verdict
}

/// What persons saw: each message of ours once, in order. Gives what was seen, by id.
fn sends(sent: &[Send], records: &Records, verdict: &mut Verdict) -> HashMap<Uuid, String> {
    let mut shown: HashMap<Uuid, String> = HashMap::new();
    let mut last: HashMap<Uuid, (i64, i64)> = HashMap::new();
    for send in sent.iter().filter(|send| send.shown) {
        let id = send.message_id.as_deref().and_then(|id| id.parse::<Uuid>().ok());
        let Some((id, row)) = id.and_then(|id| Some((id, records.outbox.get(&id)?))) else {
            verdict.repeated += 1;
            verdict.example(format!("a message that is in no outbox was sent to {}", send.to));
            continue;
        };
        if shown.contains_key(&id) && !records.unknown.contains(&id) {
            verdict.unexplained += 1;
        }
        if shown.insert(id, send.content.to_string()).is_some() {
            verdict.repeated += 1;
            verdict.example(format!("{} was shown again, it is {}", id, row.status));
            continue;
        }
        let before = last.insert(row.conversation, row.order).unwrap_or((0, 0));
        if row.order < before {
            verdict.reordered += 1;
            verdict.example(format!("{:?} came after {before:?} in {}", row.order, row.conversation));
        }
    }
    verdict.held = records.outbox.values().filter(|row| row.status == "held").count();
    shown
}

/// Each message has an answer, and the person saw all parts of it.
fn answers(written: &[Written], records: &Records, shown: &HashMap<Uuid, String>, verdict: &mut Verdict) {
    let mut parts: HashMap<(Uuid, i64), Vec<(Uuid, &str)>> = HashMap::new();
    for (id, row) in &records.outbox {
        parts.entry((row.conversation, row.order.0)).or_default().push((*id, &row.status));
    }
    for message in written {
        let Some(Inbox { conversation, seq, .. }) = records.inbox.get(&message.message_id) else {
            verdict.lost += 1;
            verdict.unexplained += 1;
            verdict.example(format!("{message:?} is not in the inbox"));
            continue;
        };
        let first = records.first_of(*conversation, *seq);
        let answer = parts.get(&(*conversation, first));
        let number = message.number.to_string();
        let alone = records.ranges.get(&(*conversation, first)).is_some_and(|last| *last == first);
        let seen = || answer.into_iter().flatten().filter_map(|(id, _)| shown.get(id));
        if alone && message.wish != Wish::Yes && !seen().any(|text| text.contains(&number)) {
            verdict.strange += 1;
        }
        if !answer.is_some_and(|parts| parts.iter().all(|(id, _)| shown.contains_key(id))) {
            verdict.lost += 1;
            let known = |(id, _): &(Uuid, &str)| shown.contains_key(id) || records.unknown.contains(id);
            if !answer.is_some_and(|parts| parts.iter().all(known)) {
                verdict.unexplained += 1;
            }
            verdict.example(format!("{message:?}, seq {seq} of {conversation}, has the answer {answer:?}"));
        }
    }
}

/// One effect for each confirmed wish, none for others.
fn effects(
    acted: &[u64],
    written: &[Written],
    (records, shown): (&Records, &HashMap<Uuid, String>),
    verdict: &mut Verdict,
) {
    let mut effects: HashMap<u64, usize> = HashMap::new();
    for number in acted {
        *effects.entry(*number).or_default() += 1;
    }
    let yes = written.iter().filter(|one| one.wish == Wish::Yes);
    let confirmed: BTreeMap<u64, &str> = yes.map(|one| (one.number, &*one.message_id)).collect();
    for (number, count) in &effects {
        let allowed = usize::from(confirmed.contains_key(number));
        if *count > allowed {
            verdict.double_effects += count - allowed;
            verdict.example(format!("parcel {number} is picked up {count} times, confirmed {allowed}"));
        }
    }
    verdict.confirmed = confirmed.len();
    for (number, message) in confirmed.iter().filter(|(number, _)| !effects.contains_key(number)) {
        let yes = records.inbox.get(*message);
        let answer: Vec<_> = yes.into_iter().flat_map(|yes| records.answer(yes)).collect();
        let told: Vec<_> = answer.iter().filter_map(|(id, _)| shown.get(id)).collect();
        let names = |id: &Uuid| shown.get(id).is_some_and(|text| text.contains(&number.to_string()));
        let asked = answer.iter().any(|(id, row)| row.question && names(id));
        if asked && yes.is_some_and(|yes| records.is_late(yes)) {
            verdict.late += 1;
        } else {
            verdict.missing_effects += 1;
        }
        verdict.example(format!("parcel {number} is confirmed and not picked up; the yes was answered {told:?}"));
    }
}

/// Who committed what, and how soon somebody went on where the holder was killed: from the kill on, or from when there was
/// something to do again, as nobody takes a conversation without.
fn events(records: &Records, kills: &[Kill], verdict: &mut Verdict) {
    let mut holder: HashMap<(Uuid, i64), &str> = HashMap::new();
    // Claims and releases, and since when there was something to do.
    let mut by_conversation: BTreeMap<Uuid, Vec<(&Event, i64)>> = BTreeMap::new();
    let mut work_since: HashMap<Uuid, i64> = HashMap::new();
    for event in &records.events {
        match event.kind.as_str() {
            "unknown" => verdict.unknown += 1,
            "again" => verdict.replays += 1,
            "claim" => {
                holder.insert((event.conversation, event.epoch), &event.process);
            }
            "commit" if holder.get(&(event.conversation, event.epoch)) != Some(&event.process.as_str()) => {
                verdict.foreign_commits += 1;
                verdict.example(format!(
                    "{} committed epoch {} of {}, which it did not hold",
                    event.process, event.epoch, event.conversation
                ));
            }
            _ => {}
        }
        match event.kind.as_str() {
            "claim" | "release" => {
                let since = work_since.get(&event.conversation).copied().unwrap_or(i64::MIN);
                by_conversation.entry(event.conversation).or_default().push((event, since));
            }
            "work" => {
                work_since.insert(event.conversation, event.at);
            }
            _ => {}
        }
    }
    for events in by_conversation.values() {
        for pair in events.windows(2) {
            let [(first, _), (second, work_since)] = pair else { continue };
            if first.kind != "claim" || second.kind != "claim" {
                continue;
            }
            let held = first.at..second.at;
            let kill = kills.iter().find(|kill| kill.process == first.process && held.contains(&kill.at));
            if let Some(kill) = kill {
                let seconds = (second.at - kill.at.max(*work_since)) as f64 / 1e6;
                verdict.recoveries.push(seconds);
                if seconds > LATE_S {
                    verdict.example(format!(
                        "{} waited {seconds:.1} s for {} after {} was killed at {}",
                        first.conversation, second.process, kill.process, kill.at
                    ));
                }
            }
        }
    }
    verdict.recoveries.sort_by(f64::total_cmp);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Uuid = Uuid::from_u128(1);
    /// A yes accepted then is late for the question of the first second.
    const LATE: i64 = 92 * 1_000_000;

    /// Two messages and their answers, taken over once after a kill; all is well.
    fn good() -> (Records, Vec<Send>, Vec<Written>) {
        let mut records = Records::default();
        let (mut sent, mut written) = (Vec::new(), Vec::new());
        for (n, wish) in [(1, Wish::Pickup), (2, Wish::Yes)] {
            let id = Uuid::from_u128(10 + n);
            let seq = i64::try_from(n).expect("a seq");
            let outbox = Outbox {
                conversation: CHAT,
                order: (seq, 0),
                status: "sent".to_owned(),
                question: wish == Wish::Pickup,
                shown: Shown { asked_at: None, begun_at: Some(seq * 1_000_000), sent_at: None, resent: false },
            };
            records.outbox.insert(id, outbox);
            let quoted = (wish == Wish::Yes).then(|| Uuid::from_u128(11));
            records
                .inbox
                .insert(n.to_string(), Inbox { conversation: CHAT, seq, accepted_at: seq * 1_000_000, quoted });
            records.ranges.insert((CHAT, seq), seq);
            sent.push(send(id, "parcel 7"));
            written.push(Written { message_id: n.to_string(), wish, number: 7 });
        }
        for (at, process, kind, epoch) in
            [(1, "worker-1", "claim", 1), (9, "worker-2", "claim", 2), (9, "worker-2", "commit", 2)]
        {
            records.events.push(Event {
                at: at * 1_000_000,
                process: process.to_owned(),
                kind: kind.to_owned(),
                conversation: CHAT,
                epoch,
            });
        }
        (records, sent, written)
    }

    fn send(id: Uuid, text: &str) -> Send {
        let message_id = Some(id.to_string());
        Send { to: "1".to_owned(), message_id, shown: true, content: text.into(), at: domain::Micros(0) }
    }

    fn check(
        change: impl FnOnce(&mut Records, &mut Vec<Send>, &mut Vec<u64>, &mut Vec<Written>),
        wrong: impl Fn(&Verdict) -> usize,
    ) {
        let (mut records, mut sent, mut written) = good();
        let mut acted = vec![7];
        change(&mut records, &mut sent, &mut acted, &mut written);
        let kills = [Kill { process: "worker-1".to_owned(), at: 2_000_000 }];
        let verdict = judge(&records, &sent, &acted, &written, &kills);
        assert_eq!(wrong(&verdict), 1, "{verdict:?}");
    }

    #[test]
    fn a_good_run_is_good() {
        let (records, sent, written) = good();
        let kills = [Kill { process: "worker-1".to_owned(), at: 2_000_000 }];
        let verdict = judge(&records, &sent, &[7], &written, &kills);
        let wrong =
            verdict.lost + verdict.repeated + verdict.reordered + verdict.double_effects + verdict.missing_effects;
        assert_eq!(wrong + verdict.foreign_commits + verdict.strange, 0, "{verdict:?}");
        assert_eq!(verdict.recoveries, [7.0]);
    }

    #[test]
    fn a_conversation_without_work_waits_for_nobody() {
        let (mut records, sent, written) = good();
        let work = Event { at: 8_000_000, kind: "work".to_owned(), epoch: 0, ..records.events[0].clone() };
        records.events.insert(1, work);
        let kills = [Kill { process: "worker-1".to_owned(), at: 2_000_000 }];
        assert_eq!(judge(&records, &sent, &[7], &written, &kills).recoveries, [1.0]);
    }

    #[test]
    fn each_wrong_is_seen() {
        check(|_, sent, _, _| drop(sent.pop()), |verdict| verdict.lost);
        check(|records, _, _, _| records.inbox.clear(), |verdict| verdict.lost / 2);
        check(|_, sent, _, _| sent.push(sent[0].clone()), |verdict| verdict.repeated);
        check(|_, sent, _, _| sent.push(send(Uuid::from_u128(99), "x")), |verdict| verdict.repeated);
        check(|_, sent, _, _| sent.swap(0, 1), |verdict| verdict.reordered);
        check(|_, _, acted, _| acted.push(7), |verdict| verdict.double_effects);
        check(|_, _, acted, _| acted.push(8), |verdict| verdict.double_effects);
        check(|_, _, acted, _| acted.clear(), |verdict| verdict.missing_effects);
        check(|_, _, _, written| drop(written.pop()), |verdict| verdict.double_effects);
        check(|records, _, _, _| records.events[2].epoch = 1, |verdict| verdict.foreign_commits);
        check(|_, sent, _, _| sent[0].content = "another".into(), |verdict| verdict.strange);
    }

    #[test]
    fn a_late_yes_that_is_asked_again_misses_no_effect() {
        let misses = |change: fn(&mut Inbox, &mut Outbox)| {
            let (mut records, sent, written) = good();
            let yes = records.inbox.get_mut("2").expect("the yes");
            change(yes, records.outbox.get_mut(&Uuid::from_u128(12)).expect("its answer"));
            let seen = judge(&records, &sent, &[], &written, &[]);
            let unseen = judge(&records, &sent[..1], &[], &written, &[]);
            assert_eq!((unseen.missing_effects, unseen.late), (1, 0), "nobody saw the answer");
            (seen.missing_effects, seen.late)
        };
        assert_eq!(misses(|yes, answer| (yes.accepted_at, answer.question) = (LATE, true)), (0, 1));
        assert_eq!(misses(|yes, _| yes.accepted_at = LATE), (1, 0), "answered as if it were done");
        assert_eq!(misses(|_, answer| answer.question = true), (1, 0), "asked again in time");
    }

    #[test]
    fn a_yes_counts_from_the_send_that_it_can_answer() {
        let shown = |begun_at, sent_at, resent| Shown { asked_at: Some(1), begun_at, sent_at, resent }.before(9);
        assert_eq!(shown(Some(5), None, false), Some(5));
        assert_eq!(shown(Some(5), Some(6), true), Some(5));
        assert_eq!(
            [shown(Some(5), None, true), shown(Some(5), Some(10), true), shown(Some(10), None, false)],
            [Some(1); 3]
        );
    }

    #[test]
    fn a_message_in_the_range_of_another_is_answered_by_it() {
        let (mut records, mut sent, written) = good();
        records.ranges = [((CHAT, 1), 2)].into();
        records.outbox.remove(&Uuid::from_u128(12));
        sent.pop();
        assert_eq!(judge(&records, &sent, &[7], &written, &[]).lost, 0);
    }
}
