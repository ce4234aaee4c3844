//! Jobs from their beginning to their end, by their statuses and what kubectl says of them. How the controllers get there
//! is compared elsewhere, step by step.

use serde_json::{Value, json};

use crate::case::{Case, case, in_any_order};
use crate::manifests::{job, suspended_job, with};

/// A Job with its conditions in the order of their names.
fn whole(mut answer: Value) -> Value {
    if let Some(conditions) = answer.pointer_mut("/body/status/conditions").and_then(Value::as_array_mut) {
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
    answer
}

/// A Job that comes to an end.
fn ends(name: &'static str, job: Value, condition: &'static str) -> Case {
    case(name).create([job]).until_job("j", condition).get("{batch}/jobs/j").seen(whole).kubectl("get job j")
}

pub(super) fn cases() -> Vec<Case> {
    let path = "{batch}/jobs/j";
    let codes =
        |action: &str, code: i32| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
    vec![
        ends("job-that-is-done", job("j", "exit 0", &json!({})), "Complete"),
        ends("job-of-three", job("j", "exit 0", &json!({"completions": 3, "parallelism": 3})), "Complete"),
        ends("job-of-no-work", job("j", "exit 0", &json!({"completions": 0})), "Complete"),
        ends(
            "job-by-index",
            job("j", "exit 0", &json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2})),
            "Complete",
        ),
        ends("job-that-fails", job("j", "exit 3", &json!({"backoffLimit": 0})), "Failed"),
        ends("job-that-takes-too-long", job("j", "exec sleep 600", &json!({"activeDeadlineSeconds": 1})), "Failed"),
        ends(
            "job-that-fails-by-its-code",
            job("j", "exit 3", &json!({"podFailurePolicy": {"rules": [codes("FailJob", 3)]}})),
            "Failed",
        ),
        ends(
            "job-of-which-an-index-fails",
            job(
                "j",
                "exit $JOB_COMPLETION_INDEX",
                &json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 0}),
            ),
            "Failed",
        ),
        ends("job-that-is-suspended", suspended_job("j"), "Suspended"),
        case("job-that-is-resumed")
            .create([suspended_job("j")])
            .until_job("j", "Suspended")
            .kubectl(r#"patch job j -p '{"spec": {"suspend": false}}'"#)
            .until_job("j", "Complete")
            .get(path)
            .seen(whole)
            .until_that("{core}/events", "tell that it is done", |events| {
                events.to_string().contains(r#""reason":"Completed""#)
            })
            .kubectl("events --for job/j --no-headers")
            .seen(in_any_order),
        case("job-that-goes-by-itself")
            .create([job("j", "exit 0", &json!({"ttlSecondsAfterFinished": 1}))])
            .until_gone(path)
            .until_that("{core}/pods", "is empty", |pods| pods["items"].as_array().is_some_and(Vec::is_empty)),
        case("job-and-its-pods")
            .create([job("j", "exit 0", &json!({}))])
            .until_job("j", "Complete")
            .get("{core}/pods?labelSelector=job-name%3Dj")
            .seen(|answer| {
                let pod = &answer["body"]["items"][0];
                json!({"metadata": pod["metadata"], "spec": pod["spec"], "phase": pod["status"]["phase"]})
            }),
        case("job-without-a-pod-that-may-be")
            .create([with(
                job("j", "exit 0", &json!({})),
                &json!({"spec": {"template": {"spec": {"serviceAccountName": "nobody"}}}}),
            )])
            .until_that("{core}/events", "tell why", |events| events.to_string().contains("FailedCreate"))
            .get("{core}/events")
            .seen(|answer| {
                let event = answer["body"]["items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|event| event["reason"] == "FailedCreate");
                let message = event.and_then(|event| event["message"].as_str()).unwrap_or_default();
                // The name of the Pod, which has not come about, is no one's.
                let rest = message.split_once("is forbidden").map(|(_, rest)| rest);
                json!([event.map(|event| event["type"].clone()), rest])
            }),
        case("job-that-makes-way")
            .create([job("j", "exec sleep 600", &json!({"parallelism": 2}))])
            .until(path, "/status/ready", 2)
            .kubectl(r#"patch job j --type=merge -p '{"spec": {"parallelism": 0}}'"#)
            .until_that("{core}/pods", "is empty", |pods| pods["items"].as_array().is_some_and(Vec::is_empty))
            .until_that(path, "has no active Pods, and has counted all", |job| {
                let status = &job["status"];
                status["active"].is_null()
                    && status["terminating"] == 0
                    && status["uncountedTerminatedPods"]["failed"].is_null()
            })
            .get(path)
            .seen(whole),
    ]
}
