//! What is deleted or edited under a run while it goes on: it converges, or its condition says the truth. Nothing is committed
//! twice, and no run stays as it is for ever.

use aggregator_crds::Reason;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};

use crate::connectors::{Shop, secret};
use crate::project::Project;

/// How many rows a lasting run reads, ten a second.
const ROWS: usize = 100;

fn condition(object: &Value) -> (&str, &str) {
    let condition = &object["status"]["conditions"][0];
    (condition["reason"].as_str().unwrap_or_default(), condition["message"].as_str().unwrap_or_default())
}

/// A Pipeline `move` whose runs last for some seconds.
fn lasting(execution: &str) -> Project {
    let project = Project::new();
    project.copy_files("move", execution);
    project.read_from(
        &format!(
            "{{limits: {{rowsPerSecond: 10}}, generator: {{seed: 1, streams: [{{name: rows, rows: {ROWS}, \
             columns: [{{name: id, sequence: {{}}}}]}}]}}}}"
        ),
        "rows",
    );
    project
}

/// A run that goes on.
fn going(project: &Project, run: &str) {
    project.run(run, "move");
    until(project, run, "Running");
}

fn until(project: &Project, run: &str, reason: &str) -> Value {
    eventually(&format!("{reason} of {run}"), || {
        Some(project.get("pipelinerun", run)).filter(|run| condition(run).0 == reason)
    })
}

fn assert_whole(project: &Project, run: &Value) {
    assert_eq!(run["status"]["phase"], "Succeeded", "{run}");
    assert_eq!(run["status"]["ledger"], json!({"balanced": true}), "{run}");
    let mut lines = project.lines("out");
    assert_eq!(lines.len(), ROWS, "{lines:?}");
    lines.dedup();
    assert_eq!(lines.len(), ROWS, "rows were committed twice");
}

fn pod_of(project: &Project, run: &str) -> String {
    let label = format!("--selector=aggregator.dev/run={run}");
    project.namespace.kubectl(["get", "pod", &label, "--output=jsonpath={.items[0].metadata.name}"])
}

const RETRY: &str = "{retry: {limit: 2, backoff: {initial: 1s}}}";

#[test]
fn another_attempt_follows_a_pod_that_is_deleted() {
    let project = lasting(RETRY);
    going(&project, "first");
    project.namespace.kubectl(["delete", "pod", &pod_of(&project, "first")]);
    let run = project.ended("first");
    assert_whole(&project, &run);
    assert_eq!(run["status"]["attempt"], 2, "{run}");
}

#[test]
fn another_pod_follows_one_that_is_evicted() {
    let project = lasting(RETRY);
    going(&project, "first");
    let pod = pod_of(&project, "first");
    let uid = |pod: &str| project.get("pod", pod)["metadata"]["uid"].clone();
    let evicted = uid(&pod);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    project.write("eviction.json", &eviction.to_string());
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", project.namespace.name());
    let file = format!("--filename={}", project.path("eviction.json").display());
    project.namespace.kubectl(["create", "--raw", &path, &file]);
    let run = project.ended("first");
    assert_whole(&project, &run);
    // The Job's own replacement is no other attempt.
    assert_eq!((&run["status"]["attempt"], project.jobs_of_runs().len()), (&json!(1), 1), "{run}");
    assert_ne!(uid(&pod_of(&project, "first")), evicted);
}

#[test]
fn a_job_that_is_deleted_is_made_again() {
    let project = lasting(RETRY);
    going(&project, "first");
    let before = project.get("job", "first")["metadata"]["uid"].clone();
    project.namespace.kubectl(["delete", "job", "first"]);
    let run = project.ended("first");
    assert_whole(&project, &run);
    assert_ne!(project.get("job", "first")["metadata"]["uid"], before);
}

#[test]
fn labels_that_are_taken_away_come_back() {
    let project = lasting(RETRY);
    going(&project, "first");
    for object in ["job/first", "controllerrevision/move-2"] {
        project.namespace.kubectl(["label", object, "app.kubernetes.io/managed-by-", "aggregator.dev/attempt-"]);
    }
    eventually("the Job's labels", || {
        (project.get("job", "first")["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aggregator")
            .then_some(())
    });
    let run = project.ended("first");
    assert_whole(&project, &run);
    assert_eq!((&run["status"]["attempt"], project.jobs_of_runs().len()), (&json!(1), 1), "{run}");
    eventually("the revision's labels", || {
        let kept = project.get("controllerrevision", "move-2");
        (kept["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aggregator").then_some(())
    });
}

#[test]
fn a_job_without_its_owner_is_in_the_way_until_it_is_deleted() {
    let project = lasting(RETRY);
    going(&project, "first");
    project.namespace.kubectl([
        "patch",
        "job",
        "first",
        "--type=merge",
        "--patch",
        r#"{"metadata":{"ownerReferences":null}}"#,
    ]);
    let told = until(&project, "first", "NameConflict");
    assert!(condition(&told).1.contains("a Job `first` that was not made for this object: delete that"), "{told}");
    project.namespace.kubectl(["delete", "job", "first"]);
    assert_whole(&project, &project.ended("first"));
}

#[test]
fn a_job_that_somebody_suspends_says_so_and_goes_on() {
    let project = lasting(RETRY);
    going(&project, "first");
    let suspend = |suspend: bool| {
        let patch = json!({"spec": {"suspend": suspend}}).to_string();
        project.namespace.kubectl(["patch", "job", "first", "--type=merge", "--patch", &patch]);
    };
    suspend(true);
    let told = until(&project, "first", "JobSuspended");
    assert_eq!(told["status"]["phase"], "Pending", "{told}");
    assert!(condition(&told).1.contains("set its `suspend` to false"), "{told}");
    suspend(false);
    assert_whole(&project, &project.ended("first"));
}

#[test]
fn a_plan_is_needed_until_the_worker_has_begun_and_no_longer() {
    let project = lasting("{}");
    going(&project, "first");
    project.namespace.kubectl(["delete", "configmap", "first-plan"]);
    assert_whole(&project, &project.ended("first"));

    // No node has so many cores.
    let patch = r#"{"spec":{"execution":{"resources":{"requests":{"cpu":"1000"}}}}}"#;
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", patch]);
    project.run("second", "move");
    let told = until(&project, "second", "Unschedulable");
    assert!(condition(&told).1.contains("Insufficient cpu"), "{told}");
    assert!(condition(&told).1.ends_with(Reason::Unschedulable.remedy()), "{told}");
    project.namespace.kubectl(["delete", "configmap", "second-plan"]);
    let run = project.ended("second");
    assert_eq!((condition(&run).0, &run["status"]["phase"]), ("PlanMissing", &json!("Failed")), "{run}");
    assert!(condition(&run).1.contains("start a new run"), "{run}");

    // One that cannot begin can be cancelled.
    project.run("third", "move");
    until(&project, "third", "Unschedulable");
    let cancel = r#"{"spec":{"cancel":"Immediate"}}"#;
    project.namespace.kubectl(["patch", "pipelinerun", "third", "--type=merge", "--patch", cancel]);
    assert_eq!(project.ended("third")["status"]["phase"], "Cancelled");
    assert_eq!(project.lines("out").len(), ROWS);
}

#[test]
fn rights_that_are_taken_from_workers_come_back() {
    let project = lasting(RETRY);
    going(&project, "first");
    project.namespace.kubectl(["delete", "role/aggregator-worker", "rolebinding/aggregator-worker"]);
    let run = project.ended("first");
    assert_whole(&project, &run);
    let more = r#"[{"op":"add","path":"/rules/-","value":{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}}]"#;
    project.namespace.kubectl(["patch", "role", "aggregator-worker", "--type=json", "--patch", more]);
    project.run("second", "move");
    project.ended("second");
    let role = project.get("role", "aggregator-worker").to_string();
    assert!(!role.contains("secrets"), "{role}");
}

#[test]
fn a_run_that_is_deleted_stops_even_where_it_is_held_back() {
    let project = lasting(RETRY);
    going(&project, "first");
    let hold = |value: Value| {
        let patch = json!({"metadata": {"finalizers": value}}).to_string();
        project.namespace.kubectl(["patch", "pipelinerun", "first", "--type=merge", "--patch", &patch]);
    };
    hold(json!(["example.com/hold"]));
    project.namespace.kubectl(["delete", "pipelinerun", "first", "--wait=false"]);
    project.run("second", "move");
    let run = project.ended("first");
    assert_eq!(condition(&run), ("Cancelled", "the run was deleted; nothing more was committed"));
    assert!(project.lines("out").is_empty());
    assert_whole(&project, &project.ended("second"));
    hold(Value::Null);
    project.namespace.kubectl(["wait", "pipelinerun/first", "--for=delete", "--timeout=60s"]);
    eventually("its Job to go", || {
        project.list("jobs").iter().all(|job| job["metadata"]["name"] != "first").then_some(())
    });
}

#[test]
fn a_run_ends_whose_pipeline_is_deleted() {
    let project = lasting(RETRY);
    going(&project, "first");
    project.namespace.kubectl(["delete", "pipeline", "move"]);
    let run = project.ended("first");
    assert_whole(&project, &run);
    project.run("second", "move");
    assert_eq!(condition(&project.ended("second")).0, "PipelineMissing");
}

#[test]
fn a_secret_is_needed_when_a_worker_begins() {
    let (project, shop) = (Project::new(), Shop::new());
    project.copy_files("move", "{retry: {limit: 0}}");
    project.namespace.apply(&secret(aggregator_tests::postgres::PASSWORD));
    project.namespace.apply(&shop.connector());
    let patch = json!({"spec": {"sources": [{"name": "rows", "connector": "shop", "stream": "public.orders"}]}});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    project.run("first", "move");
    assert_eq!(project.ended("first")["status"]["totals"]["written"], 1);

    project.namespace.kubectl(["delete", "secret", "connector-shop"]);
    project.run("second", "move");
    let run = project.ended("second");
    assert_eq!(condition(&run).0, "CredentialsRefused", "{run}");
    assert!(condition(&run).1.contains("connector-shop") && condition(&run).1.contains("password"), "{run}");
    project.namespace.apply(&secret("wrong"));
    project.run("third", "move");
    let run = project.ended("third");
    assert_eq!(condition(&run).0, "CredentialsRefused", "{run}");
    assert!(!run.to_string().contains("wrong"), "a password is shown: {run}");
    project.namespace.apply(&secret(aggregator_tests::postgres::PASSWORD));
    project.run("fourth", "move");
    assert_eq!(project.ended("fourth")["status"]["phase"], "Succeeded");
}

#[test]
fn a_column_that_was_dropped_at_its_source_is_named() {
    let (project, shop) = (Project::new(), Shop::new());
    shop.execute("ALTER TABLE orders ADD COLUMN paid boolean DEFAULT true");
    project.namespace.apply(&secret(aggregator_tests::postgres::PASSWORD));
    project.namespace.apply(&shop.connector());
    project.namespace.kubectl(["wait", "connector/shop", "--for=condition=Ready", "--timeout=120s"]);
    project.copy_files("move", "{}");
    let patch = json!({"spec": {
        "sources": [{"name": "orders", "connector": "shop", "stream": "public.orders"}],
        "transforms": [{"name": "paid", "from": ["orders"], "filter": {"where": "paid"}}],
        "sinks": [{"name": "kept", "from": "paid", "connector": "out", "stream": "rows/"}],
    }});
    project.namespace.kubectl(["patch", "pipeline", "move", "--type=merge", "--patch", &patch.to_string()]);
    project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
    project.run("first", "move");
    let run = project.ended("first");
    assert_eq!(run["status"]["totals"]["written"], 1, "{run}");

    shop.execute("ALTER TABLE orders DROP COLUMN paid");
    project.run("second", "move");
    let run = project.ended("second");
    assert_eq!(run["status"]["phase"], "Failed", "{run}");
    assert!(condition(&run).1.contains("there is no column `paid`"), "{run}");
    // Nobody has looked at the source again yet.
    project.namespace.kubectl(["annotate", "connector/shop", "aggregator.dev/check-requested-at=now"]);
    let pipeline = eventually("a Pipeline that does not fit", || {
        Some(project.get("pipeline", "move")).filter(|pipeline| condition(pipeline).0 == "SchemaMismatch")
    });
    assert!(condition(&pipeline).1.contains("there is no column `paid`"), "{pipeline}");
    assert_eq!(project.lines("out").len(), 1);

    // A catalogue that is taken away is found again.
    project.namespace.kubectl(["delete", "configmap", "shop-catalogue"]);
    eventually("the catalogue", || project.namespace.find("configmap", "shop-catalogue").ok().flatten());
    shop.execute("ALTER TABLE orders ADD COLUMN paid boolean DEFAULT true");
    project.namespace.kubectl(["annotate", "--overwrite", "connector/shop", "aggregator.dev/check-requested-at=again"]);
    project.namespace.kubectl(["wait", "pipeline/move", "--for=condition=Ready", "--timeout=60s"]);
}

#[test]
fn a_worker_that_needs_more_memory_than_it_may_have_says_what_to_raise() {
    let project = lasting("{resources: {limits: {memory: 8Mi}}, retry: {limit: 0}}");
    project.run("first", "move");
    let run = project.ended("first");
    assert_eq!(condition(&run).0, "OutOfMemory", "{run}");
    assert!(condition(&run).1.ends_with(Reason::OutOfMemory.remedy()), "{run}");
    assert!(project.lines("out").is_empty());
}

#[test]
fn a_namespace_that_is_deleted_takes_everything_along_and_may_come_back() {
    let mut project = lasting("{}");
    going(&project, "first");
    let name = project.namespace.name().to_owned();
    project.namespace.kubectl(["delete", "namespace", &name, "--timeout=110s"]);
    assert!(project.lines("out").is_empty());
    assert!(!project.log().contains("panicked"), "{}", project.log());
    assert!(project.alive(), "the operator has ended: {}", project.log());

    project.namespace.kubectl(["create", "namespace", &name]);
    project.give_rights();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.copy_files("again", "{}");
    project.run("second", "again");
    assert_eq!(project.ended("second")["status"]["totals"]["written"], 1);
}
