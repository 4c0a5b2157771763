//! Bytes of a segment: made in memory, or mapped from a file that nobody changes.

use std::{fs::File, io, ops::Deref};

use memmap2::{Mmap, MmapMut};

/// The bytes; their start is aligned to a page.
#[derive(Debug)]
pub enum Image {
    Memory(MmapMut),
    File(Mmap),
}

impl Image {
    /// Zeros, to be filled.
    pub fn zeroed(bytes: usize) -> io::Result<MmapMut> {
        let map = MmapMut::map_anon(bytes)?;
        // Fewer and larger pages make scans faster. Where there are none, it works without.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(map)
    }

    /// Maps a file. Its folder is locked and a written segment is never changed, so the bytes stay as they are.
    #[expect(unsafe_code, reason = "a map is sound as long as nobody changes the file")]
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: segments are written once, under another name, and only removed afterwards; the lock of the folder
        // keeps other processes of ours away. What the bytes say is checked before it is believed.
        Ok(Self::File(unsafe { Mmap::map(file)? }))
    }
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(map) => map,
            Self::File(map) => map,
        }
    }
}
