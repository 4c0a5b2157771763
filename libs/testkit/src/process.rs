//! Starting a server as a child that ends with the test.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT-like haste is fine: the folder is thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Spawns `command` in silence, its messages going to a file in `folder`.
    pub fn spawn(mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("server.log"))?;
        let name = command.get_program().to_owned();
        // A group of its own: Ctrl-C in the terminal reaches the test, which ends the server.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn().with_context(|| format!("cannot start {name:?}"))? })
    }

    /// SIGTERM; its exit code, and an error when it does not end within `patience`.
    pub fn terminate(&mut self, patience: Duration) -> anyhow::Result<Option<i32>> {
        let pid = self.child.id().to_string();
        anyhow::ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "cannot send SIGTERM");
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("SIGTERM did not end it within {patience:?}")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9 of it and of the processes that it started, at once.
    pub fn kill(mut self) {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(path).unwrap_or_default();
        let _ = self.child.kill();
        for child in children.split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", child]).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
    }

    /// An error when the server has ended already.
    pub fn check(&mut self, folder: &Path) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            anyhow::bail!("the server ended with {status}: {log}");
        }
        Ok(())
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The program, from PATH or one of `folders`; the error names the package that has it.
pub(crate) fn find_program(name: &str, folders: &[PathBuf], package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is not installed: run `apt-get install -y {package}`"))
}

/// True for root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// User and group ids of the first of `names` that exists.
pub(crate) fn ids_of(names: &[&str]) -> anyhow::Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    names
        .iter()
        .find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .with_context(|| format!("none of the users {names:?} exists"))
}
