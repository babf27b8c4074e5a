//! What the Secrets and `ConfigMaps` hold that clusters name: read once, and again when the watch tells of another version.
//!
//! Watched by their metadata alone, and kept only where a cluster names them: a namespace may be full of others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Key;
use crate::controllers::cluster::user_files::Source;

/// What an object holds; nothing when it is not there.
pub type Content = Option<Arc<BTreeMap<String, Vec<u8>>>>;

type Place = (String, Source);

#[derive(Default)]
struct Known {
    /// The clusters that name an object.
    named_by: HashMap<Place, HashSet<String>>,
    /// What each cluster names.
    names: HashMap<Key, Vec<Source>>,
    contents: HashMap<Place, Held>,
}

#[derive(Default)]
struct Held {
    /// As the watch showed it last.
    version: Option<String>,
    /// Counts what the watch showed.
    shown: u64,
    content: Option<Content>,
}

/// What is known of them.
#[derive(Default)]
pub struct Contents(Mutex<Known>);

impl Contents {
    /// A cluster names these, and no others any more.
    pub fn named(&self, cluster: &Key, sources: Vec<Source>) {
        let mut known = self.lock();
        let before = if sources.is_empty() {
            known.names.remove(cluster)
        } else {
            known.names.insert(cluster.clone(), sources.clone())
        };
        for source in before
            .into_iter()
            .flatten()
            .filter(|source| !sources.contains(source))
        {
            let place = (cluster.namespace.clone(), source);
            let unnamed = known.named_by.get_mut(&place).is_some_and(|by| {
                by.remove(&cluster.name);
                by.is_empty()
            });
            if unnamed {
                known.named_by.remove(&place);
                known.contents.remove(&place);
            }
        }
        for source in sources {
            let place = (cluster.namespace.clone(), source);
            known
                .named_by
                .entry(place)
                .or_default()
                .insert(cluster.name.clone());
        }
    }

    /// Whether anything is kept of an object.
    #[must_use]
    pub fn is_held(&self, place: &Place) -> bool {
        self.lock().contents.contains_key(place)
    }

    /// Clusters that are known to name something.
    #[must_use]
    pub fn clusters(&self) -> Vec<Key> {
        self.lock().names.keys().cloned().collect()
    }

    /// The watch shows an object in this version; nothing: it is gone. Gives the clusters that name it, if that is news.
    pub fn shown(&self, namespace: &str, source: &Source, version: Option<&str>) -> Vec<Key> {
        let mut known = self.lock();
        let place = (namespace.to_owned(), source.clone());
        let Some(clusters) = known.named_by.get(&place) else {
            return Vec::new();
        };
        let clusters = clusters.iter().map(|name| Key::new(namespace, name)).collect();
        let held = known.contents.entry(place).or_default();
        held.shown += 1;
        if held.version.as_deref() == version && held.content.is_some() {
            return Vec::new();
        }
        held.version = version.map(str::to_owned);
        held.content = None;
        clusters
    }

    /// After a new listing: those of a kind that are named and are not in it, by namespace.
    #[must_use]
    pub fn missing(&self, there: &HashSet<Place>, of_kind: impl Fn(&Source) -> bool) -> Vec<Place> {
        let known = self.lock();
        let held = known.contents.keys();
        held.filter(|place| of_kind(&place.1) && !there.contains(*place))
            .cloned()
            .collect()
    }

    /// What an object holds: what is known, else what `read` gives, with its version.
    pub async fn get<E>(
        &self,
        namespace: &str,
        source: &Source,
        read: impl Future<Output = Result<Option<(Option<String>, BTreeMap<String, Vec<u8>>)>, E>>,
    ) -> Result<Content, E> {
        let place = (namespace.to_owned(), source.clone());
        let shown = {
            let mut known = self.lock();
            let held = known.contents.entry(place.clone()).or_default();
            if let Some(content) = &held.content {
                return Ok(content.clone());
            }
            held.shown
        };
        let read = read.await?;
        let mut known = self.lock();
        let is_named = known.named_by.contains_key(&place);
        let (version, content) = match read {
            Some((version, data)) => (version, Some(Arc::new(data))),
            None => (None, None),
        };
        // What the watch has shown meanwhile may be newer than what was read.
        let held = known.contents.entry(place.clone()).or_default();
        if held.shown == shown || held.version == version {
            held.version = version;
            held.content = Some(content.clone());
        }
        if !is_named {
            known.contents.remove(&place);
        }
        Ok(content)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere leaves it as whole as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn app() -> Key {
        Key::new("prod", "app")
    }

    fn cloud() -> Source {
        Source::Secret("cloud".to_owned())
    }

    async fn get(contents: &Contents, version: &str, value: &str) -> String {
        let data = BTreeMap::from([("k".to_owned(), value.as_bytes().to_vec())]);
        let read = async { Ok::<_, Infallible>(Some((Some(version.to_owned()), data))) };
        let content = contents.get("prod", &cloud(), read).await.unwrap().unwrap();
        String::from_utf8(content["k"].clone()).unwrap()
    }

    #[tokio::test]
    async fn what_was_read_is_kept_until_the_watch_shows_another_version() {
        let contents = Contents::default();
        contents.named(&app(), vec![cloud()]);
        assert_eq!(get(&contents, "1", "one").await, "one");
        assert_eq!(contents.shown("prod", &cloud(), Some("1")), []);
        assert_eq!(get(&contents, "2", "not read").await, "one");
        assert_eq!(contents.shown("prod", &cloud(), Some("2")), [app()]);
        assert_eq!(get(&contents, "2", "two").await, "two");
        assert_eq!(contents.shown("prod", &cloud(), None), [app()]);
    }

    #[tokio::test]
    async fn what_changes_while_it_is_read_is_read_again() {
        let contents = Contents::default();
        contents.named(&app(), vec![cloud()]);
        let read = async {
            contents.shown("prod", &cloud(), Some("2"));
            Ok::<_, Infallible>(Some((Some("1".to_owned()), BTreeMap::new())))
        };
        contents.get("prod", &cloud(), read).await.unwrap();
        assert_eq!(get(&contents, "2", "two").await, "two");
    }

    #[tokio::test]
    async fn what_no_cluster_names_is_not_kept() {
        let contents = Contents::default();
        assert_eq!(contents.shown("prod", &cloud(), Some("1")), []);
        assert_eq!(get(&contents, "1", "one").await, "one");
        assert_eq!(get(&contents, "1", "two").await, "two");
        contents.named(&app(), vec![cloud()]);
        get(&contents, "1", "one").await;
        contents.named(&app(), vec![]);
        assert_eq!(get(&contents, "1", "two").await, "two");
        assert!(contents.clusters().is_empty());
    }
}
