//! What is to be done for a Pipeline now: a pure decision.

use std::time::Duration;

use aggregator_crds::Reason;
use aggregator_crds::condition::{Condition, ConditionStatus, ConditionType};
use aggregator_crds::pipeline::{LastEdit, PipelineStatus};
use jiff::Timestamp;
use kube::ResourceExt;

use super::checks::Checked;
use super::freshness::Freshness;
use super::view::View;
use super::{diagnostics, edit, revision};
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{Said, find, known, kstatus, led_by, renew};
use crate::errand::Why;
use crate::run::{self, Unresolved};

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
    if checked.as_ref().map_or_else(may_come_right, |_| true) {
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

/// Whether what is wrong is not the Pipeline's own fault, so that it may come right without an edit of it.
fn may_come_right(error: &Unresolved) -> bool {
    match error {
        Unresolved::ConnectorMissing(_)
        | Unresolved::TransformationMissing(_)
        | Unresolved::VolumeMissing(_)
        | Unresolved::SchemaMismatch(_) => true,
        Unresolved::Invalid(_) | Unresolved::TooLarge(_) | Unresolved::Unwritable(_) => false,
    }
}

impl View {
    /// Keeps the spec when the newest revision has another one, with what that edit means.
    fn keep(&self) -> Option<Action> {
        let newest = self.revisions.first();
        let before = newest.and_then(|newest| revision::spec(newest));
        if before.as_ref() == Some(&self.pipeline.spec) {
            return None;
        }
        let number = newest.map_or(0, |newest| revision::number(newest)) + 1;
        let mut kept = revision::keep(&self.pipeline, number);
        if let Some(before) = before {
            edit::note(&mut kept, &edit::between(&before, &self.pipeline.spec));
        }
        Some(Action::create(Kind::ControllerRevision, &kept))
    }

    /// What the edit means that has made the newest revision. A write of the status makes one Event at most: what is said of
    /// the Pipeline and was not said before comes first, and this with the next look.
    fn last_edit(&self, conditions: &[Condition]) -> Option<LastEdit> {
        let before = self.pipeline.status.as_ref();
        let ready =
            |conditions: &[Condition]| find(conditions, ConditionType::Ready).map(|it| (it.status, it.reason.clone()));
        let said = ready(before.map_or(&[][..], |status| &status.conditions));
        if said == ready(conditions) {
            self.revisions.first().and_then(|newest| edit::of(newest))
        } else {
            before.and_then(|status| status.last_edit.clone())
        }
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
        let (ready, reason, message) = match checked {
            Ok(_) if draft => (false, Reason::PipelineIsDraft, "it compiles; it is a draft and never run".to_owned()),
            Ok(_) => (true, Reason::Compiled, "it compiles, and everything it names is there".to_owned()),
            Err(error) => (false, error.reason(), error.to_string()),
        };
        said.push(Said::holds(ConditionType::Ready, ready, reason, message.clone()));
        let beside = kstatus(&said[0]);
        let valid = checked.as_ref().map_or_else(may_come_right, |_| true);
        said.push(match checked {
            Err(error) if !valid => Said::holds(ConditionType::Valid, false, error.reason(), message),
            _ => Said::holds(ConditionType::Valid, true, Reason::Compiled, "no mistake was found in it"),
        });
        let connectors = match checked {
            Err(error @ (Unresolved::ConnectorMissing(_) | Unresolved::VolumeMissing(_))) => {
                Said::holds(ConditionType::ConnectorsReady, false, error.reason(), error.to_string())
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
                } else if draft && checked.is_ok() {
                    "Draft"
                } else {
                    "NotReady"
                }
                .to_owned(),
            ),
            diagnostics: diagnostics::told(&self.pipeline, checked),
            last_edit: self.last_edit(&conditions),
            conditions,
            // As everything else here: one that goes on is nobody's last run yet, and would be a write of its own.
            last_runs: self.runs.iter().filter(|run| run::is_over(run)).take(RUNS).map(|run| run.name_any()).collect(),
            last_rows: figures.and_then(|status| status.totals.as_ref()).map(|totals| totals.written),
            last_bytes: figures.and_then(|status| status.cost.as_ref()?.bytes_read),
        }
    }
}
