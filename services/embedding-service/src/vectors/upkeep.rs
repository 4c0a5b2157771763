//! The one thread that keeps collections in few, large segments: one piece of one collection at a time.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use super::Collection;

/// Longest wait for a piece of upkeep when the collections are closed. One that takes longer ends with the process,
/// which does no harm.
const END_WAIT: Duration = Duration::from_secs(2);

/// The thread's owner.
#[derive(Debug)]
pub struct Upkeep {
    /// No collection waits twice, so what waits is bounded by their number.
    sender: Option<Sender<Arc<Collection>>>,
    stop: Arc<AtomicBool>,
    ended: std::sync::Mutex<Receiver<()>>,
}

impl Upkeep {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn start() -> std::io::Result<Self> {
        let ((sender, receiver), (end, ended)) = (mpsc::channel(), mpsc::channel());
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            run(&receiver, &stopping);
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

fn run(receiver: &Receiver<Arc<Collection>>, stop: &AtomicBool) {
    let mut queue = VecDeque::new();
    while !stop.load(Ordering::Acquire) {
        if queue.is_empty() {
            let Ok(next) = receiver.recv() else { return };
            queue.push_back(next);
        }
        queue.extend(receiver.try_iter());
        let Some(collection) = queue.pop_front() else { continue };
        collection.waits_for_upkeep.store(false, Ordering::Release);
        let more = collection.keep_up();
        if more && !collection.waits_for_upkeep.swap(true, Ordering::AcqRel) {
            queue.push_back(collection);
        }
    }
}
