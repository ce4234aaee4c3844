//! Whether what a Pipeline has committed is as recent as its Schedules want.
//!
//! When something was committed last is told by runs, and these go: those of a Schedule with its history limits, others some
//! time after their end. The Checkpoint's own time does not tell it, since a run that fails has written there as well. So it is
//! noted in the status with the run's end, which is written in any case, and told by the Checkpoint only where nothing is known.

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::{PipelineRun, Reason, Schedule};
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
        // Where no success is known, some of many streams may have been committed, or somebody has written it.
        let since = self.committed().or(checkpoint.time)?;
        let (overdue, schedule) = self.overdue(since, now)?;
        if now < overdue {
            let message = "it is as recent as the Schedules of the Pipeline want";
            let said = Said::holds(ConditionType::CheckpointFresh, true, Reason::Fresh, message);
            return Some(Freshness { said, until: Some(overdue) });
        }
        let message = format!(
            "nothing was committed after {}, and the Schedule `{}` ({}) was due twice since then: look at its last decision, \
             and at the last runs of the Pipeline",
            seconds(since),
            schedule.name_any(),
            schedule.spec.trigger
        );
        let said = Said::holds(ConditionType::CheckpointFresh, false, Reason::CheckpointStale, message);
        Some(Freshness { said, until: None })
    }

    /// When what nothing has brought on since a time is overdue, and by which Schedule: who wants it most recent is told first.
    fn overdue(&self, since: Timestamp, now: Timestamp) -> Option<(Timestamp, &Schedule)> {
        let due = self.schedules.iter().filter_map(|it| Some((schedule::overdue(it, since, now)?, it)));
        due.min_by_key(|(at, _)| *at).map(|(at, schedule)| (at, schedule.as_ref()))
    }

    /// When a run has committed last: of those that can be seen, and what was noted before.
    pub(super) fn committed(&self) -> Option<Timestamp> {
        let own = self.pipeline.metadata.name.as_ref();
        let seen = self.runs.iter().filter(|run| brings_on(run)).filter_map(|run| run.status.as_ref()?.completion_time);
        // A run may be let go before its Pipeline was looked at.
        let statuses = self.schedules.iter().filter_map(|schedule| schedule.status.as_ref());
        let remembered = statuses.filter(|status| status.last_successful_pipeline.as_ref() == own);
        let remembered = remembered.filter_map(|status| status.last_successful_time);
        let noted = self.pipeline.status.as_ref().and_then(|status| status.last_commit_time);
        seen.chain(remembered).chain(noted).max()
    }
}

/// Whether a run has brought the Checkpoint on. One that reads the past again leaves it where it is.
fn brings_on(run: &PipelineRun) -> bool {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let end = find(conditions, ConditionType::Succeeded);
    run::writes(run) && run.spec.backfill.is_none() && end.is_some_and(|end| end.status == ConditionStatus::True)
}
