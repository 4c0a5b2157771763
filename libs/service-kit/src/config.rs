//! Layered configuration: embedded defaults < `--config` file < environment; every error is found in one go.
//!
//! Environment variables are `<SERVICE>__<SECTION>__<KEY>` (`CONVERSATION_WORKER__TURN__TIMEOUT=20s`) and the
//! operators' own names in [`aliases`]. A text `env:VAR`, in whatever layer, stands for the value of that variable.
//! Secrets are never printed: neither in an error nor by `print-config`.

pub mod aliases;
mod layers;
mod mask;
mod problems;
mod repair;
mod sections;
mod tree;

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use clap::Subcommand;
use serde::de::DeserializeOwned;
use serde_json::Value;

use layers::Layers;
pub use problems::{ConfigErrors, Problems};
pub use sections::{DatabaseConfig, HttpConfig, OpsConfig};

/// Rules between settings that types cannot hold.
pub trait Validate {
    /// Adds what is wrong, under the path of the setting.
    fn validate(&self, problems: &mut Problems) {
        let _ = problems;
    }
}

/// What every binary takes on its command line; flatten it into a larger one where a binary takes more.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Configuration file (TOML), over the built-in defaults and under the environment.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do; without it the service runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of the program itself, over the built-in defaults and under all other layers: (path of keys, value).
    #[arg(skip)]
    pub fallbacks: Vec<(Vec<String>, Value)>,
    /// Settings of the program itself, over all layers: (path of keys, value).
    #[arg(skip)]
    pub overrides: Vec<(Vec<String>, Value)>,
}

/// What every binary can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the service (the default).
    #[default]
    Run,
    /// Check the configuration and say all that is wrong with it.
    CheckConfig,
    /// Print the merged configuration, secrets masked.
    PrintConfig,
    /// Ask the running service whether it is ready; exit code 0 if so.
    Healthcheck,
}

/// Merges the layers and reads them as `T`.
///
/// `service` is the binary's name (`conversation-worker`); `env` is usually [`environment`].
///
/// # Errors
/// All that is wrong, each with its path and where it came from.
pub fn load<T: DeserializeOwned + Validate>(
    service: &str,
    defaults: &'static str,
    args: &Args,
    env: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigErrors> {
    let env: BTreeMap<String, String> = env.collect();
    let mut problems = Problems::default();
    let mut layers = Layers::read(service, defaults, args, &env, &mut problems);
    layers.resolve_indirections(&env, &mut problems);
    layers.refuse_weak_secrets(&mut problems);
    let settings = repair::read::<T>(&mut layers, &mut problems);
    if let Some(settings) = &settings {
        let mut found = Problems::default();
        settings.validate(&mut found);
        problems.extend_untouched(found);
    }
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(problems.into_errors(service)),
    }
}

/// The merged configuration as TOML lines, each with where it came from; secrets masked, `env:VAR` left as written.
///
/// # Errors
/// When a layer cannot be read at all.
pub fn describe(
    service: &str,
    defaults: &'static str,
    args: &Args,
    env: impl Iterator<Item = (String, String)>,
) -> Result<String, ConfigErrors> {
    let env: BTreeMap<String, String> = env.collect();
    let mut problems = Problems::default();
    let layers = Layers::read(service, defaults, args, &env, &mut problems);
    if problems.is_empty() { Ok(layers.describe()) } else { Err(problems.into_errors(service)) }
}

/// The environment; a variable whose name or value is not UTF-8 can be no setting and is left out.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    readable(std::env::vars_os())
}

fn readable(variables: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (String, String)> {
    variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Name of the environment variable that sets `path`: (`ingress-gateway`, `http.listen`) gives
/// `INGRESS_GATEWAY__HTTP__LISTEN`.
pub fn variable(service: &str, path: &str) -> String {
    format!("{}__{}", prefix(service), path.to_ascii_uppercase().replace('.', "__"))
}

fn prefix(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests;
