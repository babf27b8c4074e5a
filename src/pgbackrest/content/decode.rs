//! From stored bytes to content.

use std::io::{self, Cursor, Read};

use super::{
    coding::{Coding, magic},
    decrypt::Decrypt,
    error::ContentError,
};
use crate::{domain::archive::Compression, pgbackrest::cipher::MAGIC};

/// Given on at once.
const PART: usize = 64 << 10;

/// Undoes what `coding` says, and gives the content on in parts. Returns its length in bytes.
pub fn decode(source: impl Read, coding: &Coding, mut take: impl FnMut(&[u8])) -> Result<u64, ContentError> {
    let mut content = open(Box::new(source), coding).map_err(of_io)?;
    let mut part = vec![0; PART];
    let mut length = 0;
    loop {
        match content.read(&mut part) {
            Ok(0) => return Ok(length),
            Ok(count) => {
                take(part.get(..count).unwrap_or_default());
                length += u64::try_from(count).unwrap_or(u64::MAX);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(of_io(error)),
        }
    }
}

/// Our own errors travel through the decompressors; all others are theirs.
fn of_io(error: io::Error) -> ContentError {
    match error.downcast::<ContentError>() {
        Ok(ours) => ours,
        Err(theirs) => ContentError::Undecompressible(theirs.to_string()),
    }
}

fn open<'a>(source: Box<dyn Read + 'a>, coding: &Coding) -> io::Result<Box<dyn Read + 'a>> {
    let plain: Box<dyn Read + 'a> = match &coding.cipher {
        Some(passphrase) => Box::new(Decrypt::new(source, passphrase, coding.raw)?),
        None => source,
    };
    let plain = checked_beginning(plain, coding)?;
    Ok(match coding.compression {
        Compression::None => plain,
        Compression::Gz if coding.raw => Box::new(flate2::read::ZlibDecoder::new(plain)),
        Compression::Gz => Box::new(flate2::read::MultiGzDecoder::new(plain)),
        Compression::Bz2 => Box::new(bzip2::read::MultiBzDecoder::new(plain)),
        Compression::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(plain)),
        Compression::Zst => Box::new(zstd::stream::read::Decoder::new(plain)?),
    })
}

/// There is no authentication: that a passphrase is wrong shows itself by a beginning that no compression writes.
fn checked_beginning<'a>(mut plain: Box<dyn Read + 'a>, coding: &Coding) -> io::Result<Box<dyn Read + 'a>> {
    let mut beginning = Vec::with_capacity(MAGIC.len());
    let length = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
    plain.by_ref().take(length).read_to_end(&mut beginning)?;
    if coding.cipher.is_none() && !coding.raw && beginning == MAGIC {
        return Err(io::Error::other(ContentError::CipherMissing));
    }
    if !beginning.starts_with(magic(coding.compression, coding.raw)) {
        return Err(io::Error::other(if coding.cipher.is_some() {
            ContentError::WrongPassphrase
        } else {
            ContentError::Undecompressible(format!(
                "it does not begin as {} does",
                coding.compression.as_str()
            ))
        }));
    }
    Ok(Box::new(Cursor::new(beginning).chain(plain)))
}
