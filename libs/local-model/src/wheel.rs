//! Reads members of a wheel, which is a zip file: stored and deflated ones, no encryption, no Zip64.

use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};
use flate2::read::DeflateDecoder;

/// Most members of a wheel.
const MEMBERS_MAX: usize = 10_000;

/// A wheel's bytes and where its members are.
#[derive(Debug)]
pub struct Wheel {
    bytes: Vec<u8>,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    method: u16,
    packed: usize,
    size: usize,
    header: usize,
}

impl Wheel {
    /// Reads the list of members.
    ///
    /// # Errors
    /// When it is no such zip file.
    pub fn new(bytes: Vec<u8>) -> anyhow::Result<Self> {
        let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").context("it is no zip file")?;
        ensure!(bytes.len() == end + 22 + usize::from(u16_at(&bytes, end + 20)?), "it is cut off");
        let count = usize::from(u16_at(&bytes, end + 10)?);
        ensure!(count <= MEMBERS_MAX, "it has {count} members; the limit is {MEMBERS_MAX}");
        let mut at = size_at(&bytes, end + 16)?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            ensure!(slice(&bytes, at, 4)? == b"PK\x01\x02", "its list of members is damaged");
            ensure!(u16_at(&bytes, at + 8)? & 1 == 0, "a member is encrypted");
            let lengths = [28, 30, 32].map(|offset| u16_at(&bytes, at + offset).map(usize::from));
            let [name, extra, comment] = lengths;
            let (name, extra, comment) = (name?, extra?, comment?);
            members.push(Member {
                name: String::from_utf8_lossy(slice(&bytes, at + 46, name)?).into_owned(),
                method: u16_at(&bytes, at + 10)?,
                packed: size_at(&bytes, at + 20)?,
                size: size_at(&bytes, at + 24)?,
                header: size_at(&bytes, at + 42)?,
            });
            at += 46 + name + extra + comment;
        }
        Ok(Self { bytes, members })
    }

    /// The content of a member of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// When it is not there, is larger, or is packed in an unknown way.
    pub fn read(&self, name: &str, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
        let member = self.members.iter().find(|member| member.name == name);
        let member = member.with_context(|| format!("it has no {name}"))?;
        ensure!(member.size <= bytes_max, "{name} has {} bytes; the limit is {bytes_max}", member.size);
        let skip = usize::from(u16_at(&self.bytes, member.header + 26)?)
            + usize::from(u16_at(&self.bytes, member.header + 28)?);
        let packed = slice(&self.bytes, member.header + 30 + skip, member.packed)?;
        let mut content = Vec::with_capacity(member.size);
        match member.method {
            0 => content.extend_from_slice(packed),
            8 => {
                let limit = u64::try_from(member.size)?.saturating_add(1);
                DeflateDecoder::new(packed).take(limit).read_to_end(&mut content).with_context(|| name.to_owned())?;
            }
            other => bail!("{name} is packed by method {other}"),
        }
        ensure!(content.len() == member.size, "{name} is damaged");
        Ok(content)
    }
}

fn slice(bytes: &[u8], at: usize, length: usize) -> anyhow::Result<&[u8]> {
    let end = at.checked_add(length).context("it is damaged")?;
    bytes.get(at..end).context("it is cut off")
}

fn u16_at(bytes: &[u8], at: usize) -> anyhow::Result<u16> {
    Ok(u16::from_le_bytes(slice(bytes, at, 2)?.try_into()?))
}

fn size_at(bytes: &[u8], at: usize) -> anyhow::Result<usize> {
    Ok(usize::try_from(u32::from_le_bytes(slice(bytes, at, 4)?.try_into()?))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zip file of one stored member.
    fn stored(name: &str, content: &[u8]) -> Vec<u8> {
        let short = |value: usize| u16::try_from(value).expect("short").to_le_bytes();
        let long = |value: usize| u32::try_from(value).expect("short").to_le_bytes();
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend([0; 14]);
        bytes.extend([long(content.len()), long(content.len())].concat());
        bytes.extend([short(name.len()), short(0)].concat());
        bytes.extend(name.as_bytes().iter().chain(content));
        let list = bytes.len();
        bytes.extend(b"PK\x01\x02");
        bytes.extend([0; 16]);
        bytes.extend([long(content.len()), long(content.len())].concat());
        bytes.extend(short(name.len()));
        bytes.extend([0; 12]);
        bytes.extend(long(0));
        bytes.extend(name.as_bytes());
        let size = bytes.len() - list;
        bytes.extend(b"PK\x05\x06");
        bytes.extend([0; 4]);
        bytes.extend([short(1), short(1)].concat());
        bytes.extend([long(size), long(list)].concat());
        bytes.extend(short(0));
        bytes
    }

    #[test]
    fn members_are_read_within_their_limit() {
        let wheel = Wheel::new(stored("a/b.json", b"{}")).expect("a wheel");
        assert_eq!(wheel.read("a/b.json", 2).expect("a member"), b"{}");
        assert!(wheel.read("a/b.json", 1).is_err());
        assert!(wheel.read("c", 1).is_err());
    }

    #[test]
    fn cut_and_foreign_files_are_refused() {
        let whole = stored("a", b"content");
        for end in 0..whole.len() {
            let cut = Wheel::new(whole[..end].to_vec()).and_then(|wheel| wheel.read("a", 100));
            assert!(cut.is_err(), "cut at {end}");
        }
        assert!(Wheel::new(b"something else".to_vec()).is_err());
    }
}
