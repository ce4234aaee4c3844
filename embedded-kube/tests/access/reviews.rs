//! Reviews with mistakes.

use aggregator_embedded_kube::api::Refusal;
use aggregator_embedded_kube::api::access::review::{
    local_subject_access, self_subject, self_subject_access, self_subject_rules, subject_access,
};
use serde_json::{Value, json};

use crate::real::{AUTHENTICATION, AUTHORIZATION, Real, authority, user};

fn compare(ours: Result<Value, Refusal>, code: u16, theirs: &Value, what: &Value) {
    match ours {
        Ok(ours) => {
            assert_eq!(code, 201, "{what}: {theirs}");
            assert_eq!(ours["status"], theirs["status"], "{what}");
            assert_eq!(ours["spec"], theirs["spec"], "{what}");
        }
        Err(refusal) => assert_eq!(refusal.status(), *theirs, "{what}"),
    }
}

#[test]
fn reviews_are_answered_and_refused_alike() {
    let real = Real::new();
    let index = real.index();
    let authority = authority(&index);
    let pods = json!({"verb": "get", "resource": "pods", "namespace": "default"});
    // One role alone lets everybody read it: of several, the real server names any.
    let path = json!({"verb": "get", "path": "/api"});
    let selectors = |field: Value, label: Value| {
        let mut pods = pods.clone();
        pods["fieldSelector"] = field;
        pods["labelSelector"] = label;
        json!({"user": "u", "resourceAttributes": pods})
    };
    let reviews = [
        json!({"spec": {}}),
        json!({"spec": {"user": "u"}}),
        json!({"spec": {"resourceAttributes": pods}}),
        json!({"spec": {"user": "u", "resourceAttributes": pods, "nonResourceAttributes": path}}),
        json!({"spec": {"user": "u", "nonResourceAttributes": path}}),
        json!({"spec": {"groups": ["system:authenticated"], "nonResourceAttributes": path}}),
        json!({"spec": {"user": "u", "groups": ["system:masters"], "resourceAttributes": pods}}),
        json!({"spec": {"user": "system:node:n", "groups": ["system:nodes"], "resourceAttributes": {"verb": "list", "resource": "nodes"}}}),
        json!({"spec": {"user": "system:node:n", "groups": ["system:nodes"], "resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": "default", "name": "x"}}}),
        json!({"spec": {"user": "system:node:n", "groups": ["system:nodes"], "resourceAttributes": {"verb": "create", "resource": "events", "namespace": "default"}}}),
        json!({"spec": {"user": "system:node:", "groups": ["system:nodes"], "resourceAttributes": pods}}),
        json!({"spec": selectors(json!({"rawSelector": "spec.nodeName=n", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]}), json!({}))}),
        json!({"spec": selectors(json!({}), json!({"rawSelector": "a=b"}))}),
    ];
    for mut review in reviews {
        review["apiVersion"] = "authorization.k8s.io/v1".into();
        review["kind"] = "SubjectAccessReview".into();
        let theirs = real.post(&format!("{AUTHORIZATION}/subjectaccessreviews"), &[], &review);
        compare(subject_access(&authority, &review), theirs.code, &theirs.body, &review);

        review["kind"] = "SelfSubjectAccessReview".into();
        for key in ["user", "groups"] {
            review["spec"].as_object_mut().unwrap().remove(key);
        }
        let who = user("u", &["system:authenticated"]);
        let theirs =
            real.post(&format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &[("impersonate-user", "u")], &review);
        compare(self_subject_access(&authority, &who, &review), theirs.code, &theirs.body, &review);
    }
    for mut review in [
        json!({"metadata": {"namespace": "default"}, "spec": {"user": "u", "resourceAttributes": pods}}),
        json!({"metadata": {"namespace": "default"}, "spec": {"user": "u", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "other"}}}),
        json!({"metadata": {"namespace": "default"}, "spec": {"user": "u", "nonResourceAttributes": path}}),
    ] {
        review["apiVersion"] = "authorization.k8s.io/v1".into();
        review["kind"] = "LocalSubjectAccessReview".into();
        let theirs = real.post(&format!("{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"), &[], &review);
        compare(local_subject_access(&authority, "default", &review), theirs.code, &theirs.body, &review);
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {}});
    let theirs = real.post(&format!("{AUTHORIZATION}/selfsubjectrulesreviews"), &[], &review);
    let refusal = self_subject_rules(&authority, &user("u", &[]), &review).unwrap_err();
    assert_eq!(refusal.status(), theirs.body);
}

#[test]
fn somebody_is_told_who_they_are() {
    let real = Real::new();
    let path = format!("{AUTHENTICATION}/selfsubjectreviews");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let headers = [
        ("impersonate-user", "ann"),
        ("impersonate-uid", "7"),
        ("impersonate-group", "dev"),
        ("impersonate-extra-k", "v"),
    ];
    let theirs = real.post(&path, &headers, &review);
    let mut who = user("ann", &["dev", "system:authenticated"]);
    "7".clone_into(&mut who.uid);
    who.extra.insert("k".to_owned(), vec!["v".to_owned()]);
    let ours = self_subject(&who, theirs.body["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap());
    assert_eq!(ours, theirs.body);
    let who = user("bob", &["system:authenticated"]);
    let theirs = real.post(&path, &[("impersonate-user", "bob")], &review);
    let ours = self_subject(&who, theirs.body["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap());
    assert_eq!(ours, theirs.body);
}

/// An answer without what the API server adds to the metadata that it shows: which manager has which field, and since when.
fn without_managers(answer: &Value) -> Value {
    let cut = |text: &str| match (text.find(",\"managedFields\":"), text.find("}: must be empty")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    let mut answer = answer.clone();
    for pointer in ["/message", "/details/causes/0/message", "/details/causes/1/message"] {
        if let Some(Value::String(text)) = answer.pointer_mut(pointer) {
            *text = cut(text);
        }
    }
    answer
}

#[test]
fn reviews_with_names_are_refused_alike() {
    let real = Real::new();
    let index = real.index();
    let authority = authority(&index);
    for (metadata, path) in [
        (json!({"name": "x"}), json!({"verb": "get", "path": "/version"})),
        (json!({"labels": {"a": "b"}}), Value::Null),
    ] {
        let mut review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": metadata, "spec": {"user": "u"}});
        if !path.is_null() {
            review["spec"]["nonResourceAttributes"] = path;
        }
        let theirs = real.post(&format!("{AUTHORIZATION}/subjectaccessreviews"), &[], &review);
        compare(subject_access(&authority, &review), theirs.code, &without_managers(&theirs.body), &review);
    }
}
