//! A document from a file or a web address, with the documents that it refers to.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, redirect};
use serde_json::{Value, json};
use url::Url;

use crate::{
    guard::{self, GuardedResolver},
    read::{BUNDLE_KEY, MAX_UNPACKED_BYTES, parse, without_fragment},
};

const MAX_FETCHED: usize = 1_000;
const MAX_DEPTH: usize = 20;
const MAX_REDIRECTS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a document can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file can't be read.
    #[error("cannot read {path}")]
    File {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address can't be read.
    #[error("cannot read {url}")]
    Web {
        /// As given.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The web server answered otherwise.
    #[error("{url} answers with status {status}")]
    Status {
        /// As given.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An address that is not read.
    #[error("{url} is not read: {reason}")]
    Refused {
        /// As given or referred to.
        url: String,
        /// Why.
        reason: String,
    },
    /// More bytes than allowed, over all files.
    #[error("the document is larger than {} MiB", limit_bytes / 1024 / 1024)]
    TooLarge {
        /// Most bytes allowed.
        limit_bytes: u64,
    },
    /// More files than allowed.
    #[error("the document refers to more than {limit} files")]
    TooManyFiles {
        /// Most files allowed.
        limit: usize,
    },
    /// No end within the time allowed.
    #[error("the document was not complete after {} s", TIMEOUT.as_secs())]
    TooSlow,
}

/// Reads a file path or web address; a document that refers to others comes back as one JSON bundle.
///
/// The address itself may be private (it is configuration); what it refers to must be public or on the same host,
/// and files below the folder of the first. A part that can't be read is left out with a warning: the operations
/// that need it say so after the import.
///
/// # Errors
/// [`FetchError`] when the first document can't be read, or limits of size, count or time are passed.
pub async fn fetch(source: &str) -> Result<Vec<u8>, FetchError> {
    tokio::time::timeout(TIMEOUT, fetch_all(source)).await.map_err(|_| FetchError::TooSlow)?
}

async fn fetch_all(source: &str) -> Result<Vec<u8>, FetchError> {
    let fetcher = Fetcher::new(source).await?;
    let mut left = MAX_UNPACKED_BYTES;
    let content = fetcher.read(&fetcher.root, &mut left).await?;
    // Archives hold their parts; what can't be parsed is the import's to complain about.
    let Ok(root) = parse(&content) else { return Ok(content) };
    let mut open: VecDeque<(Url, usize)> = VecDeque::new();
    let mut files: BTreeMap<String, Value> = BTreeMap::new();
    let mut seen = BTreeSet::from([fetcher.root.clone()]);
    enqueue(&fetcher.root, &root, 1, &mut open);
    files.insert(without_fragment(fetcher.root.clone()), root);
    if open.is_empty() {
        return Ok(content);
    }
    while let Some((url, depth)) = open.pop_front() {
        if depth > MAX_DEPTH || seen.contains(&url) {
            continue;
        }
        if seen.len() >= MAX_FETCHED {
            return Err(FetchError::TooManyFiles { limit: MAX_FETCHED });
        }
        seen.insert(url.clone());
        let content = match fetcher.read(&url, &mut left).await {
            Ok(content) => content,
            Err(error @ FetchError::TooLarge { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(%url, %error, "a document that is referred to can't be read");
                continue;
            }
        };
        let value = match parse(&content) {
            Ok(value) => value,
            Err(reason) => {
                tracing::warn!(%url, %reason, "a document that is referred to can't be parsed");
                continue;
            }
        };
        enqueue(&url, &value, depth + 1, &mut open);
        files.insert(url.into(), value);
    }
    let bundle = json!({ BUNDLE_KEY: { "root": without_fragment(fetcher.root), "files": files } });
    Ok(bundle.to_string().into_bytes())
}

/// Notes the other documents that `value` refers to.
fn enqueue(base: &Url, value: &Value, depth: usize, open: &mut VecDeque<(Url, usize)>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str)
                && !reference.starts_with('#')
                && let Ok(mut url) = base.join(reference)
            {
                url.set_fragment(None);
                if url != *base && !open.iter().any(|(known, _)| *known == url) {
                    open.push_back((url, depth));
                }
            }
            map.values().for_each(|member| enqueue(base, member, depth, open));
        }
        Value::Array(items) => items.iter().for_each(|item| enqueue(base, item, depth, open)),
        _ => {}
    }
}

struct Fetcher {
    root: Url,
    /// Local documents: the folder that no reference may leave.
    folder: Option<PathBuf>,
    client: Client,
}

impl Fetcher {
    async fn new(source: &str) -> Result<Self, FetchError> {
        let web = |error| FetchError::Web { url: source.to_owned(), source: error };
        let (root, folder) = if source.starts_with("http://") || source.starts_with("https://") {
            let url = Url::parse(source)
                .map_err(|error| FetchError::Refused { url: source.to_owned(), reason: error.to_string() })?;
            (url, None)
        } else {
            let file = |error| FetchError::File { path: PathBuf::from(source), source: error };
            let path = tokio::fs::canonicalize(source).await.map_err(file)?;
            let url = Url::from_file_path(&path).map_err(|()| file(std::io::ErrorKind::InvalidInput.into()))?;
            (url, path.parent().map(Path::to_owned))
        };
        let own_host = root.host_str().map(str::to_owned);
        let allowed_host = own_host.clone();
        let policy = redirect::Policy::custom(move |attempt| {
            let own = attempt.url().host_str().map(str::to_owned) == own_host;
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if let Err(refused) = guard::check_url(attempt.url(), own) {
                attempt.error(refused)
            } else {
                attempt.follow()
            }
        });
        let client = Client::builder()
            .dns_resolver(GuardedResolver { allow_private: false, allowed_host })
            .redirect(policy)
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(web)?;
        Ok(Self { root, folder, client })
    }

    async fn read(&self, url: &Url, left: &mut u64) -> Result<Vec<u8>, FetchError> {
        match url.scheme() {
            "http" | "https" => self.read_web(url, left).await,
            "file" => self.read_file(url, left).await,
            other => Err(FetchError::Refused {
                url: url.to_string(),
                reason: format!("{other} is neither a file nor a web address"),
            }),
        }
    }

    async fn read_file(&self, url: &Url, left: &mut u64) -> Result<Vec<u8>, FetchError> {
        let refused = |reason: &str| FetchError::Refused { url: url.to_string(), reason: reason.to_owned() };
        let folder = self.folder.as_ref().ok_or_else(|| refused("a web document may not refer to files"))?;
        let given = url.to_file_path().map_err(|()| refused("it is no local path"))?;
        let error = |error| FetchError::File { path: given.clone(), source: error };
        let path = tokio::fs::canonicalize(&given).await.map_err(error)?;
        if !path.starts_with(folder) {
            return Err(refused("it is outside the document's folder"));
        }
        let metadata = tokio::fs::metadata(&path).await.map_err(error)?;
        if !metadata.is_file() {
            return Err(refused("it is no file"));
        }
        *left = left.checked_sub(metadata.len()).ok_or(FetchError::TooLarge { limit_bytes: MAX_UNPACKED_BYTES })?;
        tokio::fs::read(&path).await.map_err(error)
    }

    async fn read_web(&self, url: &Url, left: &mut u64) -> Result<Vec<u8>, FetchError> {
        let own = url.host_str() == self.root.host_str();
        guard::check_url(url, own)
            .map_err(|refused| FetchError::Refused { url: url.to_string(), reason: refused.to_string() })?;
        let error = |error: reqwest::Error| FetchError::Web { url: url.to_string(), source: error.without_url() };
        let mut response = self.client.get(url.clone()).send().await.map_err(error)?;
        if !response.status().is_success() {
            return Err(FetchError::Status { url: url.to_string(), status: response.status().as_u16() });
        }
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(error)? {
            *left =
                left.checked_sub(chunk.len() as u64).ok_or(FetchError::TooLarge { limit_bytes: MAX_UNPACKED_BYTES })?;
            content.extend_from_slice(&chunk);
        }
        Ok(content)
    }
}
