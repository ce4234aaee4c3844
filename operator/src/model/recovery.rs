//! Recovery: from every state that can be reached, as soon as nothing goes wrong any more, everything comes to its end and to
//! rest, within a number of steps, and all laws hold there. It is a law of every kind, and is checked in every state: so each
//! is followed to an end, however few moves a walk comes from the beginning.
//!
//! What comes next is determined then, so many states lead to the same way: how long that is, is remembered.
//!
//! Time leaps here to the moment at which the operator wants to look again, or gives up waiting to see what it has written;
//! nobody does anything meanwhile.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use stateright::Expectation;

use super::guard::FORGOTTEN;
use super::object::lock;
use super::server::Meant;
use super::stage::{Left, Rest, Stage};
use super::subject::Subject;
use super::system::System;

/// The law.
pub(super) const LAW: &str = "everything recovers";

/// As many steps are left where it is known that it comes to no end, or to a wrong one.
const STUCK: u16 = u16::MAX;

/// How many steps are left, by what is there.
#[derive(Default)]
pub(super) struct Known([Mutex<HashMap<u64, u16>>; 16]);

impl Known {
    fn table(&self, mark: u64) -> &Mutex<HashMap<u64, u16>> {
        &self.0[usize::try_from(mark % 16).unwrap_or_default()]
    }

    fn get(&self, mark: u64) -> Option<u16> {
        lock(self.table(mark)).get(&mark).copied()
    }

    fn note(&self, mark: u64, steps: u16) {
        lock(self.table(mark)).insert(mark, steps);
    }
}

fn mark(stage: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    stage.hash(&mut hasher);
    hasher.finish()
}

/// What one step of recovery comes to.
enum Onward {
    /// Something has been done.
    Done,
    /// Nobody has anything left to do.
    Rest,
}

impl<S: Subject> System<S> {
    /// Whether everything comes to its end and to rest from here, and all laws hold there.
    pub(super) fn recovers(&self, stage: &Stage<S::Around>) -> bool {
        self.way(stage, false).is_ok()
    }

    /// A law that must always hold, and does not here.
    pub(super) fn broken(&self, stage: &Stage<S::Around>) -> Option<&'static str> {
        let laws = self.subject.laws();
        let mut always = laws.iter().filter(|law| law.expectation == Expectation::Always);
        always.find(|law| !(law.condition)(self, stage)).map(|law| law.name)
    }

    /// The steps until everything is at rest; or, where it does not come to that, the last stage of the way. That is looked for
    /// only if it is to be told, where it is known already that it does not.
    ///
    /// # Errors
    /// The stage in which it is stuck, or in which a law does not hold, or in which the steps have come to their end.
    pub(super) fn way(&self, stage: &Stage<S::Around>, told: bool) -> Result<u16, Box<Stage<S::Around>>> {
        let most = self.bounds.recovery;
        let mut stage = stage.clone();
        stage.left = Left::default();
        let mut way: Vec<u64> = Vec::new();
        let rest = loop {
            let here = mark(&stage);
            match self.known.get(here) {
                Some(STUCK) if told => {}
                Some(STUCK) => break STUCK,
                Some(known) => break known,
                None => {}
            }
            if way.len() >= usize::from(most) {
                return Err(Box::new(stage));
            }
            way.push(here);
            let before = told.then(|| stage.server.clone());
            let onward = self.onward(&mut stage);
            if let Some(before) = before {
                let changed: Vec<_> = stage.server.objects.iter().filter(|it| !before.objects.contains(it)).collect();
                println!("on the way, at {}: {changed:?}", stage.clock());
            }
            match onward {
                Onward::Done => {}
                Onward::Rest if self.subject.settled(&stage) && self.broken(&stage).is_none() => break 0,
                Onward::Rest => break STUCK,
            }
        };
        if rest == STUCK {
            way.into_iter().for_each(|here| self.known.note(here, STUCK));
            return Err(Box::new(stage));
        }
        let steps = u16::try_from(way.len()).unwrap_or(u16::MAX).saturating_add(rest);
        if steps > most {
            return Err(Box::new(stage));
        }
        for (behind, here) in way.into_iter().enumerate() {
            self.known.note(here, steps - u16::try_from(behind).unwrap_or(steps));
        }
        Ok(steps)
    }

    /// One step on the only way there is when nothing goes wrong.
    fn onward(&self, stage: &mut Stage<S::Around>) -> Onward {
        let before = stage.clone();
        if !self.step(stage) {
            return Onward::Rest;
        }
        self.after(&before, stage);
        Onward::Done
    }

    fn step(&self, stage: &mut Stage<S::Around>) -> bool {
        if stage.operators.iter().any(|operator| !operator.news.is_empty()) {
            stage.spread(0);
            return true;
        }
        if !stage.flying.is_empty() {
            self.arrive(stage, 0);
            return true;
        }
        // Of two who think that they act, one finds out that it does not.
        let leader = stage.operators.iter().position(|operator| operator.leads);
        let Some(leader) = leader else {
            stage.operators[0].leads = true;
            return true;
        };
        if let Some(other) = stage.operators.iter().skip(leader + 1).position(|operator| operator.leads) {
            let other = &mut stage.operators[leader + 1 + other];
            other.leads = false;
            other.begin(&stage.server);
            return true;
        }
        if let Some(writing) = stage.operators.iter().position(|operator| operator.rest.is_some()) {
            self.next_write(stage, writing);
            return true;
        }
        if let Some(orphan) = stage.server.orphan() {
            return stage.server.delete(orphan.place(), Meant::default(), false).is_ok();
        }
        let mut again: Option<u32> = None;
        let mut waits = false;
        for key in 0..self.plans.keys() {
            if !stage.operators[leader].has_seen_all(key) {
                waits = true;
                continue;
            }
            let planned = self.planned(stage, leader, key);
            if planned.is_nothing() {
                let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
                let next = planned.again.map(|time| u32::try_from(seconds(time)).unwrap_or(u32::MAX));
                again = again.into_iter().chain(next).min();
                continue;
            }
            let operator = &stage.operators[leader];
            let writes = planned.writes(operator, planned.len());
            let rest = Rest { key, writes, blocked: Vec::new() };
            stage.operators[leader].rest = Some(rest);
            self.next_write(stage, leader);
            return true;
        }
        if let Some(step) = self.subject.onward(stage) {
            // One that does nothing would be taken again and again.
            return self.subject.take(stage, step);
        }
        if waits {
            stage.server.clock += FORGOTTEN;
            return true;
        }
        match again {
            Some(seconds) if !self.subject.settled(stage) => {
                stage.server.clock = stage.server.clock.saturating_add(seconds.max(1));
                true
            }
            _ => false,
        }
    }
}
