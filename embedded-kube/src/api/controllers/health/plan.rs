//! What is to be done about a node now: a pure decision.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, PodCondition, Taint};
use serde_json::json;

use super::{Patience, View};
use crate::api::controllers::action::{Action, Note, Plan, Target};
use crate::api::controllers::resource::{NODE, POD};
use crate::api::controllers::taint::{NOT_READY, UNREACHABLE, UNSCHEDULABLE, new, tolerates};
use crate::api::controllers::{pod, time};

/// The conditions that a node says of itself.
const OWN: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
/// Which taint says that a condition has that status.
const TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// What is to be done about a node now.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let node = view.node.as_ref();
    if node.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let conditions = conditions(node);
    let lost = view.silent > view.patience.silence;
    let again = view.patience.silence.saturating_sub(view.silent).saturating_add(Duration::from_millis(1));
    let said = if lost { silenced(node, now) } else { conditions.to_vec() };
    if said != conditions {
        let patch = json!({"status": {"conditions": said}});
        let target = Target::of(&NODE, &node.metadata);
        return Plan::nothing().then(Action::Merge { target, part: Some("status"), patch });
    }
    let plan = if lost { Plan::nothing() } else { Plan::nothing().again_in(again) };
    let there = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let taints = taints(node, there, now);
    if taints != there {
        let target = Target::of(&NODE, &node.metadata);
        let patch = json!({"spec": {"taints": taints}});
        return plan.then(Action::Merge { target, part: None, patch });
    }
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let unready = ready.is_some_and(|ready| ready.status != "True");
    let pods = view.pods.iter().filter(|pod| !pod::is_over(pod));
    pods.fold(plan, |plan, pod| {
        // One write to each Pod at a time: the next one is of its next version.
        let marked = if unready { mark_unready(pod, now) } else { None };
        let given_up = || if lost && view.patience.eviction.is_some() { give_up(pod, now) } else { None };
        match marked.or_else(given_up).or_else(|| evict(pod, &taints, view.patience, now)) {
            Some(done) => plan.and(done),
            None => plan,
        }
    })
}

fn conditions(node: &Node) -> &[NodeCondition] {
    node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

/// The conditions of a node of which nobody knows anything any more.
fn silenced(node: &Node, now: Timestamp) -> Vec<NodeCondition> {
    let mut all = conditions(node).to_vec();
    for condition_type in OWN {
        match all.iter_mut().find(|condition| condition.type_ == condition_type) {
            Some(known) if known.status == "Unknown" => {}
            Some(known) => {
                known.status = "Unknown".to_owned();
                known.reason = Some("NodeStatusUnknown".to_owned());
                known.message = Some("Kubelet stopped posting node status.".to_owned());
                known.last_transition_time = Some(time(now));
            }
            None => all.push(NodeCondition {
                type_: condition_type.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                last_transition_time: Some(time(now)),
            }),
        }
    }
    all
}

/// The taints that say what the conditions say, beside those of others.
fn taints(node: &Node, there: &[Taint], now: Timestamp) -> Vec<Taint> {
    let conditions = conditions(node);
    let holds = |(condition_type, status, _): &&(&str, &str, &str)| {
        conditions.iter().any(|condition| condition.type_ == *condition_type && condition.status == *status)
    };
    let mut wanted: Vec<Taint> = TAINTS.iter().filter(holds).map(|(_, _, key)| new(key, "NoSchedule")).collect();
    if node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)) {
        wanted.push(new(UNSCHEDULABLE, "NoSchedule"));
    }
    let expels = TAINTS.iter().filter(holds).filter(|(condition_type, ..)| *condition_type == "Ready");
    wanted.extend(expels.map(|(_, _, key)| new(key, "NoExecute")));
    let same = |one: &Taint, other: &Taint| one.key == other.key && one.effect == other.effect;
    let ours = |taint: &Taint| match taint.effect.as_str() {
        "NoSchedule" => taint.key == UNSCHEDULABLE || TAINTS.iter().any(|(_, _, key)| *key == taint.key),
        "NoExecute" => taint.key == NOT_READY || taint.key == UNREACHABLE,
        _ => false,
    };
    let mut all: Vec<Taint> =
        there.iter().filter(|taint| !ours(taint) || wanted.iter().any(|it| same(it, taint))).cloned().collect();
    for mut taint in wanted {
        if !all.iter().any(|there| same(there, &taint)) {
            taint.time_added = Some(time(now));
            all.push(taint);
        }
    }
    all
}

/// How long a Pod stays on a node with a taint, if it does not stay for ever.
fn tolerated(pod: &Pod, taint: &Taint, patience: Patience) -> Option<Duration> {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut own = tolerations.iter().filter(|own| tolerates(own, taint)).peekable();
    let lost = taint.key == NOT_READY || taint.key == UNREACHABLE;
    if own.peek().is_none() {
        return Some(Duration::ZERO);
    }
    let seconds = own.filter_map(|own| own.toleration_seconds).min();
    let said = seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    // Who tolerates it for ever is meant to stay.
    said.map(|said| patience.eviction.filter(|_| lost).map_or(said, |most| said.min(most)))
}

/// Sends a Pod away that does not tolerate its node, when its time is over; nothing for one that stays.
fn evict(pod: &Pod, taints: &[Taint], patience: Patience, now: Timestamp) -> Option<Plan> {
    if pod::is_deleted(pod) {
        return None;
    }
    let times = taints.iter().filter(|taint| taint.effect == "NoExecute").filter_map(|taint| {
        let since = taint.time_added.as_ref().map_or(now, |time| time.0);
        let stays = SignedDuration::try_from(tolerated(pod, taint, patience)?).ok()?;
        Some(stays - now.duration_since(since))
    });
    let left = times.min()?;
    if let Ok(left) = Duration::try_from(left)
        && !left.is_zero()
    {
        return Some(Plan::nothing().again_in(left));
    }
    let condition = PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some("DeletionByTaintManager".to_owned()),
        message: Some("Taint manager: deleting due to NoExecute taint".to_owned()),
        ..PodCondition::default()
    };
    let target = Target::of(&POD, &pod.metadata);
    let message = format!("Marking for deletion Pod {}/{}", target.namespace, target.name);
    let note = Note {
        about: target.clone(),
        warning: false,
        reason: "TaintManagerEviction",
        message,
        by: "taint-eviction-controller",
    };
    let patch = json!({"status": {"conditions": pod::with_condition(pod, condition, now)}});
    let marked = Plan::nothing().then(Action::Merge { target: target.clone(), part: Some("status"), patch });
    Some(marked.then(Action::delete(target.any_version())).then(Action::Tell(note)))
}

/// Removes a Pod of a lost node that was sent away and has had its time: nobody says any more that it has ended.
fn give_up(pod: &Pod, now: Timestamp) -> Option<Plan> {
    let deadline = pod.metadata.deletion_timestamp.as_ref()?.0;
    let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    if !left.is_zero() {
        return Some(Plan::nothing().again_in(left));
    }
    let target = Target::of(&POD, &pod.metadata);
    let patch = json!({"status": {"phase": "Failed", "observedGeneration": pod.metadata.generation}});
    let failed = Action::Merge { target: target.clone(), part: Some("status"), patch };
    let removed = Action::Delete { target: target.any_version(), propagation: None, grace: Some(0) };
    Some(Plan::nothing().then(failed).then(removed))
}

/// Says of a Pod that it is not ready, because its node is not; nothing when it says so already.
fn mark_unready(pod: &Pod, now: Timestamp) -> Option<Plan> {
    let ready = pod::condition(pod, "Ready").filter(|ready| ready.status != "False")?;
    let unready = PodCondition { status: "False".to_owned(), ..ready.clone() };
    let target = Target::of(&POD, &pod.metadata);
    let note = Note {
        about: target.clone(),
        warning: true,
        reason: "NodeNotReady",
        message: "Node is not ready".to_owned(),
        by: "node-controller",
    };
    let patch = json!({"status": {"conditions": pod::with_condition(pod, unready, now)}});
    Some(Plan::nothing().then(Action::Merge { target, part: Some("status"), patch }).then(Action::Tell(note)))
}
