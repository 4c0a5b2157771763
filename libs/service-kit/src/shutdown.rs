//! Stopping: SIGTERM or Ctrl-C cancels a token; a second signal ends the process at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or Ctrl-C cancels.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = Signals::new()?;
    tokio::spawn(wait(signals, token.clone()));
    Ok(token)
}

async fn wait(mut signals: Signals, token: CancellationToken) {
    signals.next().await;
    tracing::info!("stopping; a second signal stops at once");
    token.cancel();
    signals.next().await;
    tracing::warn!("second signal: stopped without waiting");
    std::process::exit(1);
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // An error would mean that no further signal can be heard; waiting for ever is right then.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
