//! A state of the model: the server, the operators with their caches, what is on its way, and what is around them; and
//! everything that can happen next.

use std::hash::Hash;

use super::object::{Object, Place, Stored};
use super::server::{Event, Server};
use super::subject::Bounds;
use super::task::Task;
use crate::action::Kind;
use crate::queue::Lane;

/// What is left of [`Bounds`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) crashes: u8,
    pub(super) pasts: u8,
    pub(super) losses: u8,
    pub(super) delays: u8,
    pub(super) refusals: u8,
    pub(super) relists: u8,
    pub(super) leaders: u8,
    pub(super) ticks: u8,
}

impl Left {
    pub(super) fn of(bounds: &Bounds) -> Self {
        let Bounds { crashes, pasts, losses, delays, refusals, relists, leaders, ticks, .. } = *bounds;
        Self { crashes, pasts, losses, delays, refusals, relists, leaders, ticks }
    }
}

/// What an operator knows of its own writes, and waits for its caches to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Expected {
    /// Whom it was planning, by its number among the keys.
    pub(super) key: u8,
    /// The object that was written.
    pub(super) place: Place,
    /// Which of all objects of that name.
    pub(super) life: u8,
    /// The version that it has now at least; None when it goes.
    pub(super) version: Option<u16>,
    /// Whether it is the one that was being planned.
    pub(super) own: bool,
    /// The second of the write: it is not waited for for ever.
    pub(super) since: u32,
}

/// A write that was planned: what, and from which version of the object (0 where that does not matter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    pub(super) task: Task,
    pub(super) version: u16,
}

/// The writes of a look that are still to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rest {
    /// Whom it is about, by its number among the keys.
    pub(super) key: u8,
    /// They are done in this order.
    pub(super) writes: Vec<Write>,
    /// What is said when one is refused.
    pub(super) blocked: Vec<Write>,
}

/// An operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Operator {
    /// Whether it takes itself for the one that acts.
    pub(super) leads: bool,
    /// What its caches hold, by kind and name.
    pub(super) cache: Vec<Object>,
    /// What the watches have still to tell it, in the order in which it happened. Each kind has a watch of its own.
    pub(super) news: Vec<Event>,
    /// Its last writes that its caches have not seen.
    pub(super) expected: Vec<Expected>,
    /// The runs whose plans are known to be gone, by their UIDs (`index::Objects::is_gone`): who begins anew does not know it.
    pub(super) gone: Vec<&'static str>,
    /// What it is about to write.
    pub(super) rest: Option<Rest>,
}

impl Operator {
    /// The object in its caches.
    pub(super) fn cached(&self, place: Place) -> Option<Object> {
        self.cache.binary_search_by(|object| object.place().cmp(&place)).ok().map(|index| self.cache[index])
    }

    /// A cache is told of an event.
    fn see(&mut self, event: Event) {
        let place = event.object.place();
        self.saw(event.object);
        // Most watches ask for what has the operator's label alone; who loses it is gone for them.
        let seen = place.kind().is_ours() || event.object.is_managed();
        if event.gone {
            self.bury(event.object);
        }
        let there = self.cache.binary_search_by(|object| object.place().cmp(&place));
        match (there, seen && !event.gone) {
            (Ok(index), true) => self.cache[index] = event.object,
            (Ok(index), false) => {
                self.cache.remove(index);
            }
            (Err(index), true) => self.cache.insert(index, event.object),
            (Err(_), false) => {}
        }
    }

    /// An object is gone. What of others than runs is buried, too, is forgotten with the next move ([`Self::forget_plans`]).
    fn bury(&mut self, object: Object) {
        let is_plan = object.place().kind() == Stored::Written(Kind::ConfigMap);
        if let Some(owner) = object.controller().filter(|owner| is_plan && !self.gone.contains(owner)) {
            self.gone.push(owner);
            self.gone.sort_unstable();
        }
    }

    /// Forgets plans of runs that are gone themselves: nobody asks for these any more.
    pub(super) fn forget_plans(&mut self) {
        let Self { cache, news, gone, .. } = self;
        gone.retain(|owner| {
            let mut known = cache.iter().copied().chain(news.iter().map(|event| event.object));
            known.any(|it| it.place().kind() == Stored::Written(Kind::PipelineRun) && it.uid() == *owner)
        });
    }

    /// Whether it knows that the plan of the run of that place is gone.
    pub(super) fn knows_gone(&self, run: Place) -> bool {
        self.cached(run).is_some_and(|run| self.gone.contains(&run.uid()))
    }

    /// Whether it knows something that is not in its caches.
    pub(super) fn remembers(&self) -> bool {
        self.rest.is_some() || !self.expected.is_empty() || !self.gone.is_empty()
    }

    /// The watch of a kind tells the next of what has happened.
    pub(super) fn deliver(&mut self, kind: Stored) -> bool {
        let Some(index) = self.news.iter().position(|event| event.object.place().kind() == kind) else { return false };
        let event = self.news.remove(index);
        self.see(event);
        true
    }

    /// The watch of a kind begins anew, and lists what is there.
    pub(super) fn relist(&mut self, kind: Stored, server: &Server) {
        self.listed(kind);
        self.news.retain(|event| event.object.place().kind() != kind);
        let cached = std::mem::take(&mut self.cache).into_iter();
        let (before, others): (Vec<Object>, Vec<Object>) = cached.partition(|object| object.place().kind() == kind);
        self.cache = others;
        server.all(kind).for_each(|object| self.see(Event { object, gone: false }));
        for object in before {
            if self.cached(object.place()).is_none() {
                self.bury(object);
            }
        }
    }

    /// It begins: its caches are filled.
    pub(super) fn begin(&mut self, server: &Server) {
        *self = Self { leads: self.leads, ..Self::default() };
        server.objects.iter().for_each(|object| self.see(Event { object: *object, gone: false }));
    }

    /// It begins, and is given lists as they were some time ago: they hold what its caches held already, and what has happened
    /// since is told later.
    pub(super) fn begin_in_the_past(&mut self) {
        let (cache, news) = (std::mem::take(&mut self.cache), std::mem::take(&mut self.news));
        *self = Self { leads: self.leads, cache, news, ..Self::default() };
    }
}

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stage<A> {
    /// The API server, and the clock.
    pub(super) server: Server,
    /// The operators.
    pub(super) operators: Vec<Operator>,
    /// Writes that were sent, and will arrive after whoever sent them has given up.
    pub(super) flying: Vec<Write>,
    /// What may still go wrong.
    pub(super) left: Left,
    /// What is around them.
    pub(super) around: A,
}

impl<A> Stage<A> {
    /// The second that it is.
    pub(super) fn clock(&self) -> u32 {
        self.server.clock
    }

    /// What has happened is on its way to all caches; those that are too far behind catch up.
    pub(super) fn spread(&mut self, lag: u8) {
        let told = std::mem::take(&mut self.server.told);
        for operator in &mut self.operators {
            operator.news.extend_from_slice(&told);
            while operator.news.len() > usize::from(lag) {
                let event = operator.news.remove(0);
                operator.see(event);
            }
        }
    }

    /// Gives versions the smallest numbers that keep their order, so that what is equal but for them is equal.
    pub(super) fn renumber(&mut self) {
        let mut used: Vec<(u32, u16)> = Vec::with_capacity(128);
        self.versions(|place, version| used.push((place.id(), *version)));
        used.sort_unstable();
        used.dedup();
        let number = |place: Place, version: u16| {
            let first = used.partition_point(|(other, _)| *other < place.id());
            let own = used.partition_point(|used| *used < (place.id(), version));
            u16::try_from(own - first + 1).unwrap_or(u16::MAX)
        };
        self.versions(|place, version| *version = number(place, *version));
    }

    fn versions(&mut self, mut each: impl FnMut(Place, &mut u16)) {
        self.server.objects.iter_mut().for_each(|object| each(object.place(), &mut object.version));
        self.server.graves.iter_mut().for_each(|grave| each(grave.place, &mut grave.version));
        let mut write = |write: &mut Write| {
            if write.version > 0 {
                each(write.task.place(), &mut write.version);
            }
        };
        self.flying.iter_mut().for_each(&mut write);
        for rest in self.operators.iter_mut().filter_map(|operator| operator.rest.as_mut()) {
            rest.writes.iter_mut().chain(&mut rest.blocked).for_each(&mut write);
        }
        for operator in &mut self.operators {
            operator.cache.iter_mut().for_each(|object| each(object.place(), &mut object.version));
            operator.news.iter_mut().for_each(|event| each(event.object.place(), &mut event.object.version));
            for expected in &mut operator.expected {
                if let Some(version) = &mut expected.version {
                    each(expected.place, version);
                }
            }
        }
    }
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done, or refused as it should be, and answered.
    Answered,
    /// It is done, and its answer is lost.
    Unanswered,
    /// It never arrives.
    Dropped,
    /// It arrives when whoever sent it has given it up.
    Late,
    /// It is answered, and arrives once more later.
    Twice,
    /// It is refused for a reason that nobody could foresee.
    Refused,
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move<T> {
    /// An operator looks at an object, and does the first write of its plan.
    Look { operator: u8, key: u8, lane: Lane, fate: Fate },
    /// It does the next one.
    Write { operator: u8, fate: Fate },
    /// A watch tells an operator the next thing of a kind.
    Deliver { operator: u8, kind: Stored },
    /// A watch begins anew.
    Relist { operator: u8, kind: Stored },
    /// An operator is killed between two writes.
    Crash { operator: u8 },
    /// An operator is killed, and the one that begins in its place is shown the past.
    CrashIntoPast { operator: u8 },
    /// Another operator acts from now on: it thinks so, and the one before does not any more.
    Lead { operator: u8 },
    /// Another operator thinks that it acts, too.
    Both { operator: u8 },
    /// A write arrives that nobody waits for.
    Arrive { flying: u8 },
    /// The garbage collector deletes an object whose owner is gone.
    Collect,
    /// The clock moves.
    Tick { to: u32 },
    /// Something around them.
    Around(T),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object::NAMESPACE;
    use super::super::server::Meant;
    use super::*;
    use crate::labels::MANAGED_BY;

    #[test]
    fn that_a_plan_is_gone_is_known_as_long_as_the_operator_lives() {
        let mut server = Server::default();
        let run = json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": "a", "namespace": NAMESPACE}, "spec": {"pipelineRef": {"name": "move"}},
        });
        let run = server.create(&run, None).expect("it is made");
        let owner = json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun", "name": "a", "uid": run.uid(),
            "controller": true,
        });
        let plan = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "a-plan", "namespace": NAMESPACE, "labels": {MANAGED_BY.0: MANAGED_BY.1},
                "ownerReferences": [owner],
            },
        });
        let plan = server.create(&plan, None).expect("it is made");
        server.told.clear();
        let mut told = Operator::default();
        told.begin(&server);
        let mut listed = told.clone();
        server.delete(plan.place(), Meant::default(), false).expect("it goes");
        told.news.append(&mut server.told);
        assert!(!told.knows_gone(run.place()));
        assert!(told.deliver(plan.place().kind()) && told.knows_gone(run.place()));
        listed.relist(plan.place().kind(), &server);
        assert!(listed.knows_gone(run.place()), "it went while nobody watched");
        told.forget_plans();
        assert!(told.knows_gone(run.place()) && told.remembers());
        told.begin_in_the_past();
        assert!(!told.knows_gone(run.place()) && told.cached(plan.place()).is_none());
        // Of a run that is gone itself, nobody asks.
        server.delete(run.place(), Meant::default(), false).expect("it goes");
        listed.relist(run.place().kind(), &server);
        listed.forget_plans();
        assert!(listed.gone.is_empty());
    }
}
