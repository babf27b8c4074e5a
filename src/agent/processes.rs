//! The processes of this pod, as `/proc` lists them.

use std::fs;

/// Their ids. Any of them may have ended by now.
pub fn ids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
