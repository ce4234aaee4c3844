//! What a kind gives to the model: its objects, its shipped `plan`, what is around it, and the laws that must hold.
//!
//! The model has the API server (`server`), one or two operators with caches that lag each kind by itself, crashes, lost,
//! dropped, delayed and doubled requests, the clock, the garbage collector, and whatever a kind adds (`Subject::Step`):
//! workers, sinks, users. Everything that can happen is one [`super::stage::Move`]; all orders of moves are walked through.

use std::fmt::Debug;
use std::hash::Hash;

use aggregator_crds::Reason;
use jiff::Timestamp;
use serde_json::Value;
use stateright::Property;

use super::stage::Stage;
use super::system::System;
use crate::action::Plan;
use crate::errand::Why;
use crate::routes::Key;
use crate::settings::Settings;
use crate::world::World;

/// How much may go wrong on one way through the model. A state holds what is left of it, so every number multiplies the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    /// How many operators there are: 1, or 2 with a cache of its own each. The first leads at the beginning.
    pub(super) operators: u8,
    /// How often an operator is killed, and begins anew with caches that are filled at once.
    pub(super) crashes: u8,
    /// How often one is killed, and begins anew with caches that are as far behind as those of the one before: a list that is
    /// older than these is not modelled.
    pub(super) pasts: u8,
    /// How many writes are lost on their way: not done and not answered, or done and not answered.
    pub(super) losses: u8,
    /// How many writes arrive after their answer was given up, or twice.
    pub(super) delays: u8,
    /// How many writes the API server refuses (a quota, a policy); [`Subject::blocked`] is planned then.
    pub(super) refusals: u8,
    /// How often a watch begins anew, which skips what happened in between.
    pub(super) relists: u8,
    /// How often another operator takes over, with or without the first one noticing.
    pub(super) leaders: u8,
    /// How often the clock moves on ([`Subject::moments`] says where to). The recovery may move it as often as it needs.
    pub(super) ticks: u8,
    /// How many events a cache may be behind; the oldest are delivered when there are more.
    pub(super) lag: u8,
    /// By how many seconds the clock of the second operator is ahead.
    pub(super) skew: u32,
    /// How many steps the recovery may take.
    pub(super) recovery: u16,
}

impl Bounds {
    /// One operator, and nothing goes wrong but that its caches lag.
    pub(super) const CALM: Self = Self {
        operators: 1,
        crashes: 0,
        pasts: 0,
        losses: 0,
        delays: 0,
        refusals: 0,
        relists: 0,
        leaders: 0,
        ticks: 0,
        lag: 3,
        skew: 0,
        recovery: 400,
    };
}

/// What one look at an object comes to.
pub(super) struct Looked {
    /// The shipped plan.
    pub(super) plan: Plan,
    /// How many of its writes somebody waits for (`run::awaited`; for all other kinds, all). The model tries both lanes where
    /// this is less than all.
    pub(super) awaited: usize,
}

impl Looked {
    /// All writes are waited for.
    pub(super) fn all(plan: Plan) -> Self {
        Self { awaited: plan.actions.len(), plan }
    }
}

/// Where a kind is looked at: everything that a shipped `observe` and `plan` take.
pub(super) struct Scene<'a> {
    /// The caches of the operator that looks, built from what they hold: the shipped ones.
    pub(super) world: &'a World,
    /// Whom it looks at.
    pub(super) key: &'a Key,
    /// What the operator was told.
    pub(super) settings: &'a Settings,
    /// The operator's clock.
    pub(super) now: Timestamp,
    /// Whether it is known that the plan of the run that is looked at is gone: otherwise it may be seen still.
    pub(super) plan_is_gone: bool,
}

/// A kind whose shipped plan is checked, and what is around it.
pub(super) trait Subject: Send + Sync + Sized + 'static {
    /// What is there besides objects: workers, sinks, what users have still to do, and what has been seen on the way as far as
    /// laws need it. Small: it is a part of every state. What differs here makes other states, so nothing may be in it that
    /// makes no difference any more.
    type Around: Clone + Debug + PartialEq + Eq + Hash + Send + Sync + 'static;
    /// Something that is done by others than the operators: a worker, a controller of Kubernetes, a user.
    type Step: Copy + Debug + PartialEq + Eq + Send + Sync + 'static;

    /// The kind, for the report.
    const NAME: &'static str;

    /// What this model of the kind is about, if there are several.
    fn scene(&self) -> &'static str {
        ""
    }

    /// How much may go wrong.
    fn bounds(&self) -> Bounds;

    /// What the operators are told.
    fn settings(&self) -> Settings {
        Settings::of_tests()
    }

    /// The objects that are there at the beginning, whole but for `metadata.uid`, `resourceVersion`, `generation` and
    /// `creationTimestamp`, which the server gives. Created in this order, at second 0. What `uid`s they will have is told by
    /// [`super::object::uid`].
    fn objects(&self) -> Vec<Value>;

    /// What is around them at the beginning.
    fn around(&self) -> Self::Around;

    /// Whom the operators look at: objects of the kind, whether they are there or not.
    fn keys(&self) -> Vec<Key>;

    /// The shipped `observe` and `plan` (and `awaited`). None when the caches do not have the object: then nobody plans.
    ///
    /// Called once for each set of cached objects, time, and what is known to be gone: it is remembered by these. Of
    /// resourceVersions it sees stand-ins that tell nothing but which version was looked at.
    fn look(&self, scene: &Scene<'_>) -> Option<Looked>;

    /// The shipped `blocked`.
    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan;

    /// The steps that may be taken now. The order must be the same for equal stages.
    fn steps(&self, stage: &Stage<Self::Around>, steps: &mut Vec<Self::Step>);

    /// Takes a step: changes `stage.server` by its methods, and `stage.around`. False when nothing has changed.
    fn take(&self, stage: &mut Stage<Self::Around>, step: Self::Step) -> bool;

    /// The step that is taken next when nothing goes wrong any more: controllers and workers go on, users and faults do
    /// nothing. None when all of them wait. Recovery takes these one by one, between looks of the operator that leads.
    fn onward(&self, stage: &Stage<Self::Around>) -> Option<Self::Step>;

    /// To which seconds the clock may jump now, as long as [`Bounds::ticks`] are left.
    fn moments(&self, stage: &Stage<Self::Around>) -> Vec<u32>;

    /// Notes in `after.around` what laws need to know of the way. Called after every move, with the stage before it.
    fn saw(&self, _before: &Stage<Self::Around>, _after: &mut Stage<Self::Around>) {}

    /// Whether it has come to its end well: asked of a stage where the faults are off and nobody has anything left to do.
    fn settled(&self, stage: &Stage<Self::Around>) -> bool;

    /// What must always hold, besides recovery, which is a law of every kind ([`super::recovery::LAW`]). Each is
    /// `Property::always(NAME, |system, stage| …)`; use names without capitals, as sentences. `Property::sometimes` for what
    /// must be possible, so that a model that does nothing is found out.
    fn laws(&self) -> Vec<Property<System<Self>>>;
}

/// Why the API server refuses a write in the model.
pub(super) fn refusal() -> Why {
    Why { reason: Reason::WriteRefused, message: "refused".into() }
}

/// A way in which the operator is wrong: what the model must find. Of a kind's own surroundings (a sink, a worker), fields of
/// the [`Subject`] say so.
#[derive(Clone, Copy)]
pub(super) struct Mutation {
    /// What is wrong, in a few words.
    pub(super) name: &'static str,
    /// Changes a plan before it is carried out.
    pub(super) plan: fn(&Scene<'_>, Plan) -> Plan,
    /// What is left out of how plans are carried out.
    pub(super) rules: Rules,
}

impl Mutation {
    /// The operator as it is shipped.
    pub(super) const NONE: Self = Self { name: "nothing", plan: |_, plan| plan, rules: Rules::SHIPPED };

    /// One whose surroundings are wrong: a field of the [`Subject`] says how.
    pub(super) const fn of_surroundings(name: &'static str) -> Self {
        Self { name, ..Self::NONE }
    }

    /// One whose plans are changed.
    pub(super) const fn of_plan(name: &'static str, plan: fn(&Scene<'_>, Plan) -> Plan) -> Self {
        Self { name, plan, rules: Rules::SHIPPED }
    }

    /// One that carries plans out by other rules.
    pub(super) const fn of_rules(name: &'static str, rules: Rules) -> Self {
        Self { name, plan: |_, plan| plan, rules }
    }
}

/// How plans are carried out. All of it is true of what is shipped.
///
/// That only one operator writes is none of these: nothing rests on it, and two that act at the same time are a move
/// ([`super::stage::Move::Both`]). Nor is it that what was planned before a crash is forgotten: who goes on with that was not
/// killed, but slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Nobody is planned whose last write the caches have not seen.
    pub(super) guard: bool,
    /// Writes name the UID of what they are for.
    pub(super) uid: bool,
    /// Writes name the version that they were planned from, where the plan says so.
    pub(super) version: bool,
    /// A child that is there counts as made only if it has the same owner.
    pub(super) owner: bool,
    /// The first write that fails ends the plan.
    pub(super) stops: bool,
    /// A plan that was there already ends the look.
    pub(super) looks_again: bool,
}

impl Rules {
    /// As it is shipped.
    pub(super) const SHIPPED: Self =
        Self { guard: true, uid: true, version: true, owner: true, stops: true, looks_again: true };
}
