//! A TCP proxy in front of one dependency of one process, which can be told to behave like a bad network.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// How the network behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As it should.
    #[default]
    Good,
    /// Each piece waits this long.
    Latency(Duration),
    /// Nothing arrives, nobody is told; what was under way arrives once the network is good again.
    BlackHole,
    /// Every connection, open or new, ends with a RST.
    Reset,
    /// The far side is gone; the near side is not told, and what it sends is lost. Such a connection stays so.
    HalfOpen,
    /// One byte a second.
    Trickle,
}

/// A connection whose far side is gone is read for so long.
const HALF_OPEN_MAX: Duration = Duration::from_secs(120);

/// The modes that are a fault, for whoever chooses one.
pub const FAULTS: [Mode; 5] =
    [Mode::Latency(Duration::from_millis(400)), Mode::BlackHole, Mode::Reset, Mode::HalfOpen, Mode::Trickle];

/// The proxy; it ends with this handle.
pub struct Proxy {
    /// Who speaks to whom: `worker-1>postgres`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    upstreams: Arc<Mutex<Vec<SocketAddr>>>,
    /// Connections that were reset or lost.
    pub dropped: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens on a free port. A connection goes to the first upstream that takes it, each time beginning with another.
    pub async fn start(name: impl Into<String>, upstreams: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a proxy")?;
        let address = listener.local_addr()?;
        let mode = watch::Sender::new(Mode::Good);
        let (upstreams, dropped) = (Arc::new(Mutex::new(upstreams)), Arc::new(AtomicU64::new(0)));
        let link = Link { mode: mode.subscribe(), dropped: dropped.clone() };
        let accepting = tokio::spawn(accept(listener, upstreams.clone(), link));
        Ok(Self { name: name.into(), address, mode, upstreams, dropped, accepting })
    }

    /// The network behaves like this from now on, for open connections too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// New connections go there; open ones are reset.
    pub async fn switch(&self, upstreams: Vec<SocketAddr>) {
        *self.upstreams.lock().unwrap_or_else(PoisonError::into_inner) = upstreams;
        self.set(Mode::Reset);
        tokio::time::sleep(Duration::from_millis(50)).await; // for the pumps to see it
        self.set(Mode::Good);
    }
}

#[derive(Clone)]
struct Link {
    mode: watch::Receiver<Mode>,
    dropped: Arc<AtomicU64>,
}

impl Link {
    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, upstreams: Arc<Mutex<Vec<SocketAddr>>>, link: Link) {
    let mut turn: usize = 0;
    loop {
        let Ok((near, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await; // out of file handles
            continue;
        };
        turn = turn.wrapping_add(1);
        let mut known = upstreams.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = turn % known.len().max(1);
        known.rotate_left(first);
        tokio::spawn(connect(near, known, link.clone()));
    }
}

async fn connect(near: TcpStream, upstreams: Vec<SocketAddr>, mut link: Link) {
    if *link.mode.borrow() == Mode::Reset {
        link.drop_one();
        return reset(&near);
    }
    // In a black hole the near side believes that it is connected, as behind a load balancer.
    let _ = link.mode.wait_for(|mode| !matches!(mode, Mode::BlackHole | Mode::HalfOpen)).await;
    for upstream in upstreams {
        let Ok(Ok(far)) = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(upstream)).await else {
            continue;
        };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        return pump_both(near, far, link).await;
    }
    reset(&near); // nobody listens: as a refused connection
}

async fn pump_both(mut near: TcpStream, mut far: TcpStream, mut link: Link) {
    let ended = {
        let (near_in, near_out) = near.split();
        let (far_in, far_out) = far.split();
        let (up, down) = (pump(near_in, far_out, link.mode.clone()), pump(far_in, near_out, link.mode.clone()));
        tokio::select! {
            _ = async { tokio::try_join!(up, down) } => return,
            mode = link.mode.wait_for(|mode| matches!(mode, Mode::Reset | Mode::HalfOpen)) => mode.map(|mode| *mode),
        }
    };
    link.drop_one();
    if matches!(ended, Ok(Mode::HalfOpen)) {
        drop(far);
        let mut lost = [0; 4096];
        let swallow = async { while near.read(&mut lost).await.is_ok_and(|read| read > 0) {} };
        let _ = tokio::time::timeout(HALF_OPEN_MAX, swallow).await;
    } else {
        reset(&near);
        reset(&far);
    }
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut mode: watch::Receiver<Mode>) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let mut rest = &buffer[..read];
        loop {
            let now = *mode.borrow_and_update();
            match now {
                Mode::BlackHole => {
                    if mode.changed().await.is_err() {
                        return Ok(()); // the proxy is gone
                    }
                    continue;
                }
                Mode::Trickle if !rest.is_empty() => {
                    to.write_all(&rest[..1]).await?;
                    rest = &rest[1..];
                    let _ = tokio::time::timeout(Duration::from_secs(1), mode.changed()).await;
                    continue;
                }
                Mode::Latency(wait) => tokio::time::sleep(wait).await,
                Mode::Good | Mode::Trickle | Mode::Reset | Mode::HalfOpen => {}
            }
            break;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(rest).await?;
    }
}

/// The stream ends with a RST when it is dropped.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that sends back what it gets, behind a proxy.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let proxy = Proxy::start("test>echo", vec![address]).await.expect("a proxy");
        let mut stream = TcpStream::connect(proxy.address).await.expect("it listens");
        assert_eq!(ask(&mut stream, PATIENCE).await.expect("an answer"), Some(2));
        (proxy, stream)
    }

    /// Sends two bytes; how many came back, none when nothing came in time.
    async fn ask(stream: &mut TcpStream, patience: Duration) -> std::io::Result<Option<usize>> {
        stream.write_all(b"hi").await?;
        answer(stream, patience).await
    }

    async fn answer(stream: &mut TcpStream, patience: Duration) -> std::io::Result<Option<usize>> {
        let mut bytes = [0; 8];
        match tokio::time::timeout(patience, stream.read(&mut bytes)).await {
            Ok(read) => read.map(Some),
            Err(_) => Ok(None),
        }
    }

    #[tokio::test]
    async fn a_black_hole_holds_what_comes_until_it_is_over() {
        let (proxy, mut stream) = echo().await;
        proxy.set(Mode::BlackHole);
        assert_eq!(ask(&mut stream, SOON).await.expect("no end"), None);
        proxy.set(Mode::Good);
        assert_eq!(answer(&mut stream, PATIENCE).await.expect("an answer"), Some(2));
    }

    #[tokio::test]
    async fn a_reset_ends_open_and_new_connections() {
        let (proxy, mut stream) = echo().await;
        proxy.set(Mode::Reset);
        let ended = answer(&mut stream, PATIENCE).await;
        assert_eq!(ended.expect_err("it ended").kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(proxy.dropped.load(Ordering::Relaxed), 1);
        let mut stream = TcpStream::connect(proxy.address).await.expect("it listens");
        assert!(!matches!(ask(&mut stream, PATIENCE).await, Ok(Some(1..) | None)));
    }

    #[tokio::test]
    async fn a_half_open_connection_stays_silent_though_the_network_is_good_again() {
        let (proxy, mut stream) = echo().await;
        proxy.set(Mode::HalfOpen);
        assert_eq!(ask(&mut stream, SOON).await.expect("no end"), None);
        proxy.set(Mode::Good);
        assert_eq!(ask(&mut stream, SOON).await.expect("no end"), None);
        let mut other = TcpStream::connect(proxy.address).await.expect("it listens");
        assert_eq!(ask(&mut other, PATIENCE).await.expect("an answer"), Some(2));
    }

    #[tokio::test]
    async fn a_trickle_gives_one_byte_at_a_time() {
        let (proxy, mut stream) = echo().await;
        proxy.set(Mode::Trickle);
        assert_eq!(ask(&mut stream, PATIENCE).await.expect("an answer"), Some(1));
        assert_eq!(answer(&mut stream, PATIENCE).await.expect("an answer"), Some(1));
    }

    #[tokio::test]
    async fn a_switch_leads_new_connections_elsewhere() {
        let ((proxy, mut stream), (other, _)) = (echo().await, echo().await);
        proxy.switch(vec![other.address]).await;
        assert!(answer(&mut stream, PATIENCE).await.is_err());
        let mut stream = TcpStream::connect(proxy.address).await.expect("it listens");
        assert_eq!(ask(&mut stream, PATIENCE).await.expect("an answer"), Some(2));
        other.set(Mode::Reset);
        assert!(!matches!(ask(&mut stream, PATIENCE).await, Ok(Some(1..) | None)));
    }
}
