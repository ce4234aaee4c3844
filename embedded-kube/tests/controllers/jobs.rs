//! Jobs.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use super::planes::Scenario;
use super::stage::Stage;

/// Everything of the Job `j`.
fn whole(stage: Stage) -> LocalBoxFuture<'static, Value> {
    async move { stage.outcome("j").await }.boxed_local()
}

/// What is told of the Job `j`, each once, without the ends of names that no Pod has got.
fn refused(stage: Stage) -> LocalBoxFuture<'static, Value> {
    async move {
        let mut told: Vec<String> = Vec::new();
        for event in stage.list("Event").await.iter().filter(|event| event["involvedObject"]["kind"] == "Job") {
            let message = event["message"].as_str().unwrap();
            let (before, rest) = message.split_once("\"j-").unwrap_or((message, "*****"));
            told.push(format!("{} {} {before} {}", event["type"], event["reason"], &rest[5..]));
        }
        told.sort();
        told.dedup();
        let status = stage.get("Job", "j").await.map(|job| job["status"]["startTime"].is_string());
        json!({"told": told, "started": status})
    }
    .boxed_local()
}

macro_rules! scenario {
    ($name:literal, |$stage:ident| $drive:expr) => {
        Scenario { name: $name, drive: |$stage| async move { $drive }.boxed_local(), outcome: whole }
    };
}

fn codes(action: &str, operator: &str, code: i32) -> Value {
    json!({"action": action, "onExitCodes": {"operator": operator, "values": [code]}})
}

/// A script that fails the first time with that code.
fn once(stage: &Stage, code: i32) -> String {
    format!("f={}/{}; [ -e $f ] && exit 0; echo >$f; exit {code}", stage.shared, stage.namespace)
}

/// A script that waits until the test says so.
fn waits(stage: &Stage) -> String {
    format!("while [ ! -e {}/{} ]; do sleep 0.05; done", stage.shared, stage.namespace)
}

/// Says so.
fn go_on(stage: &Stage) {
    std::fs::write(format!("{}/{}", stage.shared, stage.namespace), "").unwrap();
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

fn indexed(completions: i32, parallelism: i32, more: Value) -> Value {
    let mut spec = json!({"completionMode": "Indexed", "completions": completions, "parallelism": parallelism});
    super::stage::merge(&mut spec, &more);
    spec
}

async fn runs(stage: &Stage, script: &str, spec: Value) {
    stage.job("j", script, spec).await;
    stage.over("j").await;
}

fn numbers() -> Vec<Scenario> {
    vec![
        scenario!("job-completes", |stage| runs(&stage, "exit 0", json!({})).await),
        scenario!("job-completes-three", |stage| {
            runs(&stage, "exit 0", json!({"completions": 3, "parallelism": 2})).await;
        }),
        scenario!("job-work-queue", |stage| {
            runs(&stage, "exit 0", json!({"parallelism": 2})).await;
        }),
        scenario!("job-of-nothing", |stage| runs(&stage, "exit 0", json!({"completions": 0})).await),
        scenario!("job-without-parallelism", |stage| {
            stage.job("j", "exit 0", json!({"parallelism": 0})).await;
            stage.job_that("a status", "j", |job| job["status"]["startTime"].is_string()).await;
            stage.merge("Job", "j", json!({"spec": {"parallelism": 1}})).await;
            stage.over("j").await;
        }),
        scenario!("job-with-less-parallelism", |stage| {
            stage.job("j", &waits(&stage), json!({"parallelism": 3, "completions": 3})).await;
            stage.pods_that("Running", 3).await;
            stage.job_that("three active", "j", |job| job["status"]["ready"] == 3).await;
            stage.merge("Job", "j", json!({"spec": {"parallelism": 1}})).await;
            stage.pods_that("Running", 1).await;
            stage
                .job_that("one active", "j", |job| job["status"]["active"] == 1 && job["status"]["terminating"] == 0)
                .await;
            go_on(&stage);
            stage.over("j").await;
        }),
        scenario!("job-suspended-at-first", |stage| {
            stage.job("j", "exit 0", json!({"suspend": true, "activeDeadlineSeconds": 60})).await;
            stage.job_that("a condition", "j", |job| job["status"]["conditions"].is_array()).await;
            stage.merge("Job", "j", json!({"spec": {"suspend": false}})).await;
            stage.over("j").await;
        }),
        scenario!("job-suspended-later", |stage| {
            stage.job("j", &waits(&stage), json!({"parallelism": 2, "completions": 2})).await;
            stage.job_that("two ready", "j", |job| job["status"]["ready"] == 2).await;
            stage.merge("Job", "j", json!({"spec": {"suspend": true}})).await;
            stage
                .job_that("none", "j", |job| {
                    job["status"]["active"].is_null()
                        && job["status"]["terminating"] == 0
                        && job["status"]["startTime"].is_null()
                })
                .await;
            stage.merge("Job", "j", json!({"spec": {"suspend": false}})).await;
            go_on(&stage);
            stage.over("j").await;
        }),
    ]
}

fn failures() -> Vec<Scenario> {
    vec![
        scenario!("job-fails-at-once", |stage| runs(&stage, "exit 3", json!({"backoffLimit": 0})).await),
        scenario!("job-fails-twice", |stage| runs(&stage, "exit 3", json!({"backoffLimit": 1})).await),
        scenario!("job-fails-once-and-completes", |stage| runs(&stage, &once(&stage, 1), json!({})).await),
        scenario!("job-restarts-too-often", |stage| {
            let template = json!({"spec": {"restartPolicy": "OnFailure"}});
            runs(&stage, "exit 3", json!({"backoffLimit": 1, "template": template})).await;
        }),
        scenario!("job-fails-and-ends-the-others", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX = 1 ] && sleep 1 && exit 3; exec sleep 600";
            runs(&stage, script, indexed(3, 3, json!({"backoffLimit": 0}))).await;
        }),
        scenario!("job-takes-too-long", |stage| {
            runs(&stage, "exec sleep 600", json!({"activeDeadlineSeconds": 3})).await;
        }),
        scenario!("job-policy-fails-job", |stage| {
            let policy = json!({"podFailurePolicy": {"rules": [codes("Ignore", "In", 9), codes("FailJob", "In", 3)]}});
            runs(&stage, "exit 3", policy).await;
        }),
        scenario!("job-policy-ignores", |stage| {
            let policy = json!({"podFailurePolicy": {"rules": [codes("Ignore", "NotIn", 9)]}, "backoffLimit": 0});
            runs(&stage, &once(&stage, 4), policy).await;
        }),
        scenario!("job-policy-counts", |stage| {
            let policy = json!({"podFailurePolicy": {"rules": [codes("Count", "In", 5)]}, "backoffLimit": 0});
            runs(&stage, "exit 5", policy).await;
        }),
        scenario!("job-policy-on-conditions", |stage| {
            let pattern = json!([{"type": "DisruptionTarget", "status": "True"}]);
            let policy = json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onPodConditions": pattern}]}});
            stage.job("j", "exec sleep 600", policy).await;
            // Nothing more is said by the node then.
            stage.job_that("one ready", "j", |job| job["status"]["ready"] == 1).await;
            let pod = stage.pods_that("Running", 1).await.remove(0);
            let mut conditions = pod["status"]["conditions"].clone();
            conditions
                .as_array_mut()
                .unwrap()
                .push(json!({"type": "DisruptionTarget", "status": "True", "reason": "Test"}));
            stage.merge_status("Pod", name(&pod), json!({"status": {"conditions": conditions}})).await;
            stage.delete("Pod", name(&pod), &DeleteParams::default()).await;
            stage.over("j").await;
        }),
        scenario!("job-pod-deleted", |stage| {
            stage.job("j", &waits(&stage), json!({})).await;
            let pod = stage.pods_that("Running", 1).await.remove(0);
            stage.delete("Pod", name(&pod), &DeleteParams::default()).await;
            let gone = async || stage.get("Pod", name(&pod)).await.is_none().then_some(());
            stage.until("the Pod gone", gone).await;
            go_on(&stage);
            stage.over("j").await;
        }),
        scenario!("job-pod-deleted-replaced-when-failed", |stage| {
            stage.job("j", &waits(&stage), json!({"podReplacementPolicy": "Failed"})).await;
            let pod = stage.pods_that("Running", 1).await.remove(0);
            stage.delete("Pod", name(&pod), &DeleteParams::default()).await;
            stage.job_that("a failure", "j", |job| job["status"]["failed"] == 1).await;
            go_on(&stage);
            stage.over("j").await;
        }),
        Scenario {
            name: "job-pods-refused",
            drive: |stage| {
                async move {
                    let limit = json!({"type": "Container", "max": {"memory": "1Gi"}});
                    stage.create("LimitRange", json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}})).await;
                    let container = json!({"resources": {"limits": {"memory": "2Gi"}}});
                    stage.job("j", "exit 0", json!({"template": {"spec": {"containers": [container]}}})).await;
                }
                .boxed_local()
            },
            outcome: refused,
        },
    ]
}

fn indexes() -> Vec<Scenario> {
    vec![
        scenario!("job-indexed", |stage| {
            let script = format!("echo $JOB_COMPLETION_INDEX $HOSTNAME >>{}/{}", stage.shared, stage.namespace);
            runs(&stage, &script, indexed(4, 2, json!({}))).await;
        }),
        scenario!("job-indexed-fails", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX != 1 ]";
            runs(&stage, script, indexed(2, 1, json!({"backoffLimit": 0}))).await;
        }),
        scenario!("job-index-fails-for-good", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX != 1 ]";
            runs(&stage, script, indexed(3, 3, json!({"backoffLimitPerIndex": 1}))).await;
        }),
        scenario!("job-too-many-indexes-fail", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX -ge 2 ] && exec sleep 600; exit 1";
            let spec = json!({"backoffLimitPerIndex": 0, "maxFailedIndexes": 1});
            runs(&stage, script, indexed(4, 4, spec)).await;
        }),
        scenario!("job-policy-fails-index", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX = 0 ] && exit 3; exit 0";
            let rules =
                json!({"podFailurePolicy": {"rules": [codes("FailIndex", "In", 3)]}, "backoffLimitPerIndex": 4});
            runs(&stage, script, indexed(2, 2, rules)).await;
        }),
        scenario!("job-policy-ignores-in-index", |stage| {
            let script = format!("[ $JOB_COMPLETION_INDEX = 0 ] && exit 0; {}", once(&stage, 4));
            let rules = json!({"podFailurePolicy": {"rules": [codes("Ignore", "In", 4)]}, "backoffLimitPerIndex": 0});
            runs(&stage, &script, indexed(2, 2, rules)).await;
        }),
        scenario!("job-success-policy", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX = 0 ] && exit 0; exec sleep 600";
            let rules = json!({"successPolicy": {"rules": [{"succeededIndexes": "0"}]}});
            runs(&stage, script, indexed(3, 3, rules)).await;
        }),
        scenario!("job-success-policy-count", |stage| {
            let script = "[ $JOB_COMPLETION_INDEX = 2 ] && exit 0; exec sleep 600";
            let rules = json!({"successPolicy": {"rules": [{"succeededCount": 2}, {"succeededCount": 1}]}});
            runs(&stage, script, indexed(3, 3, rules)).await;
        }),
    ]
}

fn ends() -> Vec<Scenario> {
    async fn deleted(stage: &Stage, policy: PropagationPolicy) {
        stage.job("j", &waits(stage), json!({"parallelism": 2, "completions": 2})).await;
        stage.job_that("two ready", "j", |job| job["status"]["ready"] == 2).await;
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        stage.delete("Job", "j", &params).await;
        stage.until("no Job", async || stage.get("Job", "j").await.is_none().then_some(())).await;
    }
    vec![
        scenario!("job-goes-after-its-time", |stage| {
            stage.job("j", "exit 0", json!({"ttlSecondsAfterFinished": 2})).await;
            stage.until("no Job", async || stage.get("Job", "j").await.is_none().then_some(())).await;
        }),
        scenario!("job-deleted-in-background", |stage| deleted(&stage, PropagationPolicy::Background).await),
        scenario!("job-deleted-in-foreground", |stage| {
            deleted(&stage, PropagationPolicy::Foreground).await;
            // They went before it.
            assert_eq!(stage.list("Pod").await, [] as [Value; 0]);
        }),
        scenario!("job-deleted-without-its-pods", |stage| {
            deleted(&stage, PropagationPolicy::Orphan).await;
            go_on(&stage);
            stage.pods_that("Succeeded", 2).await;
        }),
    ]
}

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    [numbers(), failures(), indexes(), ends()].into_iter().flatten().collect()
}
