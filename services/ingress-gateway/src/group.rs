//! Webhooks that come at one time share a commit: while one group is on its way to the disk, the next one gathers, for
//! [`GATHER`] at most. A webhook that comes alone waits for nobody.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::Incoming;
use futures::future::BoxFuture;
use store::{Accepted, Store, StoreError};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

/// Groups on their way at one time.
const COMMITS: usize = 2;
/// How long a group waits for more while another one is on its way: each group costs the database about as much as ten
/// messages.
const GATHER: Duration = Duration::from_micros(1_900);
/// Messages of a group, but for one webhook that has more.
const MESSAGES_MAX: usize = 128;
/// Webhooks that wait; another one is told to come again.
const WAITING_MAX: usize = 2_048;
/// Longest wait of a webhook for its commit. It may be made afterwards: then the platform's repetition finds it.
const WAIT_MAX: Duration = Duration::from_millis(2_300);

/// Where messages are accepted: the store, or what stands for it where the gateway alone is measured.
pub trait Accept: Send + Sync {
    /// As [`Store::accept`].
    fn accept<'a>(&'a self, messages: &'a [Incoming]) -> BoxFuture<'a, Result<Vec<Accepted>, StoreError>>;
}

impl Accept for Store {
    fn accept<'a>(&'a self, messages: &'a [Incoming]) -> BoxFuture<'a, Result<Vec<Accepted>, StoreError>> {
        Box::pin(self.accept(messages))
    }
}

/// Accepts messages in groups.
pub(crate) struct Groups {
    store: Arc<dyn Accept>,
    sender: OnceLock<mpsc::Sender<Waiting>>,
}

/// What one webhook has, and whom to tell.
struct Waiting {
    messages: Vec<Incoming>,
    answer: oneshot::Sender<Result<Vec<Accepted>, StoreError>>,
}

impl Groups {
    /// Of a store; nothing runs before the first message, and nothing after the last handle is gone.
    pub fn of(store: Arc<dyn Accept>) -> Self {
        Self { store, sender: OnceLock::new() }
    }

    fn sender(&self) -> &mpsc::Sender<Waiting> {
        self.sender.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            let (receiver, idle) = (Arc::new(Mutex::new(receiver)), Arc::new(Semaphore::new(COMMITS)));
            for _ in 0..COMMITS {
                tokio::spawn(commit_groups(Arc::clone(&self.store), Arc::clone(&receiver), Arc::clone(&idle)));
            }
            sender
        })
    }

    /// As [`Store::accept`], with what others bring.
    pub async fn accept(&self, messages: Vec<Incoming>) -> Result<Vec<Accepted>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.sender().try_send(Waiting { messages, answer }).map_err(|_| StoreError::Busy)?;
        match tokio::time::timeout(WAIT_MAX, answered).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(_)) => Err(StoreError::Busy),
            Err(_) => Err(StoreError::TooSlow { limit: WAIT_MAX }),
        }
    }
}

async fn commit_groups(store: Arc<dyn Accept>, receiver: Arc<Mutex<mpsc::Receiver<Waiting>>>, idle: Arc<Semaphore>) {
    loop {
        let group = {
            let mut receiver = receiver.lock().await;
            let Some(first) = receiver.recv().await else { return };
            gather(first, &mut receiver, &idle).await
        };
        let Ok(_busy) = idle.acquire().await else { return };
        commit(&*store, group).await;
    }
}

/// What waits together with the first one, and while another group is on its way, what comes within [`GATHER`].
async fn gather(first: Waiting, receiver: &mut mpsc::Receiver<Waiting>, idle: &Semaphore) -> Vec<Waiting> {
    let mut count = first.messages.len();
    let mut group = vec![first];
    let until = tokio::time::sleep(GATHER);
    tokio::pin!(until);
    while count < MESSAGES_MAX {
        let next = match receiver.try_recv() {
            Ok(next) => next,
            Err(_) if idle.available_permits() == COMMITS => break,
            Err(_) => tokio::select! {
                next = receiver.recv() => match next {
                    Some(next) => next,
                    None => break,
                },
                () = &mut until => break,
            },
        };
        count += next.messages.len();
        group.push(next);
    }
    group
}

/// Commits a group; if that cannot be, each webhook of it by itself, so that the guilty one fails alone.
async fn commit(store: &dyn Accept, mut group: Vec<Waiting>) {
    let counts: Vec<usize> = group.iter().map(|waiting| waiting.messages.len()).collect();
    let mut all: Vec<Incoming> = group.iter_mut().flat_map(|waiting| waiting.messages.drain(..)).collect();
    let mut accepted = match store.accept(&all).await {
        Ok(accepted) => accepted.into_iter(),
        Err(error) => {
            let (alone, mut error) = (group.len() == 1, Some(error));
            for (waiting, count) in group.into_iter().zip(counts) {
                let messages: Vec<Incoming> = all.drain(..count).collect();
                let outcome = match error.as_ref().and_then(away) {
                    Some(away) => Err(away),
                    None if alone => error.take().map_or(Err(StoreError::Busy), Err),
                    None => store.accept(&messages).await,
                };
                // Whoever asked may be gone.
                let _ = waiting.answer.send(outcome);
            }
            return;
        }
    };
    for (waiting, count) in group.into_iter().zip(counts) {
        let _ = waiting.answer.send(Ok(accepted.by_ref().take(count).collect()));
    }
}

/// For each of a group what all of them met: a database that is away is not asked again for each.
fn away(error: &StoreError) -> Option<StoreError> {
    match error {
        StoreError::Unavailable(_) | StoreError::TooSlow { .. } => Some(StoreError::TooSlow { limit: WAIT_MAX }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Account, Content, Tenant};
    use store::{Role, StoreConfig};

    use super::*;

    fn incoming(peer: &str, id: &str) -> Incoming {
        Incoming {
            tenant: Tenant::new("acme").expect("a tenant"),
            account: "infobip:main".parse::<Account>().expect("an account"),
            peer: peer.to_owned(),
            user: peer.to_owned(),
            provider: "infobip".to_owned(),
            provider_message_id: id.to_owned(),
            written_at: None,
            contact_name: None,
            phone: None,
            quoted: None,
            content: Content::Text { text: id.to_owned() },
            traceparent: None,
        }
    }

    fn waiting(messages: Vec<Incoming>) -> (Waiting, oneshot::Receiver<Result<Vec<Accepted>, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Waiting { messages, answer }, answered)
    }

    async fn store(file: &testkit::Sqlite) -> Store {
        let config = StoreConfig { url: file.url(), max_connections: 4, connect_wait: WAIT_MAX, role: Role::Gateway };
        let store = Store::connect(&config).await.expect("a store");
        store.migrate_up().await.expect("migrated");
        store
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_for_more_only_while_another_is_on_its_way() {
        let (sender, mut receiver) = mpsc::channel(8);
        let idle = Semaphore::new(COMMITS);
        let one = || waiting(vec![incoming("ana", "m")]).0;
        let late = async || {
            tokio::time::sleep(GATHER / 2).await;
            sender.send(one()).await.expect("room");
        };
        sender.try_send(one()).expect("room");
        let (group, ()) = tokio::join!(gather(one(), &mut receiver, &idle), late());
        assert_eq!(group.len(), 2, "what waited already");
        let _late = receiver.recv().await;
        let _on_its_way = idle.acquire().await.expect("open");
        let (begun, (group, ())) =
            (tokio::time::Instant::now(), tokio::join!(gather(one(), &mut receiver, &idle), late()));
        assert_eq!(group.len(), 2, "what came meanwhile");
        assert!(begun.elapsed() < Duration::from_millis(3), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn each_webhook_of_a_group_gets_its_own_answers() {
        let file = testkit::Sqlite::new().expect("a folder");
        let store = store(&file).await;
        let (first, first_answer) = waiting(vec![incoming("ana", "m1"), incoming("ben", "m2")]);
        let (second, second_answer) = waiting(vec![incoming("ana", "m3")]);
        let (repeat, repeat_answer) = waiting(vec![incoming("ana", "m1")]);
        commit(&store, vec![first, second, repeat]).await;
        let seqs = |accepted: Vec<Accepted>| -> Vec<(i64, bool)> {
            accepted.iter().map(|accepted| (accepted.seq, accepted.duplicate)).collect()
        };
        let answer = async |answer: oneshot::Receiver<Result<Vec<Accepted>, StoreError>>| {
            seqs(answer.await.expect("an answer").expect("accepted"))
        };
        assert_eq!(answer(first_answer).await, [(1, false), (1, false)]);
        assert_eq!(answer(second_answer).await, [(2, false)]);
        assert_eq!(answer(repeat_answer).await, [(1, true)]);
    }

    #[tokio::test]
    async fn guilty_webhook_of_a_group_fails_alone() {
        let file = testkit::Sqlite::new().expect("a folder");
        let store = store(&file).await;
        let (good, good_answer) = waiting(vec![incoming("ana", "m1")]);
        let (bad, bad_answer) = waiting(vec![incoming("", "m2")]);
        let (other, other_answer) = waiting(vec![incoming("ana", "m3")]);
        commit(&store, vec![good, bad, other]).await;
        assert_eq!(good_answer.await.expect("an answer").expect("accepted")[0].seq, 1);
        assert!(matches!(bad_answer.await.expect("an answer"), Err(StoreError::Payload(_))));
        assert_eq!(other_answer.await.expect("an answer").expect("accepted")[0].seq, 2);
    }

    #[tokio::test]
    async fn webhooks_of_one_time_are_each_accepted_once() {
        let file = testkit::Sqlite::new().expect("a folder");
        let groups = Groups::of(Arc::new(store(&file).await));
        let all: Vec<Vec<Incoming>> =
            (0..200).map(|number| vec![incoming(&format!("p{}", number % 7), &format!("m{number}"))]).collect();
        let mut answers = futures::future::join_all(all.into_iter().map(|messages| groups.accept(messages))).await;
        let mut seqs: Vec<(domain::ConversationId, i64)> = answers
            .drain(..)
            .map(|answer| answer.expect("accepted")[0])
            .map(|accepted| (accepted.conversation, accepted.seq))
            .collect();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs.len(), 200, "each has its own number");
    }
}
