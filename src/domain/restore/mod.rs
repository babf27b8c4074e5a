//! Where a restore is to end, and from which backup it begins.
//!
//! A target is read from a user's words once and written for pgBackRest from what was understood: never the words themselves. What
//! serves it is chosen from what a repository holds ([`crate::domain::windows`]), and named to pgBackRest (`--set`,
//! `--target-timeline`): its own choice knows neither gaps nor branches, and takes a time that lies before the end of a backup that
//! it was given for "as far as that backup goes".

mod best;
mod choose;
mod estimate;
mod options;
mod random;
mod refusal;
mod target;
mod time;

pub use best::{Offer, Why, best};
pub use choose::{Branch, Choice, Source, choose};
pub use estimate::{Measured, estimate};
pub use options::RestoreOptions;
pub use random::random_time;
pub use refusal::Refusal;
pub use target::{Stop, Target, TargetError, Timeline};
pub use time::{TimeError, read_time};
