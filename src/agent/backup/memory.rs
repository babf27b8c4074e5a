//! What the container uses of memory, and whether the kernel killed a process of it for that: from the files of its control
//! group, of version 2 or 1. A container sees its own group there, and nothing where neither is mounted.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
pub const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// What was used and what came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// At most, in bytes, since the container was started; it includes what the kernel keeps of files.
    pub peak: Option<u64>,
    /// Processes that were killed since [`Memory::begin`].
    pub kills: u64,
}

/// The memory of our container.
#[derive(Debug)]
pub struct Memory {
    root: PathBuf,
    kills_before: u64,
    told: Option<u64>,
}

impl Memory {
    /// Counts kills from now on.
    pub fn begin(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            kills_before: kills(root),
            told: None,
        }
    }

    /// As it is now.
    pub fn usage(&self) -> Usage {
        Usage {
            peak: peak(&self.root),
            kills: kills(&self.root).saturating_sub(self.kills_before),
        }
    }

    /// The peak, in steps of an eighth: each step is news, and there are few of them.
    pub fn stepped(&mut self) -> Option<u64> {
        let now = peak(&self.root);
        let news = match (self.told, now) {
            (Some(told), Some(now)) => now > told + told / 8,
            (told, _) => told.is_none(),
        };
        if news {
            self.told = now;
        }
        self.told
    }
}

fn peak(root: &Path) -> Option<u64> {
    // Before Linux 5.19 version 2 tells only what is used now.
    [
        "memory.peak",
        "memory/memory.max_usage_in_bytes",
        "memory.current",
    ]
    .iter()
    .find_map(|file| fs::read_to_string(root.join(file)).ok()?.trim().parse().ok())
}

fn kills(root: &Path) -> u64 {
    ["memory.events", "memory/memory.oom_control"]
        .iter()
        .find_map(|file| counted(&fs::read_to_string(root.join(file)).ok()?))
        .unwrap_or(0)
}

/// `oom_kill 3`, by itself on a line in both versions.
fn counted(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn version_2_tells_the_peak_and_the_kills_since_we_began() {
        let root = tempfile::tempdir().unwrap();
        let events = "low 0\nhigh 0\nmax 41\noom 2\noom_kill 2\noom_group_kill 0\n";
        write(root.path(), "memory.events", events);
        write(root.path(), "memory.peak", "67108864\n");
        let memory = Memory::begin(root.path());
        assert_eq!((memory.usage().peak, memory.usage().kills), (Some(64 << 20), 0));
        write(
            root.path(),
            "memory.events",
            &events.replace("oom_kill 2", "oom_kill 3"),
        );
        assert_eq!(memory.usage().kills, 1);
    }

    #[test]
    fn version_1_tells_the_same_in_files_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory/memory.max_usage_in_bytes", "1000\n");
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n";
        write(root.path(), "memory/memory.oom_control", control);
        let memory = Memory::begin(root.path());
        write(
            root.path(),
            "memory/memory.oom_control",
            &control.replace("kill 0", "kill 4"),
        );
        let expected = Usage {
            peak: Some(1000),
            kills: 4,
        };
        assert_eq!(memory.usage(), expected);
    }

    #[test]
    fn where_nothing_is_mounted_nothing_is_known() {
        let root = tempfile::tempdir().unwrap();
        let mut memory = Memory::begin(root.path());
        assert_eq!(memory.usage(), Usage::default());
        assert_eq!(memory.stepped(), None);
    }

    #[test]
    fn a_peak_is_told_again_only_when_it_has_grown_by_an_eighth() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory.peak", "800");
        let mut memory = Memory::begin(root.path());
        assert_eq!(memory.stepped(), Some(800));
        write(root.path(), "memory.peak", "900");
        assert_eq!(memory.stepped(), Some(800));
        write(root.path(), "memory.peak", "901");
        assert_eq!(memory.stepped(), Some(901));
    }
}
