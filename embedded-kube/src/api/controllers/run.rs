//! The shell around the pure plans: one queue, each thing by one at a time, every failure on its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Options;
use super::cache::{Cache, Change};
use super::events::Events;
use super::execute::{ExecuteError, execute};
use super::expectations::Expectations;
use super::memory::Memory;
use super::queue::Queue;
use super::reconcile::{Around, Kinds, look};
use super::route::{Controller, Key, interested, is_tied};
use super::watch::Watches;

/// How many things are worked on at a time.
const AT_A_TIME: usize = 16;
/// How soon something is looked at again whose last write the cache has not seen.
const UNSEEN: Duration = Duration::from_millis(20);
/// How soon something is looked at again that has changed since it was looked at.
const CHANGED: Duration = Duration::from_millis(50);
/// The pauses after failures in a row.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// Everything is looked at again after this time, should a change have been missed.
const RESYNC: Duration = Duration::from_secs(60 * 60);

/// Why the controllers ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A mistake of the program.
    #[error("the watches of the API have ended: this is a mistake of the program")]
    Watch,
}

/// What has become of a look at something.
enum Outcome {
    /// All is done; look again then.
    Done(Option<Duration>),
    /// Look again soon: it was too early, or something has changed.
    Early(Duration),
    /// It did not go.
    Failed(String),
}

struct Shell {
    around: Around,
    events: Events,
    expectations: Expectations,
}

/// Runs the controllers until they are asked to stop. Nobody else may do their work at the same time.
///
/// # Errors
/// None in practice; see [`ControllerError`].
pub async fn run(client: Client, options: Options, stop: CancellationToken) -> Result<(), ControllerError> {
    let mut watches = Watches::new(client.clone());
    let shell = Arc::new(Shell {
        events: Events::new(client.clone()),
        expectations: Expectations::default(),
        around: Around { client, cache: Cache::default(), memory: Memory::default(), options },
    });
    let mut work =
        Work { shell, queue: Queue::default(), tasks: JoinSet::new(), keys: HashMap::new(), failures: HashMap::new() };
    let mut kinds: Kinds = Arc::default();
    let mut resync = Instant::now() + RESYNC;
    loop {
        // Nobody acts before everything has been seen once.
        let acts = !kinds.is_empty();
        let due = work.queue.next().filter(|_| acts && work.tasks.len() < AT_A_TIME);
        let due = due.map_or(resync, |due| due.min(resync));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changes = watches.next(&work.shell.around.cache) => {
                let changes = changes.ok_or(ControllerError::Watch)?;
                work.take(&changes);
                // What belongs to an object of a kind that was not known is known now.
                if let Some(known) = watches.kinds().filter(|known| *known != *kinds) {
                    kinds = Arc::new(known);
                    work.look_at_all();
                }
            }
            Some(ended) = work.tasks.join_next_with_id() => work.ended(ended),
            () = tokio::time::sleep_until(due.into()) => {
                if resync <= Instant::now() {
                    work.look_at_all();
                    resync = Instant::now() + RESYNC;
                }
                if acts {
                    work.begin(&kinds);
                }
            }
        }
    }
}

struct Work {
    shell: Arc<Shell>,
    queue: Queue,
    tasks: JoinSet<Outcome>,
    /// Whose task it is.
    keys: HashMap<Id, Key>,
    /// How often each has failed in a row.
    failures: HashMap<Key, u32>,
}

impl Work {
    fn take(&mut self, changes: &[Change]) {
        let seen = self.shell.around.cache.read();
        let now = Instant::now();
        for change in changes {
            for key in interested(change, &seen) {
                self.queue.add(key, now);
            }
        }
    }

    fn look_at_all(&mut self) {
        let seen = self.shell.around.cache.read();
        let now = Instant::now();
        for (place, item) in seen.items() {
            let change = Change { place: place.clone(), before: Some(item.clone()), after: Some(item.clone()) };
            let keys = interested(&change, &seen);
            let (resource, namespace, name) = place;
            let own = is_tied(item).then(|| Key::new(Controller::Garbage(resource.clone()), namespace, name));
            keys.into_iter().chain(own).for_each(|key| self.queue.add(key, now));
        }
    }

    fn begin(&mut self, kinds: &Kinds) {
        for key in self.queue.take(Instant::now(), AT_A_TIME.saturating_sub(self.tasks.len())) {
            let (shell, looked, kinds) = (Arc::clone(&self.shell), key.clone(), Arc::clone(kinds));
            let task = self.tasks.spawn(async move { shell.bring_further(&looked, &kinds).await });
            self.keys.insert(task.id(), key);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(key) = self.keys.remove(&id) else { return };
        let outcome = ended.map_or_else(|error| Outcome::Failed(error.to_string()), |(_, outcome)| outcome);
        let again = match outcome {
            Outcome::Done(again) => {
                self.failures.remove(&key);
                again
            }
            Outcome::Early(again) => Some(again),
            Outcome::Failed(error) => {
                let failures = self.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let pause = FIRST.saturating_mul(2u32.saturating_pow(*failures - 1)).min(LONGEST);
                let Key { controller, namespace, name } = &key;
                tracing::warn!(?controller, namespace, name, error, ?pause, "will be tried again");
                Some(pause)
            }
        };
        self.queue.done(key, again.map(|again| Instant::now() + again));
    }
}

impl Shell {
    async fn bring_further(&self, key: &Key, kinds: &Kinds) -> Outcome {
        if !self.expectations.met(key, &self.around.cache.read()) {
            return Outcome::Early(UNSEEN);
        }
        let plan = match look(&self.around, key, kinds).await {
            Ok(plan) => plan,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        if !plan.actions.is_empty() {
            tracing::debug!(controller = ?key.controller, namespace = key.namespace, name = key.name, %plan, "planned");
        }
        for action in &plan.actions {
            match execute(&self.around.client, &self.events, action).await {
                Ok(written) => written.into_iter().for_each(|written| self.expectations.expect(key, written)),
                Err(ExecuteError::Changed(_)) => return Outcome::Early(CHANGED),
                Err(ExecuteError::Leaving(_)) => return Outcome::Done(None),
                Err(error) => return Outcome::Failed(error.to_string()),
            }
        }
        // What was written is told by the watches, and looked at again then.
        Outcome::Done(plan.again)
    }
}
