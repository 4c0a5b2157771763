//! People who write: each message names a parcel of its own, so that answers and effects can be told apart.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use simulator::{
    infobip::{Infobip, Said},
    phone::{Bubble, Chat, Kind},
};
use tokio::task::JoinSet;

/// How long a person waits for an answer before they write on.
const PATIENCE: Duration = Duration::from_secs(100);
/// How long for one that names the parcel.
const FITTING: Duration = Duration::from_secs(8);
/// Of all messages, those of the hot conversation, in percent.
const HOT_PERCENT: usize = 30;
/// Of all messages, those that the platform posts more than once, in percent.
const REDELIVERED_PERCENT: u32 = 10;
/// The hot conversation's person.
const HOT: &str = "385910000000";

/// What a message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To know where a parcel is.
    Place,
    /// To know how heavy it is, which takes the backend a second.
    Weight,
    /// An effect, which has to be confirmed.
    Pickup,
    /// The confirmation.
    Yes,
}

/// A message that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The platform's id.
    pub message_id: String,
    /// What it wants.
    pub wish: Wish,
    /// Of which parcel.
    pub number: u64,
}

/// All messages that were written.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Written>>>);

impl Ledger {
    /// What stands in it.
    pub fn all(&self) -> Vec<Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A parcel's number, used once, with the place of its message in the ledger still to be filled.
    fn add(&self, message_id: String, wish: Wish, number: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Written { message_id, wish, number });
    }
}

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Messages in all.
    pub messages: usize,
    /// Conversations besides the hot one.
    pub people: usize,
    /// The time over which they are spread.
    pub over: Duration,
    /// For what is left to chance.
    pub seed: u64,
}

/// Writes it all; ends when everybody has written and has heard, or lost patience.
pub async fn run(infobip: &Infobip, ledger: &Ledger, load: Load) {
    let hot = load.messages * HOT_PERCENT / 100;
    let each = (load.messages - hot) / load.people.max(1);
    let mut people = JoinSet::new();
    for n in 0..=load.people {
        let (messages, peer) = if n == 0 { (hot, HOT.to_owned()) } else { (each, format!("38592{n:07}")) };
        let mut person = Person {
            infobip: infobip.clone(),
            ledger: ledger.clone(),
            chance: StdRng::seed_from_u64(load.seed ^ (n as u64 + 1)),
            next_number: (load.seed % 89 + 10) * 10_000_000 + n as u64 * 100_000,
            left: messages,
            peer,
        };
        // A round is a little under two messages; of the hot one, six.
        let rounds = (messages / if n == 0 { 6 } else { 2 }).max(1);
        let pause = load.over / u32::try_from(rounds).unwrap_or(u32::MAX);
        people.spawn(async move {
            while person.left > 0 {
                let wait = pause.mul_f64(person.chance.random_range(0.2..1.8));
                let round = async { if n == 0 { person.hurry().await } else { person.talk().await } };
                tokio::join!(round, tokio::time::sleep(wait));
            }
        });
    }
    while people.join_next().await.is_some() {}
}

struct Person {
    infobip: Infobip,
    ledger: Ledger,
    chance: StdRng,
    next_number: u64,
    left: usize,
    peer: String,
}

impl Person {
    async fn talk(&mut self) {
        match self.chance.random_range(0..10) {
            0..=4 => {
                self.ask(Wish::Place).await;
            }
            5 => {
                self.ask(Wish::Weight).await;
            }
            6..=7 => self.order().await,
            _ => {
                let before = self.heard();
                for _ in 0..self.chance.random_range(2..5) {
                    self.write(Wish::Place);
                    tokio::time::sleep(Duration::from_millis(self.chance.random_range(20..900))).await;
                }
                self.hear(before, |_| true).await;
            }
        }
    }

    async fn ask(&mut self, wish: Wish) {
        let before = self.heard();
        let number = self.write(wish);
        self.hear(before, |bubble| names(Some(bubble), number)).await;
    }

    /// A burst that waits for nobody.
    async fn hurry(&mut self) {
        for _ in 0..self.chance.random_range(1..12_u32) {
            let wish = if self.chance.random_range(0..10) == 0 { Wish::Weight } else { Wish::Place };
            self.write(wish);
            // Texts that come together are merged; most come far enough apart to be answered alone.
            let gap = if self.chance.random_range(0..5) == 0 { 10..600 } else { 750..1_600 };
            tokio::time::sleep(Duration::from_millis(self.chance.random_range(gap))).await;
        }
    }

    async fn order(&mut self) {
        let before = self.heard();
        let number = self.write(Wish::Pickup);
        let asks = |bubble: &&Bubble| matches!(bubble.kind, Kind::Buttons { .. }) && names(Some(bubble), number);
        self.hear(before, |bubble| asks(&bubble)).await;
        let chat = self.infobip.chat(&self.peer);
        let Some(question) = chat.answers().rev().find(asks) else { return };
        let Kind::Buttons { buttons } = &question.kind else { return };
        let Some(yes) = buttons.iter().find(|button| button.title.starts_with("Yes")) else { return };
        let said = Said::Button { id: yes.id.clone(), title: yes.title.clone(), quoted: Some(question.id.clone()) };
        let before = self.heard();
        self.say(said, Wish::Yes, number);
        self.hear(before, |_| true).await;
    }

    /// How many answers came so far.
    fn heard(&self) -> usize {
        self.infobip.chat(&self.peer).answers().count()
    }

    /// Waits for an answer after the first `before` that fits, and after a while for any: texts that were merged are
    /// answered by a question.
    async fn hear(&self, before: usize, fits: impl Fn(&Bubble) -> bool) {
        let fitting = |chat: &Chat| chat.answers().skip(before).any(&fits);
        if self.infobip.wait_for(&self.peer, FITTING, fitting).await.is_err() {
            let _ = self.infobip.wait_for(&self.peer, PATIENCE, |chat| chat.answers().nth(before).is_some()).await;
        }
    }

    /// Writes about a parcel that nobody has written about; its number.
    fn write(&mut self, wish: Wish) -> u64 {
        self.next_number += 1;
        let number = self.next_number;
        let text = match wish {
            Wish::Weight => format!("how heavy is parcel {number}"),
            Wish::Pickup => format!("order a pickup of parcel {number}"),
            Wish::Place | Wish::Yes => format!("where is parcel {number}"),
        };
        self.say(Said::text(&text), wish, number);
        number
    }

    fn say(&mut self, said: Said, wish: Wish, number: u64) {
        self.left = self.left.saturating_sub(1);
        let again = self.chance.random_range(0..200);
        let copies = if again < REDELIVERED_PERCENT { 2 } else { 1 };
        let id = self.infobip.say_copies(&self.peer, said, copies);
        if (REDELIVERED_PERCENT..2 * REDELIVERED_PERCENT).contains(&again) {
            let (infobip, id) = (self.infobip.clone(), id.clone());
            let wait = Duration::from_millis(self.chance.random_range(300..20_000));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                infobip.say_again(&id);
            });
        }
        self.ledger.add(id, wish, number);
    }
}

fn names(bubble: Option<&Bubble>, number: u64) -> bool {
    bubble.is_some_and(|bubble| bubble.text.contains(&number.to_string()))
}
