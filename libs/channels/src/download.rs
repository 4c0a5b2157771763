//! A file from a platform: what its answer means, read up to a limit.

use std::fmt;

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};

use crate::{FetchError, Fetched, exchange::cause};

/// Longest file name taken, in bytes; file systems end there.
const NAME_BYTES_MAX: usize = 255;

pub(crate) fn judge(status: StatusCode) -> Result<(), FetchError> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(FetchError::Credentials(status.as_u16())),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(FetchError::Away(format!("HTTP {}", status.as_u16())))
        }
        status if status.is_client_error() => Err(FetchError::Gone(status.as_u16())),
        // A redirect is followed nowhere.
        status if status.is_redirection() => Err(FetchError::Refused("it leads elsewhere")),
        status => Err(FetchError::Away(format!("HTTP {}", status.as_u16()))),
    }
}

pub(crate) async fn read(mut response: reqwest::Response, limit_bytes: usize) -> Result<Fetched, FetchError> {
    let too_large = FetchError::TooLarge { limit_bytes };
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|bytes| bytes > limit_bytes) {
        return Err(too_large);
    }
    let text = |headers: &HeaderMap, name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    let media_type = text(response.headers(), CONTENT_TYPE)
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .filter(|value| !value.is_empty() && value.len() <= 100);
    let name = text(response.headers(), CONTENT_DISPOSITION).and_then(|value| file_name(&value));
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::Away(cause(&error)))? {
        if content.len() + chunk.len() > limit_bytes {
            return Err(too_large);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(Fetched { content, media_type, name })
}

/// `filename="..."` of a `Content-Disposition`.
fn file_name(disposition: &str) -> Option<String> {
    let value = disposition.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
    let name = value.trim().trim_matches('"');
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then(|| name.to_owned())
}

impl fmt::Debug for Fetched {
    /// Neither name nor content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("media_type", &self.media_type)
            .field("size_bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_where_there_is_one() {
        for (given, expected) in [
            (r#"attachment; filename="mirror.jpg""#, Some("mirror.jpg")),
            ("inline; filename=a.pdf; size=3", Some("a.pdf")),
            ("attachment", None),
            (r#"attachment; filename="""#, None),
        ] {
            assert_eq!(file_name(given).as_deref(), expected, "{given}");
        }
    }
}
