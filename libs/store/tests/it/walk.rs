//! Random walks: whatever is done in whatever order, the counters tell the truth and nothing goes back.

use std::collections::BTreeMap;

use domain::{Micros, OutboxId, ReceiptStatus};
use store::{Lease, OutboxStatus, Outcome, Seen, StoreError, UnknownPolicy};
use uuid::Uuid;

use crate::{
    alarms::alarm,
    support::{Db, answer, on_both_engines, receipt, tenant, text},
};

on_both_engines!(counters_hold_over_random_walks);

/// SplitMix64 (Steele, Lea and Flood, 2014): a few lines, and the seed is all there is to print.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

struct Walk<'a> {
    db: &'a Db,
    random: Random,
    seed: u64,
    leases: Vec<Lease>,
    sends: Vec<(OutboxId, i32)>,
    rows: Vec<OutboxId>,
    finished: BTreeMap<OutboxId, String>,
}

async fn counters_hold_over_random_walks(db: &Db) {
    for seed in 0..6 {
        let walk = Walk {
            db,
            random: Random(seed),
            seed,
            leases: Vec::new(),
            sends: Vec::new(),
            rows: Vec::new(),
            finished: BTreeMap::new(),
        };
        walk.run().await;
    }
}

impl Walk<'_> {
    async fn run(mut self) {
        let peer = format!("walk{}", self.seed);
        let (store, acme) = (self.db.store.clone(), tenant("acme"));
        let first = store.accept(&[text("acme", &peer, &format!("{peer}-0"))]).await.expect("accepted")[0];
        let conversation = first.conversation;
        for _ in 0..60 {
            // An old lease now and then: what it may still do is part of the promise.
            let lease = self.leases.get(self.random.below(self.leases.len().max(1))).cloned();
            let newest = self.leases.last().cloned();
            match self.random.below(13) {
                0 | 1 => {
                    let id = format!("{peer}-{}", self.random.below(12));
                    store.accept(&[text("acme", &peer, &id), text("acme", &peer, &id)]).await.expect("accepted");
                }
                2 => self.leases.extend(store.claim(conversation, Uuid::new_v4()).await.expect("an answer")),
                3 => self.db.expire(conversation).await,
                4 | 5 => {
                    if let Some(lease) = lease.or(newest) {
                        let row = store.snapshot(&lease).await.expect("a snapshot");
                        let parts = 1 + i32::try_from(self.random.below(2)).expect("small");
                        let mut commit = answer(row.done_seq + 1, row.done_seq + 1, parts);
                        let key = format!("{}", self.random.below(6));
                        if self.random.below(3) == 0 {
                            commit.alarms.off.push(key);
                        } else {
                            commit.alarms.set.push(alarm(&lease, &key, Micros(0)));
                        }
                        match store.commit(&lease, &commit).await {
                            Ok(committed) => {
                                assert_eq!(row.epoch, lease.epoch, "seed {}: a commit by a fenced worker", self.seed);
                                self.rows.extend(committed.ids);
                            }
                            Err(StoreError::Fenced | StoreError::OutOfOrder) => {}
                            Err(error) => panic!("seed {}: {error}", self.seed),
                        }
                    }
                }
                6 | 7 => {
                    if let (Some(lease), Some(id)) = (newest, self.head(conversation).await)
                        && let Ok(Some(attempt)) = store.begin_send(&lease, id).await
                    {
                        self.sends.push((id, attempt));
                    }
                }
                8 if !self.sends.is_empty() => {
                    let (id, attempt) = self.sends[self.random.below(self.sends.len())];
                    let outcome = match self.random.below(4) {
                        0 => Outcome::Sent { provider_message_id: None },
                        1 => Outcome::Failed { reason: String::new() },
                        2 => Outcome::Pending { due_at: Micros(0) },
                        _ => Outcome::Unknown,
                    };
                    store.record_outcome(conversation, id, attempt, &outcome).await.expect("an answer");
                }
                9 if !self.rows.is_empty() => {
                    let id = self.rows[self.random.below(self.rows.len())];
                    let proof = receipt(Some(id), &id.to_string(), ReceiptStatus::Delivered);
                    store.record_receipts(&acme, &[proof]).await.expect("recorded");
                }
                10 => {
                    if let (Some(lease), Some(id)) = (newest, self.head(conversation).await) {
                        self.db.age_outbox(id, 61).await;
                        let policy =
                            if self.random.below(2) == 0 { UnknownPolicy::Resend } else { UnknownPolicy::Hold };
                        if let Some(row) = store.snapshot(&lease).await.expect("a snapshot").first_unsent
                            && matches!(row.status, OutboxStatus::Sending | OutboxStatus::Unknown)
                        {
                            let _ = store.resolve_unknown(&lease, &row, policy).await;
                        }
                    }
                }
                11 => {
                    store.ripen_alarms(2).await.expect("an answer");
                }
                _ => {
                    if let Some(lease) = lease {
                        let row = store.snapshot(&lease).await.expect("a snapshot");
                        let seen = Seen { next_seq: row.next_seq, wake_at: row.wake_at };
                        if self.random.below(2) == 0 {
                            let idle = store.release_idle(&lease).await.expect("an answer");
                            assert!(!idle || (row.next_seq == row.done_seq && row.unsent == 0), "seed {}", self.seed);
                        } else {
                            store.park(&lease, row.now, seen).await.expect("an answer");
                        }
                    }
                }
            }
            self.check(conversation).await;
        }
    }

    async fn head(&mut self, conversation: domain::ConversationId) -> Option<OutboxId> {
        let lease = self.leases.last()?;
        assert_eq!(lease.conversation, conversation);
        Some(self.db.store.snapshot(lease).await.expect("a snapshot").first_unsent?.id)
    }

    async fn check(&mut self, conversation: domain::ConversationId) {
        let id = self.db.id(conversation.0);
        let live = "status in ('pending', 'sending', 'unknown')";
        let wrong = self
            .db
            .number(format!(
                "select count(*) from conversations c where id = {id} and ( \
                 unsent <> (select count(*) from outbox o where o.conversation = c.id and {live}) \
                 or next_seq <> (select count(*) from inbox i where i.conversation = c.id) \
                 or next_seq <> (select coalesce(max(seq), 0) from inbox i where i.conversation = c.id) \
                 or done_seq > next_seq \
                 or (select count(*) from messages m where m.conversation = c.id and m.direction = 'outbound') \
                    <> (select count(*) from outbox o where o.conversation = c.id))"
            ))
            .await;
        assert_eq!(wrong, 0, "seed {}: a counter does not tell the truth", self.seed);
        for row in &self.rows {
            let status = self.db.status(*row).await;
            if let Some(before) = self.finished.get(row) {
                assert_eq!(before, &status, "seed {}: an end was taken back", self.seed);
            }
            if status == "sent" || status == "failed" {
                self.finished.insert(*row, status);
            }
        }
    }
}
