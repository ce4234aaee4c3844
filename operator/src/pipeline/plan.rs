//! What is to be done for a Pipeline now: a pure decision.

use std::time::Duration;

use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use aggregator_crds::pipeline::{LastEdit, PipelineStatus};
use aggregator_crds::{PipelineSpec, Reason};
use jiff::Timestamp;
use kube::ResourceExt;

use super::checks::{Checked, Refused};
use super::freshness::Freshness;
use super::view::View;
use super::{edit, revision};
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{Said, find, known, kstatus, led_by, renew};
use crate::errand::Why;
use crate::run;

/// How many revisions are kept, the newest one among them, when the Pipeline says nothing of it.
const REVISIONS: usize = 10;
/// How many runs the status names.
const RUNS: usize = 10;

/// What is to be done for a Pipeline now.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let pipeline = &view.pipeline;
    if pipeline.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let mut plan = Plan::nothing();
    let checked = view.checked.as_ref();
    // A spec that cannot run is no version that anybody runs or goes back to.
    if checked.is_valid() {
        plan.actions.extend(view.keep());
    }
    // Also while the spec cannot run: another one may have been kept just before that edit.
    plan.actions.extend(view.let_go());
    let freshness = view.freshness(now);
    let status = view.status(checked, freshness.as_ref(), now);
    if pipeline.status.as_ref() != Some(&status) {
        plan = plan.then(Action::status(Target::of(Kind::Pipeline, &pipeline.metadata), &status));
    }
    match freshness.and_then(|freshness| freshness.until) {
        Some(until) => plan.again_in(Duration::try_from(until.duration_since(now)).unwrap_or_default()),
        None => plan,
    }
}

/// What is said of a Pipeline when a write that it needs is refused again and again.
#[must_use]
pub fn blocked(view: &View, why: &Why, now: Timestamp) -> Plan {
    let pipeline = &view.pipeline;
    let before = pipeline.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let mut status = view.status(&view.checked, view.freshness(now).as_ref(), now);
    let said = Said::holds(ConditionType::Ready, false, why.reason, why.message.clone());
    status.conditions = led_by(said, status.conditions, before, pipeline.metadata.generation, now);
    status.phase = Some("NotReady".to_owned());
    status.last_edit = pipeline.status.as_ref().and_then(|before| before.last_edit.clone());
    if pipeline.status.as_ref() == Some(&status) {
        return Plan::nothing();
    }
    Plan::nothing().then(Action::status(Target::of(Kind::Pipeline, &pipeline.metadata), &status))
}

impl View {
    /// Keeps the spec when the newest revision has another one, with what that edit means.
    fn keep(&self) -> Option<Action> {
        let before = self.newest_spec();
        if before.as_ref() == Some(&self.pipeline.spec) {
            return None;
        }
        // The newest may be known before the edit is that it was kept of: what is seen of the Pipeline is the past.
        let newest = self.revisions.first().map_or(0, |newest| revision::generation(newest));
        if self.pipeline.metadata.generation.is_some_and(|seen| seen < newest) {
            return None;
        }
        let status = self.pipeline.status.as_ref();
        let is_same = status.and_then(|status| status.observed_generation) == self.pipeline.metadata.generation;
        let (number, edit) = match self.deleted() {
            // The version that it was of is kept anew, and what was told of it holds.
            Some(told) if is_same => (told.revision, Some(edit::once_more(told))),
            // Another version has another number.
            told => {
                let last = told.map_or(self.newest(), |told| told.revision);
                (last.saturating_add(1), before.map(|before| edit::between(&before, &self.pipeline.spec)))
            }
        };
        let mut kept = revision::keep(&self.pipeline, number);
        if let Some(edit) = edit {
            edit::note(&mut kept, &edit);
        }
        Some(Action::create(Kind::ControllerRevision, &kept))
    }

    /// The number of the newest revision; 0 when there is none.
    fn newest(&self) -> i64 {
        self.revisions.first().map_or(0, |newest| revision::number(newest))
    }

    fn newest_spec(&self) -> Option<PipelineSpec> {
        self.revisions.first().and_then(|newest| revision::spec(newest))
    }

    /// The edit that was told of last, where its revision is gone and none keeps the spec as it stands: somebody has deleted it,
    /// or it is not seen yet.
    fn deleted(&self) -> Option<&LastEdit> {
        let told = self.pipeline.status.as_ref()?.last_edit.as_ref()?;
        (told.revision > self.newest() && self.newest_spec().as_ref() != Some(&self.pipeline.spec)).then_some(told)
    }

    /// What the edit means that has made the newest revision. A write of the status makes one Event at most: what is said of
    /// the Pipeline and was not said before comes first, and this with the next look. It is told once, also when its revision
    /// is deleted, and kept anew.
    fn last_edit(&self, conditions: &[Condition]) -> Option<LastEdit> {
        let before = self.pipeline.status.as_ref();
        let told = before.and_then(|status| status.last_edit.as_ref());
        let ready =
            |conditions: &[Condition]| find(conditions, ConditionType::Ready).map(|it| (it.status, it.reason.clone()));
        let said = ready(before.map_or(&[][..], |status| &status.conditions));
        if said != ready(conditions) || self.deleted().is_some() {
            return told.cloned();
        }
        let edit = self.revisions.first().and_then(|newest| edit::of(newest))?;
        let time = told.filter(|told| told.revision == edit.revision).map_or(edit.time, |told| told.time);
        Some(LastEdit { time, ..edit })
    }

    /// Lets the oldest revisions go, of which there are too many.
    fn let_go(&self) -> impl Iterator<Item = Action> {
        let limit = self.pipeline.spec.revision_history_limit.map_or(REVISIONS, |limit| limit as usize);
        let old = self.revisions.iter().skip(limit);
        old.map(|old| Action::Delete { target: Target::of(Kind::ControllerRevision, &old.metadata), foreground: false })
    }

    /// The first of its Connectors that is not ready, and why.
    fn unready(&self) -> Option<(String, &Condition)> {
        self.connectors.iter().find_map(|connector| {
            let ready = find(&connector.status.as_ref()?.conditions, ConditionType::Ready)?;
            (ready.status == ConditionStatus::False).then(|| (connector.name_any(), ready))
        })
    }

    fn status(&self, checked: &Checked, freshness: Option<&Freshness>, now: Timestamp) -> PipelineStatus {
        let before = self.pipeline.status.as_ref();
        let mut said = Vec::new();
        let draft = self.pipeline.spec.draft;
        let refused = checked.refused.as_ref();
        let (ready, reason, message) = match refused {
            None if draft => (false, Reason::PipelineIsDraft, "it compiles; it is a draft and never run".to_owned()),
            None => (true, Reason::Compiled, "it compiles, and everything it names is there".to_owned()),
            Some(refused) => (false, refused.reason, refused.message.clone()),
        };
        said.push(Said::holds(ConditionType::Ready, ready, reason, message.clone()));
        let beside = kstatus(&said[0]);
        said.push(match refused {
            Some(refused) if !refused.may_come_right => Said::holds(ConditionType::Valid, false, reason, message),
            _ => Said::holds(ConditionType::Valid, true, Reason::Compiled, "no mistake was found in it"),
        });
        let connectors = match refused {
            Some(Refused { reason: Reason::ConnectorMissing | Reason::VolumeMissing, message, .. }) => {
                Said::holds(ConditionType::ConnectorsReady, false, reason, message.clone())
            }
            _ if let Some((name, ready)) = self.unready() => {
                let text = format!("the Connector `{name}`: {}", ready.message);
                let (reason, text) = known(&ready.reason, text);
                Said::new(ConditionType::ConnectorsReady, ready.status, reason, text)
            }
            _ => Said::holds(
                ConditionType::ConnectorsReady,
                true,
                Reason::AllThere,
                "all Connectors that it names are there",
            ),
        };
        said.push(connectors);
        let last = self.runs.iter().find(|run| run::is_over(run));
        if let Some(last) = last {
            let conditions = last.status.as_ref().map_or(&[][..], |status| &status.conditions);
            if let Some(end) = find(conditions, ConditionType::Succeeded) {
                let text = format!("{}: {}", last.name_any(), end.message);
                let (reason, text) = known(&end.reason, text);
                said.push(Said::new(ConditionType::Healthy, end.status, reason, text));
            }
        }
        said.extend(freshness.map(|freshness| freshness.said.clone()));
        said.extend(beside);
        let figures = last.and_then(|last| last.status.as_ref());
        let generation = self.pipeline.metadata.generation;
        let conditions = renew(before.map_or(&[], |status| &status.conditions), said, generation, now);
        PipelineStatus {
            observed_generation: generation,
            phase: Some(
                if ready {
                    "Ready"
                } else if draft && refused.is_none() {
                    "Draft"
                } else {
                    "NotReady"
                }
                .to_owned(),
            ),
            diagnostics: checked.diagnostics.clone(),
            last_edit: self.last_edit(&conditions),
            conditions,
            last_commit_time: self.committed(),
            // As everything else here: one that goes on is nobody's last run yet, and would be a write of its own.
            last_runs: self.runs.iter().filter(|run| run::is_over(run)).take(RUNS).map(|run| run.name_any()).collect(),
            last_rows: figures.and_then(|status| status.totals.as_ref()).map(|totals| totals.written),
            last_bytes: figures.and_then(|status| status.cost.as_ref()?.bytes_read),
        }
    }
}
