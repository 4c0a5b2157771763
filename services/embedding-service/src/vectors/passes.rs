//! Searches of one collection, off the async threads: those that wait are answered together, by one pass over its codes.
//!
//! A search of a small collection is short and answered where it arrives, without waking another thread. Any other
//! that finds a free thread is begun at once; while all of them are at work, searches wait, and the next pass
//! takes what is there. Waiting searches have places in the queue of [`Work`], which is bounded.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use prost_types::Struct;
use tokio::sync::oneshot;
use vector_index::Stop;

use super::{Collection, CollectionError, Found, Room, collection::Asked};
use crate::work::{Place, Work, WorkError};

/// Searches of a pass.
const PASS_MAX: usize = 16;
/// Values to be looked through, of a collection or one of its partitions, up to which a search is answered where it
/// arrives: some 30 us.
const QUICK_VALUES: usize = 4_000_000;
/// Passes before a thread is given back, so that other collections have their turn.
const PASSES_MAX: usize = 16;

/// One search.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Its values.
    pub vector: Vec<f32>,
    /// Most points wanted.
    pub k: usize,
    /// Fields that the payload must have.
    pub filter: Option<Struct>,
    /// Surely the nearest.
    pub exact: bool,
}

/// What was found for each question of a call, in their order.
pub type Answers = Result<Vec<Vec<Found>>, CollectionError>;

/// Where searches of a collection wait.
#[derive(Debug, Default)]
pub struct Lane {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<Call>,
    threads: usize,
}

/// Questions that are answered together, with whom to tell.
#[derive(Debug)]
struct Call {
    questions: Vec<Question>,
    room: Room,
    until: Option<Instant>,
    /// Nobody waits any more.
    gone: Arc<AtomicBool>,
    answer: oneshot::Sender<Answers>,
    _place: Place,
}

/// Says so when its call is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Answers questions to a collection, at most until `until`, with all that is found in `room`.
///
/// # Errors
/// [`WorkError`]; within, what a search gives.
pub async fn ask(
    collection: &Arc<Collection>,
    work: &Work,
    questions: Vec<Question>,
    room: Room,
    until: Option<Instant>,
) -> Result<Answers, WorkError> {
    let place = work.place()?;
    if let [question @ Question { exact: false, .. }] = &questions[..]
        && collection.values(question).is_some_and(|values| values <= QUICK_VALUES)
    {
        let asked = Asked { questions: &questions, stop: Stop { at: until, flag: None }, room };
        return Ok(collection.answer(&[asked]).into_iter().next().unwrap_or_else(|| Ok(Vec::new())));
    }
    let gone = Gone(Arc::new(AtomicBool::new(false)));
    let (answer, answered) = oneshot::channel();
    let call = Call { questions, room, until, gone: Arc::clone(&gone.0), answer, _place: place };
    let starts = {
        let mut waiting = collection.lane.lock();
        waiting.calls.push_back(call);
        let starts = waiting.threads < work.threads();
        waiting.threads += usize::from(starts);
        starts
    };
    if starts {
        start(Arc::clone(collection), work.clone());
    }
    answered.await.map_err(|_| WorkError::Ended(None))
}

fn start(collection: Arc<Collection>, work: Work) {
    let again = work.clone();
    work.start(move || {
        for _ in 0..PASSES_MAX {
            let Some(calls) = collection.lane.next() else { return };
            // A panic costs the calls of this pass, whose callers are told by the end of their channels.
            if catch_unwind(AssertUnwindSafe(|| pass(&collection, calls))).is_err() {
                tracing::error!("a search panicked");
            }
        }
        start(collection, again);
    });
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next pass answers; none when nothing waits: the thread is over then.
    fn next(&self) -> Option<Vec<Call>> {
        let mut waiting = self.lock();
        let (mut calls, mut size) = (Vec::new(), 0);
        while let Some(call) = waiting.calls.front() {
            // An exact search takes long, so nobody else waits for it.
            let exact = call.questions.iter().any(|question| question.exact);
            if !calls.is_empty() && (exact || size + call.questions.len() > PASS_MAX) {
                break;
            }
            size += if exact { PASS_MAX } else { call.questions.len() };
            calls.extend(waiting.calls.pop_front());
        }
        if calls.is_empty() {
            waiting.threads -= 1;
            return None;
        }
        Some(calls)
    }
}

fn pass(collection: &Collection, mut calls: Vec<Call>) {
    calls.retain(|call| !call.gone.load(Ordering::Relaxed));
    let asked = calls.iter().map(|call| Asked {
        questions: &call.questions,
        stop: Stop { at: call.until, flag: Some(&call.gone) },
        room: call.room,
    });
    let answers = collection.answer(&asked.collect::<Vec<_>>());
    for (call, answer) in calls.into_iter().zip(answers) {
        // Nobody listens when the caller has gone.
        let _ = call.answer.send(answer);
    }
}
