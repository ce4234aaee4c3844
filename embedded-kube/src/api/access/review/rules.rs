//! All that somebody may: `SelfSubjectRulesReview`.

use serde_json::{Map, Value, json};

use crate::api::Refusal;
use crate::api::access::role::listed;
use crate::api::access::user::NODES;
use crate::api::access::{Authority, User};

/// What the one who asks may in a namespace: a `SelfSubjectRulesReview`. As with the real one, the answer is not the question
/// with a status, but a new object.
///
/// # Errors
/// When it names no namespace.
pub fn self_subject_rules(authority: &Authority<'_>, user: &User, review: &Value) -> Result<Value, Refusal> {
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Refusal::bad_request("no namespace on request"));
    }
    let (rules, missing) = authority.rules(user, namespace);
    let mut errors = Vec::new();
    // What a node may depends on its Pods.
    let incomplete = user.name.starts_with("system:node:") && user.is_in(NODES);
    if incomplete {
        errors.push("node authorizer does not support user rule resolution".to_owned());
    }
    if !missing.is_empty() {
        errors.push(listed(missing.iter().map(ToString::to_string).collect()));
    }
    let of = |key: &str| {
        let rules = rules.iter().map(|rule| rule.object());
        let rules = rules.filter(|rule| rule.get(key).is_some()).map(|mut rule| {
            let other = if key == "resources" {
                &["nonResourceURLs"][..]
            } else {
                &["apiGroups", "resources", "resourceNames"]
            };
            if let Some(rule) = rule.as_object_mut() {
                rule.retain(|name, _| !other.contains(&name.as_str()));
            }
            rule
        });
        rules.collect::<Vec<_>>()
    };
    let mut status = Map::new();
    if !errors.is_empty() {
        status.insert("evaluationError".to_owned(), listed(errors).into());
    }
    status.insert("incomplete".to_owned(), incomplete.into());
    status.insert("nonResourceRules".to_owned(), of("nonResourceURLs").into());
    status.insert("resourceRules".to_owned(), of("resources").into());
    Ok(json!({
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {},
        "status": status,
    }))
}
