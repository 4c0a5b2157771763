//! One turn: fixes its range, performs what it asks for, journals, commits.

use std::{sync::Arc, time::Duration};

use channels::Channel;
use domain::{
    Category, Content, Micros, Reply,
    telemetry::{metric, span},
};
use faults::{Bug, planted};
use futures::FutureExt as _;
use serde_json::Value;
use service_kit::telemetry;
use store::{InboxRow, OutboxRow, Snapshot, Step, StoreError};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, field};

use crate::{
    alone::Place,
    burst,
    commit::{self, Decided},
    envelope::Envelope,
    grpc,
    journal::{self, Ground, Journal, Lookup},
    lease::Held,
    perform::{Broken, Performer},
    turn::{Action, Answer, Input, Mapping, Next, Outcome, Said, State},
    worker::{Worker, jitter},
};

/// Unexplained ends after which a message is given up.
const ATTEMPTS_MAX: i32 = 5;
/// A second message that has to run alone comes back after this.
const ALONE_PAUSE: Duration = Duration::from_secs(2);
/// How long a message that has to run alone waits for the others of its worker.
const ALONE_WAIT_MAX: Duration = Duration::from_secs(120);
/// Pause when the store contradicts itself.
const GAP_PAUSE: Duration = Duration::from_secs(30);
/// Most questions to the outside in one turn; more is a turn that goes round in circles.
const ACTIONS_MAX: usize = 200;
/// An old message is not given up before it was tried for so long, which is more than a dozen times: the worker may
/// have been away, or what it needs.
const TRIED_MIN: Duration = Duration::from_secs(2 * 60);
/// Pauses after an infrastructure error: a quarter of the time since the first try, within these.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How a turn ended.
pub enum Turned {
    /// It is committed, or was broken off in an orderly way: look again.
    Again,
    /// It is committed, and the sending of this part has begun: its first attempt.
    Begun(Box<OutboxRow>),
    /// Nothing before this time, by the database's clock.
    Wait(Micros),
}

/// A turn ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The store failed, or the lease is lost.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Runs the next turn of the conversation as it was `seen`.
///
/// # Errors
/// [`TurnError::Store`]; an infrastructure error is no error here but a wait.
pub async fn run(worker: &Arc<Worker>, held: &Arc<Held>, seen: &Snapshot) -> Result<Turned, TurnError> {
    let seq = seen.done_seq + 1;
    let seen_at = Instant::now();
    let mut turn = Turn {
        worker,
        held,
        seq,
        envelope: Envelope::read(&seen.state),
        journal: Journal::default(),
        nothing_unsent: seen.unsent == 0,
        began: (seen.now, seen_at),
    };
    let (rows, steps) = match turn.read().await {
        Err(StoreError::Corrupt { column, reason }) => return Box::pin(turn.unreadable(&column, &reason)).await,
        read => read?,
    };
    turn.journal = Journal::new(steps);
    let Some(first) = rows.first().filter(|row| row.seq == seq) else {
        tracing::error!(seq, "a message that was counted is not in the inbox");
        return Ok(Turned::Wait(seen.now + GAP_PAUSE));
    };
    let reach = turn.reach(&rows, first.attempts);
    if let Some(open_until) = reach.open_until
        && turn.journal.last_seq().is_none()
        && reach.last == seen.next_seq
        && turn.now() < open_until
    {
        return Ok(Turned::Wait(open_until));
    }
    // An earlier attempt ended without an explanation: this one takes nobody with it.
    let _place = match first.attempts {
        0 => None,
        _ if planted(Bug::PoisonNotAlone) => None,
        _ => match alone(worker, held).await {
            Some(place) => Some(place),
            None => return Ok(Turned::Wait(turn.now() + ALONE_PAUSE)),
        },
    };
    let span = tracing::info_span!(
        "turn",
        otel.name = span::PROCESS_INBOX,
        otel.kind = "consumer",
        seq,
        trace_id = field::Empty,
    );
    telemetry::set_messaging(&span, span::MESSAGING_SYSTEM, "process", span::INBOX);
    telemetry::set(&span, "gen_ai.conversation.id", held.lease.conversation.to_string());
    match &first.incoming.traceparent {
        Some(traceparent) => telemetry::set_parent(&span, traceparent),
        None => telemetry::record_trace_id(&span),
    }
    for row in rows.iter().take_while(|row| row.seq <= reach.last) {
        if let Some(traceparent) = &row.incoming.traceparent {
            telemetry::link(&span, traceparent);
        }
    }
    turn.attempt(rows, reach.last).instrument(span).boxed().await
}

/// The place of the one turn that runs alone, once nobody else works here.
async fn alone<'a>(worker: &'a Worker, held: &Held) -> Option<Place<'a>> {
    let place = worker.alone.enter(held.lease.conversation)?;
    worker.store.at("alone.before").await;
    let mut busy = worker.busy.subscribe();
    let quiet = busy.wait_for(|busy| *busy <= 1);
    tokio::time::timeout(ALONE_WAIT_MAX, quiet).await.ok()?.ok()?;
    Some(place)
}

struct Turn<'a> {
    worker: &'a Arc<Worker>,
    held: &'a Arc<Held>,
    seq: i64,
    envelope: Envelope,
    journal: Journal,
    nothing_unsent: bool,
    began: (Micros, Instant),
}

impl Turn<'_> {
    /// The database's clock, carried on by ours.
    fn now(&self) -> Micros {
        self.began.0 + self.began.1.elapsed()
    }

    /// The next messages and what is journaled for them.
    async fn read(&self) -> Result<(Vec<InboxRow>, Vec<Step>), StoreError> {
        let (store, lease, seq) = (&self.worker.store, &self.held.lease, self.seq);
        let rows = match store.inbox_range(lease, seq, burst::ROWS_MAX).await {
            // The first is not at fault for a later one.
            Err(StoreError::Corrupt { .. }) => store.inbox_range(lease, seq, 1).await?,
            rows => rows?,
        };
        let journaled = rows.first().is_some_and(|row| row.journaled);
        let steps = if journaled { store.steps(lease, seq).await? } else { Vec::new() };
        Ok((rows, steps))
    }

    /// A message that this release cannot read: another may, so it is tried as often as one that does not survive.
    async fn unreadable(&self, column: &str, reason: &str) -> Result<Turned, TurnError> {
        let attempts = self.worker.store.begin_attempt(&self.held.lease, self.seq, None).await?;
        tracing::error!(seq = self.seq, attempts, column, reason, "a stored message or its journal cannot be read");
        if attempts > ATTEMPTS_MAX {
            return self.give_up(&[], self.seq, attempts - 1, "what is stored of it cannot be read").await;
        }
        Ok(Turned::Wait(self.now() + ALONE_PAUSE))
    }

    fn reach(&self, rows: &[InboxRow], attempts: i32) -> burst::Reach {
        // Whoever waits for a web chat's answer waits for the answer to its own message.
        let web = self.held.lease.account.channel() == channels::web::NAME;
        burst::reach(rows, self.worker.config.burst, web || attempts > 0 || self.envelope.question_seq.is_some())
    }

    /// The ways on which a turn is not answered are boxed: a turn that waits for its model would hold room for them.
    async fn attempt(mut self, rows: Vec<InboxRow>, reached: i64) -> Result<Turned, TurnError> {
        let (store, lease, seq) = (&self.worker.store, &self.held.lease, self.seq);
        let range = self.new_range(&rows, reached).await?;
        let attempts = store.begin_attempt(lease, seq, range.as_ref()).await?;
        if let Some(range) = range {
            self.journal.add(range);
        }
        if attempts > ATTEMPTS_MAX {
            let last = if self.journal.is_decided() { self.journal.last_seq().unwrap_or(seq) } else { seq };
            let reason = format!("{ATTEMPTS_MAX} attempts ended without an explanation");
            return Box::pin(self.give_up(&rows, last, attempts - 1, &reason)).await;
        }
        if attempts > 1 {
            tracing::warn!(seq, attempts, "an earlier attempt at this message ended without an explanation");
        }
        let rows = self.covered(&rows, reached, attempts).await?;
        let fresh = attempts == 1 && !self.journal.is_decided();
        let _typing = fresh.then(|| self.mark_read(&rows)).flatten();
        let input = self.input(&rows)?;
        match self.decide(&input).await {
            Ok(decided) => {
                let agent = commit::agent(&decided.answer.trace);
                let asked = decided.answer.unasked.is_none();
                let first = self.nothing_unsent;
                let begun = commit::answer(self.worker, self.held, &rows, &self.envelope, decided, first).await?;
                let age = self.now().since(input.now);
                metrics::histogram!(metric::TURN_DURATION).record(age);
                if asked {
                    metrics::counter!(metric::AI_CHAT_REQUESTS, "agent" => agent).increment(1);
                    metrics::histogram!(metric::AI_RESPONSE_DURATION, "agent" => agent).record(age);
                }
                Ok(begun.map_or(Turned::Again, |row| Turned::Begun(Box::new(row))))
            }
            Err(Broken::Store(error)) => Err(error.into()),
            Err(Broken::Endless) => {
                let last = rows.last().map_or(seq, |row| row.seq);
                Box::pin(self.give_up(&rows, last, attempts, "the turn asked for too much")).await
            }
            Err(Broken::Infrastructure(reason)) => Box::pin(self.back_off(&rows, &reason)).await,
            Err(Broken::Stopping) => {
                store.reset_attempts(lease, seq).await?;
                Ok(Turned::Again) // the drain hands the conversation over
            }
        }
    }

    /// Which messages this turn answers, and on what ground; none when that is journaled. After an attempt that ended
    /// without an explanation it is one.
    async fn new_range(&self, rows: &[InboxRow], reached: i64) -> Result<Option<Step>, StoreError> {
        if self.journal.last_seq().is_some() || planted(Bug::RangeNotJournaled) {
            return Ok(None);
        }
        let first_attempt = rows.first().is_some_and(|row| row.attempts == 0);
        let last = if first_attempt { reached } else { self.seq };
        Ok(Some(journal::range(last, &self.ground(rows).await?)))
    }

    /// The rows of the turn's range, which is written anew to one message when an attempt at more of them ended without
    /// an explanation before anything was decided.
    async fn covered(&mut self, rows: &[InboxRow], reached: i64, attempts: i32) -> Result<Vec<InboxRow>, StoreError> {
        let (store, lease, seq) = (&self.worker.store, &self.held.lease, self.seq);
        let mut last = self.journal.last_seq().unwrap_or(reached);
        if attempts >= 2 && !self.journal.is_decided() && last != seq {
            let ground = match self.journal.ground() {
                Some(ground) => ground,
                None => self.ground(rows).await?,
            };
            store.rewrite_range(lease, seq, &journal::range(seq, &ground)).await?;
            self.journal = Journal::new(store.steps(lease, seq).await?);
            last = seq;
        }
        let covered: Vec<_> = rows.iter().filter(|row| row.seq <= last).cloned().collect();
        if covered.last().is_some_and(|row| row.seq == last) {
            return Ok(covered);
        }
        store.inbox_range(lease, seq, last - seq + 1).await
    }

    /// What the turn knows besides messages and state.
    async fn ground(&self, rows: &[InboxRow]) -> Result<Ground, StoreError> {
        let (store, lease) = (&self.worker.store, &self.held.lease);
        let (has_model, switches) = (self.worker.models.is_on(), self.worker.switches.of(&lease.tenant));
        let forbidden_by = switches.forbids_chat().filter(|_| has_model);
        let mut ground = Ground {
            began: Some(self.now()),
            model: has_model && forbidden_by.is_none(),
            forbidden_by: forbidden_by.map(|switch| switch.name().to_owned()),
            ..Ground::default()
        };
        if let Some(question_seq) = self.envelope.question_seq {
            let asked = store.asked(lease, question_seq).await?;
            (ground.question_begun_at, ground.question_sent_at) = (asked.begun_at, asked.sent_at);
            ground.question_resent = asked.resent;
        }
        let Some(first) = rows.first() else { return Ok(ground) };
        for document in self.worker.tenants.identity_documents(&lease.tenant) {
            if let Some(known) = store.identity(&lease.tenant, first.person, &document).await? {
                let mut values = match known.values {
                    Value::Object(values) => values,
                    _ => serde_json::Map::new(),
                };
                if let Some(label) = known.label {
                    values.insert(crate::turn::LABEL.to_owned(), Value::String(label));
                }
                let mapping = Mapping { backend_user: known.backend_user, values, expires_at: known.expires_at };
                ground.identity.insert(document, mapping);
            }
        }
        Ok(ground)
    }

    fn input(&self, rows: &[InboxRow]) -> Result<Input, StoreError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(StoreError::NotFound("message"));
        };
        let ground = self.journal.ground().unwrap_or_default();
        Ok(Input {
            now: last.accepted_at,
            messages: said(rows),
            state: self.envelope.dialogue(),
            question_begun_at: ground.question_begun_at,
            question_resent: ground.question_resent,
            question_sent_at: ground.question_sent_at,
            settings: self.worker.tenants.settings(&self.held.lease.tenant),
            identity: ground.identity,
            model: ground.model,
            takes_files: self.takes_files(),
            knows_contacts: self.channel().is_some_and(|channel| channel.knows_contacts()),
            seq: first.seq,
            token_seed: journal::token_seed(self.held.lease.conversation, first.seq),
        })
    }

    /// Where this conversation is; none when its account is not configured any more.
    fn channel(&self) -> Option<Channel> {
        self.worker.tenants.channel(&self.held.lease.tenant, &self.held.lease.account)
    }

    /// Decides; what is not journaled by then goes with the commit.
    async fn decide(&self, input: &Input) -> Result<Decided, Broken> {
        if let Some(answer) = self.notification(input) {
            return Ok(Decided { answer, steps: Vec::new() });
        }
        let person = input.messages.last().map(|said| said.person).unwrap_or_default();
        let (worker, held, seq) = (self.worker, self.held, self.seq);
        let mut performer = Performer { worker, held, seq, person, decided: Vec::new() };
        match self.decide_by(&mut performer, input).await {
            Ok(answer) => Ok(Decided { answer: *answer, steps: performer.decided }),
            Err(Broken::Store(error)) => Err(Broken::Store(error)),
            Err(broken) => {
                performer.journal().await?;
                Err(broken)
            }
        }
    }

    /// What a service wants to be said, where that is what this turn is about. No dialogue decides it, and whatever is
    /// open stays open.
    fn notification(&self, input: &Input) -> Option<Answer> {
        let Content::Notification { text, unasked } = &input.messages.first()?.content else { return None };
        Some(Answer {
            replies: vec![Reply { text: text.clone(), ..Reply::default() }],
            question: self.envelope.question_seq.is_some(),
            state: State { unasked: unasked.category != Category::Answer, ..input.state.clone() },
            unasked: Some(unasked.clone()),
            ..Answer::default()
        })
    }

    /// Runs the pure turn again and again, each time with one outcome more.
    async fn decide_by(&self, performer: &mut Performer<'_>, input: &Input) -> Result<Box<Answer>, Broken> {
        let mut history: Vec<Outcome> = Vec::new();
        let mut lookups: Vec<Lookup> = Vec::new();
        let mut n = 0;
        while history.len() < ACTIONS_MAX {
            let action = match (self.worker.decide)(input, &history) {
                Next::Done(answer) => return Ok(self.whole(n, input, answer)),
                Next::Do(action) => action,
            };
            if self.worker.stop.is_cancelled() {
                return Err(Broken::Stopping);
            }
            let outcome = match action {
                Action::Operations { wanted } => {
                    let found = performer.operations(wanted, &self.journal).await?;
                    let all = found.iter().map(|(_, _, found)| found.clone()).collect();
                    lookups.extend(found);
                    Outcome::Operations(all)
                }
                mut decided => {
                    n += 1;
                    if let Action::Chat(question) = &mut decided {
                        question.request.conversation = Some(self.held.lease.conversation.to_string());
                    }
                    match self.journal.find(n) {
                        Some(step) if !journal::fits(step, &decided) && self.journal.effect_after(0).is_some() => {
                            return Ok(self.whole(0, input, Box::default()));
                        }
                        Some(step) => performer.replay(step, &decided).await?,
                        None => performer.perform(n, &decided, &lookups).await?,
                    }
                }
            };
            history.push(outcome);
        }
        Err(Broken::Endless)
    }

    /// The answer, unless the journal holds a call after step `n` that may have had an effect: that one was decided
    /// and begun, so it is never passed over in silence, whatever the turn would do now.
    fn whole(&self, n: i32, input: &Input, answer: Box<Answer>) -> Box<Answer> {
        let Some(call) = self.journal.effect_after(n) else { return answer };
        tracing::error!(
            seq = self.seq,
            n = call.n,
            "the turn does not come to a call that was begun; it is told as unknown"
        );
        Box::new(commit::unknown_effect(input, journal::document(call)))
    }

    /// People can send files there: everywhere but over gRPC.
    fn takes_files(&self) -> bool {
        !grpc::is_own(&self.held.lease.account) && self.channel().is_some()
    }

    /// An orderly end without progress: later again, unless the message is too old.
    async fn back_off(self, rows: &[InboxRow], reason: &str) -> Result<Turned, TurnError> {
        let age = rows.first().map_or(Duration::ZERO, |row| self.now().since(row.accepted_at));
        let began = self.journal.ground().and_then(|ground| ground.began);
        let tried = began.map_or(age, |began| self.now().since(began));
        if is_too_old(age, tried, self.worker.config.retry_age_max) {
            let last = rows.last().map_or(self.seq, |row| row.seq);
            return self.give_up(rows, last, 0, reason).await;
        }
        self.worker.store.reset_attempts(&self.held.lease, self.seq).await?;
        let wait = jitter((tried / 4).clamp(BACK_OFF.0, BACK_OFF.1));
        metrics::counter!(metric::TURNS_POSTPONED).increment(1);
        tracing::warn!(reason, wait_ms = wait.as_millis(), "the turn met an infrastructure error; will retry");
        Ok(Turned::Wait(self.now() + wait))
    }

    /// The messages up to `last` become a dead letter, with an apology; the conversation goes on.
    async fn give_up(&self, rows: &[InboxRow], last: i64, attempts: i32, reason: &str) -> Result<Turned, TurnError> {
        tracing::error!(seq = self.seq, last, reason, "a message was given up: see the dead letters");
        // What was journaled since the journal was read counts, too. One that cannot be read may hold anything.
        let journal = match self.worker.store.steps(&self.held.lease, self.seq).await {
            Err(StoreError::Corrupt { .. }) => None,
            steps => Some(Journal::new(steps?)),
        };
        let effect = journal.as_ref().map(|journal| journal.effect_after(0));
        let unknown_effect = effect.is_none_or(|effect| effect.is_some());
        let document = effect.flatten().map(journal::document).unwrap_or_default();
        let letter = store::DeadLetterNew { reason: reason.to_owned(), attempts, unknown_effect };
        let range = (self.seq, last);
        commit::dead_letter(self.worker, self.held, range, rows.first(), &self.envelope, letter, document).await?;
        Ok(Turned::Again)
    }

    /// Shows the person that their messages were read, and "typing" as long as what is returned lives. Best effort.
    fn mark_read(&self, rows: &[InboxRow]) -> Option<AbortOnDropHandle<()>> {
        let channel = self.channel()?;
        let said = |row: &&InboxRow| row.incoming.provider == channel.name() && !row.incoming.content.is_silent();
        let id = rows.iter().rev().find(said)?.incoming.provider_message_id.clone();
        let (reader, message) = (channel.clone(), id.clone());
        tokio::spawn(async move { reader.mark_read(&message).await });
        let every = channel.typing_lasts()?;
        let typing = async move {
            loop {
                tokio::time::sleep(every).await;
                channel.type_on(&id).await;
            }
        };
        Some(AbortOnDropHandle::new(tokio::spawn(typing)))
    }
}

/// True for a message of this age that was tried for so long and still meets infrastructure errors.
fn is_too_old(age: Duration, tried: Duration, age_max: Duration) -> bool {
    age > age_max && tried > TRIED_MIN.min(age_max)
}

/// What was said in the end: a message that was edited before it is answered says what the edit says. An edit of an
/// earlier one is a message of its own.
fn said(rows: &[InboxRow]) -> Vec<Said> {
    let mut said: Vec<(&str, Said)> = Vec::new();
    for row in rows {
        let incoming = &row.incoming;
        let (content, edits) = match &incoming.content {
            Content::Edit { of, content } => {
                if let Some((_, edited)) = said.iter_mut().find(|(id, _)| id == of) {
                    edited.content = Content::clone(content);
                    continue;
                }
                (Content::clone(content), Some(of.clone()))
            }
            content => (content.clone(), None),
        };
        let one = Said {
            person: row.person,
            content,
            id: incoming.provider_message_id.clone(),
            edits,
            accepted_at: row.accepted_at,
            written_at: incoming.written_at,
            quoted: incoming.quoted.clone(),
            contact_name: incoming.contact_name.clone(),
            phone: incoming.phone.clone(),
            user: incoming.user.clone(),
        };
        said.push((&incoming.provider_message_id, one));
    }
    said.into_iter().map(|(_, said)| said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_message_is_tried_for_a_while_before_it_is_given_up() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        for (age, tried, expected) in
            [(16, 16, true), (14, 14, false), (600, 0, false), (600, 1, false), (600, 3, true)]
        {
            assert_eq!(is_too_old(minutes(age), minutes(tried), minutes(15)), expected, "{age} {tried}");
        }
    }

    fn row(seq: i64, content: Content) -> InboxRow {
        InboxRow {
            seq,
            person: domain::PersonId::new(),
            incoming: domain::Incoming {
                tenant: domain::Tenant::new("t").expect("a name"),
                account: "telegram:main".parse().expect("an account"),
                peer: "42".to_owned(),
                user: "42".to_owned(),
                provider: "telegram".to_owned(),
                provider_message_id: format!("42/{seq}"),
                written_at: Some(Micros(seq)),
                contact_name: None,
                phone: None,
                quoted: None,
                content,
                traceparent: None,
            },
            accepted_at: Micros(seq),
            attempts: 0,
            journaled: false,
        }
    }

    #[test]
    fn an_edit_changes_what_is_not_answered_yet_and_says_anew_what_is() {
        let text = |text: &str| Content::Text { text: text.to_owned() };
        let edit = |of: &str, new: &str| Content::Edit { of: of.to_owned(), content: Box::new(text(new)) };
        let rows = [row(1, text("today")), row(2, text("please")), row(3, edit("42/1", "tomorrow"))];
        let words: Vec<Content> = said(&rows).into_iter().map(|said| said.content).collect();
        assert_eq!(words, [text("tomorrow"), text("please")]);
        let late = said(&[row(4, edit("42/1", "yes"))]);
        assert_eq!((late.len(), &late[0].content, late[0].edits.as_deref()), (1, &text("yes"), Some("42/1")));
    }
}
