//! The model of a kind, as `stateright` walks through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stateright::{Model, Property};

use super::look::{Planned, Plans};
use super::object::Stored;
use super::recovery::{self, Known};
use super::server::{Meant, Server};
use super::stage::{Expected, Fate, Left, Move, Operator, Rest, Stage, Write};
use super::subject::{Bounds, Mutation, Subject};
use super::write::{Written, send, write};
use crate::queue::Lane;

/// What becomes of every write when nothing goes wrong.
const ANSWERED: &[Fate] = &[Fate::Answered];

/// The model of a kind.
pub(super) struct System<S: Subject> {
    /// The kind.
    pub(super) subject: S,
    /// What is wrong with the operator.
    mutation: Mutation,
    /// How much may go wrong.
    pub(super) bounds: Bounds,
    /// The plans that were made.
    pub(super) plans: Plans,
    /// How far recovery is from where.
    pub(super) known: Known,
    /// How many states are walked through before those that are left are only looked at.
    limit: usize,
    walked: AtomicUsize,
    /// Whether states are counted: not when a way is walked once more, to be shown.
    walks: AtomicBool,
}

impl<S: Subject> System<S> {
    pub(super) fn new(subject: S, mutation: Mutation, limit: usize) -> Self {
        Self {
            bounds: subject.bounds(),
            plans: Plans::of(&subject),
            subject,
            mutation,
            known: Known::default(),
            limit,
            walked: AtomicUsize::new(0),
            walks: AtomicBool::new(true),
        }
    }

    /// From now on, states are shown.
    pub(super) fn shows(&self) {
        self.walks.store(false, Ordering::Relaxed);
    }

    /// Whether some states were not walked on from, because there were more than the limit.
    pub(super) fn is_cut(&self) -> bool {
        self.walked.load(Ordering::Relaxed) >= self.limit
    }

    /// The stage where everything begins.
    pub(super) fn first(&self) -> Stage<S::Around> {
        let mut server = Server::default();
        self.subject.objects().iter().for_each(|object| server.stand(object));
        server.told.clear();
        let mut operators = vec![Operator::default(); usize::from(self.bounds.operators)];
        operators.iter_mut().for_each(|operator| operator.begin(&server));
        operators[0].leads = true;
        let left = Left::of(&self.bounds);
        let mut first = Stage { server, operators, flying: Vec::new(), left, around: self.subject.around() };
        first.renumber();
        first
    }

    /// What an operator plans for an object.
    pub(super) fn planned(&self, stage: &Stage<S::Around>, operator: usize, key: u8) -> Arc<Planned> {
        let ahead = if operator == 0 { 0 } else { self.bounds.skew };
        let now = stage.clock().saturating_add(ahead);
        self.plans.of_look((&self.subject, &self.mutation, &self.bounds), &stage.operators[operator], key, now)
    }

    /// What holds after every move: what has happened is told, and what makes no difference any more is forgotten.
    pub(super) fn after(&self, before: &Stage<S::Around>, stage: &mut Stage<S::Around>) {
        self.subject.saw(before, stage);
        stage.spread(self.bounds.lag);
        let now = stage.clock();
        for operator in &mut stage.operators {
            operator.forget(now);
            operator.forget_plans();
        }
        stage.renumber();
    }

    /// The next write of a look is done and answered.
    pub(super) fn next_write(&self, stage: &mut Stage<S::Around>, operator: usize) {
        self.write(stage, operator, Fate::Answered);
    }

    /// The first write of what an operator is about to write.
    fn write(&self, stage: &mut Stage<S::Around>, index: usize, fate: Fate) {
        let rules = &self.mutation.rules;
        let Some(mut rest) = stage.operators[index].rest.take() else { return };
        if rest.writes.is_empty() {
            return;
        }
        let next: Write = rest.writes.remove(0);
        let goes_on = match fate {
            Fate::Answered | Fate::Twice => {
                if fate == Fate::Twice {
                    stage.flying.push(next);
                }
                match write(&mut stage.server, next, rules) {
                    Written::Done { place, life, version, otherwise } => {
                        let since = stage.clock();
                        let own = self.plans.place(rest.key) == place;
                        let expected = Expected { key: rest.key, place, life, version, own, since };
                        if rules.guard {
                            stage.operators[index].expected.push(expected);
                        }
                        !otherwise
                    }
                    Written::Failed => !rules.stops,
                }
            }
            Fate::Unanswered => {
                write(&mut stage.server, next, rules);
                !rules.stops
            }
            Fate::Dropped => !rules.stops,
            Fate::Late => {
                stage.flying.push(next);
                !rules.stops
            }
            Fate::Refused => {
                rest.writes = std::mem::take(&mut rest.blocked);
                true
            }
        };
        if goes_on && !rest.writes.is_empty() {
            stage.operators[index].rest = Some(rest);
        }
    }

    /// A write that nobody waits for arrives.
    pub(super) fn arrive(&self, stage: &mut Stage<S::Around>, index: usize) {
        let late = stage.flying.remove(index);
        // Nobody reads the answer.
        send(&mut stage.server, late, &self.mutation.rules).ok();
    }

    /// An operator acts from now on; the others do not, if they know.
    fn lead(stage: &mut Stage<S::Around>, leader: usize, alone: bool) {
        stage.operators[leader].leads = true;
        if !alone {
            return;
        }
        let Stage { server, operators, .. } = stage;
        for (_, other) in operators.iter_mut().enumerate().filter(|(index, it)| *index != leader && it.leads) {
            other.leads = false;
            // Its process ends, and another one waits in its place.
            other.begin(server);
        }
    }

    fn look(&self, stage: &mut Stage<S::Around>, index: usize, key: u8, lane: Lane, fate: Fate) {
        let planned = self.planned(stage, index, key);
        let first = match lane {
            Lane::Pressing => planned.awaited,
            Lane::Ordinary => planned.len(),
        };
        let operator = &mut stage.operators[index];
        let (writes, blocked) = (planned.writes(operator, first), planned.blocked(operator));
        operator.rest = Some(Rest { key, writes, blocked });
        self.write(stage, index, fate);
    }

    /// What can become of a write, with what may still go wrong.
    fn fates(stage: &Stage<S::Around>) -> impl Iterator<Item = Fate> + use<S> {
        let left = stage.left;
        let with = |count: u8, fates: &'static [Fate]| -> &'static [Fate] { if count > 0 { fates } else { &[] } };
        let losses = with(left.losses, &[Fate::Unanswered, Fate::Dropped]);
        let delays = with(left.delays, &[Fate::Late, Fate::Twice]);
        let refusals = with(left.refusals, &[Fate::Refused]);
        [ANSWERED, losses, delays, refusals].into_iter().flatten().copied()
    }

    fn of_operator(&self, stage: &Stage<S::Around>, index: usize, moves: &mut Vec<Move<S::Step>>) {
        let operator = u8::try_from(index).expect("few operators");
        let own = &stage.operators[index];
        for kind in Stored::ALL {
            let news = own.news.iter().filter(|event| event.object.place().kind() == kind).count();
            if news > 0 {
                moves.push(Move::Deliver { operator, kind });
            }
            if news > 1 && stage.left.relists > 0 {
                moves.push(Move::Relist { operator, kind });
            }
        }
        if own.rest.is_some() {
            moves.extend(Self::fates(stage).map(|fate| Move::Write { operator, fate }));
        } else if own.leads {
            for key in (0..self.plans.keys()).filter(|key| own.has_seen_all(*key)) {
                let planned = self.planned(stage, index, key);
                if planned.is_nothing() {
                    continue;
                }
                moves.extend(Self::fates(stage).map(|fate| Move::Look { operator, key, lane: Lane::Ordinary, fate }));
                if planned.awaited > 0 && planned.awaited < planned.len() {
                    let lane = Lane::Pressing;
                    moves.extend(Self::fates(stage).map(|fate| Move::Look { operator, key, lane, fate }));
                }
            }
        }
        // One that knows nothing that is not in its caches loses nothing.
        if stage.left.crashes > 0 && own.remembers() {
            moves.push(Move::Crash { operator });
        }
        // Where nothing has happened since, there is no past.
        if stage.left.pasts > 0 && own.remembers() && !own.news.is_empty() {
            moves.push(Move::CrashIntoPast { operator });
        }
        if stage.left.leaders > 0 && !own.leads {
            moves.extend([Move::Lead { operator }, Move::Both { operator }]);
        }
    }

    fn take(&self, stage: &mut Stage<S::Around>, what: Move<S::Step>) -> bool {
        match what {
            Move::Look { operator, key, lane, fate } => {
                pay(&mut stage.left, fate);
                self.look(stage, usize::from(operator), key, lane, fate);
            }
            Move::Write { operator, fate } => {
                pay(&mut stage.left, fate);
                self.write(stage, usize::from(operator), fate);
            }
            Move::Deliver { operator, kind } => return stage.operators[usize::from(operator)].deliver(kind),
            Move::Relist { operator, kind } => {
                stage.left.relists -= 1;
                stage.operators[usize::from(operator)].relist(kind, &stage.server);
            }
            Move::Crash { operator } => {
                stage.left.crashes -= 1;
                stage.operators[usize::from(operator)].begin(&stage.server);
            }
            Move::CrashIntoPast { operator } => {
                stage.left.pasts -= 1;
                stage.operators[usize::from(operator)].begin_in_the_past();
            }
            Move::Lead { operator } => {
                stage.left.leaders -= 1;
                Self::lead(stage, usize::from(operator), true);
            }
            Move::Both { operator } => {
                stage.left.leaders -= 1;
                Self::lead(stage, usize::from(operator), false);
            }
            Move::Arrive { flying } => self.arrive(stage, usize::from(flying)),
            Move::Collect => {
                let Some(orphan) = stage.server.orphan() else { return false };
                return stage.server.delete(orphan.place(), Meant::default(), false).is_ok();
            }
            Move::Tick { to } => {
                stage.left.ticks -= 1;
                stage.server.clock = to;
            }
            Move::Around(step) => return self.subject.take(stage, step),
        }
        true
    }
}

/// What goes wrong is paid for.
fn pay(left: &mut Left, fate: Fate) {
    match fate {
        Fate::Answered => {}
        Fate::Unanswered | Fate::Dropped => left.losses -= 1,
        Fate::Late | Fate::Twice => left.delays -= 1,
        Fate::Refused => left.refusals -= 1,
    }
}

impl<S: Subject> Model for System<S> {
    type State = Stage<S::Around>;
    type Action = Move<S::Step>;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.first()]
    }

    fn actions(&self, stage: &Self::State, moves: &mut Vec<Self::Action>) {
        if self.walks.load(Ordering::Relaxed) && self.walked.fetch_add(1, Ordering::Relaxed) >= self.limit {
            return;
        }
        for operator in 0..stage.operators.len() {
            self.of_operator(stage, operator, moves);
        }
        for flying in 0..stage.flying.len() {
            moves.push(Move::Arrive { flying: u8::try_from(flying).expect("few writes") });
        }
        if stage.server.orphan().is_some() {
            moves.push(Move::Collect);
        }
        if stage.left.ticks > 0 {
            moves.extend(self.subject.moments(stage).into_iter().map(|to| Move::Tick { to }));
        }
        let mut steps = Vec::new();
        self.subject.steps(stage, &mut steps);
        moves.extend(steps.into_iter().map(Move::Around));
    }

    fn next_state(&self, last: &Self::State, what: Self::Action) -> Option<Self::State> {
        let mut next = last.clone();
        if !self.take(&mut next, what) {
            return None;
        }
        self.after(last, &mut next);
        // What went wrong without making a difference is no other state.
        let same = next.server == last.server
            && next.operators == last.operators
            && next.flying == last.flying
            && next.around == last.around;
        (!same).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let recovers = Property::always(recovery::LAW, |system: &Self, stage: &Self::State| system.recovers(stage));
        std::iter::once(recovers).chain(self.subject.laws()).collect()
    }
}
