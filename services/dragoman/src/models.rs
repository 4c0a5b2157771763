//! `dragoman models`: what can be fetched, and fetching it. Needs no configuration and starts nothing.

use std::{io::Write as _, process::ExitCode};

use local_model::fetch;

use crate::options::ModelsCommand;

/// Does it; what went wrong is said on standard error.
pub fn run(command: &ModelsCommand) -> ExitCode {
    match execute(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed pipe is the reader's choice.
            let _ = writeln!(std::io::stderr(), "dragoman: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &ModelsCommand) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match command {
        ModelsCommand::List => {
            for known in &fetch::KNOWN {
                writeln!(out, "{}  {}", known.name, known.about)?;
            }
        }
        ModelsCommand::Fetch { name, to, wheels } => {
            let path = fetch::fetch(fetch::known(name)?, to, wheels.as_deref())?;
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(())
}
