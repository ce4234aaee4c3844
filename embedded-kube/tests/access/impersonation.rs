//! Acting as others.

use aggregator_embedded_kube::api::Refusal;
use aggregator_embedded_kube::api::access::{Attributes, Impersonation, Index, User, wanted};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::real::{GROUP, RBAC, Real, asks, authority, request, user};

/// What a request comes to: as whom, and whether they may.
fn outcome(acts: &Impersonation, index: &Index, attributes: &Attributes, headers: &HeaderMap) -> Result<User, Refusal> {
    let authority = authority(index);
    let user = match wanted(headers)? {
        Some(wanted) => acts.act(attributes, &wanted, &authority)?,
        None => attributes.user.clone(),
    };
    authority.check(&Attributes { user: user.clone(), ..attributes.clone() })?;
    Ok(user)
}

#[test]
fn acting_as_others_is_refused_alike() {
    let real = Real::new();
    let namespace = real.plane.namespace();
    let place = namespace.name();
    let role = |name: &str, rules: Value| {
        real.create(
            &format!("{RBAC}/clusterroles"),
            &json!({"metadata": {"name": format!("{place}-{name}")}, "rules": rules}),
        );
    };
    let bind = |path: &str, account: &str, role: &str| {
        let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": place}]);
        let role = format!("{place}-{role}");
        let binding = json!({"metadata": {"name": format!("{role}-{account}")}, "subjects": subjects, "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}});
        real.create(&format!("{RBAC}/{path}"), &binding);
    };
    role(
        "legacy",
        json!([
            {"apiGroups": [""], "resources": ["users"], "resourceNames": ["ann", "system:anonymous"], "verbs": ["impersonate"]},
            {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev", "system:unauthenticated"], "verbs": ["impersonate"]},
            {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["other"], "verbs": ["impersonate"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["uids"], "resourceNames": ["7"], "verbs": ["impersonate"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/acme.io/session"], "resourceNames": ["x"], "verbs": ["impersonate"]},
        ]),
    );
    role(
        "whom",
        json!([
            {"apiGroups": ["authentication.k8s.io"], "resources": ["users", "groups", "uids", "userextras/acme.io/session"], "verbs": ["impersonate:user-info"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["nodes"], "verbs": ["impersonate:arbitrary-node"]},
            {"apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"], "resourceNames": ["other"], "verbs": ["impersonate:serviceaccount"]},
        ]),
    );
    role(
        "what",
        json!([{"apiGroups": [""], "resources": ["pods"], "verbs": [
            "impersonate-on:user-info:list", "impersonate-on:arbitrary-node:list", "impersonate-on:serviceaccount:list",
        ]}]),
    );
    role("lists", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]));
    let subjects = json!([{"apiGroup": GROUP, "kind": "Group", "name": "dev"}]);
    let lists = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": format!("{place}-lists")});
    let binding = json!({"metadata": {"name": "dev-lists"}, "subjects": subjects, "roleRef": lists});
    real.create(&format!("{RBAC}/namespaces/{place}/rolebindings"), &binding);
    bind("clusterrolebindings", "legacy", "legacy");
    bind("clusterrolebindings", "constrained", "whom");
    bind(&format!("namespaces/{place}/rolebindings"), "constrained", "what");
    for account in ["none", "legacy", "constrained", "other"] {
        namespace.kubectl(["create", "serviceaccount", account]);
    }
    real.settle(place, &format!("i{place}"));
    let index = real.index();

    let other = format!("system:serviceaccount:{place}:other");
    let as_whom: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![("impersonate-group", "dev")],
        vec![("impersonate-uid", "7"), ("impersonate-extra-acme.io%2fsession", "x")],
        vec![("impersonate-user", "ann")],
        vec![("impersonate-user", "bob")],
        vec![("impersonate-user", "ann"), ("impersonate-group", "dev")],
        vec![("impersonate-user", "ann"), ("impersonate-group", "ops")],
        vec![
            ("impersonate-user", "ann"),
            ("impersonate-group", "dev"),
            ("impersonate-group", "system:unauthenticated"),
        ],
        vec![("impersonate-user", "ann"), ("impersonate-group", "system:masters")],
        vec![("impersonate-user", "ann"), ("impersonate-uid", "7")],
        vec![("impersonate-user", "ann"), ("impersonate-uid", "8")],
        vec![("impersonate-user", "ann"), ("impersonate-group", "dev"), ("impersonate-extra-acme.io%2fsession", "x")],
        vec![("impersonate-user", "ann"), ("impersonate-extra-acme.io%2fsession", "y")],
        vec![("impersonate-user", "ann"), ("impersonate-extra-session", "x")],
        vec![("impersonate-user", "ann"), ("impersonate-extra-a_b%2fsession", "x")],
        vec![("impersonate-user", "ann"), ("impersonate-extra-acme.io%2fa%22b", "x")],
        vec![
            ("impersonate-user", "ann"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-group", "c"),
            ("impersonate-group", "d"),
        ],
        vec![("impersonate-user", "system:anonymous")],
        vec![("impersonate-user", "system:node:n")],
        vec![("impersonate-user", "system:node:n"), ("impersonate-group", "system:nodes")],
        vec![("impersonate-user", other.as_str())],
        vec![("impersonate-user", other.as_str()), ("impersonate-group", "dev")],
    ];
    let targets = [
        (format!("/api/v1/namespaces/{place}/pods"), "list", "pods", ""),
        (format!("/api/v1/namespaces/{place}/pods/x"), "get", "pods", "x"),
        (format!("/api/v1/namespaces/{place}/secrets"), "list", "secrets", ""),
    ];
    let (mut passed, mut refused) = (0, 0);
    for account in ["none", "legacy", "constrained"] {
        let token = namespace.kubectl(["create", "token", account]);
        let client = real.by_token(token.trim());
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{place}"), "system:authenticated"];
        let who = user(&format!("system:serviceaccount:{place}:{account}"), &groups);
        let acts = Impersonation::default();
        for (path, verb, resource, name) in &targets {
            for headers in &as_whom {
                let theirs = real.ask(&client, request("GET", path, headers, &Value::Null));
                let mut map = HeaderMap::new();
                for (name, value) in headers {
                    map.append(name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
                }
                let attributes = asks(who.clone(), verb, "", resource, place, name);
                match outcome(&acts, &index, &attributes, &map) {
                    Ok(_) => {
                        assert!(
                            [200, 404].contains(&theirs.code),
                            "{account} {verb} {resource} {headers:?}: {}",
                            theirs.body
                        );
                        passed += 1;
                    }
                    Err(refusal) => {
                        assert_eq!(refusal.status(), theirs.body, "{account} {verb} {resource} {headers:?}");
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{passed} passed, {refused} refused");
    assert!(passed >= 4 && refused >= 100, "{passed} {refused}");
}

#[test]
fn refusals_are_worded_alike() {
    let real = Real::new();
    let namespace = real.plane.namespace();
    let place = namespace.name();
    let index = real.index();
    let who = user("nobody<&>", &["system:authenticated"]);
    let headers = [("impersonate-user", who.name.as_str())];
    for (method, path, verb, (group, resource, name)) in [
        ("GET", format!("/api/v1/namespaces/{place}/pods"), "list", ("", "pods", "")),
        ("GET", format!("/api/v1/namespaces/{place}/pods/x/log"), "get", ("", "pods/log", "x")),
        ("GET", "/api/v1/pods".to_owned(), "list", ("", "pods", "")),
        ("GET", "/api/v1/nodes/x".to_owned(), "get", ("", "nodes", "x")),
        ("DELETE", format!("/apis/batch/v1/namespaces/{place}/jobs"), "deletecollection", ("batch", "jobs", "")),
        ("DELETE", format!("/apis/batch/v1/namespaces/{place}/jobs/x"), "delete", ("batch", "jobs", "x")),
    ] {
        let theirs = real.ask(&real.client, request(method, &path, &headers, &Value::Null));
        let there = if path.contains("/namespaces/") { place } else { "" };
        let refusal = authority(&index).check(&asks(who.clone(), verb, group, resource, there, name)).unwrap_err();
        assert_eq!(refusal.status(), theirs.body, "{path}");
    }
    let theirs = real.ask(&real.client, request("GET", "/metrics", &headers, &Value::Null));
    let target = aggregator_embedded_kube::api::access::Target::Path("/metrics".to_owned());
    let refusal = authority(&index).check(&Attributes { user: who, verb: "get".to_owned(), target }).unwrap_err();
    assert_eq!(refusal.status(), theirs.body);
    let theirs = real.ask(&real.by_token("none"), request("GET", "/api/v1/pods", &[], &Value::Null));
    assert_eq!(aggregator_embedded_kube::api::access::unauthorized().status(), theirs.body);
}
