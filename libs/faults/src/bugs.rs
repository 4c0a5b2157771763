//! Bugs that can be planted, each of which a test has to find.

macro_rules! bugs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $variant,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As in `DRAGOMAN_PLANTED`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

bugs! {
    /// A write under a lost lease goes through.
    NoFence = "no_fence",
    /// The fence only looks at the epoch and locks nothing.
    FenceByExists = "fence_by_exists",
    /// The outcome of a send is not recorded once the lease is lost.
    FencedSendRecord = "fenced_send_record",
    /// The idle release looks into the inbox instead of at the counters of its row.
    NotExistsRelease = "not_exists_release",
    /// A bell is acknowledged before its work is done.
    AckBeforeCommit = "ack_before_commit",
    /// Each copy of a message is a message.
    NoDedupe = "no_dedupe",
    /// The platform gets a part before the attempt is written down.
    SendBeforeSending = "send_before_sending",
    /// An answer counts before its question was recorded as sent.
    YesBeforeSentAt = "yes_before_sent_at",
    /// Which messages a turn answers is not written down.
    RangeNotJournaled = "range_not_journaled",
    /// A watcher subscribes after it has read.
    WatchAfterRead = "watch_after_read",
    /// The sweeper rings whatever is runnable, whether its bell still waits or not.
    SweeperWithoutRungAt = "sweeper_without_rung_at",
    /// A message that ended a process runs beside others again.
    PoisonNotAlone = "poison_not_alone",
    /// The fencing token is a counter outside the database, which may go back.
    TokenFromRedis = "token_from_redis",
    /// The stream is trimmed by its length.
    MaxlenTrim = "maxlen_trim",
    /// A call is journaled with its result only.
    ResultOnlyJournal = "result_only_journal",
    /// A park asks for nothing but its epoch.
    UnguardedPark = "unguarded_park",
}

/// True when `bug` is planted in this process by `DRAGOMAN_PLANTED`.
#[cfg(feature = "on")]
pub fn planted(bug: Bug) -> bool {
    use std::sync::OnceLock;
    static PLANTED: OnceLock<Vec<&'static str>> = OnceLock::new();
    let read = || {
        let text = std::env::var("DRAGOMAN_PLANTED").unwrap_or_default();
        let names = text.split(',').filter(|name| !name.is_empty());
        let known = |name: &str| Bug::ALL.iter().map(|bug| bug.name()).find(|known| *known == name);
        names.map(|name| known(name).unwrap_or_else(|| panic!("there is no bug {name} to plant"))).collect()
    };
    PLANTED.get_or_init(read).contains(&bug.name())
}

/// No bug is ever planted in this build.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn planted(_bug: Bug) -> bool {
    false
}
