//! A store that is a map, which counts requests and can fail, and a repository in it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use serde_json::json;
use sha1::{Digest as _, Sha1};

use crate::{
    domain::{
        wal::{Segment, SegmentSize},
        xlog::writer::{Entry, Writer},
    },
    pgbackrest::{info_file::sealed, repository::Repository},
    storage::{Head, ObjectInfo, ObjectStore, Page, StorageError, StorageErrorKind},
};

pub const SYSTEM_ID: u64 = 7_710_444_307_258_826_731;
/// Where the clock of these tests begins, in seconds.
const BEGIN: i64 = 1_795_219_200;

pub fn size() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}

pub fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(BEGIN, 0).unwrap() + TimeDelta::minutes(minute)
}

pub fn segment(timeline: u32, index: u64) -> Segment {
    Segment::at(timeline, index, size()).unwrap()
}

struct Object {
    content: Vec<u8>,
    size: u64,
    modified: Option<DateTime<Utc>>,
}

/// The map.
pub struct Memory {
    objects: Mutex<BTreeMap<String, Object>>,
    pub page: usize,
    pub listings: AtomicU64,
    /// The listing that fails, counted from 1; 0 for none.
    pub fails_at: AtomicU64,
    pub heads: AtomicU64,
    /// Every object is retained until then.
    pub retained: Mutex<Option<DateTime<Utc>>>,
}

impl Memory {
    pub fn put(&self, name: &str, content: &[u8], modified: Option<DateTime<Utc>>) {
        let object = Object {
            content: content.to_vec(),
            size: content.len() as u64,
            modified,
        };
        self.objects.lock().unwrap().insert(name.to_owned(), object);
    }

    /// Removes all objects whose names contain the text, and returns them.
    pub fn take(&self, text: &str) -> Vec<(String, Vec<u8>)> {
        let mut objects = self.objects.lock().unwrap();
        let names: Vec<_> = objects
            .keys()
            .filter(|name| name.contains(text))
            .cloned()
            .collect();
        names
            .into_iter()
            .map(|name| {
                let object = objects.remove(&name).unwrap();
                (name, object.content)
            })
            .collect()
    }

    pub fn listings(&self) -> u64 {
        self.listings.load(Ordering::SeqCst)
    }
}

impl ObjectStore for Memory {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            let call = self.listings.fetch_add(1, Ordering::SeqCst) + 1;
            if call == self.fails_at.load(Ordering::SeqCst) {
                return Err(StorageError::new(
                    StorageErrorKind::Unavailable,
                    "list",
                    "HTTP 503",
                ));
            }
            let objects = self.objects.lock().unwrap();
            let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
            let mut rest = objects
                .range(from.to_owned()..)
                .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after))
                .take_while(|(name, _)| name.starts_with(prefix));
            let objects: Vec<_> = rest
                .by_ref()
                .take(self.page)
                .map(|(name, object)| ObjectInfo {
                    name: name.clone(),
                    size: object.size,
                    modified: object.modified,
                })
                .collect();
            let next = rest
                .next()
                .and_then(|_| objects.last().map(|last| last.name.clone()));
            Ok(Page { objects, next })
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            let objects = self.objects.lock().unwrap();
            let found = objects.get(name).map(|object| object.content.clone());
            found.ok_or_else(|| StorageError::new(StorageErrorKind::NotFound, format!("get {name}"), "404"))
        })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            let content = self.get(name).await?;
            let end = usize::try_from(range.end).unwrap().min(content.len());
            Ok(content[usize::try_from(range.start).unwrap().min(end)..end].to_vec())
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            self.heads.fetch_add(1, Ordering::SeqCst);
            let size = self.get(name).await?.len() as u64;
            let modified = self
                .objects
                .lock()
                .unwrap()
                .get(name)
                .and_then(|object| object.modified);
            let name = name.to_owned();
            Ok(Head {
                version: Some("v1".to_owned()),
                retain_until: *self.retained.lock().unwrap(),
                ..Head::from(ObjectInfo { name, size, modified })
            })
        })
    }

    fn location(&self) -> String {
        "memory".into()
    }
}

/// A repository under construction, db-id 1 of PostgreSQL 18 unless said otherwise.
pub struct Shelf {
    pub memory: Arc<Memory>,
    backups: BTreeMap<String, serde_json::Value>,
    databases: Vec<(u32, &'static str)>,
}

impl Shelf {
    pub fn new(page: usize) -> Self {
        let memory = Memory {
            objects: Mutex::default(),
            page,
            listings: AtomicU64::new(0),
            fails_at: AtomicU64::new(0),
            heads: AtomicU64::new(0),
            retained: Mutex::default(),
        };
        let shelf = Self {
            memory: Arc::new(memory),
            backups: BTreeMap::new(),
            databases: vec![(1, "18")],
        };
        shelf.write_infos();
        shelf
    }

    pub fn repository(&self) -> Repository {
        Repository::with_store(Arc::clone(&self.memory) as Arc<dyn ObjectStore>, "/r", None)
    }

    /// The databases of the stanza, the last one the current.
    pub fn databases(mut self, databases: &[(u32, &'static str)]) -> Self {
        self.databases = databases.to_vec();
        self.write_infos();
        self
    }

    /// A full backup of the current database that ended in the middle of a segment, at the minute of its number.
    pub fn backup(&mut self, timeline: u32, index: u64) {
        let stop = minute(i64::try_from(index).unwrap());
        let start = segment(timeline, index);
        let position = |bytes: u64| crate::domain::wal::Lsn((index << 20) + bytes).to_string();
        let line = json!({
            "backup-type": "full", "db-id": self.databases.last().unwrap().0,
            "backup-archive-start": start.to_string(), "backup-archive-stop": start.to_string(),
            "backup-lsn-start": position(0x28), "backup-lsn-stop": position(1 << 19),
            "backup-timestamp-start": stop.timestamp() - 1, "backup-timestamp-stop": stop.timestamp(),
            "backup-info-size": 1000, "backup-info-size-delta": 1000,
            "backup-info-repo-size": 100, "backup-info-repo-size-delta": 100,
        });
        self.backups
            .insert(format!("{}F", stop.format("%Y%m%d-%H%M%S")), line);
        self.write_infos();
    }

    fn write_infos(&self) {
        let (current, version) = self.databases.last().unwrap();
        let mut archive = format!(
            "[db]\ndb-id={current}\ndb-system-id={SYSTEM_ID}\ndb-version=\"{version}\"\n\n[db:history]\n"
        );
        let mut backup = "[backup:current]\n".to_owned();
        for (label, line) in &self.backups {
            writeln!(backup, "{label}={line}").unwrap();
        }
        backup += &archive;
        for (id, version) in &self.databases {
            writeln!(
                archive,
                "{id}={{\"db-id\":{SYSTEM_ID},\"db-version\":\"{version}\"}}"
            )
            .unwrap();
            writeln!(
                backup,
                "{id}={{\"db-system-id\":{SYSTEM_ID},\"db-version\":\"{version}\"}}"
            )
            .unwrap();
        }
        self.memory
            .put("r/archive/db/archive.info", sealed(&archive).as_bytes(), None);
        self.memory
            .put("r/backup/db/backup.info", sealed(&backup).as_bytes(), None);
    }

    /// The directory of the current database's archive.
    pub fn directory(&self) -> String {
        let (id, version) = self.databases.last().unwrap();
        format!("r/archive/db/{version}-{id}")
    }

    fn name(&self, segment: Segment, content: &[u8]) -> String {
        let checksum = hex::encode(Sha1::digest(content));
        format!(
            "{}/{}/{segment}-{checksum}",
            self.directory(),
            segment.directory()
        )
    }

    /// Archives segments, each with a commit near its end, at the minute of its number.
    pub fn wal(&self, timeline: u32, indexes: impl IntoIterator<Item = u64>) {
        for index in indexes {
            let minutes = i64::try_from(index).unwrap();
            self.write(timeline, index, Some(minute(minutes)), Some(minute(minutes)));
        }
    }

    /// Archives a segment with this commit.
    pub fn write(
        &self,
        timeline: u32,
        index: u64,
        commit: Option<DateTime<Utc>>,
        modified: Option<DateTime<Utc>>,
    ) {
        let mut writer = Writer::new(segment(timeline, index), size());
        writer.write(&Entry::Other(100));
        if let Some(time) = commit {
            writer.write(&Entry::Commit {
                micros: time.timestamp_micros() - 946_684_800_000_000,
                more: 0,
            });
        }
        let (segment, content) = writer.segments().remove(0);
        self.memory.put(&self.name(segment, &content), &content, modified);
    }

    /// Archives the segments of a writer.
    pub fn segments(&self, writer: Writer) {
        for (segment, content) in writer.segments() {
            self.memory.put(&self.name(segment, &content), &content, None);
        }
    }

    /// Archives names without content: they may be listed, not read.
    pub fn names(&self, timeline: u32, indexes: impl IntoIterator<Item = u64>) {
        for index in indexes {
            let segment = segment(timeline, index);
            self.memory.put(&self.name(segment, b"x"), b"x", Some(minute(0)));
        }
    }

    /// Writes the history file of a timeline; switches lie in the middle of segments.
    pub fn history(&self, timeline: u32, switches: &[(u32, u64)]) {
        let lines = switches.iter().map(|(left, index)| {
            let at = crate::domain::wal::Lsn((index << 20) + (1 << 19));
            format!("{left}\t{at}\tno recovery target specified\n")
        });
        let name = format!("{}/{timeline:08X}.history", self.directory());
        let seen = switches
            .last()
            .map(|(_, index)| minute(i64::try_from(*index).unwrap()));
        self.memory.put(&name, lines.collect::<String>().as_bytes(), seen);
    }
}
