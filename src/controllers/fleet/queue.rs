//! The rounds of one controller: which objects are due, each at most once at a time, a bounded number at once, first come first
//! served.
//!
//! Kube's own runner asks every future that waits whenever one of them may go on, which a thousand of them cannot bear.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::Resource;
use kube::runtime::reflector::Store;
use tokio::time::{Instant, sleep_until};

use super::{Fleet, Key};
use crate::controllers::context::Context;
use crate::controllers::round::{self, Categorized, leadership_gained};

/// Reconciles of one controller that may run at once.
const AT_ONCE: usize = 48;
/// Nothing is put off for longer than this.
const FAR: Duration = Duration::from_hours(24);

/// What becomes of an object after a reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action(Option<Duration>);

impl Action {
    /// It is looked at again after this time, if nothing wakes it before.
    #[must_use]
    pub fn requeue(pause: Duration) -> Self {
        Self(Some(pause.min(FAR)))
    }

    /// It is looked at when something wakes it.
    #[must_use]
    pub fn await_change() -> Self {
        Self(None)
    }
}

/// What one controller does.
pub struct Work<K: Resource<DynamicType = ()> + 'static, R, F> {
    /// Names it in metrics.
    pub controller: &'static str,
    /// Where the objects are.
    pub store: Store<K>,
    /// What to do about one, while this replica leads.
    pub reconcile: R,
    /// What to do about one that could not be done.
    pub failed: F,
}

impl<K, R, F> Work<K, R, F>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    /// Reconciles what `wakes` names, counted and measured, and everything when leadership is gained, until the process is told
    /// to end; then what is being done is done to its end.
    pub async fn rounds<Fut, E>(self, context: &Context, fleet: &Fleet, wakes: impl Stream<Item = Vec<Key>>)
    where
        R: Fn(Arc<K>) -> Fut,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
        F: Fn(&K, &E) -> Action + Send + Sync + 'static,
        E: Categorized + Send,
    {
        tokio::select! {
            () = fleet.seen() => {}
            () = context.shutdown.cancelled() => return,
        }
        let failed = Arc::new(self.failed);
        let mut wakes = std::pin::pin!(wakes);
        let mut gained = std::pin::pin!(leadership_gained(context.claim.clone()));
        let mut queue = Queue::default();
        let mut running: FuturesUnordered<BoxFuture<'static, (Key, Option<Instant>)>> =
            FuturesUnordered::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(key) = queue.take()
            {
                // What is gone is nobody's concern any more.
                let Some(object) = self.store.get(&key.reference()) else {
                    queue.done(key, None);
                    continue;
                };
                let (reconcile, failed) = ((self.reconcile)(object.clone()), failed.clone());
                let (controller, context) = (self.controller, context.clone());
                running.push(
                    async move {
                        let action = round::run(controller, &context, reconcile)
                            .await
                            .unwrap_or_else(|error| failed(&object, &error));
                        (key, action.0.map(|pause| Instant::now() + pause))
                    }
                    .boxed(),
                );
            }
            context.metrics.queued(self.controller, queue.waiting.len());
            tokio::select! {
                Some((key, again)) = running.next(), if !running.is_empty() => queue.done(key, again),
                Some(keys) = wakes.next() => queue.wake(keys),
                Some(()) = gained.next() => {
                    queue.wake(self.store.state().iter().map(|object| Key::of(object.meta())));
                }
                () = sleep_until(queue.next().unwrap_or_else(far)) => queue.ring(Instant::now()),
                () = context.shutdown.cancelled() => break,
            }
        }
        while running.next().await.is_some() {}
    }
}

fn far() -> Instant {
    Instant::now() + FAR
}

/// Whose turn it is. Pure: the clock is passed in.
#[derive(Default)]
struct Queue {
    /// In the order in which they came.
    waiting: VecDeque<Key>,
    queued: HashSet<Key>,
    running: HashSet<Key>,
    /// Those that are to be looked at later.
    later: BTreeSet<(Instant, Key)>,
    times: HashMap<Key, Instant>,
}

impl Queue {
    /// These are due now.
    fn wake(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if let Some(time) = self.times.remove(&key) {
                self.later.remove(&(time, key.clone()));
            }
            if self.queued.insert(key.clone()) {
                self.waiting.push_back(key);
            }
        }
    }

    /// The next one, if there is one that is not being looked at.
    fn take(&mut self) -> Option<Key> {
        let place = self.waiting.iter().position(|key| !self.running.contains(key))?;
        let key = self.waiting.remove(place)?;
        self.queued.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// One has been looked at, and is to be again at some time.
    fn done(&mut self, key: Key, again: Option<Instant>) {
        self.running.remove(&key);
        if let Some(time) = again
            && !self.queued.contains(&key)
        {
            self.times.insert(key.clone(), time);
            self.later.insert((time, key));
        }
    }

    /// When the next one of those is due that are to be looked at later.
    fn next(&self) -> Option<Instant> {
        self.later.first().map(|(time, _)| *time)
    }

    /// Those whose time has come are due.
    fn ring(&mut self, now: Instant) {
        while let Some((time, key)) = self.later.first().cloned()
            && time <= now
        {
            self.wake([key]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("prod", name)
    }

    fn names(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.take()).map(|key| key.name).collect()
    }

    #[test]
    fn objects_are_looked_at_in_the_order_in_which_they_came_and_once_however_often_they_are_woken() {
        let mut queue = Queue::default();
        queue.wake(["b", "a", "b", "c", "a"].map(key));
        assert_eq!(names(&mut queue), ["b", "a", "c"]);
    }

    #[test]
    fn what_is_woken_while_it_is_looked_at_is_looked_at_again_afterwards_and_holds_up_nobody() {
        let mut queue = Queue::default();
        queue.wake([key("a")]);
        assert_eq!(names(&mut queue), ["a"]);
        queue.wake([key("a"), key("b")]);
        assert_eq!(names(&mut queue), ["b"]);
        queue.done(key("a"), None);
        assert_eq!(names(&mut queue), ["a"]);
    }

    #[tokio::test]
    async fn what_is_put_off_is_due_at_its_time_or_when_it_is_woken_before() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        for (name, seconds) in [("a", 9), ("b", 5), ("c", 7)] {
            queue.wake([key(name)]);
            queue.take();
            queue.done(key(name), Some(after(seconds)));
        }
        assert_eq!(queue.next(), Some(after(5)));
        queue.ring(after(4));
        assert!(names(&mut queue).is_empty());
        queue.wake([key("c")]);
        assert_eq!(names(&mut queue), ["c"]);
        queue.done(key("c"), None);
        queue.ring(after(100));
        assert_eq!(names(&mut queue), ["b", "a"]);
        assert_eq!(queue.next(), None);
    }

    #[tokio::test]
    async fn a_wake_that_came_meanwhile_counts_more_than_a_time() {
        let mut queue = Queue::default();
        queue.wake([key("a")]);
        queue.take();
        queue.wake([key("a")]);
        queue.done(key("a"), Some(Instant::now()));
        assert_eq!(queue.next(), None);
        assert_eq!(names(&mut queue), ["a"]);
    }

    #[test]
    fn nothing_is_put_off_for_ever() {
        assert_eq!(Action::requeue(Duration::MAX), Action::requeue(FAR));
    }
}
