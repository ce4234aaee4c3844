//! Logs of Pods and Jobs. Each plane has the same program behind its node, so it is the way of a log that is compared: what
//! kubectl asks for, what the API hands on, and what it says when there is none.

use serde_json::{Value, json};

use crate::case::{Case, case, in_any_order, lines_in_any_order};
use crate::manifests::{config, idle_pod, job, pod, with};
use crate::request::Request;

/// A Pod that has put out five lines, and is done.
fn five(name: &'static str) -> Case {
    let script = "for line in 1 2 3 4 5; do echo line $line; done";
    case(name).create([pod("p", script)]).until("{core}/pods/p", "/status/phase", "Succeeded")
}

/// Text without the times of its lines, which are looked at.
fn without_times(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let told = text.lines().map(|line| match line.split_once(' ') {
        Some((time, rest)) if time.len() >= 20 && time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok() => {
            format!("<time> {rest}\n")
        }
        _ => format!("{line}\n"),
    });
    let told: String = told.collect();
    answer["out"] = json!({"text": told});
    answer
}

pub(super) fn cases() -> Vec<Case> {
    let path = "{core}/pods/p";
    let two = json!({"spec": {"containers": [
        {"name": "one", "image": "tests/shell", "command": ["sh", "-c", "echo first"]},
        {"name": "two", "image": "tests/shell", "command": ["sh", "-c", "echo second; echo error >&2"]},
    ]}});
    vec![
        five("log-of-a-pod").kubectl("logs p").kubectl("logs pod/p").kubectl("logs p -c main").get("{core}/pods/p/log"),
        five("log-in-part")
            .kubectl("logs p --tail=2")
            .kubectl("logs p --tail=0")
            .kubectl("logs p --limit-bytes=8")
            .kubectl("logs p --since=1h --tail=1")
            .kubectl("logs p --since-time=2100-01-01T00:00:00Z")
            .get("{core}/pods/p/log?tailLines=2&limitBytes=3"),
        five("log-with-times").kubectl("logs p --timestamps --tail=2").seen(without_times),
        five("log-with-wrong-options")
            .kubectl("logs p --tail=-5")
            .kubectl("logs p --since=1h --since-time=2100-01-01T00:00:00Z")
            .kubectl("logs p -c none")
            .kubectl("logs p --previous")
            .get("{core}/pods/p/log?tailLines=-1")
            .get("{core}/pods/p/log?tailLines=some")
            .get("{core}/pods/p/log?limitBytes=0")
            .get("{core}/pods/p/log?sinceSeconds=0")
            .get("{core}/pods/p/log?container=none")
            .get("{core}/pods/p/log?stream=Sideways"),
        case("log-of-two-containers")
            .create([with(pod("p", ""), &two)])
            .until(path, "/status/phase", "Succeeded")
            .kubectl("logs p")
            .kubectl("logs p -c two")
            // Each of its two streams is read by itself.
            .seen(lines_in_any_order)
            .kubectl("logs p --all-containers --prefix")
            .seen(in_any_order)
            .get("{core}/pods/p/log"),
        case("log-that-is-followed")
            .create([pod("p", "echo one; while [ ! -e {home}/go-on ]; do sleep 0.05; done; echo two; printf end")])
            .until(path, "/status/phase", "Running")
            .start("logs -f p")
            .lines(1)
            .file("go-on", "")
            .finish(),
        case("log-that-is-followed-to-the-end")
            .create([pod("p", "sleep 1; echo one; sleep 1; echo two")])
            // Whether it has ended by then is the same to whoever reads to the end.
            .until_that(path, "has begun", |it| it["status"]["phase"] != "Pending")
            .kubectl("logs -f p")
            .kubectl("logs -f p"),
        case("log-of-a-job")
            .create([job("j", "echo done", &json!({}))])
            .until_job("j", "Complete")
            .kubectl("logs job/j")
            .kubectl("logs -l batch.kubernetes.io/job-name=j")
            .kubectl("logs -l batch.kubernetes.io/job-name=j --prefix"),
        case("log-of-a-job-that-is-followed")
            .create([job("j", "echo one; while [ ! -e {home}/go-on ]; do sleep 0.05; done; echo two", &json!({}))])
            .until("{batch}/jobs/j", "/status/ready", 1)
            .start("logs -f job/j")
            .lines(1)
            .file("go-on", "")
            .finish(),
        case("log-of-the-container-before")
            .create([with(pod("p", "echo again; exit 1"), &json!({"spec": {"restartPolicy": "OnFailure"}}))])
            .until_that(path, "was started again", |it| {
                it["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)
            })
            .kubectl("logs p --previous"),
        case("log-of-nothing")
            .create([idle_pod("p"), config("a")])
            .kubectl("logs p")
            .kubectl("logs none")
            .kubectl("logs configmap/a")
            .kubectl("logs -l x=none")
            .kubectl("logs job/none")
            .get("{core}/pods/p/log")
            .get("{core}/pods/none/log")
            .ask(Request::new("POST", "{core}/pods/p/log").json(&json!({}))),
        case("log-of-what-cannot-start")
            .create([with(pod("p", ""), &json!({"spec": {"containers": [{"name": "main", "image": "none"}]}}))])
            .until(path, "/status/containerStatuses/0/state/waiting/reason", "ImagePullBackOff")
            .kubectl("logs p")
            .get("{core}/pods/p/log"),
    ]
}
