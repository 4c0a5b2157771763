//! Reading a request's body within its limits: size, time, no compression.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body took too long")]
    TooSlow,
    #[error("the body is encoded: send it as it is")]
    Encoded,
    #[error("the body broke off")]
    Broken,
}

impl BodyError {
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body, at most `bytes_max` long and read within `timeout`.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Err(BodyError::Encoded);
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let collect = async {
        let (mut stream, mut whole) = (body.into_data_stream(), BytesMut::new());
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if whole.len() + chunk.len() > bytes_max {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(timeout, collect).await.unwrap_or(Err(BodyError::TooSlow))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderValue;

    use super::*;

    async fn read_with(headers: &[(http::HeaderName, &'static str)], body: Body) -> Result<Bytes, BodyError> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        read(&headers, body, 10, Duration::from_millis(200)).await
    }

    #[tokio::test]
    async fn limits_are_kept() {
        assert_eq!(read_with(&[], Body::from("1234567890")).await.as_deref(), Ok(&b"1234567890"[..]));
        assert_eq!(read_with(&[], Body::from("12345678901")).await, Err(BodyError::TooLarge));
        assert_eq!(read_with(&[(CONTENT_LENGTH, "11")], Body::empty()).await, Err(BodyError::TooLarge));
        assert_eq!(read_with(&[(CONTENT_ENCODING, "gzip")], Body::from("x")).await, Err(BodyError::Encoded));
        assert_eq!(read_with(&[(CONTENT_ENCODING, "identity")], Body::from("x")).await.as_deref(), Ok(&b"x"[..]));
        let endless = futures::stream::pending::<Result<Bytes, Infallible>>();
        assert_eq!(read_with(&[], Body::from_stream(endless)).await, Err(BodyError::TooSlow));
        let broken = futures::stream::iter([Ok("x"), Err(std::io::Error::other("reset"))]);
        assert_eq!(read_with(&[], Body::from_stream(broken)).await, Err(BodyError::Broken));
    }
}
