//! Files that people sent: Infobip keeps them on the account's own host and gives them for the account's key.

use http::header::AUTHORIZATION;
use url::Url;

use super::Infobip;
use crate::{Download, FetchError, exchange::cause};

impl Infobip {
    /// See [`crate::Channel::open`].
    pub(crate) async fn open(&self, url: &str, limit_bytes: usize) -> Result<Download, FetchError> {
        let url = self.own(url)?;
        let request = self.0.client.get(url).header(AUTHORIZATION, self.0.authorization.clone());
        let response = request.send().await.map_err(|error| FetchError::Away(cause(&error)))?;
        Download::new(response, limit_bytes, None)
    }

    /// The address, if it is on the account's own host: our key goes nowhere else, and no other host is asked because a
    /// message says so.
    fn own(&self, url: &str) -> Result<Url, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Refused("it is no URL"))?;
        if url.origin() != self.0.base_url.origin() {
            return Err(FetchError::Refused("it is not on the account's own host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused("it holds credentials"));
        }
        Ok(url)
    }
}
