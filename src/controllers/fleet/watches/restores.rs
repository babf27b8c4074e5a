//! Restores: kept in their store. There are few, and few are at work.

use kube::Resource as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;

use super::super::follow::Keeper;
use super::super::{Fleet, Key, News, Restore, slim};

/// Restores.
pub struct Restores<'a> {
    fleet: &'a Fleet,
    writer: Writer<Restore>,
}

impl<'a> Restores<'a> {
    pub fn of(fleet: &'a Fleet, writer: Writer<Restore>) -> Self {
        Self { fleet, writer }
    }
}

fn slimmed(mut restore: Restore) -> Restore {
    slim::own(restore.meta_mut());
    restore
}

impl Keeper<Restore> for Restores<'_> {
    fn begin(&mut self) {
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
    }

    fn changed(&mut self, restore: Restore) {
        let key = Key::of(restore.meta());
        self.writer.apply_watcher_event(&Event::Apply(slimmed(restore)));
        self.fleet.tell(&News::Restore(key));
    }

    fn gone(&mut self, restore: &Restore) {
        self.writer.apply_watcher_event(&Event::Delete(restore.clone()));
    }
}
