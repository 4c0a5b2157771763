//! How large a run is: variables with their defaults, which make a short run.

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, ensure};

use crate::storm;

/// Every part.
const ALL: &str = "storm providers pauses redis sentinel partitions rolling slow outage";

/// The sizes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `CHAOS_MESSAGES`: of the run with kills.
    pub messages: usize,
    /// `CHAOS_KILLS`: of services, in the run with kills; those of PostgreSQL and Redis are counted on top.
    pub kills: usize,
    /// `CHAOS_MINUTES`: over which the messages of the run with kills are spread.
    pub over: Duration,
    /// `CHAOS_PEOPLE`: conversations besides the hot one.
    pub people: usize,
    /// `CHAOS_SEED`: decides what is left to chance; what threads and clocks do is not.
    pub seed: u64,
    /// `CHAOS_PROVIDER_MESSAGES` and `CHAOS_PROVIDER_KILLS`: of each of the four runs with other providers.
    pub provider: (usize, usize),
    /// `CHAOS_PAUSES`: of workers past their lease, in the run with pauses.
    pub pauses: u32,
    /// `CHAOS_FLUSHES`: FLUSHALL in the run without Redis' memory, at least: as often, in the time without the outage, and on
    /// until all is answered.
    pub flushes: u32,
    /// `CHAOS_REDIS_OUTAGE_S`: once in that run.
    pub redis_outage: Duration,
    /// `CHAOS_EPISODES`: bad links, one after the other.
    pub episodes: usize,
    /// `CHAOS_ROLLS`: rolling restarts of all services.
    pub rolls: usize,
    /// `CHAOS_OLD_BINARIES`: a folder of an earlier release's binaries, which then run beside ours in the rolling restarts.
    pub old_binaries: Option<PathBuf>,
    /// `CHAOS_DB_OUTAGES`: of PostgreSQL, to see what the platform is told.
    pub db_outages: usize,
    /// `CHAOS_SLOW_MESSAGES`: that are timed, with calls that hang beside them and without.
    pub slow_messages: usize,
    /// `CHAOS_PARTS`: which parts are run, by name; all by default. Of the four providers one alone is `providers/echo_hold`.
    pub parts: Vec<String>,
}

impl Plan {
    /// Reads the variables.
    ///
    /// # Errors
    /// The variable that is no number, or names no part.
    pub fn from_environment() -> anyhow::Result<Self> {
        let minutes: f64 = variable("CHAOS_MINUTES", 0.5)?;
        let parts = std::env::var("CHAOS_PARTS").ok().filter(|parts| !parts.trim().is_empty());
        let parts = parts.unwrap_or_else(|| ALL.to_owned());
        let parts: Vec<String> = parts.split([' ', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        for part in &parts {
            let known = ALL.split(' ').any(|known| known == part)
                || part
                    .strip_prefix("providers/")
                    .is_some_and(|one| storm::PROVIDERS.iter().any(|(.., name)| *name == one));
            ensure!(known, "CHAOS_PARTS names {part}, which is no part: {ALL}, or providers/echo_hold");
        }
        Ok(Self {
            messages: variable("CHAOS_MESSAGES", 150)?,
            kills: variable("CHAOS_KILLS", 12)?,
            over: Duration::from_secs_f64(minutes * 60.0),
            people: variable("CHAOS_PEOPLE", 12)?,
            seed: variable("CHAOS_SEED", 1)?,
            provider: (variable("CHAOS_PROVIDER_MESSAGES", 100)?, variable("CHAOS_PROVIDER_KILLS", 10)?),
            pauses: variable("CHAOS_PAUSES", 4)?,
            flushes: variable("CHAOS_FLUSHES", 4)?,
            redis_outage: Duration::from_secs(variable("CHAOS_REDIS_OUTAGE_S", 20)?),
            episodes: variable("CHAOS_EPISODES", 5)?,
            rolls: variable("CHAOS_ROLLS", 1)?,
            old_binaries: std::env::var_os("CHAOS_OLD_BINARIES").filter(|path| !path.is_empty()).map(PathBuf::from),
            db_outages: variable("CHAOS_DB_OUTAGES", 2)?,
            slow_messages: variable("CHAOS_SLOW_MESSAGES", 60)?,
            parts,
        })
    }
}

fn variable<T: FromStr>(name: &str, default: T) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().with_context(|| format!("{name}={text} is no number")),
        _ => Ok(default),
    }
}
