//! The name of a file.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a file's bytes, in lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash(String);

impl FileHash {
    /// The hash of these bytes.
    pub fn of(content: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(content)))
    }

    /// Of what was digested.
    pub(crate) fn of_digest(digest: Sha256) -> Self {
        Self(hex::encode(digest.finalize()))
    }

    /// Reads 64 lower-case hexadecimal digits; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash =
            text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_hash.then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_is_read_as_one() {
        let hash = FileHash::of(b"mirror");
        assert_eq!(FileHash::parse(hash.as_str()), Some(hash.clone()));
        for bad in ["", "..", &hash.as_str()[1..], &hash.as_str().to_uppercase(), &format!("{}/", &hash.as_str()[1..])]
        {
            assert_eq!(FileHash::parse(bad), None, "{bad}");
        }
    }
}
