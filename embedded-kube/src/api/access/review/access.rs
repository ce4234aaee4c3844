//! Whether somebody may: `SubjectAccessReview` and its kin.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::mistake;
use crate::api::access::{Attributes, Authority, Resource, Target, User};
use crate::api::{Cause, Refusal};

const GROUP: &str = "authorization.k8s.io";

/// Whether anybody may do anything: a `SubjectAccessReview`.
///
/// # Errors
/// When it has a mistake.
pub fn subject_access(authority: &Authority<'_>, review: &Value) -> Result<Value, Refusal> {
    let mut causes = spec(&review["spec"], true);
    causes.extend(metadata(review, &[], "must be empty"));
    mistake::none(GROUP, "", "", causes)?;
    Ok(answered(authority, subject(&review["spec"]), review))
}

/// Whether anybody may do something in a namespace: a `LocalSubjectAccessReview`.
///
/// # Errors
/// When it has a mistake, or is about another namespace.
pub fn local_subject_access(authority: &Authority<'_>, namespace: &str, review: &Value) -> Result<Value, Refusal> {
    let mut causes = spec(&review["spec"], true);
    causes.extend(metadata(review, &["namespace"], "must be empty except for namespace"));
    let own = review["metadata"]["namespace"].as_str().unwrap_or_default();
    let resource = &review["spec"]["resourceAttributes"];
    let asked = resource["namespace"].as_str().unwrap_or_default();
    if resource.is_object() && asked != own {
        causes.push(mistake::invalid(
            "spec.resourceAttributes.namespace",
            &asked.into(),
            "must match metadata.namespace",
        ));
    }
    let path = &review["spec"]["nonResourceAttributes"];
    if path.is_object() {
        causes.push(mistake::invalid("spec.nonResourceAttributes", &shown(path), "disallowed on this kind of request"));
    }
    mistake::none(GROUP, "", "", causes)?;
    if own != namespace {
        let why = format!("spec.resourceAttributes.namespace must match namespace: {namespace}");
        return Err(Refusal::bad_request(why));
    }
    Ok(answered(authority, subject(&review["spec"]), review))
}

/// Whether the one who asks may do something: a `SelfSubjectAccessReview`.
///
/// # Errors
/// When it has a mistake.
pub fn self_subject_access(authority: &Authority<'_>, user: &User, review: &Value) -> Result<Value, Refusal> {
    let mut causes = spec(&review["spec"], false);
    causes.extend(metadata(review, &[], "must be empty"));
    mistake::none(GROUP, "", "", causes)?;
    Ok(answered(authority, user.clone(), review))
}

fn spec(spec: &Value, of_anybody: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_null() == path.is_null() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(mistake::invalid("spec", &shown(path), why));
    }
    let user = spec["user"].as_str().unwrap_or_default();
    if of_anybody && user.is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty) {
        causes.push(mistake::invalid("spec.user", &user.into(), "at least one of user or group must be specified"));
    }
    for selector in ["fieldSelector", "labelSelector"] {
        let found = &resource[selector];
        let place = format!("spec.resourceAttributes.{selector}");
        let raw = found["rawSelector"].as_str().unwrap_or_default();
        let parsed = found["requirements"].as_array().is_some_and(|terms| !terms.is_empty());
        match (found.is_object(), raw.is_empty(), parsed) {
            (true, false, true) => {
                let why = "may not specified at the same time as requirements";
                causes.push(mistake::invalid(&format!("{place}.rawSelector"), &raw.into(), why));
            }
            (true, true, false) => {
                let why = format!("when {place} is specified, requirements or rawSelector is required");
                causes.push(mistake::required(&format!("{place}.requirements"), &why));
            }
            _ => {}
        }
    }
    causes
}

/// A path as the API server shows it: by the names that its own type gives the fields.
fn shown(path: &Value) -> Value {
    let text = |key: &str| path[key].as_str().unwrap_or_default();
    if path.is_null() { Value::Null } else { json!({"Path": text("path"), "Verb": text("verb")}) }
}

fn metadata(review: &Value, may: &[&str], why: &str) -> Option<Cause> {
    let metadata = review["metadata"].as_object()?;
    let is_other =
        |(key, value): (&String, &Value)| !value.is_null() && key != "managedFields" && !may.contains(&key.as_str());
    metadata.iter().any(is_other).then(|| mistake::invalid("metadata", &review["metadata"], why))
}

/// Whom a review is about.
fn subject(spec: &Value) -> User {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| {
        let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
        texts.iter().map(text).collect::<Vec<_>>()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra: BTreeMap<_, _> = extra.map(|(key, values)| (key.clone(), texts(values))).collect();
    User { name: text(&spec["user"]), uid: text(&spec["uid"]), groups: texts(&spec["groups"]), extra }
}

fn answered(authority: &Authority<'_>, user: User, review: &Value) -> Value {
    let decision = authority.decide(&attributes(user, &review["spec"]));
    let mut status = Map::new();
    status.insert("allowed".to_owned(), decision.allowed.into());
    if !decision.reason.is_empty() {
        status.insert("reason".to_owned(), decision.reason.into());
    }
    let mut review = review.clone();
    review["status"] = Value::Object(status);
    review
}

fn attributes(user: User, spec: &Value) -> Attributes {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_null() {
        return Attributes { user, verb: text(&path["verb"]), target: Target::Path(text(&path["path"])) };
    }
    let target = Resource {
        namespace: text(&resource["namespace"]),
        group: text(&resource["group"]),
        resource: text(&resource["resource"]),
        subresource: text(&resource["subresource"]),
        name: text(&resource["name"]),
        fields: fields(&resource["fieldSelector"]),
    };
    Attributes { user, verb: text(&resource["verb"]), target: Target::Resource(target) }
}

/// What a field selector asks to be equal.
fn fields(selector: &Value) -> Vec<(String, String)> {
    let terms = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let equal = terms.iter().filter_map(|term| match term["values"].as_array().map(Vec::as_slice) {
        Some([value]) if term["operator"] == "In" => {
            Some((term["key"].as_str()?.to_owned(), value.as_str()?.to_owned()))
        }
        _ => None,
    });
    let raw = selector["rawSelector"].as_str().unwrap_or_default().split(',').filter_map(|term| {
        let (key, value) = term.split_once('=').filter(|(key, _)| !key.ends_with('!'))?;
        Some((key.trim().to_owned(), value.trim_start_matches('=').trim().to_owned()))
    });
    equal.chain(raw).collect()
}
