//! How often a bot may send, and what happens when it does not wait.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use domain::Micros;

use super::refusal::Refusal;

/// Limits of sending. The default is what Telegram's FAQ names: about one message a second in a chat, 30 a second in
/// all, 20 a minute in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages in one chat that may come at once; after that one a second.
    pub chat_burst: u32,
    /// Messages a second in all chats together.
    pub overall_per_second: usize,
    /// Messages a minute in a group.
    pub group_per_minute: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chat_burst: 3, overall_per_second: 30, group_per_minute: 20 }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Chats whose last messages are remembered.
const MOST_CHATS: usize = 100_000;

#[derive(Default)]
pub(super) struct Limiter {
    pub(super) limits: Option<Limits>,
    /// When each chat has caught up with one message a second.
    even: BTreeMap<i64, Micros>,
    groups: BTreeMap<i64, VecDeque<Micros>>,
    overall: VecDeque<Micros>,
    until: Option<Micros>,
    /// Calls that came before the wait was over.
    pub(super) early: usize,
}

impl Limiter {
    pub(super) fn new(limits: Option<Limits>) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Nothing is taken for this long.
    pub(super) fn pause(&mut self, now: Micros, seconds: u64) {
        self.until = Some(now + Duration::from_secs(seconds));
    }

    /// Refuses and counts a call that does not wait.
    pub(super) fn waited(&mut self, now: Micros) -> Result<(), Refusal> {
        match self.until {
            Some(until) if until > now => {
                self.early += 1;
                Err(Refusal::too_many(seconds(until.since(now))))
            }
            _ => Ok(()),
        }
    }

    /// Counts a message, or refuses it and everything for as long as it says.
    pub(super) fn send(&mut self, now: Micros, chat: i64) -> Result<(), Refusal> {
        let Some(limits) = self.limits else { return Ok(()) };
        let wait = self.wait(limits, now, chat);
        if let Some(wait) = wait {
            let seconds = seconds(wait);
            self.pause(now, seconds);
            return Err(Refusal::too_many(seconds));
        }
        if self.even.len() >= MOST_CHATS {
            self.even.retain(|_, even| *even > now);
        }
        let even = self.even.entry(chat).or_insert(now);
        *even = (*even).max(now) + SECOND;
        self.overall.push_back(now);
        if chat < 0 {
            self.groups.entry(chat).or_default().push_back(now);
        }
        Ok(())
    }

    /// How long until the message would be lawful; `None`: it is now.
    fn wait(&mut self, limits: Limits, now: Micros, chat: i64) -> Option<Duration> {
        let mut waits = Vec::new();
        let even = self.even.get(&chat).copied().unwrap_or(now).max(now);
        let lawful = even - SECOND * limits.chat_burst.saturating_sub(1);
        if lawful > now {
            waits.push(lawful.since(now));
        }
        waits.extend(window(&mut self.overall, now, SECOND, limits.overall_per_second));
        if let Some(group) = self.groups.get_mut(&chat) {
            waits.extend(window(group, now, MINUTE, limits.group_per_minute));
        }
        waits.into_iter().max()
    }
}

/// How long until fewer than `most` lie in the last `length`; `None`: they do.
fn window(times: &mut VecDeque<Micros>, now: Micros, length: Duration, most: usize) -> Option<Duration> {
    while times.front().is_some_and(|at| *at + length <= now) {
        times.pop_front();
    }
    let first = times.get(times.len().checked_sub(most.max(1))?)?;
    Some((*first + length).since(now))
}

/// Whole seconds, at least one, that are not shorter.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Micros {
        Micros(milliseconds * 1_000)
    }

    #[test]
    fn one_chat_may_burst_and_then_sends_one_a_second() {
        let mut limiter = Limiter::new(Some(Limits::default()));
        for _ in 0..3 {
            assert_eq!(limiter.send(at(0), 1), Ok(()));
        }
        assert_eq!(limiter.send(at(0), 1), Err(Refusal::too_many(1)));
        assert_eq!(limiter.waited(at(999)), Err(Refusal::too_many(1)));
        assert_eq!((limiter.waited(at(1_000)), limiter.early), (Ok(()), 1));
        assert_eq!(limiter.send(at(1_000), 1), Ok(()));
        assert_eq!(limiter.send(at(1_000), 1), Err(Refusal::too_many(1)));
        assert_eq!(limiter.send(at(2_000), 2), Ok(()));
    }

    #[test]
    fn all_chats_together_and_groups_have_their_own_limits() {
        let mut limiter = Limiter::new(Some(Limits::default()));
        assert!((0..30).all(|chat| limiter.send(at(0), chat).is_ok()));
        assert_eq!(limiter.send(at(0), 99), Err(Refusal::too_many(1)));
        let mut limiter = Limiter::new(Some(Limits::default()));
        assert!((0..20).all(|second| limiter.send(at(second * 1_000), -5).is_ok()));
        assert_eq!(limiter.send(at(20_000), -5), Err(Refusal::too_many(40)));
        assert_eq!(limiter.send(at(60_000), -5), Ok(()));
    }
}
