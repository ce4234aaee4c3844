//! What the operator has made is edited, deleted, or held.

use std::time::Instant;

use aggregator_tests::wait::eventually;
use serde_json::json;

use super::{Scene, recovered, said};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

#[test]
fn labels_that_are_overwritten_come_back_and_a_plan_cannot_be_edited() {
    let scene = Scene::new();
    scene.going("first");
    let stomped = [format!("{MANAGED_BY}=somebody"), "aggregator.dev/run=another".to_owned()];
    for object in ["job/first", "configmap/first-plan", "controllerrevision/move-1"] {
        let words = ["label", "--overwrite", object].into_iter().chain(stomped.iter().map(String::as_str));
        scene.project.namespace.kubectl(words);
    }
    let since = Instant::now();
    eventually("the Job's labels", || {
        let labels = scene.project.get("job", "first")["metadata"]["labels"].clone();
        (labels[MANAGED_BY] == "aggregator" && labels["aggregator.dev/run"] == "first").then_some(())
    });
    let edit = json!({"data": {"manifests.yaml": "kind: Nothing"}}).to_string();
    let edited = scene.project.namespace.ask(["patch", "configmap", "first-plan", "--type=merge", "--patch", &edit]);
    let refused = edited.expect_err("nobody may edit a plan");
    assert!(refused.contains("immutable"), "{refused}");
    scene.other("beside");
    let run = scene.whole("first", 1, since);
    assert_eq!((&run["status"]["attempt"], &run["status"]["job"]), (&json!(1), &json!("first")), "{run}");
    eventually("the kept version's labels", || {
        let kept = scene.project.get("controllerrevision", "move-1");
        (kept["metadata"]["labels"][MANAGED_BY] == "aggregator").then_some(())
    });
    recovered("labels", since);
}

#[test]
fn a_version_that_is_deleted_is_kept_again_and_one_without_its_owner_is_in_the_way() {
    let scene = Scene::new();
    scene.project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    let before = scene.project.get("controllerrevision", "move-1");
    scene.project.namespace.kubectl(["delete", "controllerrevision", "move-1"]);
    let since = Instant::now();
    let kept = eventually("the kept version", || {
        let kept = scene.project.namespace.find("controllerrevision", "move-1").ok()??;
        (kept["metadata"]["uid"] != before["metadata"]["uid"]).then_some(kept)
    });
    assert_eq!((&kept["data"], &kept["revision"]), (&before["data"], &before["revision"]));
    recovered("versionDeleted", since);

    scene.patch("controllerrevision", "move-1", &json!({"metadata": {"ownerReferences": null}}));
    let told = scene.until("pipeline", "move", "NameConflict");
    let message = said(&told, "NameConflict").expect("a message");
    assert!(
        message.starts_with("there is a ControllerRevision `move-1` that was not made for this object: delete that"),
        "{message}"
    );
    scene.project.run("first", "move");
    scene.until("pipelinerun", "first", "WaitingForRevision");
    scene.other("beside");
    scene.project.namespace.kubectl(["delete", "controllerrevision", "move-1"]);
    let since = Instant::now();
    let run = scene.whole("first", 1, since);
    assert_eq!(run["status"]["revision"], 1, "{run}");
    scene.until("pipeline", "move", "Compiled");
    recovered("versionWithoutOwner", since);
}

#[test]
fn a_child_that_somebody_else_holds_is_left_alone_and_keeps_only_its_name() {
    let scene = Scene::new();
    scene.going("first");
    scene.patch("job", "first", &json!({"metadata": {"finalizers": ["example.com/hold"]}}));
    let held = scene.project.get("job", "first")["metadata"]["uid"].clone();
    scene.project.namespace.kubectl(["delete", "pipelinerun", "first"]);
    eventually("a Job that is held", || {
        (!scene.project.get("job", "first")["metadata"]["deletionTimestamp"].is_null()).then_some(())
    });
    // A run of the same name has other children, of the same names.
    scene.project.run("first", "move");
    eventually("a conflict of names", || {
        let run = scene.project.get("pipelinerun", "first");
        said(&run, "NameConflict")?
            .starts_with("there is a Job `first` that was not made for this object")
            .then_some(())
    });
    assert_eq!(scene.project.get("job", "first")["metadata"]["uid"], held, "it was not ours to take it away");
    scene.other("beside");
    scene.patch("job", "first", &json!({"metadata": {"finalizers": null}}));
    let since = Instant::now();
    scene.whole("first", 1, since);
    assert_ne!(scene.project.get("job", "first")["metadata"]["uid"], held);
    recovered("finalizer", since);
}
