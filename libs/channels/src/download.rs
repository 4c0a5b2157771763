//! A file from a platform: what its answer means, read up to a limit and as it comes.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use sha2::{Digest as _, Sha256};

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

/// A file as it comes from a platform.
pub struct Download {
    /// Media type that the platform names, in lower case without parameters; believe the bytes rather.
    pub media_type: Option<String>,
    /// File name that the platform names.
    pub name: Option<String>,
    response: reqwest::Response,
    limit_bytes: usize,
    read_bytes: usize,
    checksum: Option<Checksum>,
}

/// What a platform says of all bytes, and those that came.
struct Checksum {
    told: String,
    digest: Sha256,
}

impl Download {
    /// The file of an answer; `sha256` is what the platform said of it, in hexadecimal or base64.
    pub(crate) fn new(
        response: reqwest::Response,
        limit_bytes: usize,
        sha256: Option<String>,
    ) -> Result<Self, FetchError> {
        judge(response.status())?;
        let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
        if announced.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(FetchError::TooLarge { limit_bytes });
        }
        let text = |headers: &HeaderMap, name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let media_type = text(response.headers(), CONTENT_TYPE)
            .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .filter(|value| !value.is_empty() && value.len() <= 100);
        let name = text(response.headers(), CONTENT_DISPOSITION).and_then(|value| file_name(&value));
        let checksum = sha256.map(|told| Checksum { told, digest: Sha256::new() });
        Ok(Self { media_type, name, response, limit_bytes, read_bytes: 0, checksum })
    }

    /// The next bytes; none at the end, when all came and have the checksum that the platform told.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`] as soon as more came than is allowed; [`FetchError::Away`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let Some(bytes) = self.response.chunk().await.map_err(|error| FetchError::Away(cause(&error)))? else {
            let agrees = self.checksum.take().is_none_or(Checksum::agrees);
            return if agrees { Ok(None) } else { Err(FetchError::Away("what came has another checksum".to_owned())) };
        };
        self.read_bytes = self.read_bytes.saturating_add(bytes.len());
        if self.read_bytes > self.limit_bytes {
            return Err(FetchError::TooLarge { limit_bytes: self.limit_bytes });
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.digest.update(&bytes);
        }
        Ok(Some(bytes))
    }

    /// All of it.
    pub(crate) async fn whole(mut self) -> Result<Fetched, FetchError> {
        let mut content = Vec::new();
        while let Some(bytes) = self.next().await? {
            content.extend_from_slice(&bytes);
        }
        Ok(Fetched { content, media_type: self.media_type, name: self.name })
    }
}

impl Checksum {
    /// Platforms write checksums in hexadecimal here and in base64 there.
    fn agrees(self) -> bool {
        let digest = self.digest.finalize();
        self.told.eq_ignore_ascii_case(&hex::encode(digest)) || self.told == STANDARD.encode(digest)
    }
}

impl fmt::Debug for Download {
    /// Neither name nor address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("media_type", &self.media_type)
            .field("read_bytes", &self.read_bytes)
            .finish_non_exhaustive()
    }
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
    fn checksums_are_read_in_both_ways_of_writing() {
        let digest = Sha256::digest(b"voice");
        for told in [hex::encode(digest), hex::encode(digest).to_uppercase(), STANDARD.encode(digest)] {
            let agrees =
                |content: &[u8]| Checksum { told: told.clone(), digest: Sha256::new().chain_update(content) }.agrees();
            assert!(agrees(b"voice"), "{told}");
            assert!(!agrees(b"other"), "{told}");
        }
    }

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
