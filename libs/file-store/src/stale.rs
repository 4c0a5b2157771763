//! What killed processes left of files that they were writing.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use futures::TryStreamExt as _;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};

use crate::INCOMING;

/// Removed in one go from a bucket.
const REMOVED_MAX: usize = 1_000;

/// In a folder: all of [`INCOMING`], and `<hash>#<n>` beside the files, which are staged there. Gives how many went.
pub fn in_folder(folder: &Path, age_min: Duration, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for tenant in entries(folder)? {
        let is_incoming = tenant.file_name().is_some_and(|name| name == INCOMING);
        for place in entries(&tenant)? {
            for file in entries(&place)? {
                if (is_incoming || is_staged(&file)) && is_older(&file, age_min, now) && fs::remove_file(&file).is_ok()
                {
                    removed += 1;
                }
            }
        }
    }
    Ok(removed)
}

/// What is in a folder; nothing in what is none, or is gone by now.
fn entries(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_staged(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('#'));
    name.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_older(file: &Path, age_min: Duration, now: SystemTime) -> bool {
    let written = fs::symlink_metadata(file).and_then(|found| found.modified());
    written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age >= age_min))
}

/// In a bucket: whole files that were not put under their hash. Parts of unfinished ones are not seen by a listing; a rule
/// of the bucket (`AbortIncompleteMultipartUpload`) removes them.
pub async fn in_bucket(objects: &dyn ObjectStore, age_min: Duration) -> Result<usize, Error> {
    let mut found = objects.list(Some(&object_store::path::Path::from(INCOMING)));
    let now = SystemTime::now();
    let mut removed = 0;
    while let Some(object) = found.try_next().await? {
        if now.duration_since(object.last_modified.into()).is_ok_and(|age| age >= age_min) {
            objects.delete(&object.location).await?;
            removed += 1;
        }
        if removed == REMOVED_MAX {
            break;
        }
    }
    Ok(removed)
}
