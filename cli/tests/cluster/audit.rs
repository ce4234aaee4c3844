//! Rights: the operator and its workers do everything that they ever do, and the API server's audit log tells which rights that
//! takes. They are given these, and no others.

use std::collections::BTreeSet;

use aggregator_operator::identity::Who;
use aggregator_operator::{names, rbac};
use aggregator_tests::control_plane::Request;
use aggregator_tests::wait::eventually;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use crate::project::Project;

/// One thing that somebody may do, as `patch aggregator.dev/pipelineruns/status`.
type Right = String;

fn right(verb: &str, group: &str, resource: &str) -> Right {
    let slash = if group.is_empty() { "" } else { "/" };
    format!("{verb} {group}{slash}{resource}")
}

fn granted(rules: &[PolicyRule]) -> BTreeSet<Right> {
    let mut all = BTreeSet::new();
    for rule in rules {
        assert!(rule.resource_names.is_none() && rule.non_resource_urls.is_none(), "{rule:?} is not counted here");
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                all.extend(rule.verbs.iter().map(|verb| right(verb, group, resource)));
            }
        }
    }
    all
}

fn used(requests: &[Request]) -> BTreeSet<Right> {
    let mut all = BTreeSet::new();
    for Request { verb, group, resource, code, .. } in requests.iter().filter(|request| request.code != 403) {
        all.insert(right(verb, group, resource));
        // An object that was not there is applied: the API server asks for both rights.
        if verb == "patch" && *code == 201 {
            all.insert(right("create", group, resource));
        }
    }
    all
}

/// Nothing was refused, and no Secret was asked for.
fn assert_harmless(who: &str, requests: &[Request]) {
    let refused: Vec<_> = requests.iter().filter(|request| matches!(request.code, 401 | 403)).collect();
    assert!(refused.is_empty(), "{who} was refused {refused:#?}");
    let secrets: Vec<_> = requests.iter().filter(|request| request.resource.starts_with("secrets")).collect();
    assert!(secrets.is_empty(), "{who} has asked for Secrets: {secrets:#?}");
}

fn edit(project: &Project, kind: &str, name: &str, patch: &Value) {
    project.namespace.kubectl(["patch", kind, name, "--type=merge", "--patch", &patch.to_string()]);
}

/// The reason of the leading condition.
fn until(project: &Project, kind: &str, name: &str, reason: &str) {
    eventually(&format!("{reason} of {kind} {name}"), || {
        (project.get(kind, name)["status"]["conditions"][0]["reason"] == reason).then_some(())
    });
}

/// Every fire of this Schedule cancels the run of the last one.
const REPLACED: &str = "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: slow}
spec:
  limits: {rowsPerSecond: 10}
  generator: {streams: [{name: rows, rows: 100000, columns: [{name: id, sequence: {}}]}]}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: lasting}
spec:
  sources: [{name: rows, connector: slow, stream: rows}]
  sinks: [{name: kept, from: rows, connector: out, stream: lasting/}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: restless}
spec: {pipelineRef: {name: lasting}, interval: {every: 5s}, concurrencyPolicy: Replace}
";

fn runs_and_schedules(project: &Project) {
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("move", "{}");
    project.run("first", "move");
    project.write("in/b.csv", "id,name\n2,two\n");
    project.run("second", "move");
    assert_eq!(project.ended("second")["status"]["phase"], "Succeeded");
    assert_eq!(project.get("checkpoint", "move")["spec"]["epoch"], 2);

    project.namespace.apply(REPLACED);
    let replaced = eventually("a run that another one has replaced", || {
        let runs = project.list("pipelineruns");
        runs.into_iter().find(|run| run["status"]["phase"] == "Cancelled" && run["spec"]["cancel"] == "Immediate")
    });
    assert_eq!(replaced["metadata"]["ownerReferences"][0]["name"], "restless", "{replaced}");
    project.namespace.kubectl(["delete", "schedule/restless", "--cascade=foreground"]);

    project.copy_files("again", "{retry: {limit: 1, backoff: {initial: 1s}}}");
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: nowhere}
spec: {postgres: {host: 127.0.0.1, port: 1, database: nowhere, username: nobody}}
",
    );
    edit(
        project,
        "pipeline",
        "again",
        &json!({"spec": {"sources": [{"name": "rows", "connector": "nowhere", "stream": "public.t"}]}}),
    );
    project.run("twice", "again");
    assert_eq!(project.ended("twice")["status"]["attempt"], 2);
}

fn connectors_and_transformations(project: &Project) {
    for _ in 0..2 {
        project.namespace.kubectl(["wait", "connector/in", "--for=condition=Ready", "--timeout=60s"]);
        let before = project.get("connector", "in")["status"]["lastCheck"]["job"].clone();
        let annotation = format!("aggregator.dev/check-requested-at={before}");
        project.namespace.kubectl(["annotate", "--overwrite", "connector/in", &annotation]);
        eventually("another check", || {
            (project.get("connector", "in")["status"]["lastCheck"]["job"] != before).then_some(())
        });
    }
    let expires = Timestamp::now() + SignedDuration::from_secs(2);
    project.namespace.apply(&format!(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: tried, annotations: {{aggregator.dev/expires-at: \"{expires}\"}}}}
spec: {{file: {{root: in}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Transformation
metadata: {{name: shout}}
spec:
  sql: {{query: \"SELECT upper(word) AS word FROM input\"}}
  tests: [{{name: letters, rows: [{{word: a}}], expect: {{rows: [{{word: A}}]}}}}]
"
    ));
    project.namespace.kubectl(["wait", "connector/tried", "--for=delete", "--timeout=60s"]);
    project.namespace.kubectl(["wait", "axform/shout", "--for=condition=TestsPassed", "--timeout=120s"]);
    eventually("no Job of tests", || {
        let jobs = project.list("jobs");
        jobs.iter().all(|job| job["metadata"]["ownerReferences"][0]["kind"] != "Transformation").then_some(())
    });
}

/// What the operator would make is there already, and is somebody else's.
fn names_that_are_taken(project: &Project) {
    let job = json!({"spec": {"suspend": true, "template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "theirs", "image": "theirs"}],
    }}}});
    let theirs = [
        ("batch/v1", "Job", "taken", job),
        ("v1", "ConfigMap", "planned-plan", json!({})),
        ("apps/v1", "ControllerRevision", "kept-1", json!({"revision": 1, "data": {}})),
    ];
    for (version, kind, name, mut object) in theirs {
        object["apiVersion"] = version.into();
        object["kind"] = kind.into();
        object["metadata"] = json!({"name": name});
        project.namespace.apply(&object.to_string());
    }
    project.run("taken", "move");
    project.copy_files("kept", "{}");
    for (kind, name) in [("pipelinerun", "taken"), ("pipeline", "kept")] {
        until(project, kind, name, "NameConflict");
    }
    let taken = project.get("pipelinerun", "taken");
    let message = taken["status"]["conditions"][0]["message"].as_str().expect("a message");
    assert_eq!(
        message,
        "there is a Job `taken` that was not made for this object: delete that, or give this object another name"
    );
    // It goes on when they are gone.
    project.namespace.kubectl(["delete", "job/taken", "controllerrevision/kept-1"]);
    assert_eq!(project.ended("taken")["status"]["phase"], "Succeeded");
    project.run("planned", "move");
    until(project, "pipelinerun", "planned", "NameConflict");
    project.namespace.kubectl(["delete", "configmap/planned-plan"]);
    assert_eq!(project.ended("planned")["status"]["phase"], "Succeeded");
    until(project, "pipeline", "kept", "Compiled");

    // The name of a fire's run is known before.
    let fire = Timestamp::from_second(Timestamp::now().as_second() + 5).expect("a time");
    project.namespace.apply(&format!(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {{name: late}}
spec: {{pipelineRef: {{name: move}}, interval: {{every: 1h, start: \"{fire}\"}}}}
"
    ));
    let uid = project.get("schedule", "late")["metadata"]["uid"].as_str().expect("a UID").to_owned();
    project.run(&names::run("late", &uid, "interval", fire, ""), "move");
    assert!(Timestamp::now() < fire, "the fire was faster than its name");
    until(project, "schedule", "late", "NameConflict");
    project.namespace.kubectl(["delete", "schedule/late"]);
}

fn versions_and_events(project: &Project) {
    // What the operator has made, and does not see any more.
    project.namespace.kubectl(["label", "controllerrevision/move-1", "app.kubernetes.io/managed-by-"]);
    eventually("its label", || {
        let kept = project.get("controllerrevision", "move-1");
        (kept["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aggregator").then_some(())
    });
    edit(project, "pipeline", "move", &json!({"spec": {"revisionHistoryLimit": 1}}));
    for draft in [true, false, true, false] {
        edit(project, "pipeline", "move", &json!({"spec": {"draft": draft}}));
        until(project, "pipeline", "move", if draft { "PipelineIsDraft" } else { "Compiled" });
    }
    eventually("few revisions", || {
        let kept = project.list("controllerrevisions");
        let own = kept.iter().filter(|kept| kept["metadata"]["ownerReferences"][0]["name"] == "move").count();
        (own <= 2).then_some(())
    });
}

#[test]
fn every_right_is_used_and_no_other_is_asked_for() {
    let mut project = Project::leased(1);
    runs_and_schedules(&project);
    connectors_and_transformations(&project);
    names_that_are_taken(&project);
    versions_and_events(&project);
    // Another operator takes the Lease, and lets go of runs soon.
    project.stop();
    project.arguments = vec!["--run-ttl=1s".to_owned()];
    project.start();
    eventually("no runs", || project.list("pipelineruns").is_empty().then_some(()));
    project.stop();

    let operator = project.requests("operator");
    assert_harmless("the operator", &operator);
    let mut unused = granted(&rbac::rules());
    for right in used(&operator) {
        unused.remove(&right);
    }
    for (who, name) in Who::ALL.into_iter().zip(["aggregator-worker", "aggregator-worker-probe"]) {
        let role = project.get("role", name);
        assert_eq!(role["rules"], serde_json::to_value(who.rules()).expect("JSON"), "{name}");
        let requests = project.requests(name);
        assert_harmless(name, &requests);
        assert_eq!(used(&requests), granted(&who.rules()), "what {name} did, and what it may do");
        // Whoever gives a right to workers must have it.
        unused.retain(|right| !granted(&who.rules()).contains(right));
    }
    println!("{} requests of the operator took {} rights", operator.len(), used(&operator).len());
    assert_eq!(unused, BTreeSet::new(), "what the operator may do and never did");
}
