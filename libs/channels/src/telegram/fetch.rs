//! Files that people sent: the platform gives a path for an id, and the file for the bot's token.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Telegram, api::ApiError};
use crate::{Download, FetchError, exchange::cause};

impl Telegram {
    /// See [`crate::Channel::open`]; `id` is the platform's `file_id`.
    pub(crate) async fn open(&self, id: &str, limit_bytes: usize, deadline: Duration) -> Result<Download, FetchError> {
        let file = self.call("getFile", &json!({ "file_id": id }), deadline).await;
        let file = file.map_err(|error| refused(error, limit_bytes))?;
        let size = file.get("file_size").and_then(Value::as_u64).and_then(|bytes| usize::try_from(bytes).ok());
        if size.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(FetchError::TooLarge { limit_bytes });
        }
        let path = file.get("file_path").and_then(Value::as_str).ok_or(FetchError::Gone(404))?;
        let segments: Vec<&str> = path.split('/').collect();
        // A server of one's own may answer with a path of its disk; nothing but a path below the bot's files is asked.
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(FetchError::Refused("its path is no file of the bot's"));
        }
        let url = self.url(&["file"], &segments);
        let response = self.0.client.get(url).send().await.map_err(|error| FetchError::Away(cause(&error)))?;
        Download::new(response, limit_bytes, None)
    }
}

fn refused(error: ApiError, limit_bytes: usize) -> FetchError {
    match error {
        // The platform gives no more than 20 MB.
        ApiError::Refused { code: 400, description, .. } if description.contains("too big") => {
            FetchError::TooLarge { limit_bytes }
        }
        ApiError::Refused { code: code @ (401 | 404), .. } => FetchError::Credentials(code),
        ApiError::Refused { code: 429, .. } => FetchError::Away("HTTP 429".to_owned()),
        ApiError::Refused { code, .. } => FetchError::Gone(code),
        ApiError::NotSent(reason) | ApiError::Unknown(reason) => FetchError::Away(reason),
    }
}
