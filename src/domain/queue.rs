//! How many backups of a whole fleet run at once, and whose turn is next.
//!
//! First come, first served among those for which there is room: one whose namespace or store is at its limit holds up nobody
//! else. A cluster asks for one at a time, so that none of them can crowd out another.

/// Limits of the fleet; nothing where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// At once in all.
    pub total: Option<usize>,
    /// At once in each namespace.
    pub per_namespace: Option<usize>,
    /// At once into each store, by its endpoint.
    pub per_store: Option<usize>,
}

/// What a backup uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// The endpoint of its repository's store.
    pub store: String,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Of all.
    Total(usize),
    /// Of its namespace.
    Namespace(usize),
    /// Of its store.
    Store(usize),
}

impl Limits {
    /// Which limit leaves no room for one more.
    #[must_use]
    pub fn full<'a>(&self, running: impl Iterator<Item = &'a Place>, place: &Place) -> Option<Full> {
        let (mut all, mut namespace, mut store) = (0, 0, 0);
        for other in running {
            all += 1;
            namespace += usize::from(other.namespace == place.namespace);
            store += usize::from(other.store == place.store);
        }
        let reached = |limit: Option<usize>, count: usize| limit.filter(|limit| count >= *limit);
        reached(self.total, all)
            .map(Full::Total)
            .or_else(|| reached(self.per_namespace, namespace).map(Full::Namespace))
            .or_else(|| reached(self.per_store, store).map(Full::Store))
    }

    /// Those of the waiting, in their order, that may begin now.
    #[must_use]
    pub fn admitted<'a, T>(
        &self,
        running: impl Iterator<Item = &'a Place>,
        waiting: impl Iterator<Item = (&'a Place, T)>,
    ) -> Vec<T> {
        let mut taken: Vec<&Place> = running.collect();
        let mut admitted = Vec::new();
        for (place, who) in waiting {
            if self.full(taken.iter().copied(), place).is_none() {
                taken.push(place);
                admitted.push(who);
            } else if self.total.is_some_and(|total| taken.len() >= total) {
                break;
            }
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(namespace: u8, store: u8) -> Place {
        Place {
            namespace: format!("n{namespace}"),
            store: format!("s{store}"),
        }
    }

    fn places(most: usize) -> impl Strategy<Value = Vec<Place>> {
        prop::collection::vec((0_u8..4, 0_u8..3).prop_map(|(n, s)| place(n, s)), 0..most)
    }

    proptest! {
        /// Whatever asks and in whatever order it ends: no limit is ever exceeded, nobody waits while there is room for him,
        /// and in the end everybody had his turn.
        #[test]
        fn limits_hold_and_nobody_waits_in_vain(
            asking in places(60),
            total in prop::option::of(1_usize..6),
            per_namespace in prop::option::of(1_usize..4),
            per_store in prop::option::of(1_usize..4),
            ends in prop::collection::vec(any::<prop::sample::Index>(), 80),
        ) {
            let limits = Limits { total, per_namespace, per_store };
            let mut waiting: Vec<(usize, Place)> = asking.into_iter().enumerate().collect();
            let mut running: Vec<(usize, Place)> = Vec::new();
            let mut ends = ends.into_iter();
            loop {
                let begin = limits.admitted(
                    running.iter().map(|(_, place)| place),
                    waiting.iter().map(|(id, place)| (place, *id)),
                );
                let (started, left) = waiting.into_iter().partition(|(id, _)| begin.contains(id));
                waiting = left;
                running.extend::<Vec<_>>(started);
                for (_, place) in &running {
                    let same = |same: &dyn Fn(&Place) -> bool| running.iter().filter(|(_, other)| same(other)).count();
                    prop_assert!(total.is_none_or(|total| running.len() <= total));
                    prop_assert!(per_namespace.is_none_or(|most| same(&|other| other.namespace == place.namespace) <= most));
                    prop_assert!(per_store.is_none_or(|most| same(&|other| other.store == place.store) <= most));
                }
                for (_, place) in &waiting {
                    prop_assert!(limits.full(running.iter().map(|(_, place)| place), place).is_some());
                }
                let Some(end) = ends.next().filter(|_| !running.is_empty()) else { break };
                let index = end.index(running.len());
                running.remove(index);
            }
            prop_assert!(waiting.is_empty());
        }
    }

    #[test]
    fn the_limit_that_is_reached_is_named() {
        let limits = Limits {
            total: Some(3),
            per_namespace: Some(2),
            per_store: Some(1),
        };
        let running = [place(0, 0), place(0, 1)];
        let full = |place: &Place| limits.full(running.iter(), place);
        assert_eq!(full(&place(1, 2)), None);
        assert_eq!(full(&place(1, 0)), Some(Full::Store(1)));
        assert_eq!(full(&place(0, 2)), Some(Full::Namespace(2)));
        assert_eq!(
            limits.full([place(1, 1), place(2, 2), place(3, 0)].iter(), &place(0, 3)),
            Some(Full::Total(3))
        );
        assert_eq!(Limits::default().full(running.iter(), &place(0, 0)), None);
    }
}
