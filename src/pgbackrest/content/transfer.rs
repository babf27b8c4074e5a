//! Reading a file from a store through the decoder.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use futures::StreamExt as _;
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc;

use super::{coding::Coding, decode::decode, error::ContentError};
use crate::storage::{Bytes, ObjectStore};

/// Pieces that may wait for the decoder: what arrives is not read ahead without end.
const WAITING: usize = 4;

/// Bytes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The object's full name.
    pub name: String,
    /// Where it begins in the object.
    pub offset: u64,
    /// How long it is, as stored.
    pub length: u64,
}

/// Takes content as it is decoded.
pub trait Take: Send + 'static {
    /// Takes the next bytes.
    fn take(&mut self, bytes: &[u8]);
}

impl Take for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Passes content on, and knows its SHA-1 and length.
pub struct Checked<T> {
    inner: T,
    sha1: Sha1,
    length: u64,
}

impl<T> Checked<T> {
    /// Passes on to `inner`.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            sha1: Sha1::new(),
            length: 0,
        }
    }

    /// Compares size, if known, and SHA-1, and gives back where the content went.
    pub fn expect(self, length: Option<u64>, checksum: &[u8; 20]) -> Result<T, ContentError> {
        if let Some(expected) = length.filter(|expected| *expected != self.length) {
            return Err(ContentError::WrongSize {
                expected,
                found: self.length,
            });
        }
        let found = self.sha1.finalize();
        if found.as_slice() == checksum {
            Ok(self.inner)
        } else {
            Err(ContentError::WrongChecksum {
                expected: hex::encode(checksum),
                found: hex::encode(found),
            })
        }
    }
}

impl<T: Take> Take for Checked<T> {
    fn take(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.inner.take(bytes);
    }
}

/// Content that only its checksum is wanted of.
impl Take for () {
    fn take(&mut self, _: &[u8]) {}
}

/// Reads a piece, decodes it, and gives its content to `taker`. Holds a few of the store's pieces in memory.
pub async fn read<T: Take>(
    store: &Arc<dyn ObjectStore>,
    piece: &Piece,
    coding: &Coding,
    mut taker: T,
) -> Result<T, ContentError> {
    let (parts, arriving) = mpsc::channel(WAITING);
    let coding = coding.clone();
    let decoding = tokio::task::spawn_blocking(move || {
        let source = Arriving {
            parts: arriving,
            current: Cursor::default(),
        };
        decode(source, &coding, |bytes| taker.take(bytes)).map(|_| taker)
    });
    if let Err(error) = send(store, piece, &parts).await {
        // The decoder is gone where it has failed already, and then its failure came first.
        let _ = parts.send(Err(error)).await;
    }
    drop(parts);
    decoding
        .await
        .unwrap_or_else(|_| Err(ContentError::Undecompressible("the decoder gave up".to_owned())))
}

type Part = Result<Bytes, ContentError>;

/// Sends a piece as it arrives.
async fn send(
    store: &Arc<dyn ObjectStore>,
    piece: &Piece,
    parts: &mpsc::Sender<Part>,
) -> Result<(), ContentError> {
    let mut body = store.open(&piece.name, piece.offset).await?;
    let mut rest = piece.length;
    while rest > 0 {
        let Some(part) = body.next().await else {
            return Err(ContentError::Short {
                expected: piece.length,
                found: piece.length - rest,
            });
        };
        let mut part = part?;
        // Behind a member of a bundle the next one follows.
        part.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
        rest -= u64::try_from(part.len()).unwrap_or(rest);
        if parts.send(Ok(part)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What arrives, for the decoder's thread.
struct Arriving {
    parts: mpsc::Receiver<Part>,
    current: Cursor<Bytes>,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.parts.blocking_recv() {
                None => return Ok(0),
                Some(part) => self.current = Cursor::new(part.map_err(io::Error::other)?),
            }
        }
    }
}
