//! Which Pods get which node now: a pure decision about all of them, so that no two are given the same room.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodSpec};
use serde_json::json;

use super::View;
use super::fit::{Misfit, Room};
use crate::api::controllers::action::{Action, Note, Plan, Target};
use crate::api::controllers::pod;
use crate::api::controllers::resource::POD;

/// Who says all this, in Events, and whom a Pod asks for.
const BY: &str = "default-scheduler";

/// Which Pods get which node now, the oldest first.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let mut rooms: Vec<Room<'_>> = view.nodes.iter().map(|node| Room::of(node)).collect();
    let name = |room: &Room<'_>| room.node.metadata.name.clone().unwrap_or_default();
    for placed in &view.placed {
        if let Some(room) = rooms.iter_mut().find(|room| name(room) == pod::node(placed)) {
            room.take(placed);
        }
    }
    let mut waiting: Vec<(&Pod, &PodSpec)> =
        view.waiting.iter().filter_map(|pod| Some((pod.as_ref(), ours(pod)?))).collect();
    let age = |pod: &Pod| (pod.metadata.creation_timestamp.as_ref().map(|time| time.0), pod.metadata.name.clone());
    waiting.sort_by_key(|(pod, spec)| (-i64::from(spec.priority.unwrap_or(0)), age(pod)));
    let mut plan = Plan::nothing();
    for (pod, spec) in waiting {
        let (mut best, mut misfits) = (None::<usize>, Vec::new());
        for (place, room) in rooms.iter().enumerate() {
            match room.fits(spec) {
                Ok(()) if best.is_none_or(|best| room.pods() < rooms[best].pods()) => best = Some(place),
                Ok(()) => {}
                Err(misfit) => misfits.push(misfit),
            }
        }
        match best {
            Some(place) => {
                rooms[place].take(pod);
                plan = bind(plan, pod, &name(&rooms[place]));
            }
            None => plan = refuse(plan, pod, &message(spec, &misfits), now),
        }
    }
    plan
}

/// What a Pod asks for that waits for us.
fn ours(pod: &Pod) -> Option<&PodSpec> {
    let spec = pod.spec.as_ref()?;
    let ours = spec.scheduler_name.as_deref().is_none_or(|name| name == BY);
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    let waits = pod::node(pod).is_empty() && pod::is_active(pod);
    (ours && !gated && waits).then_some(spec)
}

fn bind(plan: Plan, pod: &Pod, node: &str) -> Plan {
    let target = Target::of(&POD, &pod.metadata).any_version();
    let message = format!("Successfully assigned {}/{} to {node}", target.namespace, target.name);
    let note = Note { about: target.clone(), warning: false, reason: "Scheduled", message, by: BY };
    plan.then(Action::Bind { target, node: node.to_owned() }).then(Action::Tell(note))
}

/// Says why a Pod has no node, if that is news.
fn refuse(plan: Plan, pod: &Pod, message: &str, now: Timestamp) -> Plan {
    let said = pod::condition(pod, "PodScheduled");
    if said.is_some_and(|said| said.status == "False" && said.message.as_deref() == Some(message)) {
        return plan;
    }
    let condition = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.to_owned()),
        ..PodCondition::default()
    };
    let target = Target::of(&POD, &pod.metadata);
    let note =
        Note { about: target.clone(), warning: true, reason: "FailedScheduling", message: message.to_owned(), by: BY };
    let patch = json!({"status": {"conditions": pod::with_condition(pod, condition, now)}});
    plan.then(Action::Merge { target, part: Some("status"), patch }).then(Action::Tell(note))
}

/// Why no node takes a Pod, in the scheduler's words.
fn message(spec: &PodSpec, misfits: &[Misfit]) -> String {
    if misfits.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let all = misfits.len();
    let reasons = counted(misfits.iter().flat_map(|misfit| misfit.reasons.iter().map(String::as_str)));
    if spec.preemption_policy.as_deref() == Some("Never") {
        let preemption = "not eligible due to preemptionPolicy=Never.";
        return format!("0/{all} nodes are available: {reasons}. preemption: {preemption}");
    }
    // No Pod has to make room for another here, and that is said as the scheduler does.
    let preemption = counted(misfits.iter().map(|misfit| {
        if misfit.is_full {
            "No preemption victims found for incoming pod"
        } else {
            "Preemption is not helpful for scheduling"
        }
    }));
    format!("0/{all} nodes are available: {reasons}. preemption: 0/{all} nodes are available: {preemption}.")
}

/// Each reason with how often it is one.
fn counted<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    reasons.for_each(|reason| *counts.entry(reason).or_default() += 1);
    let mut texts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}
