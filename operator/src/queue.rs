//! Who is looked at next: what somebody waits for goes before everything else, and otherwise who has waited longest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::action::Kind;
use crate::routes::Key;

/// How soon an object is looked at; what is pressing comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Somebody waits for it: a fire for its run, a run for its Job, and all for what a worker has done.
    Pressing,
    /// In its turn.
    Ordinary,
}

/// How many objects of a kind are looked at at a time in each lane.
const AT_A_TIME: usize = 16;
/// How many of them in the ordinary lane while anything is pressing: it shares the API server with that.
const MEANWHILE: usize = 4;

/// When an object is looked at again, and how soon then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// After this time.
    pub(crate) after: Duration,
    /// In this lane.
    pub(crate) lane: Lane,
}

/// Where an object is: it may wait, and have a time besides; while it is looked at, it is only noted that it was asked for.
#[derive(Debug, Default)]
struct Place {
    waits: Option<(Lane, u64)>,
    later: Option<(Instant, u64)>,
    looked_at: Option<Lane>,
    asked: Option<Lane>,
}

/// The order of all objects. No time passes in here.
#[derive(Debug, Default)]
struct Order {
    places: HashMap<Arc<Key>, Place>,
    /// Who waits, by tickets. One that has gone to another lane has left a ticket behind, which counts no more.
    waiting: BTreeMap<(Lane, Kind), Waiting>,
    /// Who comes back at a time of its own.
    later: BTreeMap<(Instant, u64), (Arc<Key>, Lane)>,
    /// How many are looked at.
    busy: BTreeMap<(Lane, Kind), usize>,
    tickets: u64,
}

impl Order {
    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// It waits from now on. One that does already goes to the other lane if it is sooner looked at there.
    fn ask(&mut self, key: Arc<Key>, lane: Lane) {
        let ticket = self.ticket();
        let place = self.places.entry(Arc::clone(&key)).or_default();
        if place.looked_at.is_some() {
            place.asked = Some(place.asked.map_or(lane, |before| before.min(lane)));
        } else if place.waits.is_none_or(|(before, _)| lane < before) {
            place.waits = Some((lane, ticket));
            self.waiting.entry((lane, key.kind)).or_default().push_back((ticket, key));
        }
    }

    /// Those whose time has come wait.
    fn wake(&mut self, now: Instant) {
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now {
                return;
            }
            let (key, lane) = first.remove();
            if let Some(place) = self.places.get_mut(&key) {
                place.later = None;
            }
            self.ask(key, lane);
        }
    }

    /// How many of a kind may be looked at in a lane.
    fn most(&self, lane: Lane) -> usize {
        let pressing = |(of, _): &(Lane, Kind)| *of == Lane::Pressing;
        let busy = self.busy.iter().any(|(line, busy)| pressing(line) && *busy > 0);
        let presses = busy || self.waiting.iter().any(|(line, waiting)| pressing(line) && !waiting.is_empty());
        if lane == Lane::Ordinary && presses { MEANWHILE } else { AT_A_TIME }
    }

    /// Who is to be looked at now, if anybody may be.
    fn take(&mut self, now: Instant) -> Option<(Arc<Key>, Lane)> {
        self.wake(now);
        let lines: Vec<(Lane, Kind)> = self.waiting.keys().copied().collect();
        for (lane, kind) in lines {
            if self.busy.get(&(lane, kind)).copied().unwrap_or(0) >= self.most(lane) {
                continue;
            }
            while let Some((ticket, key)) = self.waiting.get_mut(&(lane, kind)).and_then(VecDeque::pop_front) {
                let Some(place) = self.places.get_mut(&key).filter(|place| place.waits == Some((lane, ticket))) else {
                    continue;
                };
                place.waits = None;
                place.looked_at = Some(lane);
                // The look says anew when the next one is due.
                if let Some(later) = place.later.take() {
                    self.later.remove(&later);
                }
                *self.busy.entry((lane, kind)).or_default() += 1;
                return Some((key, lane));
            }
        }
        None
    }

    /// It was looked at.
    fn done(&mut self, key: &Arc<Key>, again: Option<(Instant, Lane)>) {
        let ticket = self.ticket();
        let Some(place) = self.places.get_mut(key) else { return };
        let lane = place.looked_at.take();
        if let Some(busy) = lane.and_then(|lane| self.busy.get_mut(&(lane, key.kind))) {
            *busy -= 1;
        }
        if let Some((at, lane)) = again {
            place.later = Some((at, ticket));
            self.later.insert((at, ticket), (Arc::clone(key), lane));
        }
        match place.asked.take() {
            Some(lane) => self.ask(Arc::clone(key), lane),
            None if again.is_none() => {
                self.places.remove(key);
            }
            None => {}
        }
    }
}

/// Who waits, each with its place, the first in front.
type Waiting = VecDeque<(u64, Arc<Key>)>;

/// Who is looked at next.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: Mutex<Order>,
    asked: Notify,
}

impl Queue {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object is to be looked at. It is once, however often it was asked for before.
    pub(crate) fn ask(&self, key: Key, lane: Lane) {
        self.order().ask(Arc::new(key), lane);
        self.asked.notify_one();
    }

    /// Who is to be looked at now, if anybody may be; until that is [`done`](Self::done), it is nobody else's.
    pub(crate) fn take(&self) -> Option<(Arc<Key>, Lane)> {
        self.order().take(Instant::now())
    }

    /// An object was looked at.
    pub(crate) fn done(&self, key: &Arc<Key>, again: Option<Again>) {
        self.order().done(key, again.map(|Again { after, lane }| (Instant::now() + after, lane)));
    }

    /// Waits until there may be somebody: one was asked for, or its time has come.
    pub(crate) async fn stirs(&self) {
        let next = self.order().later.first_key_value().map(|((at, _), _)| *at);
        match next {
            Some(at) => tokio::select! {
                () = self.asked.notified() => {}
                () = tokio::time::sleep_until(at.into()) => {}
            },
            None => self.asked.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lane::{Ordinary, Pressing};
    use super::*;

    fn key(kind: Kind, name: &str) -> Arc<Key> {
        Arc::new(Key { kind, namespace: "demo".into(), name: name.into() })
    }

    /// Those that may be looked at now, in order.
    fn taken(order: &mut Order, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| order.take(now)).map(|(key, lane)| format!("{} {lane:?}", key.name)).collect()
    }

    #[test]
    fn who_has_waited_longest_comes_first_and_what_is_pressing_before_all() {
        let (mut order, now) = (Order::default(), Instant::now());
        let run = |name: &str| key(Kind::PipelineRun, name);
        for name in ["c", "a", "b", "a"] {
            order.ask(run(name), Ordinary);
        }
        order.ask(run("z"), Pressing);
        // One that waits is moved, and comes once.
        order.ask(run("b"), Pressing);
        order.ask(run("b"), Ordinary);
        assert_eq!(taken(&mut order, now), ["z Pressing", "b Pressing", "c Ordinary", "a Ordinary"]);
        // One that was moved and asked for again does not come by the ticket that it has left.
        let mut order = Order::default();
        order.ask(run("a"), Ordinary);
        order.ask(run("b"), Ordinary);
        order.ask(run("a"), Pressing);
        let (first, _) = order.take(now).expect("it is pressing");
        order.done(&first, None);
        order.ask(first, Ordinary);
        assert_eq!(taken(&mut order, now), ["b Ordinary", "a Ordinary"]);
    }

    #[test]
    fn an_object_is_looked_at_once_at_a_time_and_again_if_it_was_asked_for_meanwhile() {
        let (mut order, now) = (Order::default(), Instant::now());
        let one = key(Kind::Pipeline, "one");
        order.ask(Arc::clone(&one), Ordinary);
        assert_eq!(taken(&mut order, now), ["one Ordinary"]);
        order.ask(Arc::clone(&one), Ordinary);
        order.ask(Arc::clone(&one), Pressing);
        assert_eq!(taken(&mut order, now), [] as [&str; 0]);
        order.done(&one, None);
        assert_eq!(taken(&mut order, now), ["one Pressing"]);
        order.done(&one, None);
        assert_eq!(taken(&mut order, now), [] as [&str; 0]);
        assert!(order.places.is_empty() && order.later.is_empty(), "{order:?}");
        assert!(order.busy.values().all(|busy| *busy == 0), "{order:?}");
    }

    #[test]
    fn each_kind_has_its_share_and_what_is_pressing_leaves_some_to_others() {
        let (mut order, now) = (Order::default(), Instant::now());
        for number in 0..30 {
            for kind in [Kind::Pipeline, Kind::Schedule] {
                order.ask(key(kind, &number.to_string()), Ordinary);
            }
        }
        assert_eq!(taken(&mut order, now).len(), 2 * AT_A_TIME);
        let mut order = Order::default();
        for number in 0..20 {
            order.ask(key(Kind::Pipeline, &number.to_string()), Ordinary);
            order.ask(key(Kind::PipelineRun, &number.to_string()), Pressing);
        }
        let count = |all: &[String]| {
            let pressing = all.iter().filter(|taken| taken.ends_with("Pressing")).count();
            (pressing, all.len() - pressing)
        };
        assert_eq!(count(&taken(&mut order, now)), (AT_A_TIME, MEANWHILE));
        let runs: Vec<Arc<Key>> = (0..20).map(|number| key(Kind::PipelineRun, &number.to_string())).collect();
        for run in &runs[..AT_A_TIME] {
            order.done(run, None);
        }
        assert_eq!(count(&taken(&mut order, now)), (20 - AT_A_TIME, 0));
        for run in &runs[AT_A_TIME..] {
            order.done(run, None);
        }
        assert_eq!(count(&taken(&mut order, now)), (0, AT_A_TIME - MEANWHILE), "nothing is pressing any more");
    }

    #[test]
    fn a_time_that_has_come_counts_even_where_somebody_waits_already() {
        let (mut order, now) = (Order::default(), Instant::now());
        let (fire, second) = (key(Kind::Schedule, "fire"), Duration::from_secs(1));
        order.ask(Arc::clone(&fire), Ordinary);
        assert_eq!(taken(&mut order, now).len(), 1);
        order.done(&fire, Some((now + second, Pressing)));
        assert_eq!(taken(&mut order, now), [] as [&str; 0]);
        // It waits behind many others when its time comes.
        for number in 0..AT_A_TIME {
            order.ask(key(Kind::Schedule, &number.to_string()), Ordinary);
        }
        assert_eq!(taken(&mut order, now).len(), AT_A_TIME);
        order.ask(Arc::clone(&fire), Ordinary);
        assert_eq!(taken(&mut order, now), [] as [&str; 0]);
        assert_eq!(taken(&mut order, now + second), ["fire Pressing"]);
        order.done(&fire, Some((now + 3 * second, Pressing)));
        // Whoever is looked at before its time has a new one then.
        order.ask(Arc::clone(&fire), Pressing);
        assert_eq!(taken(&mut order, now + 2 * second), ["fire Pressing"]);
        assert!(order.later.is_empty(), "{order:?}");
        // What was asked for meanwhile does not take the time away.
        order.ask(Arc::clone(&fire), Ordinary);
        order.done(&fire, Some((now + 5 * second, Pressing)));
        assert_eq!(taken(&mut order, now + 5 * second), ["fire Pressing"]);
    }

    #[tokio::test]
    async fn it_stirs_when_somebody_asks_and_when_a_time_has_come() {
        let queue = Queue::default();
        let one = Key { kind: Kind::Schedule, namespace: "demo".into(), name: "one".into() };
        queue.ask(one, Ordinary);
        queue.stirs().await;
        let (one, _) = queue.take().expect("one waits");
        queue.done(&one, Some(Again { after: Duration::from_millis(200), lane: Pressing }));
        let stirs = async {
            loop {
                queue.stirs().await;
                if let Some((again, lane)) = queue.take() {
                    return (again.name.clone(), lane);
                }
            }
        };
        let again = tokio::time::timeout(Duration::from_secs(30), stirs).await.expect("its time comes");
        assert_eq!(again, ("one".to_owned(), Pressing));
    }
}
