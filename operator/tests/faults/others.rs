//! Connectors, Pipelines and Transformations.

use aggregator_crds::API_VERSION;
use aggregator_crds::connector::CATALOGUE;
use aggregator_operator::action::Kind;
use aggregator_operator::labels;
use futures::FutureExt;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::runs::{checked as was_checked, pipeline};
use crate::scene::{Scene, condition};
use crate::workload::Step;

pub(crate) fn nothing(_: &Scene) -> Step<'_> {
    async move { Ok(()) }.boxed()
}

/// A worker looks at it, keeps what it finds, and goes.
pub(crate) fn checked(scene: &Scene) -> Step<'_> {
    async move {
        let spec = json!({"file": {"root": "/data/in", "format": {"csv": {}}}});
        scene.create(Kind::Connector, json!({"metadata": {"name": "files"}, "spec": spec})).await?;
        let known = scene.until("a Connector that was checked, and no Job", |inside| {
            let connector = inside.get("Connector", "files")?;
            condition(connector, "Discovered").filter(|it| it["status"] == "True")?;
            inside.all("Job").next().is_none().then_some(())
        });
        known.await
    }
    .boxed()
}

/// A Connector that somebody only tries, with what was found at it.
pub(crate) fn temporary(scene: &Scene) -> Step<'_> {
    async move {
        let soon = Timestamp::now().checked_add(3.seconds()).map_err(|error| error.to_string())?;
        let soon = aggregator_operator::conditions::seconds(soon).to_string();
        let metadata = json!({"name": "tried", "annotations": {"aggregator.dev/expires-at": soon}});
        let spec = json!({"file": {"root": "/data/in", "format": {"csv": {}}}});
        let uid = scene.create(Kind::Connector, json!({"metadata": metadata, "spec": spec})).await?;
        scene.said(Kind::Connector, "tried", &was_checked()).await?;
        let owner = json!({
            "apiVersion": API_VERSION, "kind": "Connector", "name": "tried", "uid": uid,
            "controller": true, "blockOwnerDeletion": false,
        });
        let own = labels::labels([(labels::CONNECTOR, "tried")]);
        let metadata = json!({"name": "tried-catalogue", "labels": own, "ownerReferences": [owner]});
        let found = json!({CATALOGUE: r#"{"streams":[]}"#});
        scene.create(Kind::ConfigMap, json!({"metadata": metadata, "data": found})).await.map(drop)
    }
    .boxed()
}

/// It goes when its time is over, and what belongs to it goes with it.
pub(crate) fn expires(scene: &Scene) -> Step<'_> {
    async move {
        let gone = scene.until("nothing of the Connector", |inside| {
            let there = inside.get("Connector", "tried").or_else(|| inside.get("ConfigMap", "tried-catalogue"));
            there.is_none().then_some(())
        });
        gone.await
    }
    .boxed()
}

/// Its new version is kept, and the old one goes.
pub(crate) fn edited(scene: &Scene) -> Step<'_> {
    async move {
        pipeline(scene, &json!({"revisionHistoryLimit": 1})).await?;
        scene.edit(Kind::Pipeline, "move", &json!({"spec": {"description": "It was edited"}})).await?;
        let kept = scene.until("the Pipeline's second version alone", |inside| {
            let pipeline = inside.get("Pipeline", "move")?;
            let observed = pipeline.data["status"]["observedGeneration"] == 2;
            let [old, new] = ["move-1", "move-2"].map(|name| inside.get("ControllerRevision", name).is_some());
            (observed && !old && new).then_some(())
        });
        kept.await
    }
    .boxed()
}

/// A worker runs its tests, and goes.
pub(crate) fn tested(scene: &Scene) -> Step<'_> {
    async move {
        let expected = json!({"rows": [{"id": 1, "word": "A"}]});
        let test = json!({"name": "letters", "rows": [{"id": 1, "word": "a"}], "expect": expected});
        let spec = json!({"sql": {"query": "SELECT id, upper(word) AS word FROM input"}, "tests": [test]});
        scene.create(Kind::Transformation, json!({"metadata": {"name": "shout"}, "spec": spec})).await?;
        let passed = scene.until("tests that have passed, and no Job", |inside| {
            let transformation = inside.get("Transformation", "shout")?;
            condition(transformation, "TestsPassed").filter(|it| it["status"] == "True")?;
            inside.all("Job").next().is_none().then_some(())
        });
        passed.await
    }
    .boxed()
}
