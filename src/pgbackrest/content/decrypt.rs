//! Decryption as a reader, in parts.

use std::io::{self, Read};

use aes::{Aes256, Block};
use cbc::{
    Decryptor,
    cipher::{BlockDecryptMut as _, KeyIvInit as _},
};

use super::error::ContentError;
use crate::{
    domain::secret::Secret,
    pgbackrest::cipher::{BLOCK, MAGIC, key_and_iv},
};

const SALT: usize = 8;
/// Decrypted at once: whole blocks, enough for the processor to work on several at a time.
const PART: usize = 64 << 10;

/// What lies under an encrypted source. The last block is held back, since its end is padding.
pub(super) struct Decrypt<R> {
    source: R,
    cipher: Decryptor<Aes256>,
    /// Encrypted bytes that make no whole block yet, or are the last block so far.
    held: Vec<u8>,
    plain: Vec<u8>,
    given: usize,
    done: bool,
    /// Its end is wrong. What could be decrypted is given first: its beginning tells a wrong passphrase from damage.
    bad_end: bool,
}

impl<R: Read> Decrypt<R> {
    /// Reads the salt. `raw`: it comes without the magic.
    pub(super) fn new(mut source: R, passphrase: &Secret, raw: bool) -> io::Result<Self> {
        if !raw {
            let mut magic = [0; MAGIC.len()];
            let found = fill(&mut source, &mut magic)?;
            if found < magic.len() {
                return Err(io::Error::other(ContentError::Undecryptable));
            }
            if magic != *MAGIC {
                return Err(io::Error::other(ContentError::NotEncrypted));
            }
        }
        let mut salt = [0; SALT];
        if fill(&mut source, &mut salt)? < SALT {
            return Err(io::Error::other(ContentError::Undecryptable));
        }
        let (key, iv) = key_and_iv(passphrase, &salt);
        Ok(Self {
            source,
            cipher: Decryptor::new(&key.into(), &iv.into()),
            held: Vec::new(),
            plain: Vec::new(),
            given: 0,
            done: false,
            bad_end: false,
        })
    }

    /// Decrypts the next part. Leaves `plain` empty only at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.plain.clear();
        self.given = 0;
        while self.plain.is_empty() && !self.done {
            let before = self.held.len();
            self.held.resize(before + PART, 0);
            let found = fill(&mut self.source, self.held.get_mut(before..).unwrap_or_default())?;
            self.held.truncate(before + found);
            self.done = found < PART;
            // Before the end the last block stays: nobody knows yet whether it is the one with the padding.
            let whole = if self.done {
                self.held.len() / BLOCK * BLOCK
            } else {
                (self.held.len() - 1) / BLOCK * BLOCK
            };
            let mut blocks: Vec<Block> = self
                .held
                .get(..whole)
                .unwrap_or_default()
                .chunks_exact(BLOCK)
                .map(Block::clone_from_slice)
                .collect();
            self.held.drain(..whole);
            let cut_off = self.done && !self.held.is_empty();
            self.cipher.decrypt_blocks_mut(&mut blocks);
            for block in &blocks {
                self.plain.extend_from_slice(block);
            }
            if self.done {
                match unpadded(&self.plain).filter(|_| !cut_off) {
                    Some(content) => self.plain.truncate(content),
                    None => self.bad_end = true,
                }
            }
        }
        Ok(())
    }
}

/// Length without the padding of PKCS #7: as many bytes of a value as the value says.
fn unpadded(plain: &[u8]) -> Option<usize> {
    let padding = *plain.last()?;
    let length = usize::from(padding);
    let content = plain.len().checked_sub(length)?;
    let right = (1..=BLOCK).contains(&length) && plain.get(content..)?.iter().all(|byte| *byte == padding);
    right.then_some(content)
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl<R: Read> Read for Decrypt<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given >= self.plain.len() && !self.done {
            self.advance()?;
        }
        let rest = self.plain.get(self.given..).unwrap_or_default();
        if rest.is_empty() && self.bad_end && !buffer.is_empty() {
            return Err(io::Error::other(ContentError::Undecryptable));
        }
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}
