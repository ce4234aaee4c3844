//! What the operator and its workers need of the cluster is taken away: rights, identities, admission, a node, a kind.

use std::time::Instant;

use aggregator_tests::control_plane::{Namespace, Plane};
use aggregator_tests::wait::eventually;
use serde_json::json;

use super::{Scene, recovered, said};
use crate::project::Project;

#[test]
fn an_operator_without_rights_waits_for_them_and_goes_on() {
    let mut scene = Scene::new();
    scene.going("first");
    scene.project.namespace.kubectl(["delete", "rolebinding", "operator"]);
    let operator = format!("--as=system:serviceaccount:{}:operator", scene.project.namespace.name());
    let may = || scene.project.namespace.ask(["auth", "can-i", "create", "configmaps", &operator]).is_ok();
    eventually("no rights", || (!may()).then_some(()));
    scene.project.run("second", "move");
    scene.project.run("beside", "other");
    eventually("a write that was refused", || scene.project.log().contains("is forbidden").then_some(()));
    // What goes on has rights of its own: the worker of the first run delivers its rows, though nobody says so yet.
    eventually("the rows of the first run", || (scene.project.lines("out/move").len() == super::ROWS).then_some(()));
    assert_ne!(scene.project.get("pipelinerun", "first")["status"]["phase"], "Succeeded");
    scene.project.give_rights();
    let since = Instant::now();
    scene.whole("first", 1, since);
    scene.whole("second", 1, since);
    assert_eq!(scene.project.ended("beside")["status"]["totals"]["written"], 5);
    assert!(scene.project.alive(), "the operator has ended: {}", scene.project.log());
    recovered("rightsOfTheOperator", since);
}

#[test]
fn an_identity_that_is_deleted_under_its_workers_comes_back() {
    let scene = Scene::new();
    scene.going("first");
    let uid = || scene.project.get("serviceaccount", "aggregator-worker")["metadata"]["uid"].clone();
    let before = uid();
    scene.project.namespace.kubectl(["delete", "serviceaccount", "aggregator-worker"]);
    let since = Instant::now();
    eventually("an identity", || scene.project.namespace.find("serviceaccount", "aggregator-worker").ok().flatten());
    assert_ne!(uid(), before);
    // Its token is worth nothing any more; another attempt has another one.
    scene.whole("first", 1, since);
    scene.other("beside");
    recovered("identityOfWorkers", since);
}

/// What the API server says of a Job that it refuses.
const REFUSAL: &str = "nobody-works-today";

/// Has the API server refuse every new Job of the namespace. Gives the objects that have it so.
fn refuse_jobs(namespace: &Namespace) -> Vec<String> {
    if Plane::chosen() == Plane::Embedded {
        // It has no policies, and refuses by quotas: to the operator, both are a write that admission forbids.
        namespace.kubectl(["create", "quota", REFUSAL, "--hard=count/jobs.batch=0"]);
        return vec![format!("resourcequota/{REFUSAL}")];
    }
    let name = namespace.name();
    namespace.apply(&format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: no-jobs-in-{name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{{apiGroups: [batch], apiVersions: [v1], operations: [CREATE], resources: [jobs]}}]
  validations: [{{expression: \"false\", message: {REFUSAL}}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: no-jobs-in-{name}}}
spec:
  policyName: no-jobs-in-{name}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}
"
    ));
    ["validatingadmissionpolicybinding", "validatingadmissionpolicy"]
        .map(|kind| format!("{kind}/no-jobs-in-{name}"))
        .into()
}

#[test]
fn what_admission_refuses_is_told_and_tried_again() {
    let scene = Scene::new();
    scene.project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    let refusing = refuse_jobs(&scene.project.namespace);
    eventually("admission that refuses", || {
        let tried = ["create", "job", "tried", "--image=tried", "--dry-run=server"];
        scene.project.namespace.ask(tried).err().filter(|refused| refused.contains(REFUSAL))
    });
    scene.project.run("first", "move");
    let told = scene.until("pipelinerun", "first", "WriteRefused");
    let message = said(&told, "WriteRefused").expect("a message");
    assert!(message.starts_with("create Job first: ") && message.contains(REFUSAL), "{message}");
    assert_eq!(told["status"]["phase"], "Pending", "{told}");
    // What takes no Job is done all the same.
    scene.patch("pipeline", "other", &json!({"spec": {"description": "edited"}}));
    eventually("an edit that was looked at", || {
        let other = scene.project.get("pipeline", "other");
        (other["status"]["observedGeneration"] == other["metadata"]["generation"]).then_some(())
    });
    for object in &refusing {
        scene.project.namespace.kubectl(["delete", object]);
    }
    let since = Instant::now();
    scene.whole("first", 1, since);
    scene.other("beside");
    recovered("admission", since);
}

#[test]
fn a_node_that_dies_and_a_kind_that_is_deleted_come_back() {
    let mut scene = Scene::of(Project::alone());
    scene.going("first");
    scene.project.node().kill();
    scene.project.node().restart();
    let since = Instant::now();
    let run = scene.whole("first", 1, since);
    assert_eq!(run["status"]["attempt"], 2, "its worker died with the node: {run}");
    recovered("node", since);

    let schedule = "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: often}
spec: {pipelineRef: {name: other}, interval: {every: 2s}}
";
    scene.project.namespace.apply(schedule);
    let fires = |scene: &Scene| {
        eventually("a fire", || {
            let often = scene.project.get("schedule", "often");
            (often["status"]["counts"]["started"].as_u64()? > 0).then_some(())
        });
    };
    fires(&scene);
    scene.project.namespace.kubectl(["delete", "crd", "schedules.aggregator.dev", "--timeout=60s"]);
    // The other kinds are none the worse for it.
    scene.write("b", super::ROWS);
    scene.project.run("second", "move");
    scene.whole("second", 2, Instant::now());
    assert!(scene.project.alive(), "the operator has ended: {}", scene.project.log());
    scene.project.reinstall();
    let since = Instant::now();
    scene.project.namespace.apply(schedule);
    fires(&scene);
    let took = since.elapsed();
    assert!(took < super::SOON, "it took {took:?}");
    recovered("kind", since);
}
