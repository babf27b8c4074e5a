//! Names of files in a WAL archive, as pgBackRest writes them.
//!
//! Under `archive/<stanza>/<version>-<db-id>/` (pgBackRest 2.x, `command/archive/common.h`):
//! `<16 hex>/<24 hex>-<40 hex SHA-1>[.gz|.bz2|.lz4|.zst]` is a segment, `<16 hex>/<24 hex>.partial-<SHA-1>[…]` the
//! unfinished last segment of a timeline, `<16 hex>/<24 hex>.<8 hex>.backup` a mark of a backup's start, and
//! `<8 hex>.history` tells where a timeline began. Anything else is not ours. Parsing allocates nothing.

use serde::{Deserialize, Serialize};

use crate::domain::wal::{Segment, hex_digit, upper_hex};

/// How a file is compressed, from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, `.gz`.
    Gz,
    /// bzip2, `.bz2`.
    Bz2,
    /// LZ4 frames, `.lz4`.
    Lz4,
    /// Zstandard, `.zst`.
    Zst,
}

impl Compression {
    const ALL: [Self; 5] = [Self::None, Self::Gz, Self::Bz2, Self::Lz4, Self::Zst];

    /// pgBackRest's word for it, the value of `compress-type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gz => "gz",
            Self::Bz2 => "bz2",
            Self::Lz4 => "lz4",
            Self::Zst => "zst",
        }
    }

    /// What the names of such files end with: `.zst`.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gz => ".gz",
            Self::Bz2 => ".bz2",
            Self::Lz4 => ".lz4",
            Self::Zst => ".zst",
        }
    }

    /// From the value of `compress-type`.
    #[must_use]
    pub fn from_option(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.as_str() == word)
    }

    /// From an extension with its dot, or from nothing.
    #[must_use]
    pub fn from_extension(extension: &[u8]) -> Option<Self> {
        match extension {
            b"" => Some(Self::None),
            b".gz" => Some(Self::Gz),
            b".bz2" => Some(Self::Bz2),
            b".lz4" => Some(Self::Lz4),
            b".zst" => Some(Self::Zst),
            _ => None,
        }
    }
}

/// A segment as a file: two files of one segment differ in checksum or compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSegment {
    /// Which one.
    pub segment: Segment,
    /// SHA-1 of its content before compression and encryption.
    pub checksum: [u8; 20],
    /// How the file is compressed.
    pub compression: Compression,
}

/// A file of a WAL archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFile {
    /// A whole segment.
    Segment(StoredSegment),
    /// What was written of the last segment of a timeline when the next one began. A restore never reads it.
    Partial(StoredSegment),
    /// Where a backup began; the segment it began in.
    BackupMark(Segment),
    /// The history file of a timeline.
    History(u32),
}

impl ArchiveFile {
    /// Reads a path below `archive/<stanza>/<version>-<db-id>/`. `None`: not a file of pgBackRest's.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.as_bytes();
        let Some((directory, [b'/', file @ ..])) = path.split_first_chunk::<16>() else {
            return history(path).map(Self::History);
        };
        let (name, rest) = file.split_first_chunk::<24>()?;
        // The directory repeats the beginning of the name, so it needs no check of its own.
        if !name.starts_with(directory) {
            return None;
        }
        let segment = Segment::parse(name)?;
        match rest {
            [b'-', rest @ ..] => stored(segment, rest).map(Self::Segment),
            [b'.', b'p', b'a', b'r', b't', b'i', b'a', b'l', b'-', rest @ ..] => {
                stored(segment, rest).map(Self::Partial)
            }
            [b'.', rest @ ..] => {
                let (offset, extension) = rest.split_first_chunk()?;
                upper_hex(*offset)?;
                (extension == b".backup").then_some(Self::BackupMark(segment))
            }
            _ => None,
        }
    }
}

fn stored(segment: Segment, rest: &[u8]) -> Option<StoredSegment> {
    let (hex, extension) = rest.split_first_chunk::<40>()?;
    let checksum = checksum(hex)?;
    Some(StoredSegment {
        segment,
        checksum,
        compression: Compression::from_extension(extension)?,
    })
}

/// All digits are looked at before any is judged, so that the compiler can take many at once.
fn checksum(hex: &[u8; 40]) -> Option<[u8; 20]> {
    let digits = hex.map(|digit| hex_digit(digit, b'a'));
    let (pairs, _) = digits.as_chunks::<2>();
    let mut checksum = [0; 20];
    for (byte, [high, low]) in checksum.iter_mut().zip(pairs) {
        *byte = high << 4 | low & 0x0F;
    }
    digits.iter().all(|digit| *digit < 16).then_some(checksum)
}

fn history(path: &[u8]) -> Option<u32> {
    let (timeline, extension) = path.split_first_chunk()?;
    let timeline = upper_hex(*timeline)?;
    (extension == b".history" && timeline > 0).then_some(timeline)
}

/// The db-id of a directory below `archive/<stanza>/`: 1 for `18-1`, 2 for `9.6-2`. `None`: not a directory of pgBackRest's.
#[must_use]
pub fn database_id(directory: &str) -> Option<u32> {
    let (version, id) = directory.split_once('-')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let known = version.split('.').count() <= 2 && version.split('.').all(number) && number(id);
    id.parse().ok().filter(|id| known && *id > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "9207ffa76273016e9eabbf82634172edd5c8ae97";

    fn in_first_log(file: &str) -> Option<ArchiveFile> {
        ArchiveFile::parse(&format!("0000000100000000/{file}"))
    }

    #[test]
    fn a_segment_has_a_checksum_and_may_be_compressed() {
        let extensions = [
            ("", Compression::None),
            (".gz", Compression::Gz),
            (".bz2", Compression::Bz2),
            (".lz4", Compression::Lz4),
            (".zst", Compression::Zst),
        ];
        for (extension, compression) in extensions {
            assert_eq!(compression.extension(), extension);
            assert_eq!(Compression::from_option(compression.as_str()), Some(compression));
            let expected = StoredSegment {
                segment: "000000010000000000000002".parse().unwrap(),
                checksum: hex::decode(SHA).unwrap().try_into().unwrap(),
                compression,
            };
            let whole = format!("000000010000000000000002-{SHA}{extension}");
            assert_eq!(in_first_log(&whole), Some(ArchiveFile::Segment(expected)));
            let partial = format!("000000010000000000000002.partial-{SHA}{extension}");
            assert_eq!(in_first_log(&partial), Some(ArchiveFile::Partial(expected)));
        }
    }

    #[test]
    fn history_files_and_marks_of_backups_are_known() {
        assert_eq!(
            ArchiveFile::parse("0000000A.history"),
            Some(ArchiveFile::History(10))
        );
        assert_eq!(
            in_first_log("000000010000000000000002.00000028.backup"),
            Some(ArchiveFile::BackupMark(
                "000000010000000000000002".parse().unwrap()
            ))
        );
    }

    #[test]
    fn anything_else_is_not_ours() {
        for path in [
            "",
            "00000000.history",
            "0000000a.history",
            "00000002.history.gz",
            "0000000100000000",
            "0000000100000000/",
        ] {
            assert_eq!(ArchiveFile::parse(path), None, "{path}");
        }
        for file in [
            "000000010000000000000002".to_owned(),
            format!("000000020000000000000002-{SHA}"),
            format!("00000001000000000000000g-{SHA}"),
            format!("000000010000000000000002-{SHA}.xz"),
            format!("000000010000000000000002-{SHA}.zst.tmp"),
            format!("000000010000000000000002-{}", &SHA[1..]),
            format!("000000010000000000000002_{SHA}"),
            format!("x/000000010000000000000002-{SHA}"),
            "000000010000000000000002.00000028.backup.gz".to_owned(),
            "000000010000000000000002.history".to_owned(),
        ] {
            assert_eq!(in_first_log(&file), None, "{file}");
        }
    }

    #[test]
    fn a_directory_of_an_archive_names_its_db_id() {
        assert_eq!(database_id("18-1"), Some(1));
        assert_eq!(database_id("9.6-12"), Some(12));
        for name in ["18", "18-", "-1", "18-0", "archive.info", "18-+1", "1.2.3-1"] {
            assert_eq!(database_id(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,90}") {
            let _ = ArchiveFile::parse(&path);
        }

        #[test]
        fn no_damaged_name_panics(position in 0_usize..86, byte in 0_u8..128) {
            let mut path = format!("0000000100000000/000000010000000000000002-{SHA}.zst").into_bytes();
            path[position.min(84)] = byte;
            let _ = ArchiveFile::parse(&String::from_utf8(path).unwrap());
        }
    }
}
