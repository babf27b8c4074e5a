//! Content of files in a repository: decrypted, decompressed, and compared with the checksum that is known of it.
//!
//! pgBackRest compresses first and encrypts then, so reading is the other way round. Content flows through in parts;
//! memory does not grow with the size of a file. Decoding runs on blocking threads, since it is work for the CPU.
//!
//! [`decode`] knows nothing of stores; [`read`] feeds it from one. Which file has which passphrase and checksum is
//! `pgbackrest::repository`'s to know.

mod coding;
mod decode;
mod decrypt;
mod error;
mod transfer;

pub use coding::Coding;
pub use decode::decode;
pub use error::ContentError;
pub use transfer::{Checked, Piece, Take, read};

#[cfg(test)]
mod tests;
