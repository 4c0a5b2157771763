//! Serves a router on a given listener, with one power that `axum::serve` lacks: to cut a connection unanswered.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    http::{Request, Response, StatusCode},
    response::IntoResponse,
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service};

/// How long open requests may still run after `shutdown`.
const GRACE: Duration = Duration::from_millis(500);

/// Extension of a response that must not reach the caller: the connection closes instead.
#[derive(Clone, Copy, Debug)]
struct Cut;

/// A response that [`serve`] turns into a closed connection.
pub(crate) fn cut() -> axum::response::Response {
    let mut response = StatusCode::BAD_GATEWAY.into_response();
    response.extensions_mut().insert(Cut);
    response
}

/// Serves until `shutdown`; then open requests get half a second and are dropped.
pub(crate) async fn serve(router: Router, listener: TcpListener, shutdown: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; will go on");
                    tokio::time::sleep(Duration::from_millis(50)).await; // out of file handles, mostly
                    continue;
                }
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(Cutting(router)));
            tokio::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return, // an error here is a caller that went away, or our own cut
                () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ = tokio::time::timeout(GRACE, connection).await;
        });
    }
}

/// The router, with a [`Cut`] response made an error, which makes hyper close the connection.
#[derive(Clone)]
struct Cutting(Router);

impl<B> Service<Request<B>> for Cutting
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = Service::call(&mut self.0, request.map(Body::new));
        Box::pin(async move {
            let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
            if response.extensions().get::<Cut>().is_some() {
                return Err("cut on command".into());
            }
            Ok(response)
        })
    }
}
