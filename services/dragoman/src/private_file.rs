//! Secrets of this installation, made once and kept in the data folder for their owner alone.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use secrecy::SecretString;
use uuid::Uuid;

/// Longest file that is read, in bytes.
const BYTES_MAX: u64 = 256;

/// The secret of the file: 32 lower-case hexadecimal digits for each of `parts` (122 random bits each). A new one where
/// there is none, it is damaged, or others could read it.
///
/// # Errors
/// When the file cannot be written.
pub fn secret(file: &Path, parts: usize) -> io::Result<SecretString> {
    if let Some(secret) = read(file, parts) {
        return Ok(SecretString::from(secret));
    }
    if file.exists() {
        tracing::warn!(file = %file.display(), "it is damaged or others could read it; a new one is made");
    }
    let secret: String = (0..parts).map(|_| Uuid::new_v4().simple().to_string()).collect();
    // Complete or not there, and never readable by others; what an earlier start left may be.
    let part = file.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&part)?;
    writeln!(written, "{secret}")?;
    written.sync_all()?;
    fs::rename(&part, file)?;
    Ok(SecretString::from(secret))
}

fn read(file: &Path, parts: usize) -> Option<String> {
    let about = fs::symlink_metadata(file).ok()?;
    if !about.is_file() || about.len() > BYTES_MAX || !is_private(&about) {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let secret = text.trim();
    let is_ours = secret.len() == 32 * parts && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_ours.then(|| secret.to_owned())
}

#[cfg(unix)]
fn is_private(about: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_about: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let file = data.path().join("a.secret");
        let first = secret(&file, 2).expect("written");
        assert_eq!(first.expose_secret().len(), 64);
        assert_eq!(secret(&file, 2).expect("read").expose_secret(), first.expose_secret());
        assert_ne!(secret(&data.path().join("b.secret"), 2).expect("written").expose_secret(), first.expose_secret());
        assert_eq!(mode(&file), 0o600);
        let names = fs::read_dir(data.path()).expect("a folder").map(|file| file.expect("one").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["a.secret", "b.secret"]);
    }

    #[test]
    fn a_damaged_or_open_file_gets_a_new_secret() {
        let data = tempfile::tempdir().expect("a folder");
        let file = data.path().join("a.secret");
        // Left by a crash.
        fs::write(file.with_extension("part"), "half").expect("written");
        let good = "0123456789abcdef0123456789abcdef";
        for (text, bits) in
            [("", 0o600), ("short", 0o600), (&good.to_uppercase(), 0o600), (&good.repeat(9), 0o600), (good, 0o644)]
        {
            fs::write(&file, text).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(bits)).expect("ours");
            let made = secret(&file, 1).expect("written");
            assert_ne!(made.expose_secret(), text);
            let kept = fs::read_to_string(&file).expect("there");
            assert_eq!((kept.trim(), mode(&file)), (made.expose_secret(), 0o600), "{text}");
        }
        fs::write(&file, good).expect("written");
        assert_eq!(secret(&file, 1).expect("read").expose_secret(), good, "a good one without its line's end is kept");
    }
}
