//! Files as pgBackRest writes them, made here with the same libraries it links, and with damage.

use std::io::Write as _;

use aes::Aes256;
use cbc::{
    Encryptor,
    cipher::{BlockEncryptMut as _, KeyIvInit as _, block_padding::Pkcs7},
};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    domain::{archive::Compression, secret::Secret},
    pgbackrest::cipher::key_and_iv,
};

fn content() -> Vec<u8> {
    (0..75_000_u32)
        .flat_map(|number| (number / 7).wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn compressed(content: &[u8], compression: Compression, raw: bool) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gz if raw => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(1));
            writer.write_all(content).unwrap();
            writer.finish().unwrap()
        }
        Compression::Gz => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
            writer.write_all(content).unwrap();
            writer.finish().unwrap()
        }
        Compression::Bz2 => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
            writer.write_all(content).unwrap();
            writer.finish().unwrap()
        }
        Compression::Lz4 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            writer.write_all(content).unwrap();
            writer.finish().unwrap()
        }
        Compression::Zst => zstd::stream::encode_all(content, 1).unwrap(),
    }
}

fn stored(content: &[u8], coding: &Coding) -> Vec<u8> {
    let compressed = compressed(content, coding.compression, coding.raw);
    let Some(passphrase) = &coding.cipher else {
        return compressed;
    };
    let salt = *b"saltsalt";
    let (key, iv) = key_and_iv(passphrase, &salt);
    let cipher = Encryptor::<Aes256>::new(&key.into(), &iv.into());
    let mut file = if coding.raw {
        Vec::new()
    } else {
        b"Salted__".to_vec()
    };
    file.extend(salt);
    file.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(&compressed));
    file
}

fn coding(compression: Compression, passphrase: Option<&str>) -> Coding {
    Coding {
        cipher: passphrase.map(Secret::from),
        compression,
        raw: false,
    }
}

fn read_all(file: &[u8], coding: &Coding) -> Result<Vec<u8>, ContentError> {
    let mut content = Vec::new();
    let length = decode(file, coding, |bytes| content.extend_from_slice(bytes))?;
    assert_eq!(length, content.len() as u64);
    Ok(content)
}

#[rstest]
fn what_was_stored_is_read_again(
    #[values(
        Compression::None,
        Compression::Gz,
        Compression::Bz2,
        Compression::Lz4,
        Compression::Zst
    )]
    compression: Compression,
    #[values(None, Some("right"))] passphrase: Option<&str>,
    #[values(false, true)] raw: bool,
) {
    let mut coding = coding(compression, passphrase);
    coding.raw = raw;
    let content = content();
    // Lengths around the borders of blocks and of the parts that are decrypted at once.
    for length in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 131_072, content.len()] {
        let file = stored(&content[..length], &coding);
        assert_eq!(read_all(&file, &coding).unwrap(), &content[..length], "{length}");
    }
}

#[rstest]
fn each_fault_has_its_name(
    #[values(Compression::Gz, Compression::Bz2, Compression::Lz4, Compression::Zst)] compression: Compression,
) {
    let (right, plain) = (coding(compression, Some("right")), coding(compression, None));
    let content = content();
    let encrypted = stored(&content, &right);
    let unencrypted = stored(&content, &plain);

    let wrong = coding(compression, Some("wrong"));
    assert_eq!(read_all(&encrypted, &wrong), Err(ContentError::WrongPassphrase));
    assert_eq!(read_all(&encrypted, &plain), Err(ContentError::CipherMissing));
    assert_eq!(read_all(&unencrypted, &right), Err(ContentError::NotEncrypted));
    let short = stored(b"x", &right);
    assert_eq!(read_all(&short, &wrong), Err(ContentError::WrongPassphrase));

    for cut in [0, 3, unencrypted.len() / 2, unencrypted.len() - 1] {
        let error = read_all(&unencrypted[..cut], &plain);
        // Of the end, LZ4's decoder misses only its mark, and the checksum of the content is right then.
        if cut + 1 < unencrypted.len() || compression != Compression::Lz4 {
            assert!(
                matches!(error, Err(ContentError::Undecompressible(_))),
                "{cut}: {error:?}"
            );
        }
    }
    let error = read_all(&encrypted[..encrypted.len() - 1], &right);
    assert_eq!(error, Err(ContentError::Undecryptable));
    for cut in [0, 5, 12] {
        assert_eq!(
            read_all(&encrypted[..cut], &right),
            Err(ContentError::Undecryptable),
            "{cut}"
        );
    }
}

/// It is read at once with its end, which must not pass for another passphrase.
#[rstest]
fn a_small_encrypted_file_that_was_cut_off_is_damaged(
    #[values(Compression::Gz, Compression::Bz2, Compression::Lz4, Compression::Zst)] compression: Compression,
) {
    let right = coding(compression, Some("right"));
    let file = stored(&content()[..1000], &right);
    for cut in 32..file.len() {
        assert!(
            matches!(
                read_all(&file[..cut], &right),
                Err(ContentError::Undecryptable | ContentError::Undecompressible(_))
            ),
            "{cut}"
        );
    }
}

#[test]
fn the_end_of_an_encrypted_file_that_is_not_compressed_is_checked() {
    let right = coding(Compression::None, Some("right"));
    let mut file = stored(&content(), &right);
    let last = file.len() - 1;
    file[last] ^= 1;
    assert_eq!(read_all(&file, &right), Err(ContentError::Undecryptable));
}

#[test]
fn a_failure_of_the_store_passes_through_the_decompressors() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other(ContentError::Missing))
        }
    }
    for compression in [
        Compression::Gz,
        Compression::Bz2,
        Compression::Lz4,
        Compression::Zst,
        Compression::None,
    ] {
        for passphrase in [None, Some("right")] {
            let coding = coding(compression, passphrase);
            let file = stored(&content(), &coding);
            let half = std::io::Read::chain(&file[..file.len() / 2], Failing);
            assert_eq!(
                decode(half, &coding, |_| ()),
                Err(ContentError::Missing),
                "{coding:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_panics_and_none_passes_the_checksum(
        place: prop::sample::Index, bit in 0..8_u8, kind in 0..5_usize, encrypted: bool,
    ) {
        let compressions = [Compression::None, Compression::Gz, Compression::Bz2, Compression::Lz4, Compression::Zst];
        let coding = coding(compressions[kind], encrypted.then_some("right"));
        let content = &content()[..50_000];
        let mut file = stored(content, &coding);
        let place = place.index(file.len());
        file[place] ^= 1 << bit;
        // A bit that no decoder looks at, such as the time in gzip's header, does no harm.
        let mut checked = Checked::new(Vec::new());
        if decode(file.as_slice(), &coding, |bytes| checked.take(bytes)).is_ok()
            && let Ok(read) = checked.expect(Some(50_000), &sha1_of(content))
        {
            prop_assert_eq!(read, content);
        }
    }
}

fn sha1_of(content: &[u8]) -> [u8; 20] {
    use sha1::Digest as _;
    sha1::Sha1::digest(content).into()
}
