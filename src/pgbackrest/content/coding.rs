//! How a file is stored.

use crate::domain::{archive::Compression, secret::Secret};

/// What compressed content begins with.
pub(super) fn magic(compression: Compression, raw: bool) -> &'static [u8] {
    match compression {
        Compression::None => b"",
        // The header of zlib (RFC 1950) for the largest window.
        Compression::Gz if raw => &[0x78],
        Compression::Gz => &[0x1F, 0x8B],
        Compression::Bz2 => b"BZh",
        Compression::Lz4 => &[0x04, 0x22, 0x4D, 0x18],
        Compression::Zst => &[0x28, 0xB5, 0x2F, 0xFD],
    }
}

/// How a file is stored: what has to be undone to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// What opens it, where it is encrypted.
    pub cipher: Option<Secret>,
    /// How it is compressed.
    pub compression: Compression,
    /// Without the magic of the cipher, and as zlib in the place of gzip: members of bundles in backups with block
    /// incremental (`backup-bundle-raw` in the manifest).
    pub raw: bool,
}

impl Coding {
    /// Nothing to undo: the bytes as they are stored.
    pub const STORED: Self = Self {
        cipher: None,
        compression: Compression::None,
        raw: false,
    };
}
