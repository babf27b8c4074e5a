//! Services: their traces, and the addresses of those in front of leaders.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;

use super::super::follow::Keeper;
use super::super::traces::of_ours;
use super::super::{Fleet, Key, News, Seen};
use super::labelled;
use crate::controllers::cluster::names::Names;

/// Services: of those in front of leaders the address is kept.
pub struct Services<'a> {
    fleet: &'a Fleet,
    there: HashSet<(Key, String)>,
}

impl<'a> Services<'a> {
    pub fn of(fleet: &'a Fleet) -> Self {
        Self {
            fleet,
            there: HashSet::new(),
        }
    }
}

/// Keeps the address of a Service, if it is one in front of a leader. True when that is news.
pub fn keep_address(fleet: &Fleet, service: &Service) -> bool {
    let address = service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone());
    let address = address.filter(|address| !address.is_empty() && address != "None");
    match (labelled(service), address, service.name_any()) {
        (Some(cluster), Some(address), name) if name == Names::named(&cluster).ha() => {
            let before = fleet.addresses.put(&cluster, &name, address.clone());
            before.is_none_or(|before| *before != address)
        }
        _ => false,
    }
}

impl Services<'_> {
    fn told(&self, service: &Service, seen: Seen) {
        let touched = self
            .fleet
            .traces
            .see::<Service>(&service.metadata, seen)
            .is_some();
        let moved = keep_address(self.fleet, service);
        if let Some(cluster) = labelled(service)
            && (touched || moved)
        {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

impl Keeper<Service> for Services<'_> {
    fn begin(&mut self) {
        self.there.clear();
    }

    fn listed(&mut self, service: Service) {
        if let Some(cluster) = of_ours(&service.metadata) {
            self.there.insert((cluster, service.name_any()));
        }
        self.told(&service, Seen::Listed);
    }

    fn end(&mut self) {
        for cluster in self.fleet.traces.keep_only::<Service>(&self.there) {
            self.fleet.tell(&News::Part(cluster));
        }
        self.there.clear();
    }

    fn changed(&mut self, service: Service) {
        self.told(&service, Seen::Changed);
    }

    fn gone(&mut self, service: &Service) {
        self.fleet.addresses.remove(&Key::of(&service.metadata));
        if let Some(cluster) = self.fleet.traces.gone::<Service>(&service.metadata) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}
