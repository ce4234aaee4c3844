//! Pods that nobody would end: those of nodes that are gone, those that never had a node, and those whose Job does not
//! count them any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use serde_json::json;

use super::action::{Action, Plan, Target};
use super::job::TRACKING;
use super::resource::POD;
use super::{owner, pod};

/// What is known of a Pod.
#[derive(Clone, Debug)]
pub struct View {
    /// The Pod.
    pub pod: Arc<Pod>,
    /// For how long its node has not been there; nothing when it is, or when it has none.
    pub lost: Option<Duration>,
    /// Whether the Job that controls it is there, and not over.
    pub counted: bool,
    /// How long a node may not be there: it may come back by the same name.
    pub quarantine: Duration,
}

/// What is to be done about a Pod now.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let uncounted = release(view);
    let metadata = &view.pod.metadata;
    // It only waits for its finalizers.
    let ended = metadata.deletion_timestamp.is_some() && metadata.deletion_grace_period_seconds == Some(0);
    let forced = match view.lost {
        Some(lost) if lost < view.quarantine => return uncounted.again_in(view.quarantine.saturating_sub(lost)),
        Some(_) => {
            let condition = PodCondition {
                type_: "DisruptionTarget".to_owned(),
                status: "True".to_owned(),
                reason: Some("DeletionByPodGC".to_owned()),
                message: Some("PodGC: node no longer exists".to_owned()),
                ..PodCondition::default()
            };
            Some(Some(condition))
        }
        None if pod::is_deleted(&view.pod) && pod::node(&view.pod).is_empty() => Some(None),
        None => None,
    };
    let Some(condition) = forced.filter(|_| !(ended && pod::is_over(&view.pod))) else { return uncounted };
    let target = Target::of(&POD, metadata);
    let mut plan = Plan::nothing();
    if !pod::is_over(&view.pod) {
        let mut status = json!({"phase": "Failed", "observedGeneration": metadata.generation});
        if let Some(condition) = condition {
            status["conditions"] = json!(pod::with_condition(&view.pod, condition, now));
        }
        plan =
            plan.then(Action::Merge { target: target.clone(), part: Some("status"), patch: json!({"status": status}) });
    }
    if !ended {
        plan = plan.then(Action::Delete { target: target.any_version(), propagation: None, grace: Some(0) });
    }
    plan
}

/// Takes the finalizer off a Pod that no Job counts.
fn release(view: &View) -> Plan {
    let metadata = &view.pod.metadata;
    let by_job = owner::controller(metadata).is_none_or(|it| it.kind == "Job" && it.api_version == "batch/v1");
    if view.counted || !by_job || !owner::has_finalizer(metadata, TRACKING) {
        return Plan::nothing();
    }
    let target = Target::of(&POD, metadata);
    Plan::nothing().then(Action::without_finalizer(target, owner::finalizers(metadata), TRACKING))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn view(metadata: Value, node: &str, phase: &str) -> View {
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
            "spec": {"containers": [], "nodeName": node},
            "status": {"phase": phase},
        });
        for (key, value) in metadata.as_object().unwrap() {
            pod["metadata"][key] = value.clone();
        }
        View {
            pod: Arc::new(serde_json::from_value(pod).unwrap()),
            lost: None,
            counted: false,
            quarantine: Duration::from_secs(40),
        }
    }

    fn going(grace: u64) -> Value {
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace})
    }

    fn texts(plan: &Plan) -> Vec<String> {
        plan.actions.iter().map(ToString::to_string).collect()
    }

    fn planned(view: &View) -> Plan {
        plan(view, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_pod_whose_node_is_there_is_nobodys_business() {
        for phase in ["Pending", "Running", "Failed"] {
            assert_eq!(planned(&view(json!({}), "n", phase)), Plan::nothing());
            assert_eq!(planned(&view(going(30), "n", phase)), Plan::nothing());
        }
        assert_eq!(planned(&view(json!({}), "", "Pending")), Plan::nothing());
    }

    #[test]
    fn a_pod_of_a_node_that_is_gone_fails_and_goes_after_a_while() {
        let mut lost = view(json!({}), "n", "Running");
        lost.lost = Some(Duration::from_secs(10));
        assert_eq!(planned(&lost), Plan::nothing().again_in(Duration::from_secs(30)));
        lost.lost = Some(Duration::from_secs(40));
        let plan = planned(&lost);
        assert_eq!(texts(&plan), ["change status of Pod ns/p", "delete Pod ns/p"]);
        let Action::Merge { patch, .. } = &plan.actions[0] else { panic!("{plan}") };
        assert_eq!(patch["status"]["phase"], "Failed");
        let condition = &patch["status"]["conditions"][0];
        assert_eq!(
            (&condition["reason"], &condition["message"]),
            (&json!("DeletionByPodGC"), &json!("PodGC: node no longer exists"))
        );
        let Action::Delete { grace, .. } = &plan.actions[1] else { panic!("{plan}") };
        assert_eq!(*grace, Some(0));
        let mut over = view(json!({}), "n", "Succeeded");
        over.lost = lost.lost;
        assert_eq!(texts(&planned(&over)), ["delete Pod ns/p"]);
        let mut done = view(going(0), "n", "Failed");
        done.lost = lost.lost;
        assert_eq!(planned(&done), Plan::nothing());
    }

    #[test]
    fn a_pod_that_goes_and_never_had_a_node_fails() {
        let plan = planned(&view(going(30), "", "Pending"));
        assert_eq!(texts(&plan), ["change status of Pod ns/p", "delete Pod ns/p"]);
        let Action::Merge { patch, .. } = &plan.actions[0] else { panic!("{plan}") };
        assert!(patch["status"].get("conditions").is_none(), "{patch}");
        assert_eq!(texts(&planned(&view(going(0), "", "Pending"))), ["change status of Pod ns/p"]);
        assert_eq!(planned(&view(going(0), "", "Failed")), Plan::nothing());
    }

    #[test]
    fn a_pod_that_no_job_counts_loses_its_finalizer() {
        let owned = |kind: &str, version: &str| {
            let owner = json!({"apiVersion": version, "kind": kind, "name": "j", "uid": "j", "controller": true});
            json!({"finalizers": ["x/y", TRACKING], "ownerReferences": [owner]})
        };
        for metadata in [json!({"finalizers": ["x/y", TRACKING]}), owned("Job", "batch/v1")] {
            let mut view = view(metadata, "n", "Running");
            let plan = planned(&view);
            let [Action::Merge { patch, .. }] = plan.actions.as_slice() else { panic!("{plan}") };
            assert_eq!(patch["metadata"]["finalizers"], json!(["x/y"]));
            view.counted = true;
            assert_eq!(planned(&view), Plan::nothing());
        }
        assert_eq!(planned(&view(owned("Other", "x/v1"), "n", "Running")), Plan::nothing());
        assert_eq!(planned(&view(json!({"finalizers": ["x/y"]}), "n", "Running")), Plan::nothing());
    }
}
