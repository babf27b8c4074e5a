//! Opens files of an encrypted repository: what `openssl enc -d -aes-256-cbc -md sha1` opens.
//!
//! `Salted__`, 8 bytes of salt, then AES-256-CBC; key and IV are derived from passphrase and salt by OpenSSL's
//! `EVP_BytesToKey` with SHA-1 and one round. There is no authentication: a wrong passphrase shows itself by wrong
//! padding only, and one time in some hundred not even by that, so callers must check what comes out.

use aes::Aes256;
use cbc::{
    Decryptor,
    cipher::{BlockDecryptMut as _, KeyIvInit as _, block_padding::Pkcs7},
};
use sha1::{Digest as _, Sha1};

use crate::domain::secret::Secret;

/// What an encrypted file begins with.
pub(super) const MAGIC: &[u8; 8] = b"Salted__";
const HEADER: usize = 16;
/// AES works on blocks of so many bytes.
pub(super) const BLOCK: usize = 16;
const KEY: usize = 32;

/// Why a file cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// It does not begin with the mark of an encrypted file.
    #[error("it is not encrypted")]
    NotEncrypted,
    /// It ends in the middle of a block.
    #[error("it is cut off")]
    CutOff,
    /// The padding is wrong: another passphrase, or damage at the end.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
}

impl CipherError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NotEncrypted => "not-encrypted",
            Self::CutOff => "damaged",
            Self::WrongPassphrase => "wrong-passphrase",
        }
    }
}

/// True for a file that is encrypted, whatever the passphrase.
#[must_use]
pub fn is_encrypted(content: &[u8]) -> bool {
    content.starts_with(MAGIC)
}

/// Opens a file.
pub fn decrypt(content: &[u8], passphrase: &Secret) -> Result<Vec<u8>, CipherError> {
    if !is_encrypted(content) {
        return Err(CipherError::NotEncrypted);
    }
    let (Some(salt), Some(body)) = (content.get(MAGIC.len()..HEADER), content.get(HEADER..)) else {
        return Err(CipherError::CutOff);
    };
    if body.is_empty() || body.len() % BLOCK != 0 {
        return Err(CipherError::CutOff);
    }
    let (key, iv) = key_and_iv(passphrase, salt);
    let cipher = Decryptor::<Aes256>::new(&key.into(), &iv.into());
    cipher
        .decrypt_padded_vec_mut::<Pkcs7>(body)
        .map_err(|_| CipherError::WrongPassphrase)
}

/// `EVP_BytesToKey`: each digest is over the one before, the passphrase and the salt.
pub(super) fn key_and_iv(passphrase: &Secret, salt: &[u8]) -> ([u8; KEY], [u8; BLOCK]) {
    let mut bytes: Vec<u8> = Vec::with_capacity(KEY + BLOCK + 20);
    let mut last: Vec<u8> = Vec::new();
    while bytes.len() < KEY + BLOCK {
        let digest = Sha1::new()
            .chain_update(&last)
            .chain_update(passphrase.expose())
            .chain_update(salt)
            .finalize();
        last = digest.to_vec();
        bytes.extend_from_slice(&last);
    }
    let (mut key, mut iv) = ([0; KEY], [0; BLOCK]);
    for (to, from) in key.iter_mut().chain(&mut iv).zip(bytes) {
        *to = from;
    }
    (key, iv)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCRYPTED: &[u8] = include_bytes!("../../tests/fixtures/pgbackrest/cipher/backup.info");

    #[test]
    fn a_file_of_pgbackrest_is_opened() {
        let text = String::from_utf8(decrypt(ENCRYPTED, &"lab passphrase".into()).unwrap()).unwrap();
        assert!(text.starts_with("[backrest]\n"), "{text}");
    }

    #[test]
    fn another_passphrase_does_not_open_it() {
        assert_eq!(
            decrypt(ENCRYPTED, &"other".into()),
            Err(CipherError::WrongPassphrase)
        );
    }

    #[test]
    fn what_is_no_encrypted_file_is_told_as_such() {
        assert_eq!(
            decrypt(b"[backrest]\n", &"x".into()),
            Err(CipherError::NotEncrypted)
        );
        for end in [8, 15, 16, 17, ENCRYPTED.len() - 1] {
            assert_eq!(
                decrypt(&ENCRYPTED[..end], &"lab passphrase".into()),
                Err(CipherError::CutOff),
                "{end}"
            );
        }
    }
}
