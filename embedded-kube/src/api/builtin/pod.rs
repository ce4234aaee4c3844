//! Pods: what is set for new ones, and what may not be.

use serde_json::{Value, json};

use super::containers;
use super::{items, items_mut, quantity, text, volumes};
use crate::api::Cause;
use crate::api::schema::metadata;
use crate::api::schema::mistake::{duplicate, forbidden, invalid, invalid_text, not_supported, required};
use crate::api::schema::names;
use crate::api::schema::path::Path;

/// What may be changed in a Pod.
const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A new Pod waits.
pub(super) fn prepare(object: &mut Value) {
    let class = quality(&object["spec"]);
    object["status"] = json!({"phase": "Pending", "qosClass": class});
    if !items(&object["spec"], "schedulingGates").is_empty() {
        object["status"]["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": null,
            "lastTransitionTime": object["metadata"]["creationTimestamp"],
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
}

/// How well a Pod is served: by what its containers ask for.
fn quality(spec: &Value) -> &'static str {
    let of = |container: &Value, list: &str, name: &str| {
        container["resources"][list][name]
            .as_str()
            .and_then(|text| quantity::parse(text).ok())
            .filter(|value| !value.is_zero())
    };
    let (mut any, mut guaranteed) = (false, true);
    for container in ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list)) {
        for name in ["cpu", "memory"] {
            let (request, limit) = (of(container, "requests", name), of(container, "limits", name));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

pub(super) fn check(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let path = Path::of("spec");
    let mut causes = check_spec(&object["spec"], &path);
    causes.extend(containers::check_of_pod(&object["spec"], &path));
    match old {
        None if !items(&object["spec"], "ephemeralContainers").is_empty() => {
            causes.push(forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
        }
        None => {}
        Some(old) => causes.extend(changed(&object["spec"], &old["spec"], &path)),
    }
    causes
}

/// The spec of a Pod, or of the template of one.
pub(super) fn check_spec(spec: &Value, path: &Path) -> Vec<Cause> {
    let (names, mut causes) = volumes::check(items(spec, "volumes"), &path.child("volumes"));
    let mains = items(spec, "containers");
    if mains.is_empty() {
        causes.push(required(&path.child("containers"), ""));
    }
    causes.extend(containers::check(mains, &names, &path.child("containers")));
    let firsts = items(spec, "initContainers");
    causes.extend(containers::check(firsts, &names, &path.child("initContainers")));
    for (place, container) in firsts.iter().enumerate() {
        let path = path.child("initContainers").index(place);
        if mains.iter().any(|main| main["name"] == container["name"]) {
            causes.push(duplicate(&path.child("name"), &container["name"]));
        }
        causes.extend(containers::first(container, &path));
    }
    let among = |name: &str, known: &[&str]| {
        let value = text(spec, name);
        (!value.is_empty() && !known.contains(&value)).then(|| not_supported(&path.child(name), &spec[name], known))
    };
    causes.extend(among("restartPolicy", &["Always", "OnFailure", "Never"]));
    causes.extend(among("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]));
    causes.extend(metadata::labels(&spec["nodeSelector"], &path.child("nodeSelector")));
    for name in ["serviceAccountName", "nodeName", "hostname", "subdomain", "priorityClassName"] {
        let value = text(spec, name);
        let wrong = match name {
            _ if value.is_empty() => Vec::new(),
            "hostname" | "subdomain" => names::label(value),
            _ => names::subdomain(value),
        };
        causes.extend(wrong.into_iter().map(|what| invalid_text(&path.child(name), value, &what)));
    }
    let most = i64::from(i32::MAX);
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64().filter(|seconds| !(1..=most).contains(seconds)) {
        let detail = "must be between 1 and 2147483647, inclusive";
        causes.push(invalid(&path.child("activeDeadlineSeconds"), &seconds.into(), detail));
    }
    causes.extend(tolerations(items(spec, "tolerations"), &path.child("tolerations")));
    causes
}

fn tolerations(tolerations: &[Value], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (place, toleration) in tolerations.iter().enumerate() {
        let path = path.index(place);
        let (key, operator, value) = (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"));
        let effect = text(toleration, "effect");
        if !key.is_empty() {
            let wrong = names::qualified(key).into_iter();
            causes.extend(wrong.map(|what| invalid_text(&path.child("key"), key, &what)));
        } else if operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(invalid_text(&path.child("operator"), operator, why));
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(invalid_text(&path.child("effect"), effect, why));
        }
        match operator {
            "" | "Equal" => {
                let wrong = names::label_value(value);
                if !wrong.is_empty() {
                    causes.push(invalid_text(&path.child("operator"), value, &wrong.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let why = "value must be empty when `operator` is 'Exists'";
                    causes.push(invalid_text(&path.child("operator"), value, why));
                }
            }
            "Lt" | "Gt" => {}
            _ => causes.push(not_supported(&path.child("operator"), &operator.into(), &["Equal", "Exists"])),
        }
        if !["", "NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            causes.push(not_supported(&path.child("effect"), &effect.into(), &known));
        }
    }
    causes
}

/// Hardly anything of a Pod may change.
fn changed(new: &Value, old: &Value, path: &Path) -> Vec<Cause> {
    for list in ["containers", "initContainers"] {
        if items(new, list).len() != items(old, list).len() {
            return vec![forbidden(&path.child(list), "pod updates may not add or remove containers")];
        }
    }
    let mut causes = Vec::new();
    let deadline = |spec: &Value| spec["activeDeadlineSeconds"].as_i64();
    match (deadline(new), deadline(old)) {
        (Some(new), Some(old)) if old < new => {
            let detail = "must be less than or equal to previous value";
            return vec![invalid(&path.child("activeDeadlineSeconds"), &new.into(), detail)];
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            causes.push(invalid(&path.child("activeDeadlineSeconds"), &Value::Null, detail));
        }
        _ => {}
    }
    if items(old, "tolerations").iter().any(|toleration| !items(new, "tolerations").contains(toleration)) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        causes.push(forbidden(&path.child("tolerations"), detail));
    }
    let mut like_old = new.clone();
    for list in ["containers", "initContainers"] {
        for (container, before) in items_mut(&mut like_old, list).zip(items(old, list)) {
            container["image"] = before["image"].clone();
        }
    }
    for name in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        super::keep(&mut like_old, old, name);
    }
    if like_old != *old {
        causes.push(forbidden(path, &format!("pod updates may not change fields other than {CHANGEABLE}")));
    }
    causes
}
