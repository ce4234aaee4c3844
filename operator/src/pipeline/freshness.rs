//! Whether what a Pipeline has committed is as recent as its Schedules want.
//!
//! When something was committed last is told by runs, and these go: those of a Schedule with its history limits, others some
//! time after their end. The Checkpoint's own time does not tell it, since a run that fails has written there as well. So what
//! Schedules remember of their runs counts, and what was said before.

use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use aggregator_crds::{CheckpointSpec, PipelineRun, Reason, Schedule};
use jiff::Timestamp;
use kube::ResourceExt;

use super::view::View;
use crate::conditions::{Said, find, seconds};
use crate::{run, schedule};

/// What is said of a Pipeline's Checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    /// The condition. It names no time that moves with each run, so that a run is no write of its own.
    pub said: Said,
    /// When it would be another one if nothing happened.
    pub until: Option<Timestamp>,
}

impl View {
    /// What is said of the Checkpoint; None where nobody waits for new rows, or none were committed yet.
    pub(super) fn freshness(&self, now: Timestamp) -> Option<Freshness> {
        if self.pipeline.spec.draft {
            return None;
        }
        let checkpoint = &self.checkpoint.as_ref().filter(|it| !it.spec.positions.is_empty())?.spec;
        let before = self.pipeline.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let before = find(before, ConditionType::CheckpointFresh);
        let committed = self.committed(checkpoint, before, now);
        let since = committed.or(checkpoint.time)?;
        let (overdue, schedule) = self.overdue(since, now)?;
        let stale = |message: String| Freshness {
            said: Said::holds(ConditionType::CheckpointFresh, false, Reason::CheckpointStale, message),
            until: None,
        };
        if let (None, Some(before)) = (committed, before.filter(|before| before.status == ConditionStatus::False)) {
            // No success is known any more, and none has been seen since that was said.
            return Some(stale(before.message.clone()));
        }
        if now < overdue {
            let message = "it is as recent as the Schedules of the Pipeline want";
            let said = Said::holds(ConditionType::CheckpointFresh, true, Reason::Fresh, message);
            return Some(Freshness { said, until: Some(overdue) });
        }
        Some(stale(format!(
            "nothing was committed after {}, and the Schedule `{}` ({}) was due twice since then: look at its last decision, \
             and at the last runs of the Pipeline",
            seconds(since),
            schedule.name_any(),
            schedule.spec.trigger
        )))
    }

    /// When what nothing has brought on since a time is overdue, and by which Schedule: who wants it most recent is told first.
    fn overdue(&self, since: Timestamp, now: Timestamp) -> Option<(Timestamp, &Schedule)> {
        let due = self.schedules.iter().filter_map(|it| Some((schedule::overdue(it, since, now)?, it)));
        due.min_by_key(|(at, _)| *at).map(|(at, schedule)| (at, schedule.as_ref()))
    }

    /// When a run has brought the Checkpoint on last, as far as is known.
    fn committed(&self, checkpoint: &CheckpointSpec, before: Option<&Condition>, now: Timestamp) -> Option<Timestamp> {
        let seen = self.runs.iter().filter(|run| brings_on(run)).filter_map(|run| {
            let written = checkpoint.time.filter(|_| run.metadata.name == checkpoint.run);
            run.status.as_ref()?.completion_time.max(written)
        });
        let known = seen.chain(self.schedules.iter().filter_map(|schedule| remembered(schedule))).max();
        let Some(before) = before else { return known.or(checkpoint.time) };
        if before.status != ConditionStatus::True {
            return known;
        }
        // Where what is known was overdue when it began to be fresh, something else was committed until then, by a run that is
        // gone; and in any case before the Checkpoint was written last.
        let began = before.last_transition_time.min(checkpoint.time);
        let explains = |known| self.overdue(known, now).is_some_and(|(overdue, _)| began < Some(overdue));
        if known.is_some_and(explains) { known } else { known.max(began) }
    }
}

/// When the last run of a Schedule has succeeded, also where it is gone. One that reads the past again brings nothing on, and
/// may have been the last.
fn remembered(schedule: &Schedule) -> Option<Timestamp> {
    let status = schedule.status.as_ref()?;
    status.last_successful_time.filter(|_| schedule.spec.backfill.is_none() && status.backfill.is_none())
}

/// Whether a run has brought the Checkpoint on. One that reads the past again leaves it where it is.
fn brings_on(run: &PipelineRun) -> bool {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let end = find(conditions, ConditionType::Succeeded);
    run::writes(run) && run.spec.backfill.is_none() && end.is_some_and(|end| end.status == ConditionStatus::True)
}
