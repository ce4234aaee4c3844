//! Whether what a Pipeline has committed is as recent as its Schedules want.

use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::{PipelineRun, Reason};
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
        let committed = self.committed()?;
        let due = self.schedules.iter().filter_map(|it| Some((schedule::overdue(it, committed, now)?, it)));
        // Who wants it most recent is told first.
        let (overdue, schedule) = due.min_by_key(|(at, _)| *at)?;
        if now < overdue {
            let message = "it is as recent as the Schedules of the Pipeline want";
            let said = Said::holds(ConditionType::CheckpointFresh, true, Reason::Fresh, message);
            return Some(Freshness { said, until: Some(overdue) });
        }
        let message = format!(
            "nothing was committed after {}, and the Schedule `{}` ({}) was due twice since then: look at its last decision, \
             and at the last runs of the Pipeline",
            seconds(committed),
            schedule.name_any(),
            schedule.spec.trigger
        );
        let said = Said::holds(ConditionType::CheckpointFresh, false, Reason::CheckpointStale, message);
        Some(Freshness { said, until: None })
    }

    /// When a run has brought the Checkpoint on last, as far as is known.
    fn committed(&self) -> Option<Timestamp> {
        let checkpoint = &self.checkpoint.as_ref().filter(|it| !it.spec.positions.is_empty())?.spec;
        let ends = self.runs.iter().filter(|run| brings_on(run));
        let last = ends.filter_map(|run| run.status.as_ref()?.completion_time).max();
        // A worker writes it when it begins as well, and when it fails.
        let writer = self.runs.iter().find(|run| run.metadata.name == checkpoint.run);
        if writer.is_none_or(|run| brings_on(run)) { last.max(checkpoint.time) } else { last.or(checkpoint.time) }
    }
}

/// Whether a run has brought the Checkpoint on. One that reads the past again leaves it where it is.
fn brings_on(run: &PipelineRun) -> bool {
    let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let end = find(conditions, ConditionType::Succeeded);
    run::writes(run) && run.spec.backfill.is_none() && end.is_some_and(|end| end.status == ConditionStatus::True)
}
