//! Two threads that look after collections: one keeps them in few, large segments, one piece of one collection at a time;
//! the other puts those in order that nobody writes to, which may take minutes.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use super::Collection;

/// Longest wait for a piece of upkeep when the collections are closed. One that takes longer ends with the process,
/// which does no harm.
const END_WAIT: Duration = Duration::from_secs(2);

/// How long nobody writes to a collection that is made one segment.
const QUIET: Duration = Duration::from_secs(2);
/// Of 19 at most.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The threads' owner.
#[derive(Debug)]
pub struct Upkeep {
    /// No collection waits twice, so what waits is bounded by their number.
    sender: Option<Sender<Arc<Collection>>>,
    stop: Arc<AtomicBool>,
    ended: std::sync::Mutex<Receiver<()>>,
}

impl Upkeep {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn start() -> std::io::Result<Self> {
        let ((sender, receiver), (end, ended)) = (mpsc::channel(), mpsc::channel());
        let (tidy_sender, quiet) = mpsc::sync_channel::<Arc<Collection>>(1);
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, end_too) = (Arc::clone(&stop), end.clone());
        thread::Builder::new().name("tidying".to_owned()).spawn(move || {
            yield_to_others();
            for collection in quiet {
                while !stopping.load(Ordering::Acquire) && collection.tidy(&stopping) {}
            }
            drop(end_too);
        })?;
        let stopping = Arc::clone(&stop);
        thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            run(&receiver, &tidy_sender, &stopping);
            drop(end);
        })?;
        Ok(Self { sender: Some(sender), stop, ended: std::sync::Mutex::new(ended) })
    }

    /// Has a collection looked at, soon.
    pub fn look_at(&self, collection: &Arc<Collection>) {
        if let Some(sender) = &self.sender
            && !collection.waits_for_upkeep.swap(true, Ordering::AcqRel)
        {
            // Only a thread that panicked does not listen.
            let _ = sender.send(Arc::clone(collection));
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.sender = None;
        if let Ok(ended) = self.ended.get_mut() {
            let _ = ended.recv_timeout(END_WAIT);
        }
    }
}

fn run(receiver: &Receiver<Arc<Collection>>, tidying: &SyncSender<Arc<Collection>>, stop: &AtomicBool) {
    yield_to_others();
    let (mut queue, mut resting) = (VecDeque::new(), VecDeque::new());
    while !stop.load(Ordering::Acquire) {
        if queue.is_empty() {
            match next(receiver, &mut resting) {
                Next::Look(collection) => queue.push_back(collection),
                Next::Tidy(collection) => {
                    // While another one is being tidied, it waits for its turn.
                    if tidying.try_send(Arc::clone(&collection)).is_err() {
                        rest(&mut resting, collection);
                    }
                    continue;
                }
                Next::Nothing => continue,
                Next::End => return,
            }
        }
        queue.extend(receiver.try_iter());
        let Some(collection) = queue.pop_front() else { continue };
        collection.waits_for_upkeep.store(false, Ordering::Release);
        let more = collection.keep_up();
        if !more {
            rest(&mut resting, collection);
        } else if !collection.waits_for_upkeep.swap(true, Ordering::AcqRel) {
            queue.push_back(collection);
        }
    }
}

/// A collection that has nothing to be done until it is quiet.
struct Resting {
    collection: Arc<Collection>,
    generation: u64,
    until: Instant,
}

enum Next {
    Look(Arc<Collection>),
    Tidy(Arc<Collection>),
    Nothing,
    End,
}

/// Waits for what is to be done next.
fn next(receiver: &Receiver<Arc<Collection>>, resting: &mut VecDeque<Resting>) -> Next {
    let Some(first) = resting.front() else { return receiver.recv().map_or(Next::End, Next::Look) };
    match receiver.recv_timeout(first.until.saturating_duration_since(Instant::now())) {
        Ok(collection) => Next::Look(collection),
        Err(RecvTimeoutError::Disconnected) => Next::End,
        Err(RecvTimeoutError::Timeout) => {
            let Some(first) = resting.pop_front() else { return Next::Nothing };
            if first.collection.generation() == first.generation {
                return Next::Tidy(first.collection);
            }
            rest(resting, first.collection);
            Next::Nothing
        }
    }
}

/// Lets a collection rest from now on.
fn rest(resting: &mut VecDeque<Resting>, collection: Arc<Collection>) {
    resting.retain(|other| !Arc::ptr_eq(&other.collection, &collection));
    resting.push_back(Resting { generation: collection.generation(), until: Instant::now() + QUIET, collection });
}

/// Lets threads that somebody waits for go first, where the operating system knows the priority of a thread.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "upkeep has the priority of all threads");
    }
}

#[cfg(test)]
mod tests {
    use vector_index::Distance;

    use super::{
        super::{Point, Schema},
        *,
    };

    #[test]
    fn collection_is_tidied_when_nobody_wrote_since_it_rests() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema = Schema { dimension: 1, distance: Distance::Cosine, partition_field: String::new() };
        let path = folder.path().join("notes");
        Collection::make(&path, &schema).expect("made");
        let collection = Arc::new(Collection::open(&path, "notes", 0).expect("a collection"));
        let ((sender, receiver), mut resting) = (mpsc::channel(), VecDeque::new());
        // As if the time were over.
        let due = |resting: &mut VecDeque<Resting>| resting[0].until = Instant::now();

        rest(&mut resting, Arc::clone(&collection));
        rest(&mut resting, Arc::clone(&collection));
        assert_eq!(resting.len(), 1, "nothing rests twice");
        let point = Point { id: "a".to_owned(), vector: vec![1.0], payload: None };
        collection.upsert(&[point], 10).expect("stored");
        due(&mut resting);
        assert!(matches!(next(&receiver, &mut resting), Next::Nothing), "somebody wrote");
        assert!(resting[0].until > Instant::now(), "it rests anew");
        due(&mut resting);
        assert!(matches!(next(&receiver, &mut resting), Next::Tidy(_)));
        assert!(resting.is_empty());
        sender.send(collection).expect("sent");
        assert!(matches!(next(&receiver, &mut resting), Next::Look(_)));
        drop(sender);
        assert!(matches!(next(&receiver, &mut resting), Next::End));
    }
}
