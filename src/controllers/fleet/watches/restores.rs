//! Restores: kept in their store. There are few, and few are at work.

use std::sync::Arc;

use kube::Resource as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;

use super::super::follow::Keeper;
use super::super::{Fleet, Key, News, Restore, slim};

/// Restores.
pub struct Restores<'a> {
    fleet: &'a Fleet,
    writer: Writer<Restore>,
    /// What was there before a list.
    before: Vec<Arc<Restore>>,
}

impl<'a> Restores<'a> {
    pub fn of(fleet: &'a Fleet, writer: Writer<Restore>) -> Self {
        Self {
            fleet,
            writer,
            before: Vec::new(),
        }
    }

    /// Its cluster may make it again, and another restore may have waited for it.
    fn missed(&self, restore: &Restore) {
        if let Ok(read) = &restore.0 {
            let namespace = read.metadata.namespace.clone().unwrap_or_default();
            let cluster = Key::new(namespace, read.spec.pg_cluster.clone());
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

fn slimmed(mut restore: Restore) -> Restore {
    slim::own(restore.meta_mut());
    restore
}

impl Keeper<Restore> for Restores<'_> {
    fn begin(&mut self) {
        self.before = self.fleet.restores.state();
        self.writer.apply_watcher_event(&Event::Init);
    }

    fn listed(&mut self, restore: Restore) {
        self.writer
            .apply_watcher_event(&Event::InitApply(slimmed(restore)));
    }

    fn end(&mut self) {
        self.writer.apply_watcher_event(&Event::InitDone);
        for restore in self.fleet.restores.state() {
            self.fleet.tell(&News::Restore(Key::of(restore.meta())));
        }
        for restore in std::mem::take(&mut self.before) {
            let key = Key::of(restore.meta());
            if self.fleet.restores.get(&key.reference()).is_none() {
                self.missed(&restore);
            }
        }
    }

    fn changed(&mut self, restore: Restore) {
        let key = Key::of(restore.meta());
        self.writer.apply_watcher_event(&Event::Apply(slimmed(restore)));
        self.fleet.tell(&News::Restore(key));
    }

    fn gone(&mut self, restore: &Restore) {
        self.writer.apply_watcher_event(&Event::Delete(restore.clone()));
        self.missed(restore);
    }
}
