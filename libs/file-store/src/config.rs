//! Where files are kept: `[files]` of the services that put and give them.

use std::path::PathBuf;

use object_store::local::LocalFileSystem;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::FileStore;

/// `[files]`: where the files are that people send. All services that name one name the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FilesConfig {
    /// In the database.
    #[default]
    Database,
    /// In a folder.
    Folder {
        /// The folder; it is made where it is missing. Empty: the program has to choose one.
        #[serde(default)]
        folder: PathBuf,
        /// All processes see the same folder, whatever machine they are on.
        #[serde(default)]
        shared: bool,
    },
    /// In a bucket of S3 or what speaks like it.
    S3(S3Config),
}

/// A bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// `http://host:port` or `https://host` of MinIO and others; AWS's own for the region without it.
    #[serde(default)]
    pub endpoint: Option<Url>,
    /// The bucket; it has to be there.
    pub bucket: String,
    /// Its region.
    #[serde(default = "region")]
    pub region: String,
    /// Who we are.
    pub access_key: SecretString,
    /// And that we are.
    pub secret_key: SecretString,
}

fn region() -> String {
    "us-east-1".to_owned()
}

/// Files cannot be kept as configured.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder cannot be made or used.
    #[error("cannot use the folder {0}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The store refuses its settings.
    #[error("cannot use the file store as configured")]
    Settings(#[source] object_store::Error),
    /// The program was built without S3.
    #[error("this program was built without S3: cargo feature `s3`")]
    NotBuilt,
}

impl FilesConfig {
    /// Why these settings cannot work, before anything is opened. `several`: other processes work on the same files.
    pub fn problem(&self, several: bool) -> Option<&'static str> {
        match self {
            Self::Folder { folder, .. } if folder.as_os_str().is_empty() => Some("`folder` is missing"),
            Self::Folder { shared: false, .. } if several => Some(
                "with Redis there may be several processes on several machines, and a file is found by all of them only \
                 in a folder that they share: say so by `shared = true`, or use kind \"s3\" or \"database\"",
            ),
            Self::S3(_) if !cfg!(feature = "s3") => {
                Some("this program was built without S3: build it with cargo feature `s3`")
            }
            Self::S3(s3) if s3.bucket.is_empty() => Some("`bucket` is empty"),
            Self::S3(s3) if s3.endpoint.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) => {
                Some("`endpoint` is no address that begins with http:// or https://")
            }
            Self::Database | Self::Folder { .. } | Self::S3(_) => None,
        }
    }

    /// The same, with `place` for a folder that has no name; none: in the database then.
    pub fn or_in(self, place: Option<PathBuf>) -> Self {
        match (self, place) {
            (Self::Folder { folder, .. }, None) if folder.as_os_str().is_empty() => Self::Database,
            (Self::Folder { folder, shared }, Some(place)) if folder.as_os_str().is_empty() => {
                Self::Folder { folder: place, shared }
            }
            (named, _) => named,
        }
    }

    /// Opens the store; none where files are in the database. A bucket is not asked yet.
    ///
    /// # Errors
    /// [`FilesError`]: it cannot work as configured.
    pub fn open(&self) -> Result<Option<FileStore>, FilesError> {
        match self {
            Self::Database => Ok(None),
            Self::Folder { folder, .. } => {
                std::fs::create_dir_all(folder).map_err(|error| FilesError::Folder(folder.clone(), error))?;
                let files = LocalFileSystem::new_with_prefix(folder).map_err(FilesError::Settings)?;
                Ok(Some(FileStore::new(files.with_fsync(true), Some(folder.clone()))))
            }
            Self::S3(s3) => s3.open().map(Some),
        }
    }
}

impl S3Config {
    #[cfg(not(feature = "s3"))]
    fn open(&self) -> Result<FileStore, FilesError> {
        Err(FilesError::NotBuilt)
    }

    #[cfg(feature = "s3")]
    fn open(&self) -> Result<FileStore, FilesError> {
        use object_store::{ClientOptions, RetryConfig, aws::AmazonS3Builder};
        use secrecy::ExposeSecret as _;

        let retry = RetryConfig { max_retries: 2, retry_timeout: crate::DEADLINE, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(self.access_key.expose_secret())
            .with_secret_access_key(self.secret_key.expose_secret())
            .with_retry(retry)
            .with_client_options(ClientOptions::new().with_timeout(crate::DEADLINE));
        if let Some(endpoint) = &self.endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(endpoint.scheme() == "http");
        }
        let bucket = builder.build().map_err(FilesError::Settings)?;
        Ok(FileStore::new(bucket, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(shared: bool) -> FilesConfig {
        FilesConfig::Folder { folder: "files".into(), shared }
    }

    #[test]
    fn a_folder_of_several_processes_has_to_be_called_shared() {
        assert!(folder(false).problem(true).is_some_and(|problem| problem.contains("shared = true")));
        for (config, several) in [(folder(false), false), (folder(true), true), (FilesConfig::Database, true)] {
            assert_eq!(config.problem(several), None, "{config:?}");
        }
    }

    #[test]
    fn a_folder_without_a_name_is_where_the_program_says_or_the_database() {
        let unnamed = || FilesConfig::Folder { folder: PathBuf::new(), shared: false };
        assert_eq!(unnamed().problem(false), Some("`folder` is missing"));
        let place = || Some(PathBuf::from("data/files"));
        assert!(
            matches!(unnamed().or_in(place()), FilesConfig::Folder { folder, .. } if Some(&folder) == place().as_ref())
        );
        assert!(matches!(unnamed().or_in(None), FilesConfig::Database));
        assert!(
            matches!(folder(false).or_in(place()), FilesConfig::Folder { folder, .. } if folder.as_os_str() == "files")
        );
        assert!(matches!(FilesConfig::Database.or_in(place()), FilesConfig::Database));
    }

    #[test]
    fn a_bucket_is_refused_where_it_cannot_work() {
        let bucket = |bucket: &str, endpoint: &str| {
            FilesConfig::S3(S3Config {
                endpoint: Some(endpoint.parse().expect("a URL")),
                bucket: bucket.to_owned(),
                region: region(),
                access_key: "a".into(),
                secret_key: "s".into(),
            })
        };
        let good = bucket("files", "http://minio:9000");
        assert_eq!(good.problem(true).is_none(), cfg!(feature = "s3"));
        if !cfg!(feature = "s3") {
            assert!(matches!(good.open(), Err(FilesError::NotBuilt)));
        }
        assert!(bucket("", "http://minio:9000").problem(true).is_some());
        assert!(bucket("files", "ftp://minio").problem(true).is_some());
    }
}
