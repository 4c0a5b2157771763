//! A state machine: random steps of two workers, a gateway and a sweeper, against a model of what each has to give.
//!
//! On SQLite in memory the clock is moved; on PostgreSQL rows are made older. Waits are chosen so that no time falls near
//! an edge of the protocol (15, 20, 30, 60 s), however slow the machine is.

use domain::{ConversationId, Micros, OutboxId, ReceiptStatus};
use proptest::{prelude::*, test_runner::TestRunner};
use store::{Commit, Lease, OutboxStatus, Outcome, Recorded, Seen, Store, StoreError, SweepInput, UnknownPolicy};
use uuid::Uuid;

use crate::support::{Db, answer, receipt, tenant, text};

const SECOND: i64 = 1_000_000;

#[derive(Clone, Debug)]
enum Op {
    Accept(u8),
    Claim(usize),
    Renew(usize),
    Turn(usize, i32, bool),
    Begin(usize),
    Record(usize, u8),
    Resolve(usize, bool),
    Release(usize),
    Park(usize, bool),
    Yield(usize),
    Sweep(bool),
    Proof(usize),
    Crash(usize),
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let lease = 0..4_usize;
    prop_oneof![
        4 => (0..6_u8).prop_map(Op::Accept),
        5 => (0..2_usize).prop_map(Op::Claim),
        1 => lease.clone().prop_map(Op::Renew),
        4 => (lease.clone(), 1..3_i32, any::<bool>()).prop_map(|(lease, parts, begin)| Op::Turn(lease, parts, begin)),
        5 => lease.clone().prop_map(Op::Begin),
        5 => (0..8_usize, 0..6_u8).prop_map(|(send, end)| Op::Record(send, end)),
        4 => (lease.clone(), any::<bool>()).prop_map(|(lease, hold)| Op::Resolve(lease, hold)),
        1 => lease.clone().prop_map(Op::Release),
        1 => (lease.clone(), any::<bool>()).prop_map(|(lease, fresh)| Op::Park(lease, fresh)),
        1 => lease.clone().prop_map(Op::Yield),
        1 => any::<bool>().prop_map(Op::Sweep),
        1 => (0..8_usize).prop_map(Op::Proof),
        1 => (0..2_usize).prop_map(Op::Crash),
        4 => prop_oneof![Just(40), Just(70)].prop_map(Op::Wait),
    ]
}

/// What every step has to give.
#[derive(Default)]
struct Model {
    now: i64,
    accepted: Vec<u8>,
    done: i64,
    epoch: i64,
    owner: Option<usize>,
    lease_until: i64,
    wake_at: i64,
    rows: Vec<Row>,
}

struct Row {
    status: OutboxStatus,
    attempt: i32,
    due_at: i64,
    sending_at: i64,
    unknown_ends: u8,
}

impl Row {
    fn is_unsent(&self) -> bool {
        matches!(self.status, OutboxStatus::Pending | OutboxStatus::Sending | OutboxStatus::Unknown)
    }
}

impl Model {
    fn next(&self) -> i64 {
        self.accepted.len() as i64
    }

    fn unsent(&self) -> i64 {
        self.rows.iter().filter(|row| row.is_unsent()).count() as i64
    }

    fn runnable(&self) -> bool {
        let live = self.owner.is_some() && self.lease_until > self.now;
        (self.next() > self.done || self.unsent() > 0) && self.wake_at <= self.now && !live
    }

    fn head(&self) -> Option<usize> {
        self.rows.iter().position(Row::is_unsent)
    }

    fn begin(&mut self) -> Option<i32> {
        let now = self.now;
        let head = self.head()?;
        let row = &mut self.rows[head];
        if row.status != OutboxStatus::Pending || row.due_at > now {
            return None;
        }
        (row.status, row.attempt, row.sending_at) = (OutboxStatus::Sending, row.attempt + 1, now);
        Some(row.attempt)
    }

    fn record(&mut self, at: usize, attempt: i32, outcome: &Outcome) -> bool {
        use OutboxStatus::{Failed, Held, Pending, Sending, Sent, Unknown};
        let row = &mut self.rows[at];
        let allowed = match (row.status, outcome) {
            (Sending, _) => true,
            (Unknown, outcome) => *outcome != Outcome::Unknown,
            (Held, outcome) => {
                matches!(outcome, Outcome::Sent { .. } | Outcome::Failed { .. } | Outcome::WindowClosed { .. })
            }
            _ => false,
        };
        if !allowed || row.attempt != attempt {
            return false;
        }
        let mut wake_at = self.now;
        match outcome {
            Outcome::Sent { .. } => row.status = Sent,
            Outcome::Failed { .. } | Outcome::WindowClosed { .. } => row.status = Failed,
            Outcome::Pending { due_at } => {
                (row.status, row.due_at, wake_at) = (Pending, due_at.0, due_at.0);
            }
            Outcome::Unknown => row.is_unknown(),
        }
        self.wake_at = if self.next() > self.done { self.now } else { wake_at };
        true
    }

    fn resolve(&mut self, at: usize, hold: bool) {
        let now = self.now;
        let row = &mut self.rows[at];
        match row.status {
            OutboxStatus::Sending if row.sending_at + 15 * SECOND <= now => row.is_unknown(),
            OutboxStatus::Unknown if row.due_at <= now => {
                (row.status, row.due_at) = match hold || row.unknown_ends >= 3 {
                    true => (OutboxStatus::Held, row.due_at),
                    false => (OutboxStatus::Pending, now),
                }
            }
            _ => {}
        }
    }
}

impl Row {
    fn is_unknown(&mut self) {
        (self.status, self.due_at) = (OutboxStatus::Unknown, self.sending_at + 60 * SECOND);
        self.unknown_ends += 1;
    }
}

/// The store, and how time passes for it.
struct Place<'a> {
    store: Store,
    db: Option<&'a Db>,
    #[cfg(feature = "faults")]
    clock: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

impl Place<'_> {
    async fn wait(&self, conversation: Option<ConversationId>, seconds: i64) {
        #[cfg(feature = "faults")]
        if let Some(clock) = &self.clock {
            clock.fetch_add(seconds * SECOND, std::sync::atomic::Ordering::SeqCst);
        }
        if let (Some(db), Some(conversation)) = (self.db, conversation) {
            let (by, id) = (seconds * SECOND, db.id(conversation.0));
            db.exec(format!(
                "update conversations set lease_until = lease_until - {by}, wake_at = wake_at - {by}, \
                 rung_at = rung_at - {by} where id = {id}; \
                 update outbox set due_at = due_at - {by}, sending_at = sending_at - {by} where conversation = {id}"
            ))
            .await;
        }
    }
}

async fn check(place: &Place<'_>, peer: &str, ops: &[Op]) {
    let (store, acme) = (&place.store, tenant("acme"));
    let workers = [Uuid::new_v4(), Uuid::new_v4()];
    let mut model = Model::default();
    let mut conversation = None;
    let mut leases: Vec<(usize, Lease)> = Vec::new();
    let (mut ids, mut sends): (Vec<OutboxId>, Vec<(usize, i32, Lease)>) = (Vec::new(), Vec::new());
    // What the store's clock shows when the model's shows 0.
    let start = store.now().await.expect("a clock").0;
    let mut passed = 0;
    for op in ops {
        // Old leases stay: what they may still do is part of the promise.
        let lease = |at: usize| leases.len().checked_sub(1 + at % leases.len().max(1)).map(|at| leases[at].clone());
        match *op {
            Op::Accept(id) => {
                let message = text("acme", peer, &format!("{peer}-{id}"));
                let accepted = store.accept(&[message.clone(), message]).await.expect("accepted");
                let known = model.accepted.iter().position(|other| *other == id);
                if known.is_none() {
                    model.accepted.push(id);
                    model.wake_at = model.now;
                }
                let seq = model.accepted.iter().position(|other| *other == id).expect("there") as i64 + 1;
                assert_eq!((accepted[0].seq, accepted[0].duplicate), (seq, known.is_some()));
                assert_eq!((accepted[1].seq, accepted[1].duplicate), (seq, true));
                assert_eq!(accepted[0].ring, seq > model.done);
                conversation = Some(accepted[0].conversation);
            }
            Op::Claim(worker) => {
                let Some(conversation) = conversation else { continue };
                let claimed = store.claim(conversation, workers[worker]).await.expect("an answer");
                assert_eq!(claimed.is_some(), model.runnable());
                if let Some(claimed) = claimed {
                    model.epoch += 1;
                    (model.owner, model.lease_until) = (Some(worker), model.now + 30 * SECOND);
                    assert_eq!(claimed.epoch, model.epoch);
                    leases.push((worker, claimed));
                }
            }
            Op::Crash(worker) => leases.retain(|(owner, _)| *owner != worker),
            Op::Renew(at) => {
                let Some((worker, lease)) = lease(at) else { continue };
                let held = [(lease.conversation, lease.epoch)];
                let renewed = store.renew(&held, workers[worker]).await.expect("an answer");
                let mine = lease.epoch == model.epoch && model.owner == Some(worker);
                assert_eq!(!renewed.is_empty(), mine);
                if mine {
                    model.lease_until = model.now + 30 * SECOND;
                }
            }
            Op::Turn(at, parts, begin_send) => {
                let Some((_, lease)) = lease(at) else { continue };
                let commit = Commit { begin_send, ..answer(model.done + 1, model.done + 1, parts) };
                let committed = store.commit(&lease, &commit).await;
                match committed {
                    Err(StoreError::Fenced) => assert_ne!(lease.epoch, model.epoch),
                    Err(StoreError::OutOfOrder) => assert!(lease.epoch == model.epoch && model.done == model.next()),
                    committed => {
                        assert!(lease.epoch == model.epoch && model.done < model.next());
                        let committed = committed.expect("a commit");
                        assert_eq!(committed.sending, begin_send && model.unsent() == 0);
                        ids.extend(committed.ids);
                        model.done += 1;
                        let (status, due_at) = (OutboxStatus::Pending, model.now);
                        let row = || Row { status, attempt: 0, due_at, sending_at: 0, unknown_ends: 0 };
                        let first = model.rows.len();
                        model.rows.extend((0..parts).map(|_| row()));
                        if committed.sending {
                            sends.extend(model.begin().map(|attempt| (first, attempt, lease)));
                        }
                    }
                }
            }
            Op::Begin(at) => {
                let (Some((_, lease)), Some(head)) = (lease(at), model.head()) else { continue };
                match store.begin_send(&lease, ids[head]).await {
                    Err(StoreError::Fenced) => assert_ne!(lease.epoch, model.epoch),
                    begun => {
                        assert_eq!(lease.epoch, model.epoch);
                        let begun = begun.expect("an answer");
                        assert_eq!(begun, model.begin());
                        sends.extend(begun.map(|attempt| (head, attempt, lease)));
                    }
                }
            }
            Op::Record(send, end) => {
                let Some((at, attempt, lease)) = sends.get(send % sends.len().max(1)).cloned() else { continue };
                let due_at = |clock: i64| Outcome::Pending { due_at: Micros(clock + 20 * SECOND) };
                let (outcome, expected) = match end {
                    0 | 4 => (Outcome::Sent { provider_message_id: None }, Outcome::Sent { provider_message_id: None }),
                    1 | 5 => (Outcome::Failed { reason: String::new() }, Outcome::Failed { reason: String::new() }),
                    2 => (due_at(store.now().await.expect("a clock").0), due_at(model.now)),
                    _ => (Outcome::Unknown, Outcome::Unknown),
                };
                let in_flight = model.rows[at].status == OutboxStatus::Sending;
                let changes = model.record(at, attempt, &expected);
                if end < 4 {
                    let conversation = conversation.expect("it was sent there");
                    let changed = store.record_outcome(conversation, ids[at], attempt, &outcome).await;
                    assert_eq!(changed.expect("an answer"), changes);
                    continue;
                }
                let idle = model.owner.is_none() || (model.next() == model.done && model.unsent() == 0);
                let recorded = store.record_and_release(&lease, ids[at], attempt, &outcome).await.expect("an answer");
                if !changes {
                    assert_eq!(recorded, Recorded::KnownAlready);
                } else if end == 4 && in_flight && idle && lease.epoch == model.epoch {
                    assert_eq!(recorded, Recorded::AndReleased);
                    model.owner = None;
                } else {
                    assert_eq!(recorded, Recorded::Kept);
                }
            }
            Op::Resolve(at, hold) => {
                let Some((_, lease)) = lease(at) else { continue };
                let Some(row) = store.snapshot(&lease).await.expect("a snapshot").first_unsent else { continue };
                let policy = if hold { UnknownPolicy::Hold } else { UnknownPolicy::Resend };
                match store.resolve_unknown(&lease, &row, policy).await {
                    Err(StoreError::Fenced) => assert_ne!(lease.epoch, model.epoch),
                    status => {
                        let head = model.head().expect("there is one");
                        model.resolve(head, hold);
                        assert_eq!(status.expect("an answer"), model.rows[head].status);
                    }
                }
            }
            Op::Release(at) => {
                let Some((_, lease)) = lease(at) else { continue };
                let idle = store.release_idle(&lease).await.expect("an answer");
                let may = lease.epoch == model.epoch && model.next() == model.done && model.unsent() == 0;
                assert_eq!(idle, may);
                if may {
                    model.owner = None;
                }
            }
            Op::Park(at, fresh) => {
                let Some((_, lease)) = lease(at) else { continue };
                let row = store.snapshot(&lease).await.expect("a snapshot");
                let seen = Seen { next_seq: row.next_seq - i64::from(!fresh), wake_at: row.wake_at };
                let left = store.park(&lease, Micros(row.now.0 + 20 * SECOND), seen).await.expect("an answer");
                assert_eq!(left, fresh && lease.epoch == model.epoch);
                if left {
                    (model.owner, model.wake_at) = (None, model.now + 20 * SECOND);
                }
            }
            Op::Yield(at) => {
                let Some((_, lease)) = lease(at) else { continue };
                let left = store.yield_now(&lease).await.expect("an answer");
                assert_eq!(left, lease.epoch == model.epoch);
                if left {
                    (model.owner, model.wake_at) = (None, model.now);
                }
            }
            Op::Sweep(lost) => {
                let Some(conversation) = conversation else { continue };
                let lag = Some(i64::from(!lost));
                let input = SweepInput { last_delivered_at: None, lag, recreated: false, limit: 1_000 };
                let rung = store.sweep(&input).await.expect("an answer").expect("nobody else sweeps");
                assert_eq!(rung.contains(&conversation), lost && model.runnable());
            }
            Op::Proof(at) => {
                let Some(at) = (!ids.is_empty()).then(|| at % ids.len()) else { continue };
                let proof = receipt(Some(ids[at]), &ids[at].to_string(), ReceiptStatus::Delivered);
                let woken = store.record_receipts(&acme, &[proof]).await.expect("recorded");
                let changes = !matches!(model.rows[at].status, OutboxStatus::Sent | OutboxStatus::Failed);
                assert_eq!(!woken.is_empty(), changes);
                if changes {
                    model.rows[at].status = OutboxStatus::Sent;
                    model.wake_at = model.now;
                }
            }
            Op::Wait(seconds) => {
                place.wait(conversation, seconds).await;
                model.now += seconds * SECOND;
                passed += seconds;
            }
        }
        if let Some((_, lease)) = leases.last() {
            let row = store.snapshot(lease).await.expect("a snapshot");
            assert_eq!(
                (row.next_seq, row.done_seq, row.unsent, row.epoch),
                (model.next(), model.done, model.unsent(), model.epoch),
                "after {op:?}"
            );
            let head = model.head().map(|at| (ids[at], model.rows[at].status, model.rows[at].attempt));
            assert_eq!(row.first_unsent.map(|row| (row.id, row.status, row.attempt)), head, "after {op:?}");
        }
    }
    // A machine that is slower than the waits' distance from any edge shows nothing.
    let shown = store.now().await.expect("a clock").0 - start;
    assert!(shown - passed * SECOND * i64::from(place.db.is_none()) < 8 * SECOND, "this machine is too slow for it");
}

fn run(cases: u32, case: impl Fn(Vec<Op>)) {
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) });
    let ops = proptest::collection::vec(op(), 1..80);
    let ran = runner.run(&ops, |ops| {
        case(ops);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[cfg(feature = "faults")]
#[test]
fn every_step_gives_what_the_model_says_in_memory() {
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_795_251_600 * SECOND));
    let runtime = runtime();
    let shown = std::sync::Arc::clone(&clock);
    let shown = std::sync::Arc::new(move || Micros(shown.load(std::sync::atomic::Ordering::SeqCst)));
    let store = runtime.block_on(Store::in_memory(shown)).expect("a store");
    run(600, |ops| {
        let place = Place { store: store.clone(), db: None, clock: Some(clock.clone()) };
        runtime.block_on(async {
            store.clear().await.expect("emptied");
            check(&place, "p", &ops).await;
        });
    });
}

#[test]
fn every_step_gives_what_the_model_says_on_postgresql() {
    let runtime = runtime();
    let db = runtime.block_on(Db::postgres());
    let case = std::cell::Cell::new(0);
    run(24, |ops| {
        case.set(case.get() + 1);
        let place = Place {
            store: db.store.clone(),
            db: Some(&db),
            #[cfg(feature = "faults")]
            clock: None,
        };
        runtime.block_on(check(&place, &format!("p{}", case.get()), &ops));
    });
}
