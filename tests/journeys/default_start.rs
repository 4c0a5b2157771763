//! `dragoman` as a newcomer starts it.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::process::{Process, free_address, path_of};

/// `dragoman` as `make run` starts it: its own platform, phone page and fleet.
pub struct DefaultStart {
    /// The public address.
    pub http: SocketAddr,
    /// The operator's console.
    pub console: SocketAddr,
    process: Process,
    folder: tempfile::TempDir,
}

impl DefaultStart {
    /// Starts it and waits until it is ready.
    pub fn new() -> Self {
        Self::with(&[], &[])
    }

    /// The same with arguments and variables.
    pub fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), arguments, environment)
    }

    /// Ends it, and starts it again with the data that it left.
    pub fn again(mut self) -> Self {
        assert_eq!(self.process.terminate(), Some(0), "{}", self.process.log());
        assert!(!self.process.log().contains("grace period is over"), "something held it up: {}", self.process.log());
        Self::in_folder(self.folder, &[], &[])
    }

    fn in_folder(folder: tempfile::TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let [http, console, ops] = [free_address(), free_address(), free_address()];
        let log = folder.path().join("dragoman.log");
        let mut command = Command::new(path_of("dragoman"));
        command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
        for (name, address) in [("HTTP", http), ("CONSOLE", console), ("OPS", ops)] {
            command.env(format!("DRAGOMAN__{name}__LISTEN"), address.to_string());
        }
        command.envs(environment.iter().copied()).args(arguments).arg("--data").arg(folder.path());
        let mut process = Process::start("dragoman", &mut command, log);
        process.await_ready(ops);
        Self { http, console, process, folder }
    }

    /// The token that it wrote for the console.
    pub fn console_token(&self) -> String {
        read_token(self.folder.path())
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The console's token, as the one process wrote it.
pub fn read_token(data: &Path) -> String {
    std::fs::read_to_string(data.join("console.token")).expect("a token").trim().to_owned()
}
