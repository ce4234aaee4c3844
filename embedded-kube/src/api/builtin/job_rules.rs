//! What is wrong with Jobs.

use serde_json::{Map, Value, json};

use super::pod;
use super::{immutable, items, items_mut, keep, keep_in, text};
use crate::api::Cause;
use crate::api::schema::metadata;
use crate::api::schema::mistake::{
    duplicate, invalid, invalid_text, invalid_unseen, not_supported, required, too_long, too_many,
};
use crate::api::schema::names;
use crate::api::schema::path::Path;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];

pub(super) fn check(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let path = Path::of("spec");
    let spec = &object["spec"];
    let mut causes = Vec::new();
    if old.is_none() {
        causes.extend(selector(object));
    }
    causes.extend(check_spec(spec, &path));
    if let Some(old) = old {
        causes.extend(changed(spec, old, &path));
    }
    causes.extend(hostnames(object));
    causes
}

/// A selector that was made for the Job finds its Pods only.
fn selector(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    if spec["manualSelector"] == true || !spec["selector"].is_object() {
        return Vec::new();
    }
    let (name, uid) = (text(&object["metadata"], "name"), text(&object["metadata"], "uid"));
    let labels = &spec["template"]["metadata"]["labels"];
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    let mut causes = Vec::new();
    if uid.is_empty() {
        causes.push(required(&Path::of("metadata.uid"), ""));
    }
    for (label, must) in expected {
        let path = Path::of("spec.template.metadata.labels").key(label);
        let detail = format!("must be '{must}'");
        match labels[label].as_str() {
            None => causes.push(required(&path, &detail)),
            Some(is) if is != must => causes.push(invalid(&path, labels, &detail)),
            Some(_) => {}
        }
    }
    let expected: Map<String, Value> =
        expected.into_iter().map(|(label, value)| (label.to_owned(), json!(value))).collect();
    if !matches(&spec["selector"], &expected.into()) {
        causes.push(invalid(&Path::of("spec.selector"), &spec["selector"], "`selector` not auto-generated"));
    }
    causes
}

/// Whether a selector finds what has these labels.
fn matches(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(name, value)| labels[name] == *value);
    let expressions = items(selector, "matchExpressions").iter().all(|expression| {
        let value = &labels[text(expression, "key")];
        let among = items(expression, "values").contains(value);
        match text(expression, "operator") {
            "In" => among,
            "NotIn" => !among,
            "Exists" => !value.is_null(),
            "DoesNotExist" => value.is_null(),
            _ => false,
        }
    });
    equal && expressions
}

/// Who runs a Job has a name of a domain.
fn managed_by(manager: &str, path: &Path) -> Vec<Cause> {
    let mut causes = match manager.split_once('/') {
        None if manager.is_empty() => vec![required(path, "")],
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => {
            names::subdomain(host).into_iter().map(|what| invalid_text(path, host, &what)).collect()
        }
        _ => vec![invalid_text(path, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")")],
    };
    if manager.len() > 63 {
        causes.push(too_long(path, 63));
    }
    causes
}

fn check_spec(spec: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let number = |name: &str| spec[name].as_i64();
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        if let Some(value) = number(name).filter(|value| *value < 0) {
            causes.push(invalid(&path.child(name), &value.into(), "must be greater than or equal to 0"));
        }
    }
    if number("maxFailedIndexes").is_some() && number("backoffLimitPerIndex").is_none() {
        causes.push(required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        causes.extend(managed_by(manager, &path.child("managedBy")));
    }
    let mode = text(spec, "completionMode");
    if !["", "NonIndexed", "Indexed"].contains(&mode) {
        causes.push(not_supported(&path.child("completionMode"), &spec["completionMode"], &["NonIndexed", "Indexed"]));
    }
    if mode == "Indexed" {
        if number("completions").is_none() {
            causes.push(required(&path.child("completions"), "when completion mode is Indexed"));
        }
        if let Some(value) = number("parallelism").filter(|value| *value > 100_000) {
            let detail = "must be less than or equal to 100000 when completion mode is Indexed";
            causes.push(invalid(&path.child("parallelism"), &value.into(), detail));
        }
        if let (Some(failed), Some(completions)) = (number("maxFailedIndexes"), number("completions"))
            && failed > completions
        {
            causes.push(invalid(
                &path.child("maxFailedIndexes"),
                &failed.into(),
                "must be less than or equal to completions",
            ));
        }
    }
    if matches!(mode, "" | "NonIndexed") {
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = number(name) {
                causes.push(invalid(&path.child(name), &value.into(), "requires indexed completion mode"));
            }
        }
    }
    let policy = &spec["podFailurePolicy"];
    if policy.is_object() {
        causes.extend(failure_policy(spec, policy, &path.child("podFailurePolicy")));
    }
    let known: &[&str] = if policy.is_object() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    let replaced = &spec["podReplacementPolicy"];
    if replaced.as_str().is_some_and(|value| !known.contains(&value)) {
        causes.push(not_supported(&path.child("podReplacementPolicy"), replaced, known));
    }
    causes.extend(template(spec, path));
    if !spec["selector"].is_object() {
        causes.push(required(&path.child("selector"), ""));
    }
    let found = spec["selector"].is_object() && matches(&spec["selector"], &spec["template"]["metadata"]["labels"]);
    if !found {
        let path = path.child("template.metadata.labels");
        causes.push(invalid(
            &path,
            &spec["template"]["metadata"]["labels"],
            "`selector` does not match template `labels`",
        ));
    }
    causes
}

fn template(spec: &Value, path: &Path) -> Vec<Cause> {
    let template = &spec["template"];
    let path = path.child("template");
    let mut causes = metadata::labels(&template["metadata"]["labels"], &path.child("labels"));
    causes.extend(pod::check_spec(&template["spec"], &path.child("spec")));
    let path = path.child("spec").child("restartPolicy");
    match text(&template["spec"], "restartPolicy") {
        "Always" | "" => causes.push(required(&path, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if spec["podFailurePolicy"].is_object() => {
            causes.push(invalid_text(
                &path,
                "OnFailure",
                "only \"Never\" is supported when podFailurePolicy is specified",
            ));
        }
        "OnFailure" | "Never" => {}
        _ => causes.push(not_supported(&path, &template["spec"]["restartPolicy"], &["OnFailure", "Never"])),
    }
    causes
}

fn failure_policy(spec: &Value, policy: &Value, path: &Path) -> Vec<Cause> {
    let path = path.child("rules");
    let rules = items(policy, "rules");
    let mut causes = Vec::new();
    if rules.len() > 20 {
        causes.push(too_many(&path, i64::try_from(rules.len()).unwrap_or(i64::MAX), 20));
    }
    let pod = &spec["template"]["spec"];
    let named = |list| items(pod, list).iter().map(|container| text(container, "name"));
    let containers: Vec<&str> = named("containers").chain(named("initContainers")).collect();
    for (place, rule) in rules.iter().enumerate() {
        let path = path.index(place);
        let action = text(rule, "action");
        if action.is_empty() {
            causes.push(required(&path.child("action"), &format!("valid values: [{}]", quoted(&ACTIONS))));
        } else if action == "FailIndex" && spec["backoffLimitPerIndex"].is_null() {
            causes.push(invalid_text(&path.child("action"), action, "requires the backoffLimitPerIndex to be set"));
        } else if !ACTIONS.contains(&action) {
            causes.push(not_supported(&path.child("action"), &rule["action"], &ACTIONS));
        }
        let (codes, conditions) = (&rule["onExitCodes"], items(rule, "onPodConditions"));
        if codes.is_object() {
            causes.extend(exit_codes(codes, &containers, &path.child("onExitCodes")));
        }
        for (place, pattern) in conditions.iter().enumerate() {
            let path = path.child("onPodConditions").index(place);
            let name = text(pattern, "type");
            causes
                .extend(names::qualified(name).into_iter().map(|what| invalid_text(&path.child("type"), name, &what)));
            let known = ["False", "True", "Unknown"];
            if !known.contains(&text(pattern, "status")) {
                causes.push(not_supported(&path.child("status"), &pattern["status"], &known));
            }
        }
        match (codes.is_object(), conditions.is_empty()) {
            (true, false) => {
                causes.push(invalid_unseen(&path, "specifying both OnExitCodes and OnPodConditions is not supported"));
            }
            (false, true) => {
                causes.push(invalid_unseen(&path, "specifying one of OnExitCodes and OnPodConditions is required"));
            }
            _ => {}
        }
    }
    causes
}

fn exit_codes(codes: &Value, containers: &[&str], path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    let operator = text(codes, "operator");
    if operator.is_empty() {
        causes.push(required(&path.child("operator"), &format!("valid values: [{}]", quoted(&OPERATORS))));
    } else if !OPERATORS.contains(&operator) {
        causes.push(not_supported(&path.child("operator"), &codes["operator"], &OPERATORS));
    }
    if let Some(name) = codes["containerName"].as_str().filter(|name| !containers.contains(name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        causes.push(invalid_text(&path.child("containerName"), name, detail));
    }
    let path = path.child("values");
    let values = items(codes, "values");
    if values.is_empty() {
        causes.push(invalid(&path, &codes["values"], "at least one value is required"));
    } else if values.len() > 255 {
        causes.push(too_many(&path, i64::try_from(values.len()).unwrap_or(i64::MAX), 255));
    }
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    for (place, value) in values.iter().enumerate() {
        let path = path.index(place);
        if operator == "In" && number(value) == 0 {
            causes.push(invalid(&path, value, "must not be 0 for the In operator"));
        }
        if values[..place].contains(value) {
            causes.push(duplicate(&path, value));
        }
    }
    if values.windows(2).any(|pair| number(&pair[0]) > number(&pair[1])) {
        causes.push(invalid(&path, &codes["values"], "must be ordered"));
    }
    causes
}

fn quoted(known: &[&str]) -> String {
    known.iter().map(|known| format!("\"{known}\"")).collect::<Vec<_>>().join(" ")
}

/// Hardly anything of what a Job runs may change.
fn changed(new: &Value, old_job: &Value, path: &Path) -> Vec<Cause> {
    let old = &old_job["spec"];
    let mut causes = Vec::new();
    if text(new, "completionMode") != "Indexed" {
        causes.extend(immutable(&new["completions"], &old["completions"], &path.child("completions")));
    } else if new["completions"] != old["completions"] && new["completions"] != new["parallelism"] {
        let detail = "can only be modified in tandem with spec.parallelism";
        causes.push(invalid(&path.child("completions"), &new["completions"], detail));
    }
    causes.extend(immutable(&new["selector"], &old["selector"], &path.child("selector")));
    causes.extend(changed_template(&new["template"], old_job, &path.child("template")));
    for name in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        causes.extend(immutable(&new[name], &old[name], &path.child(name)));
    }
    causes
}

/// While a Job is suspended and none of its Pods runs, it may change where they are to run, and what they ask for.
fn changed_template(new: &Value, old_job: &Value, path: &Path) -> Option<Cause> {
    let (old, status) = (&old_job["spec"]["template"], &old_job["status"]);
    let suspended = old_job["spec"]["suspend"] == true;
    let rests = status["active"].as_i64().unwrap_or_default() == 0;
    if !(suspended && rests && (status["startTime"].is_null() || is(old_job, "Suspended"))) {
        return immutable(new, old, path);
    }
    let (new, mut like_new) = (&new["spec"], old["spec"].clone());
    for name in ["nodeSelector", "tolerations", "schedulingGates"] {
        keep(&mut like_new, new, name);
    }
    keep_in(&mut like_new, new, "affinity", "nodeAffinity");
    let is_empty = |spec: &Value| spec["affinity"].as_object().is_none_or(Map::is_empty);
    if is_empty(&like_new) && is_empty(new) {
        keep(&mut like_new, new, "affinity");
    }
    for list in ["containers", "initContainers"] {
        for (container, other) in items_mut(&mut like_new, list).zip(items(new, list)) {
            if container["name"] == other["name"] {
                keep(container, other, "resources");
            }
        }
    }
    immutable(new, &like_new, &path.child("spec"))
}

/// Pods of an indexed Job are called by the Job and their index.
fn hostnames(object: &Value) -> Option<Cause> {
    let spec = &object["spec"];
    let completions = spec["completions"].as_i64().filter(|completions| *completions > 0)?;
    let name = text(&object["metadata"], "name");
    let longest = format!("{name}-{}", completions - 1);
    let wrong = spec["completionMode"] == "Indexed" && !names::label(&longest).is_empty();
    let detail = format!("will not able to create pod with invalid DNS label: {longest}");
    wrong.then(|| invalid_text(&Path::of("metadata.name"), name, &detail))
}

/// Whether a Job has a condition.
fn is(job: &Value, condition: &str) -> bool {
    items(&job["status"], "conditions").iter().any(|one| one["type"] == condition && one["status"] == "True")
}

/// What the status of a Job may say. Most of it is looked at only if it has changed: a spec that has may have made it wrong.
pub(super) fn status(object: &Value, old: &Value) -> Vec<Cause> {
    let path = Path::of("status");
    let mut causes = numbers(&object["status"], &path);
    causes.extend(ends(object, old, &path));
    causes.extend(steps(object, old, &path));
    causes
}

/// Numbers of Pods are numbers.
fn numbers(status: &Value, path: &Path) -> Vec<Cause> {
    let names = ["active", "succeeded", "failed", "ready", "terminating"].into_iter();
    let below = names.filter_map(|name| Some((name, status[name].as_i64().filter(|number| *number < 0)?)));
    below
        .map(|(name, number)| invalid(&path.child(name), &number.into(), "must be greater than or equal to 0"))
        .collect()
}

/// What goes with the end of a Job.
fn ends(object: &Value, old: &Value, path: &Path) -> Vec<Cause> {
    let (status, before) = (&object["status"], &old["status"]);
    let (complete, failed) = (is(object, "Complete"), is(object, "Failed"));
    let (target, met) = (is(object, "FailureTarget"), is(object, "SuccessCriteriaMet"));
    let finished = complete || failed;
    let turned = |condition: &str| is(object, condition) != is(old, condition);
    let completes = turned("Complete");
    let ends = finished != (is(old, "Complete") || is(old, "Failed"));
    let changed = |name: &str| status[name] != before[name];
    let number = |name: &str| status[name].as_i64().unwrap_or_default();
    let mut causes = Vec::new();
    let refused = |what: &str| invalid_unseen(&path.child("conditions"), what);
    if (completes || turned("Failed")) && complete && failed {
        causes.push(refused("cannot set Complete=True and Failed=true conditions"));
    }
    if (completes || turned("FailureTarget")) && complete && target {
        causes.push(refused("cannot set Complete=True and FailureTarget=true conditions"));
    }
    let completion = path.child("completionTime");
    if completes || changed("completionTime") {
        match (status["completionTime"].is_null(), complete) {
            (false, false) => {
                let detail = "cannot set completionTime when there is no Complete=True condition";
                causes.push(invalid(&completion, &status["completionTime"], detail));
            }
            (true, true) => causes.push(required(&completion, "completionTime is required for Complete jobs")),
            _ => {}
        }
    }
    if let (Some(start), Some(end)) = (status["startTime"].as_str(), status["completionTime"].as_str())
        && (changed("startTime") || changed("completionTime"))
        && end < start
    {
        causes.push(invalid(&completion, &status["completionTime"], "must be equal to or after `startTime`"));
    }
    if (turned("Failed") || changed("failedIndexes")) && failed && !target {
        causes.push(refused("cannot set Failed=True condition without the FailureTarget=true condition"));
    }
    if (completes || turned("SuccessCriteriaMet")) && complete && !met {
        causes.push(refused("cannot set Complete=True condition without the SuccessCriteriaMet=true condition"));
    }
    if (ends || changed("active")) && finished && number("active") > 0 {
        causes.push(invalid(&path.child("active"), &status["active"], "active>0 is invalid for finished job"));
    }
    let idle = object["spec"]["suspend"] == true && object["spec"]["completions"] == 0;
    if (ends || changed("startTime")) && !idle && finished && status["startTime"].is_null() {
        causes.push(required(&path.child("startTime"), "startTime is required for finished job"));
    }
    if (ends || changed("terminating")) && finished && number("terminating") > 0 {
        causes.push(invalid(
            &path.child("terminating"),
            &status["terminating"],
            "terminating>0 is invalid for finished job",
        ));
    }
    if (changed("ready") || changed("active")) && !status["ready"].is_null() && number("ready") > number("active") {
        causes.push(invalid(&path.child("ready"), &status["ready"], "cannot set more ready pods than active"));
    }
    if met && failed {
        causes.push(refused("cannot set SuccessCriteriaMet=True and Failed=true conditions"));
    }
    if met && target {
        causes.push(refused("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"));
    }
    causes
}

/// What a Job that has come so far does not go back on.
fn steps(object: &Value, old: &Value, path: &Path) -> Vec<Cause> {
    let (status, before) = (&object["status"], &old["status"]);
    let mut causes = Vec::new();
    let refused = |what: &str| invalid_unseen(&path.child("conditions"), what);
    for name in ["Failed", "Complete", "FailureTarget"] {
        if is(old, name) && !is(object, name) {
            causes.push(refused(&format!("cannot disable the terminal {name}=True condition")));
        }
    }
    let spec = &object["spec"];
    let shrinks = spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
    for name in ["failed", "succeeded"] {
        let number = |status: &Value| status[name].as_i64().unwrap_or_default();
        if number(status) < number(before) && !(name == "succeeded" && shrinks) {
            let detail = format!("cannot decrease the {name} counter");
            causes.push(invalid(&path.child(name), &number(status).into(), &detail));
        }
    }
    let moved = |name: &str| !status[name].is_null() && !before[name].is_null() && status[name] != before[name];
    if moved("completionTime") {
        causes.push(invalid(&path.child("completionTime"), &status["completionTime"], "field is immutable"));
    }
    if is(old, "SuccessCriteriaMet") && !is(object, "SuccessCriteriaMet") {
        causes.push(refused("cannot disable the SuccessCriteriaMet=True condition"));
    }
    if is(old, "Complete") && !is(old, "SuccessCriteriaMet") && is(object, "SuccessCriteriaMet") {
        causes.push(refused("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"));
    }
    causes
}
