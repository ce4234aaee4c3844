//! Schedules: one that fires, one that reads its past again, one that lets old runs go.

use aggregator_crds::API_VERSION;
use aggregator_operator::action::Kind;
use aggregator_operator::labels;
use futures::FutureExt;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::runs::pipeline;
use crate::scene::{Scene, condition, is_over};
use crate::workload::Step;

/// The runs of a Schedule that was there before, the oldest first.
const KEPT: [&str; 3] = ["kept-1", "kept-2", "kept-3"];

/// Its first fire is the moment at which it is made, and the next one an hour later.
pub(crate) fn fires(scene: &Scene) -> Step<'_> {
    async move {
        pipeline(scene, &json!({})).await?;
        let spec = json!({"pipelineRef": {"name": "move"}, "interval": {"every": "1h"}});
        scene.create(Kind::Schedule, json!({"metadata": {"name": "hourly"}, "spec": spec})).await?;
        let ended = scene.until("the end of a fire's run, and a Schedule that knows", |inside| {
            inside.all("PipelineRun").find(|run| is_over(run))?;
            inside.get("Schedule", "hourly").filter(|it| it.data["status"]["lastSuccessfulTime"].is_string()).map(drop)
        });
        ended.await
    }
    .boxed()
}

/// Two intervals of the past, and hours until the next fire.
pub(crate) fn backfills(scene: &Scene) -> Step<'_> {
    async move {
        pipeline(scene, &json!({})).await?;
        let ago = |hours: i64| {
            let time = Timestamp::now().checked_sub(hours.hours()).map_err(|error| error.to_string())?;
            Ok::<_, String>(aggregator_operator::conditions::seconds(time))
        };
        let from = ago(30)?;
        let to = from.checked_add(24.hours()).map_err(|error| error.to_string())?;
        let spec = json!({
            "pipelineRef": {"name": "move"}, "interval": {"every": "12h", "start": from},
            "backfill": {"from": from, "to": to},
        });
        scene.create(Kind::Schedule, json!({"metadata": {"name": "past"}, "spec": spec})).await?;
        let read = |it: &kube::api::DynamicObject| {
            condition(it, "Backfilled").is_some_and(|backfilled| backfilled["status"] == "True")
        };
        scene.shows(Kind::Schedule, "past", "a past that was read", read).await
    }
    .boxed()
}

/// A Schedule that keeps one run, and has three that have ended.
pub(crate) fn history(scene: &Scene) -> Step<'_> {
    async move {
        let waits = json!({"tokenSha256": "0".repeat(64)});
        let spec = json!({"pipelineRef": {"name": "move"}, "webhook": waits, "successfulRunsHistoryLimit": 1});
        let uid = scene.create(Kind::Schedule, json!({"metadata": {"name": "kept"}, "spec": spec})).await?;
        let owner = json!({
            "apiVersion": API_VERSION, "kind": "Schedule", "name": "kept", "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        });
        for name in KEPT {
            let own = labels::labels([(labels::SCHEDULE, "kept"), (labels::PIPELINE, "move")]);
            let metadata = json!({"name": name, "labels": own, "ownerReferences": [&owner]});
            let spec = json!({"pipelineRef": {"name": "move"}});
            scene.create(Kind::PipelineRun, json!({"metadata": metadata, "spec": spec})).await?;
            let time = aggregator_operator::conditions::seconds(Timestamp::now());
            let succeeded = json!({
                "type": "Succeeded", "status": "True", "reason": "LedgerBalanced", "message": "as the test has it",
                "lastTransitionTime": time, "observedGeneration": 1,
            });
            let status = json!({
                "observedGeneration": 1, "phase": "Succeeded", "attempt": 1, "startTime": time, "completionTime": time,
                "conditions": [succeeded],
            });
            scene.said(Kind::PipelineRun, name, &status).await?;
        }
        Ok(())
    }
    .boxed()
}

/// Of the runs of a Schedule, the newest stays.
pub(crate) fn forgets(scene: &Scene) -> Step<'_> {
    async move {
        let left = scene.until("one run that is left", |inside| {
            let [first, second, last] = KEPT.map(|name| inside.get("PipelineRun", name).is_some());
            (!first && !second && last).then_some(())
        });
        left.await?;
        let known = |it: &kube::api::DynamicObject| condition(it, "Ready").is_some();
        scene.shows(Kind::Schedule, "kept", "a status", known).await
    }
    .boxed()
}
