//! Objects of one kind by the cluster that they belong to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Key;

/// Objects of one kind, each under the cluster that its label names.
pub struct Shelf<T>(Mutex<Kept<T>>);

struct Kept<T> {
    by_cluster: HashMap<Key, Vec<(String, Arc<T>)>>,
    /// The cluster of each object, by namespace and name: a label may be changed.
    homes: HashMap<Key, String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            by_cluster: HashMap::new(),
            homes: HashMap::new(),
        }))
    }
}

impl<T> Shelf<T> {
    /// Puts an object in its place. Gives what was known of it before.
    pub fn put(&self, cluster: &Key, name: &str, object: T) -> Option<Arc<T>> {
        let mut kept = self.lock();
        let own = Key::new(&cluster.namespace, name);
        let home = kept.homes.insert(own.clone(), cluster.name.clone());
        if home.is_some_and(|home| home != cluster.name) {
            // From another cluster's place, which then is not known to have it any more.
            kept.take_from_others(cluster, name);
        }
        let objects = kept.by_cluster.entry(cluster.clone()).or_default();
        let object = Arc::new(object);
        if let Some((_, there)) = objects.iter_mut().find(|(other, _)| other == name) {
            return Some(std::mem::replace(there, object));
        }
        objects.push((name.to_owned(), object));
        objects.sort_by(|(one, _), (other, _)| one.cmp(other));
        None
    }

    /// Takes an object away, by namespace and name. Gives the cluster that it belonged to.
    pub fn remove(&self, own: &Key) -> Option<Key> {
        let mut kept = self.lock();
        let cluster = Key::new(&own.namespace, kept.homes.remove(own)?);
        kept.drop_from(&cluster, &own.name);
        Some(cluster)
    }

    /// Takes away all but these, by namespace and name. Gives the clusters that have lost something.
    pub fn keep_only(&self, there: &HashSet<Key>) -> Vec<Key> {
        let gone: Vec<Key> = self
            .lock()
            .homes
            .keys()
            .filter(|own| !there.contains(*own))
            .cloned()
            .collect();
        gone.iter().filter_map(|own| self.remove(own)).collect()
    }

    /// Names of a cluster's objects, sorted.
    pub fn names(&self, cluster: &Key) -> Vec<String> {
        let kept = self.lock();
        let objects = kept.by_cluster.get(cluster);
        objects
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        // A panic elsewhere leaves it as whole as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Shelf<T> {
    /// A cluster's objects, sorted by name.
    pub fn of(&self, cluster: &Key) -> Vec<T> {
        let kept = self.lock();
        let objects = kept.by_cluster.get(cluster);
        objects
            .into_iter()
            .flatten()
            .map(|(_, object)| T::clone(object))
            .collect()
    }

    /// One of them.
    pub fn get(&self, cluster: &Key, name: &str) -> Option<T> {
        let kept = self.lock();
        let objects = kept.by_cluster.get(cluster)?;
        let (_, object) = objects.iter().find(|(other, _)| other == name)?;
        Some(T::clone(object))
    }
}

impl<T> Kept<T> {
    fn drop_from(&mut self, cluster: &Key, name: &str) {
        if let Some(objects) = self.by_cluster.get_mut(cluster) {
            objects.retain(|(other, _)| other != name);
            if objects.is_empty() {
                self.by_cluster.remove(cluster);
            }
        }
    }

    fn take_from_others(&mut self, cluster: &Key, name: &str) {
        for (other, objects) in &mut self.by_cluster {
            if other != cluster && other.namespace == cluster.namespace {
                objects.retain(|(there, _)| there != name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("prod", name)
    }

    #[test]
    fn objects_are_found_under_their_cluster_by_name() {
        let shelf = Shelf::default();
        assert!(shelf.put(&key("a"), "two", 2).is_none());
        assert!(shelf.put(&key("a"), "one", 1).is_none());
        assert!(shelf.put(&key("b"), "three", 3).is_none());
        assert_eq!(shelf.of(&key("a")), [1, 2]);
        assert_eq!(shelf.names(&key("a")), ["one", "two"]);
        assert_eq!(shelf.put(&key("a"), "one", 11).as_deref(), Some(&1));
        assert_eq!(shelf.get(&key("a"), "one"), Some(11));
        assert_eq!(shelf.get(&key("b"), "one"), None);
    }

    #[test]
    fn what_is_removed_is_gone_and_says_whose_it_was() {
        let shelf = Shelf::default();
        shelf.put(&key("a"), "one", 1);
        assert_eq!(shelf.remove(&key("one")), Some(key("a")));
        assert_eq!(shelf.remove(&key("one")), None);
        assert!(shelf.of(&key("a")).is_empty());
    }

    #[test]
    fn what_a_new_listing_does_not_have_is_gone() {
        let shelf = Shelf::default();
        shelf.put(&key("a"), "one", 1);
        shelf.put(&key("b"), "two", 2);
        assert_eq!(shelf.keep_only(&HashSet::from([key("two")])), [key("a")]);
        assert_eq!(shelf.of(&key("b")), [2]);
    }

    #[test]
    fn an_object_whose_label_changes_moves() {
        let shelf = Shelf::default();
        shelf.put(&key("a"), "one", 1);
        shelf.put(&key("b"), "one", 1);
        assert!(shelf.of(&key("a")).is_empty());
        assert_eq!(shelf.of(&key("b")), [1]);
    }
}
