//! Files that people sent: the platform gives an address for an id, and the file for the account's token.

use serde::Deserialize;
use url::Url;

use super::Meta;
use crate::{
    Download, FetchError, download,
    exchange::{self, cause},
};

/// Hosts on which the platform keeps files, besides the API's own.
const HOSTS: [&str; 4] = ["fbsbx.com", "fbcdn.net", "facebook.com", "whatsapp.net"];

/// What the API tells about a file.
#[derive(Deserialize)]
struct Told {
    url: String,
    sha256: Option<String>,
    file_size: Option<u64>,
}

impl Meta {
    /// See [`crate::Channel::open`]; `id` is the platform's.
    pub(crate) async fn open(&self, id: &str, limit_bytes: usize) -> Result<Download, FetchError> {
        let response = self.get(self.url(&[id])).send().await.map_err(away)?;
        download::judge(response.status())?;
        let told: Told = serde_json::from_slice(&exchange::read(response).await)
            .map_err(|_| FetchError::Away("an answer without an address".to_owned()))?;
        if told.file_size.is_some_and(|bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes > limit_bytes)) {
            return Err(FetchError::TooLarge { limit_bytes });
        }
        let response = self.get(self.own(&told.url)?).send().await.map_err(away)?;
        Download::new(response, limit_bytes, told.sha256)
    }

    /// The address, if it is the platform's: our token goes nowhere else.
    fn own(&self, url: &str) -> Result<Url, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Refused("it is no URL"))?;
        let theirs = |host: &str| {
            HOSTS.iter().any(|known| host.strip_suffix(known).is_some_and(|sub| sub.is_empty() || sub.ends_with('.')))
        };
        let known = url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(theirs);
        if url.origin() != self.0.base_url.origin() && !known {
            return Err(FetchError::Refused("it is not on a host of the platform"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused("it holds credentials"));
        }
        Ok(url)
    }
}

fn away(error: reqwest::Error) -> FetchError {
    FetchError::Away(cause(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{BASE_URL, Config, VERSION};

    #[test]
    fn the_token_goes_to_the_platform_alone() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let meta = Meta::new(Config {
            base_url: BASE_URL.to_owned(),
            version: VERSION.to_owned(),
            phone_number_id: "1".to_owned(),
            access_token: "t".into(),
            app_secrets: vec![],
            verify_token: "v".into(),
        })
        .expect("a channel");
        for own in ["https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", "https://graph.facebook.com/x"]
        {
            assert!(meta.own(own).is_ok(), "{own}");
        }
        for other in [
            "http://lookaside.fbsbx.com/x",
            "https://lookaside.fbsbx.com:8443/x",
            "https://evilfbsbx.com/x",
            "https://fbsbx.com.example.org/x",
            "https://user:key@lookaside.fbsbx.com/x",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
            "no URL",
        ] {
            assert!(meta.own(other).is_err(), "{other}");
        }
    }
}
