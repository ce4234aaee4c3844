//! What must hold of runs, whatever happens.

use serde_json::Value;
use stateright::Property;

use super::super::jobs::attempt;
use super::super::object::{Object, Place, Stored, life};
use super::super::server::{Event, Server};
use super::super::stage::Stage;
use super::super::system::System;
use super::objects::{PLAN, RUN};
use super::{Around, Runs};
use crate::action::Kind;

pub(in super::super) const ONCE: &str = "rows are committed once";
pub(in super::super) const FENCED: &str = "an attempt that was overtaken commits nothing";
pub(in super::super) const ONE_JOB: &str = "an attempt has one Job";
pub(in super::super) const OWN_JOB: &str = "a run tells of no attempt that has had no Job";
pub(in super::super) const PLANNED: &str = "a Job is made after its plan, and by it";
pub(in super::super) const FOR_EVER: &str = "an end is for ever";
pub(in super::super) const TRUE: &str = "an end is true";
const KEPT: &str = "only a run that has ended is deleted";
const SUCCEEDS: &str = "a run succeeds";
const FOLLOWED: &str = "a worker commits what an earlier one has not";

/// What has been seen on the way: of what should not be, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// The attempts that have had a Job, a bit each.
    had: u32,
    /// Those that have had one which neither a user nor the garbage collector has taken away.
    has: u32,
    /// One of these was given another Job.
    again: bool,
    /// The objects of the run's name whose workers have asked to be let commit: a bit each.
    asked: u8,
    /// An end has changed.
    changed: bool,
    /// A Job was made before its plan, or by another one.
    unplanned: bool,
    /// The operator has deleted a run that goes on.
    lost: bool,
    /// An older epoch has committed after a newer one had the sink.
    overtaken: bool,
    /// A user is deleting the run, or a Job, in this very move.
    pub(super) user: bool,
}

/// The bit of an attempt of a run, which is one of all objects of its name.
fn bit(run: u8, attempt: u8) -> u32 {
    1 << (8 * run.min(3) + attempt.min(7))
}

/// Whether the owner of an object is gone, so that the garbage collector deletes it.
fn is_orphan(server: &Server, object: Object) -> bool {
    !server.objects.iter().any(|other| Some(other.uid()) == object.controller())
}

pub(super) fn is_over(run: Object) -> bool {
    matches!(run.text("/status/phase"), "Succeeded" | "Failed" | "Cancelled")
}

/// Notes what laws need to know of a move.
pub(super) fn saw(before: &Stage<Around>, after: &mut Stage<Around>) {
    let Stage { server, around, .. } = after;
    for Event { object, gone } in server.told.iter().copied() {
        let place = object.place();
        let there = before.server.at(place).filter(|there| there.uid() == object.uid());
        if place.kind() == Stored::Written(Kind::PipelineRun) {
            if gone && !around.seen.user && !is_over(object) {
                around.seen.lost = true;
            }
            around.seen.changed |= there.is_some_and(|there| is_over(there) && end(there) != end(object));
        }
        if place.kind() != Stored::Written(Kind::Job) {
            continue;
        }
        let of = bit(object.controller().map_or(0, life), attempt(object));
        if there.is_none() && !gone {
            let plan = server.get(Kind::ConfigMap, PLAN);
            // One that a user has taken away was there.
            let never = plan.is_none() && server.lives(Place::of(Kind::ConfigMap, PLAN)) == 0;
            around.seen.unplanned |= never || plan.is_some_and(|plan| !is_by(object, plan));
            around.seen.again |= around.seen.has & of != 0;
            around.seen.had |= of;
            around.seen.has |= of;
        }
        if gone && (around.seen.user || is_orphan(server, object)) {
            around.seen.has &= !of;
        }
    }
    let asked = around.workers.iter().filter(|worker| worker.asked);
    around.seen.asked |= asked.fold(0_u8, |all, worker| all | (1 << worker.by.min(7)));
    let new = around.sink.commits.get(before.around.sink.commits.len());
    around.seen.overtaken |= new.is_some_and(|commit| before.around.sink.owner > commit.epoch);
    around.seen.user = false;
}

/// What is for ever.
fn end(run: Object) -> (&'static str, &'static str, &'static Value) {
    (run.text("/status/phase"), run.text("/status/conditions/0/message"), run.at("/status/completionTime"))
}

/// Whether a Job may take as long as the plan says: where plans differ in that, it tells which of them it was made by.
fn is_by(job: Object, plan: Object) -> bool {
    let terms = plan.at("/data")["terms.json"].as_str().and_then(|it| serde_json::from_str::<Value>(it).ok());
    let terms = terms.unwrap_or_default();
    let most = terms["execution"]["timeout"].as_str().and_then(|text| aggregator_crds::parse_duration(text).ok());
    let most = most.and_then(|most| i64::try_from(most.as_secs()).ok());
    match (job.at("/spec/activeDeadlineSeconds").as_i64(), most) {
        (Some(own), Some(most)) => own <= most && most < own + 1000,
        (None, None) => true,
        _ => false,
    }
}

/// Whether what a run says of its end is so. Doubt is no way out: who doubts has a worker that has asked to be let commit.
fn is_true(stage: &Stage<Around>) -> bool {
    let Some(run) = stage.server.get(Kind::PipelineRun, RUN) else { return true };
    let by = life(run.uid());
    let Around { record, sink, seen, .. } = &stage.around;
    match run.text("/status/phase") {
        "Succeeded" => record.is_committed(by, sink),
        "Failed" | "Cancelled" => {
            let doubts = run.text("/status/conditions/0/message").contains("may have");
            let asked = seen.asked & (1 << by.min(7)) != 0;
            if doubts { asked } else { !sink.commits.iter().any(|commit| commit.by == by) }
        }
        _ => true,
    }
}

fn are_once(stage: &Stage<Around>) -> bool {
    let commits = &stage.around.sink.commits;
    commits
        .iter()
        .enumerate()
        .all(|(at, one)| commits[..at].iter().all(|other| other.run != one.run && other.epoch != one.epoch))
}

/// Whether the attempt that a run tells of has had a Job: one of its own, and not of an earlier run of the name.
fn is_of_a_job(stage: &Stage<Around>) -> bool {
    let Some(run) = stage.server.get(Kind::PipelineRun, RUN) else { return true };
    let told = run.at("/status/attempt").as_u64();
    told.is_none_or(|told| stage.around.seen.had & bit(life(run.uid()), u8::try_from(told).unwrap_or(u8::MAX)) != 0)
}

pub(super) fn laws(subject: &Runs) -> Vec<Property<System<Runs>>> {
    let mut laws: Vec<Property<System<Runs>>> = vec![
        Property::always(ONCE, |_, stage| are_once(stage)),
        Property::always(FENCED, |_, stage: &Stage<Around>| !stage.around.seen.overtaken),
        Property::always(ONE_JOB, |_, stage: &Stage<Around>| !stage.around.seen.again),
        Property::always(OWN_JOB, |_, stage| is_of_a_job(stage)),
        Property::always(PLANNED, |_, stage: &Stage<Around>| !stage.around.seen.unplanned),
        Property::always(FOR_EVER, |_, stage: &Stage<Around>| !stage.around.seen.changed),
        Property::always(TRUE, |_, stage| is_true(stage)),
        Property::always(KEPT, |_, stage: &Stage<Around>| !stage.around.seen.lost),
        Property::sometimes(SUCCEEDS, |_, stage: &Stage<Around>| {
            let run = stage.server.get(Kind::PipelineRun, RUN);
            run.is_some_and(|run| run.text("/status/phase") == "Succeeded")
        }),
    ];
    if subject.spare.kills > 0 {
        laws.push(Property::sometimes(FOLLOWED, |_, stage: &Stage<Around>| {
            stage.around.sink.commits.iter().any(|commit| commit.epoch > 1)
        }));
    }
    laws
}
