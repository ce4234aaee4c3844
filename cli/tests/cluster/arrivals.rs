//! Schedules that wait for files.

use aggregator_tests::wait::eventually;
use serde_json::Value;

use crate::project::Project;

/// The Schedule, once it has looked again.
fn looked_again(project: &Project) -> Value {
    let look = |schedule: &Value| schedule["status"]["lastLook"]["job"].as_str().map(str::to_owned);
    let before = look(&project.get("schedule", "drops"));
    eventually("another look", || Some(project.get("schedule", "drops")).filter(|now| look(now) != before))
}

/// The Schedule, once it has started that many runs and these have ended.
fn started(project: &Project, runs: u64) -> Value {
    let schedule = eventually(&format!("{runs} runs"), || {
        let schedule = project.get("schedule", "drops");
        (schedule["status"]["counts"]["started"] == runs).then_some(schedule)
    });
    for run in project.list("pipelineruns") {
        let ended = project.ended(run["metadata"]["name"].as_str().expect("a name"));
        assert_eq!(ended["status"]["phase"], "Succeeded", "{ended}");
    }
    schedule
}

#[test]
fn files_that_arrive_start_a_run_and_files_that_go_do_not() {
    let project = Project::new();
    project.copy_files("move", "{}");
    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Schedule
metadata: {name: drops}
spec:
  pipelineRef: {name: move}
  fileArrival: {connector: in, stream: \"*.csv\", interval: 1s, settle: 1s}
",
    );
    let waits = looked_again(&project);
    assert_eq!(waits["status"]["conditions"][0]["reason"], "Waiting", "{waits}");
    assert_eq!(waits["status"]["counts"]["started"], 0, "the folder is not there yet: {waits}");
    project.write("in/a.csv", "id,name\n1,one\n");
    started(&project, 1);
    assert_eq!(project.lines("out"), [r#"{"id":1,"name":"one"}"#]);
    let same = looked_again(&project);
    assert_eq!(same["status"]["counts"]["started"], 1, "nothing has come: {same}");

    project.write("in/b.csv", "id,name\n2,two\n");
    let second = started(&project, 2);
    assert_eq!(project.lines("out").len(), 2);
    assert_eq!(second["status"]["lastLook"]["found"]["files"], 2, "{second}");
    project.remove("in/a.csv");
    looked_again(&project);
    let fewer = looked_again(&project);
    let status = &fewer["status"];
    assert_eq!(
        (&status["lastLook"]["found"]["files"], &status["counts"]["started"]),
        (&1.into(), &2.into()),
        "{fewer}"
    );

    project.namespace.kubectl(["delete", "connector", "in"]);
    let blind = eventually("a Schedule that cannot see", || {
        let schedule = project.get("schedule", "drops");
        (schedule["status"]["conditions"][0]["reason"] == "ConnectorMissing").then_some(schedule)
    });
    assert_eq!(blind["status"]["conditions"][0]["status"], "False", "{blind}");
    eventually("no look that goes on", || {
        let looks = |job: &Value| job["metadata"]["name"].as_str().is_some_and(|name| name.contains("-look-"));
        (!project.list("jobs").iter().any(looks)).then_some(())
    });
}
