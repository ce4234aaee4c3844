//! The past of a Schedule, read again: one run for each time between two fires, the oldest first, one after the other.
//!
//! What was read with success is kept in the status, and outlives the runs: a backfill that is asked for again reads what
//! is missing.

use aggregator_compiler::plural::counted;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::Backfill;
use aggregator_crds::schedule::{Reprocess, ScheduleBackfill, ScheduleBackfillStatus};
use aggregator_crds::{PipelineRun, Reason};
use jiff::Timestamp;
use kube::ResourceExt;

use super::fires::{is_fire, just_before};
use super::ranges::{add, covering};
use super::view::View;
use crate::action::{Action, Kind};
use crate::clock::Clock;
use crate::conditions::{Said, find};
use crate::names;
use crate::run;

/// The most intervals of a backfill.
const MOST: u64 = 10_000;
/// How many ranges of what was read are remembered.
const REMEMBERED: usize = 1000;

/// How far the past is read, and what is to be done to go on.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// The run that reads the next interval.
    pub create: Option<Action>,
    /// How far the backfill is that is asked for.
    pub status: Option<ScheduleBackfillStatus>,
    /// What has been read.
    pub filled: Vec<Backfill>,
    /// What is said of it.
    pub said: Option<Said>,
}

/// What an interval's run has come to.
enum Came {
    /// There is none yet.
    Nothing,
    Going,
    Succeeded,
    Failed,
}

/// Goes on with the past that the Schedule is asked for.
#[must_use]
pub(super) fn fill(view: &View, clock: Option<&Clock>, now: Timestamp) -> Filled {
    let schedule = &view.schedule;
    let before = schedule.status.as_ref();
    let mut filled = before.map(|status| status.filled.clone()).unwrap_or_default();
    for run in view.runs.iter().filter(|run| succeeded(run)) {
        filled = run.spec.backfill.iter().fold(filled, |filled, interval| add(filled, interval.clone()));
    }
    filled.drain(..filled.len().saturating_sub(REMEMBERED));
    let (Some(asked), Some(clock)) = (&schedule.spec.backfill, clock) else {
        return Filled { filled, ..Filled::default() };
    };
    let clock = clock.reaching_back(asked.from);
    let begun = before.and_then(|status| status.backfill.clone()).filter(|status| status.asked == *asked);
    // Who edits the fires while it goes on begins anew, unless it has come to where both have one: what lies between would
    // belong to no interval.
    let conditions = before.map_or(&[][..], |status| &status.conditions);
    let said = find(conditions, ConditionType::Backfilled);
    let goes_on = said.is_none_or(|said| said.status == ConditionStatus::Unknown);
    let fits = |until| is_fire(&clock, until);
    let begun = begun.filter(|status| !goes_on || status.decided_until.is_none_or(fits));
    let mut status = begun.unwrap_or_else(|| new(asked, &clock, schedule.metadata.generation.unwrap_or(0)));
    if status.intervals > MOST {
        let message = format!(
            "the backfill has {} intervals, and may have {MOST}: ask for a shorter time at once",
            status.intervals
        );
        let said = Said::new(ConditionType::Backfilled, ConditionStatus::False, Reason::Invalid, message);
        return Filled { status: Some(status), filled, said: Some(said), create: None };
    }
    while let Some(interval) = next(&clock, asked, status.decided_until) {
        let run = view.run_of_interval(&interval, status.generation);
        match view.came(&run.name_any()) {
            Came::Succeeded => status.succeeded += 1,
            Came::Failed => {
                status.failed += 1;
                status.last_failed_run = Some(run.name_any());
            }
            // What has begun is not taken back.
            Came::Nothing if asked.reprocess == Reprocess::Missing && covering(&filled, &interval) => {
                status.skipped += 1;
            }
            came => {
                let (create, said) = view.go_on(&interval, run, matches!(came, Came::Going), &status, now);
                return Filled { create, status: Some(status), filled, said: Some(said) };
            }
        }
        status.decided_until = Some(interval.to);
    }
    let said = over(&status);
    Filled { create: None, status: Some(status), filled, said: Some(said) }
}

fn new(asked: &ScheduleBackfill, clock: &Clock, generation: i64) -> ScheduleBackfillStatus {
    ScheduleBackfillStatus {
        asked: asked.clone(),
        generation,
        intervals: clock.count(just_before(asked.from), asked.to).saturating_sub(1),
        skipped: 0,
        succeeded: 0,
        failed: 0,
        decided_until: None,
        last_failed_run: None,
    }
}

/// The first interval that is not decided.
fn next(clock: &Clock, asked: &ScheduleBackfill, decided_until: Option<Timestamp>) -> Option<Backfill> {
    let from = clock.next(just_before(decided_until.unwrap_or(asked.from)))?;
    let to = clock.next(from)?;
    (to <= asked.to).then_some(Backfill { from, to })
}

/// How it has ended.
fn over(status: &ScheduleBackfillStatus) -> Said {
    let intervals = counted(status.intervals, "interval");
    let before = match status.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} had been read before"),
    };
    match &status.last_failed_run {
        Some(run) => Said::new(
            ConditionType::Backfilled,
            ConditionStatus::False,
            Reason::BackfillFailed,
            format!(
                "{} of {intervals} could not be read; the last run that failed is `{run}` ({} read{before})",
                status.failed, status.succeeded
            ),
        ),
        None => Said::new(
            ConditionType::Backfilled,
            ConditionStatus::True,
            Reason::BackfillSucceeded,
            format!("{intervals}: {} read{before}", status.succeeded),
        ),
    }
}

fn succeeded(run: &PipelineRun) -> bool {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    find(conditions, ConditionType::Succeeded).is_some_and(|end| end.status == ConditionStatus::True)
}

impl View {
    fn came(&self, name: &str) -> Came {
        match self.runs.iter().find(|run| run.name_any() == name) {
            None => Came::Nothing,
            Some(run) if !run::is_over(run) => Came::Going,
            Some(run) if succeeded(run) => Came::Succeeded,
            Some(_) => Came::Failed,
        }
    }

    fn run_of_interval(&self, interval: &Backfill, generation: i64) -> PipelineRun {
        let schedule = &self.schedule;
        let name = schedule.name_any();
        let uid = schedule.uid().unwrap_or_default();
        // An interval that begins at the same time, and ends at another, is another one: fires may be edited meanwhile.
        let own = names::run(&name, &uid, "backfill", interval.from, &format!("{generation} {}", interval.to));
        let mut run = self.run_named(own);
        run.spec.backfill = Some(interval.clone());
        run
    }

    /// The run of an interval, if it may be made now, and what is said meanwhile.
    fn go_on(
        &self,
        interval: &Backfill,
        run: PipelineRun,
        going: bool,
        status: &ScheduleBackfillStatus,
        now: Timestamp,
    ) -> (Option<Action>, Said) {
        let pipeline = &self.schedule.spec.pipeline_ref.name;
        let far = format!(
            "{} of {} are decided",
            status.skipped + status.succeeded + status.failed,
            counted(status.intervals, "interval")
        );
        let (reason, message) = match &self.pipeline {
            _ if going => (Reason::Backfilling, format!("{far}; the run `{}` reads {interval}", run.name_any())),
            _ if self.schedule.spec.suspend => (Reason::Suspended, format!("{far}; the Schedule is suspended")),
            None => (Reason::PipelineMissing, format!("{far}; there is no Pipeline `{pipeline}`")),
            Some(there) if there.spec.draft => {
                (Reason::PipelineIsDraft, format!("{far}; the Pipeline `{pipeline}` is a draft"))
            }
            // What comes to be until then would be missed.
            Some(_) if interval.to > now => (Reason::Waiting, format!("{far}; the next one ends at {}", interval.to)),
            // One of an earlier request.
            Some(_) if self.runs.iter().any(|other| other.spec.backfill.is_some() && !run::is_over(other)) => {
                (Reason::WaitingForRun, format!("{far}; a run of the backfill before it still goes on"))
            }
            Some(_) => {
                let said = format!("{far}; the run `{}` reads {interval}", run.name_any());
                let said = Said::new(ConditionType::Backfilled, ConditionStatus::Unknown, Reason::Backfilling, said);
                return (Some(Action::create(Kind::PipelineRun, &run)), said);
            }
        };
        (None, Said::new(ConditionType::Backfilled, ConditionStatus::Unknown, reason, message))
    }

    /// Whether the status knows of a fire's run, or what one that read an interval has come to, so that the run may go.
    pub(super) fn is_known(&self, run: &PipelineRun) -> bool {
        let Some(interval) = &run.spec.backfill else { return self.is_noted(run) };
        let status = self.schedule.status.as_ref();
        if succeeded(run) {
            return status.is_some_and(|status| covering(&status.filled, interval));
        }
        match status.and_then(|status| status.backfill.as_ref()) {
            Some(backfill) => backfill.decided_until.is_some_and(|until| until >= interval.to),
            None => true,
        }
    }
}
