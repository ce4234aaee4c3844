//! What Kubernetes does for Jobs of one worker: their Pods, one after the other, and their ends. What the worker itself does,
//! and when it ends, is the affair of the kind that has made the Job.
//!
//! A Job of ours has `backoffLimit: 0`, replaces a Pod only when that has ended (`podReplacementPolicy: Failed`), and takes a
//! Pod that was taken from its node (`DisruptionTarget`) for none that has failed.

use serde_json::{Value, json};

use super::object::{NAMESPACE, Object, Place, Stored, time};
use super::server::{Meant, Server};
use crate::action::Kind;
use crate::labels;

/// A step of a controller of Kubernetes for a Job or a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobStep {
    /// The Job's controller makes a Pod, and notes that.
    MakePod(Place),
    /// It deletes the Pods of a Job that is suspended or too late, and notes that.
    StopPods(Place),
    /// It notes how the Job stands: how many Pods are active, and its end.
    Note(Place),
}

/// How a Pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    /// Its worker ends with code 0.
    Well,
    /// Its worker ends with code 1, having said why.
    Badly,
    /// It is killed: code 137, and no word.
    Killed,
    /// It is taken from its node.
    Disrupted,
}

/// The steps that the controllers of Kubernetes may take now.
pub(super) fn steps(server: &Server, steps: &mut Vec<JobStep>) {
    for job in server.all(Kind::Job) {
        if is_over(job) || job.is_going() {
            continue;
        }
        let mut pods = server.owned(Stored::Pod, job.uid());
        let stops = is_suspended(job) || is_late(job, server.clock);
        if stops && pods.any(|pod| !has_ended(pod) && !pod.is_going()) {
            steps.push(JobStep::StopPods(job.place()));
        } else if needs_pod(server, job) {
            steps.push(JobStep::MakePod(job.place()));
        } else if is_news(job.at("/status"), &status(server, job)) {
            steps.push(JobStep::Note(job.place()));
        }
    }
}

/// Whether a status says something that does not stand there. Nothing at all is said by none.
fn is_news(there: &Value, status: &Value) -> bool {
    there != status && !(there.is_null() && status.as_object().is_some_and(serde_json::Map::is_empty))
}

/// Takes a step. False when nothing has changed.
pub(super) fn take(server: &mut Server, step: JobStep) -> bool {
    let (JobStep::MakePod(place) | JobStep::StopPods(place) | JobStep::Note(place)) = step;
    let Some(job) = server.at(place) else { return false };
    match step {
        JobStep::MakePod(_) => {
            server.create(&new_pod(server, job), None).expect("no Pod has had that name");
        }
        JobStep::StopPods(_) => {
            let pods: Vec<Object> = server.owned(Stored::Pod, job.uid()).collect();
            for pod in pods.into_iter().filter(|pod| !pod.is_going() && !has_ended(*pod)) {
                server.delete(pod.place(), Meant::default(), false).expect("it is there");
            }
        }
        JobStep::Note(_) => return note(server, job),
    }
    // The controller has a look at what it has done, and nobody else tells by the Job what that was.
    note(server, job);
    true
}

fn note(server: &mut Server, job: Object) -> bool {
    let status = status(server, job);
    let with = super::object::number(&status.to_string());
    server.edit(Kind::Job, job.name(), "note", with, |job| job["status"] = status)
}

/// The kubelet starts the worker of a Pod.
pub(super) fn start(server: &mut Server, pod: &str) -> bool {
    server.edit(Stored::Pod, pod, "start", 0, |pod| {
        pod["status"] = json!({"phase": "Running", "containerStatuses": [container(&json!({"running": {}}))]});
    })
}

/// The worker of a Pod ends, and leaves these last words.
pub(super) fn end(server: &mut Server, pod: &str, how: End, said: Option<&str>) -> bool {
    let with = super::object::number(said.unwrap_or_default());
    let what = match how {
        End::Well => "end well",
        End::Badly => "end badly",
        End::Killed => "are killed",
        End::Disrupted => "are disrupted",
    };
    server.edit(Stored::Pod, pod, what, with, |pod| {
        let (phase, code) = match how {
            End::Well => ("Succeeded", 0),
            End::Badly => ("Failed", 1),
            End::Killed | End::Disrupted => ("Failed", 137),
        };
        let state = json!({"terminated": {"exitCode": code, "message": said}});
        pod["status"] = json!({"phase": phase, "containerStatuses": [container(&state)]});
        if how == End::Disrupted {
            pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "message": "gone"}]);
        }
    })
}

/// A Pod is no more.
pub(super) fn remove(server: &mut Server, pod: &str) -> bool {
    server.remove(Stored::Pod, pod)
}

fn container(state: &Value) -> Value {
    json!({"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

/// Whether a Pod's worker has ended.
pub(super) fn has_ended(pod: Object) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

/// Whether a Job has ended.
pub(super) fn is_over(job: Object) -> bool {
    let conditions = job.at("/status/conditions").as_array();
    conditions.into_iter().flatten().any(|it| ["Complete", "Failed"].contains(&it["type"].as_str().unwrap_or_default()))
}

fn is_suspended(job: Object) -> bool {
    job.at("/spec/suspend") == true
}

fn is_late(job: Object, now: u32) -> bool {
    let seconds = job.at("/spec/activeDeadlineSeconds").as_i64().filter(|_| !is_suspended(job));
    let Some(seconds) = seconds else { return false };
    let begun = job.text("/metadata/creationTimestamp").parse::<jiff::Timestamp>();
    begun.is_ok_and(|begun| (time(now).duration_since(begun)).as_secs() >= seconds)
}

/// Whether a Pod of a Job has failed, and was not only taken from its node, or stopped because its Job is suspended.
fn has_failed(job: Object, pod: Object) -> bool {
    let stopped = is_suspended(job) && pod.is_going();
    pod.text("/status/phase") == "Failed" && pod.at("/status/conditions").is_null() && !stopped
}

fn needs_pod(server: &Server, job: Object) -> bool {
    let mut pods = server.owned(Stored::Pod, job.uid());
    let settled = |pod: Object| !has_ended(pod) || pod.text("/status/phase") == "Succeeded" || has_failed(job, pod);
    !is_suspended(job) && !is_late(job, server.clock) && !is_counted(job) && !pods.any(settled)
}

/// Whether the Job's status counts a Pod that has ended, and may be gone since.
pub(super) fn is_counted(job: Object) -> bool {
    ["/status/succeeded", "/status/failed"].into_iter().any(|field| job.at(field).as_i64().unwrap_or(0) > 0)
}

/// The Pod that is made next: named by the Job, and by how many it has had.
fn new_pod(server: &Server, job: Object) -> Value {
    let free = |number: &u32| server.lives(Place::of(Stored::Pod, &format!("{}-p{number}", job.name()))) == 0;
    let number = (1..).find(free).unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{}-p{number}", job.name()), "namespace": NAMESPACE,
            "labels": job.at("/spec/template/metadata/labels"),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job.name(), "uid": job.uid(),
                                 "controller": true, "blockOwnerDeletion": true}],
        },
    })
}

/// How the Job stands.
fn status(server: &Server, job: Object) -> Value {
    let pods: Vec<Object> = server.owned(Stored::Pod, job.uid()).collect();
    let count = |which: &dyn Fn(Object) -> bool| pods.iter().filter(|pod| which(**pod)).count();
    let active = count(&|pod| !has_ended(pod) && !pod.is_going());
    let terminating = count(&|pod| !has_ended(pod) && pod.is_going());
    let mut status = serde_json::Map::new();
    let mut say = |field: &str, number: usize| {
        if number > 0 {
            status.insert(field.to_owned(), number.into());
        }
    };
    say("active", active);
    say("terminating", terminating);
    let before = |field: &str| usize::try_from(job.at(field).as_u64().unwrap_or(0)).unwrap_or_default();
    let succeeded = count(&|pod| pod.text("/status/phase") == "Succeeded").max(before("/status/succeeded"));
    let failed = count(&|pod| has_failed(job, pod)).max(before("/status/failed"));
    say("succeeded", succeeded);
    say("failed", failed);
    let now = time(server.clock).to_string();
    let condition = |kind: &str, reason: &str| json!([{"type": kind, "status": "True", "reason": reason, "lastTransitionTime": now}]);
    if active + terminating > 0 {
        // Its end is noted when all have ended.
    } else if succeeded > 0 {
        status.insert("conditions".into(), condition("Complete", "CompletionsReached"));
    } else if is_late(job, server.clock) {
        status.insert("conditions".into(), condition("Failed", "DeadlineExceeded"));
    } else if failed > 0 {
        status.insert("conditions".into(), condition("Failed", "BackoffLimitExceeded"));
    }
    super::object::sorted(status.into())
}

/// The number of the attempt that a Job or a Pod is of.
pub(super) fn attempt(object: Object) -> u8 {
    let labels = object.at("/metadata/labels");
    labels[labels::ATTEMPT].as_str().and_then(|attempt| attempt.parse().ok()).unwrap_or(0)
}
