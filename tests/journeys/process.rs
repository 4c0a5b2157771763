//! A process of ours: where its binary is, its start, its signals and its log.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long a journey waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A process of ours; it ends with its owner.
pub struct Process {
    /// Its binary.
    pub name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("---- {}", self.name);
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

impl Process {
    /// Starts it; what it writes to stderr goes into the log.
    pub fn start(name: &'static str, command: &mut Command, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}; `make test` builds the binaries first"));
        Self { name, child, log }
    }

    /// Waits until it is ready, as its operations listener tells.
    pub fn await_ready(&mut self, ops: SocketAddr) {
        let begun = Instant::now();
        while get_status(ops, "/readyz") != Some(200) {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                panic!("{} ended with {status}: {}", self.name, self.log());
            }
            assert!(begun.elapsed() < PATIENCE, "{} was not ready in time: {}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// kill -9, at once.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// True when it runs no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// SIGTERM; its exit code when it ends within the patience of a journey.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Where cargo put a binary of the workspace: beside the folder of the test itself.
pub fn path_of(binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps").join(binary)
}

/// A loopback address that was free a moment ago, below the ports that outgoing connections take, and in a stretch that
/// few other test processes use.
pub fn free_address() -> SocketAddr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 11_000;
    const COUNT: u32 = 9_000;
    const STRETCH: u32 = 61;
    for _ in 0..COUNT {
        let n = std::process::id().wrapping_mul(STRETCH).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + n).expect("a port");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().expect("an address");
        }
    }
    panic!("no port is free");
}

/// Status of a plain GET, none while nobody answers.
pub fn get_status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}
