//! The network of a simulation: requests of this thread go to a function.

use std::{cell::RefCell, io, pin::Pin, sync::Arc};

use reqwest::{Body, Request, RequestBuilder, Response};

/// How an exchange ends.
pub enum Answer {
    /// With an answer.
    Is(http::Response<Vec<u8>>),
    /// Before a byte left.
    NotSent,
    /// After the request left, before an answer came.
    Cut,
}

/// What answers.
pub type World = Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Has `world` answer all requests of this thread, or the network again.
pub fn set(world: Option<World>) {
    WORLD.set(world);
}

/// See [`crate::send`].
///
/// # Errors
/// As `RequestBuilder::send`.
pub async fn send(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let Some(world) = WORLD.with_borrow(Clone::clone) else { return request.send().await };
    let (client, request) = request.build_split();
    let request = request?;
    let unbuildable = RequestBuilder::from_parts(client, Request::new(request.method().clone(), request.url().clone()))
        .header("\n", "");
    let answer = match request.timeout().copied() {
        Some(limit) => tokio::time::timeout(limit, world(request)).await.unwrap_or(Answer::Cut),
        None => world(request).await,
    };
    match answer {
        Answer::Is(response) => Ok(response.into()),
        Answer::NotSent => Err(unbuildable.build().expect_err("a header without a name")),
        Answer::Cut => {
            let cut = futures::stream::iter([Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
            let response = Response::from(http::Response::new(Body::wrap_stream(cut)));
            Err(response.bytes().await.expect_err("a body that is cut"))
        }
    }
}
