//! Backups: kept in their store, and by the cluster that they are of.

use std::collections::HashSet;

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::{Backup, Fleet, Key, News};
use crate::api::backup::JobState;

/// Backups.
pub struct Backups<'a> {
    fleet: &'a Fleet,
    writer: Writer<Backup>,
    there: HashSet<Key>,
}

impl<'a> Backups<'a> {
    pub fn of(fleet: &'a Fleet, writer: Writer<Backup>) -> Self {
        Self {
            fleet,
            writer,
            there: HashSet::new(),
        }
    }
}

impl Backups<'_> {
    fn keep(&self, mut backup: Backup) -> (Option<News>, Backup) {
        backup.meta_mut().managed_fields = None;
        let news = news_of(&backup, false);
        if let Some(News::Backup { key, of, .. }) = &news {
            self.fleet.backups_of.put(of, &key.name, ());
        }
        (news, backup)
    }
}

/// What is to be told of a backup that can be read.
fn news_of(backup: &Backup, gone: bool) -> Option<News> {
    let read = backup.0.as_ref().ok()?;
    let key = Key::of(&read.metadata);
    let status = read.status.as_ref();
    let state = status.and_then(|status| status.state.as_ref());
    Some(News::Backup {
        of: Key::new(key.namespace.clone(), read.spec.pg_cluster.clone()),
        key,
        uid: read.uid().unwrap_or_default(),
        over: gone || read.metadata.deletion_timestamp.is_some() || state.is_some_and(JobState::is_terminal),
        completed: status.is_some_and(|status| status.completed.is_some()),
    })
}

impl Keeper<Backup> for Backups<'_> {
    fn begin(&mut self) {
        self.there.clear();
        self.writer.apply_watcher_event(&Event::Init);
    }

    fn listed(&mut self, backup: Backup) {
        self.there.insert(Key::of(backup.meta()));
        let (_, backup) = self.keep(backup);
        self.writer.apply_watcher_event(&Event::InitApply(backup));
    }

    fn end(&mut self) {
        self.writer.apply_watcher_event(&Event::InitDone);
        for cluster in self.fleet.backups_of.keep_only(&self.there) {
            self.fleet.tell(&News::Part(cluster));
        }
        self.there.clear();
        // What was missed may have been the end of any.
        for backup in self.fleet.backups.state() {
            if let Some(news) = news_of(&backup, false) {
                self.fleet.tell(&news);
            }
        }
    }

    fn changed(&mut self, backup: Backup) {
        let (news, backup) = self.keep(backup);
        self.writer.apply_watcher_event(&Event::Apply(backup));
        if let Some(news) = news {
            self.fleet.tell(&news);
        }
    }

    fn gone(&mut self, backup: &Backup) {
        self.fleet.backups_of.remove(&Key::of(backup.meta()));
        self.writer.apply_watcher_event(&Event::Delete(backup.clone()));
        if let Some(news) = news_of(backup, true) {
            self.fleet.tell(&news);
        }
    }
}
