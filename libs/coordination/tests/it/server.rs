//! A Redis server of our own on a free port, in a temporary folder, gone at the end.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use coordination::{Coordination, CoordinationConfig};
use tempfile::TempDir;

pub struct Server {
    program: String,
    folder: TempDir,
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// The `redis-server` of PATH.
    pub fn start() -> Self {
        Self::start_program("redis-server")
    }

    pub fn start_program(program: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let child = spawn(program, &folder, address);
        Self { program: program.to_owned(), folder, address, child }
    }

    pub fn coordination(&self) -> Coordination {
        connect(self.address)
    }

    /// kill -9; what was appended stays in the folder.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Starts it again on its port, with what it had appended.
    pub fn restart(&mut self) {
        self.child = spawn(&self.program, &self.folder, self.address);
    }

    /// Runs redis-cli; its output.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.address.port().to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli: apt-get install redis-tools");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn connect(address: SocketAddr) -> Coordination {
    let url = format!("redis://{address}").into();
    let config = CoordinationConfig::Redis {
        url,
        stream: "whatsapp_stream_inbound".to_owned(),
        group: "workers".to_owned(),
        prefix: "test_".to_owned(),
        cache_url: None,
    };
    Coordination::connect(&config).expect("a good URL")
}

fn spawn(program: &str, folder: &TempDir, address: SocketAddr) -> Child {
    let child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--appendonly", "yes"])
        // What a killed process has written stays in the kernel. Waiting for the disk would only bring its stalls, which
        // are longer than a command may take.
        .args(["--appendfsync", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install redis-server"));
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "redis-server did not start within 10 s");
        thread::sleep(Duration::from_millis(10));
    }
    child
}
