//! Connections as the server takes them: they can be cut, so that an open stream cannot hold the exit, and what many
//! calls of one connection have to say goes out together.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, BufWriter, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Pause after a failed accept, for instance when no file handle is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes that one read of a connection takes at most: many small calls.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that wait for one write. What is larger is written at once.
const WRITE_BYTES: usize = 16 * 1024;

/// Connections of `listener`; all end when `cut` is cancelled.
pub(super) fn incoming(listener: TcpListener, cut: CancellationToken) -> impl Stream<Item = io::Result<CutStream>> {
    futures::stream::unfold((listener, cut), |(listener, cut)| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Without it small answers wait for a timer; an error means that the peer is gone already.
                    let _ = stream.set_nodelay(true);
                    let stream = CutStream {
                        stream: BufReader::with_capacity(READ_BYTES, BufWriter::with_capacity(WRITE_BYTES, stream)),
                        waited: false,
                        cut: Box::pin(cut.clone().cancelled_owned()),
                        is_cut: false,
                    };
                    return Some((Ok(stream), (listener, cut)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A connection that ends when its token is cancelled.
pub(super) struct CutStream {
    stream: BufReader<BufWriter<TcpStream>>,
    /// What is to be written has waited for the tasks that were ready to run before.
    waited: bool,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_cut: bool,
}

impl CutStream {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(cx).is_ready();
        match self.is_cut {
            true => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server has stopped")),
            false => Ok(()),
        }
    }
}

impl Connected for CutStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.get_ref().get_ref().connect_info()
    }
}

impl AsyncRead for CutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Lets the tasks that are ready run first: their answers go out with the same write. One write for each answer is
    /// a third of what a short call costs.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.waited && !self.stream.get_ref().buffer().is_empty() {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
