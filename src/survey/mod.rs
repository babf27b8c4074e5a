//! The survey of a repository: what can be restored from it, found out from the repository alone.
//!
//! [`KnownRepository`] is what is kept from one look to the next. A look reads the two info files, lists names, reads
//! history files and the commit times of the few segments that matter, and gives a [`Picture`]. The first look lists
//! everything. Later ones list from the last names known on, and a few parts of a whole new listing that goes round
//! and round: so what is removed from the middle is seen too, at once in a small archive, in a large one when its turn
//! comes.
//!
//! A look that fails loses nothing of what was known, and the next one goes on where it stopped. All that is kept can be
//! had again from the repository, but for since when gaps are visible. Nothing here writes, and no clock is read.

mod archives;
mod branches;
mod commits;
mod listed;
mod look;
mod picture;
mod protection;
mod retention;
mod scene;
mod suspicions;

#[cfg(test)]
pub(crate) mod tests;

pub use archives::Archives;
pub use listed::Listed;
pub use look::{KnownRepository, Terms};
pub use picture::{ArchivePicture, Oddity, Picture, Requests};
pub use protection::Protection;
pub use retention::ArchiveRetention;
