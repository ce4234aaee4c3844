//! Roles and bindings that grant more than somebody has.

use aggregator_embedded_kube::api::access::{Write, escalation};
use aggregator_tests::random::Random;
use serde_json::{Value, json};

use crate::real::{GROUP, RBAC, Real, authority, request, user};

/// The rights of the user who tries it: to write roles and bindings, and some more.
fn grant(real: &Real, tag: &str, namespace: &str) {
    let bind = |path: &str, name: &str, role: (&str, &str)| {
        let subjects = json!([{"apiGroup": GROUP, "kind": "User", "name": format!("{tag}-user")}]);
        let role = json!({"apiGroup": GROUP, "kind": role.0, "name": role.1});
        let binding = json!({"metadata": {"name": name}, "subjects": subjects, "roleRef": role});
        real.create(&format!("{RBAC}/{path}"), &binding);
    };
    let role = |path: &str, name: &str, rules: Value| {
        real.create(&format!("{RBAC}/{path}"), &json!({"metadata": {"name": name}, "rules": rules}));
    };
    let own = |name: &str| format!("{tag}-{name}");
    let all = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];
    role(
        "clusterroles",
        &own("writes"),
        json!([
            {"apiGroups": [GROUP], "resources": all, "verbs": ["create", "update", "patch"]},
            {"apiGroups": [""], "resources": ["pods", "*/status"], "verbs": ["get", "list"]},
            {"nonResourceURLs": ["/x/*"], "verbs": ["get"]},
            {"apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": [own("bindable")], "verbs": ["bind"]},
            {"apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": [own("escalatable")], "verbs": ["escalate"]},
        ]),
    );
    role("clusterroles", &own("bindable"), json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]));
    role("clusterroles", &own("escalatable"), json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]));
    role("clusterroles", &own("small"), json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]));
    role(
        "clusterroles",
        &own("large"),
        json!([
            {"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["get", "delete"]},
            {"nonResourceURLs": ["/x/y", "/z"], "verbs": ["get"]},
        ]),
    );
    bind("clusterrolebindings", &own("writes"), ("ClusterRole", &own("writes")));
    let here = |kind: &str| format!("namespaces/{namespace}/{kind}");
    role(&here("roles"), &own("here"), json!([{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]}]));
    bind(&here("rolebindings"), &own("here"), ("Role", &own("here")));
    bind(&here("rolebindings"), &own("missing"), ("Role", &own("missing")));
    real.settle(namespace, tag);
}

const VERBS: [&str; 5] = ["get", "list", "delete", "watch", "*"];
const GROUPS: [&str; 3] = ["", "batch", "*"];
const RESOURCES: [&str; 6] = ["pods", "pods/status", "jobs", "secrets", "*", "jobs/status"];

fn rules(random: &mut Random, with_paths: bool) -> Value {
    let rules = (0..1 + random.below(2)).map(|_| {
        if with_paths && random.below(4) == 0 {
            return json!({"nonResourceURLs": random.few(&["/x/y", "/x/*", "/y", "*"], 2), "verbs": random.few(&VERBS, 2)});
        }
        let mut rule = json!({
            "apiGroups": random.few(&GROUPS, 1),
            "resources": random.few(&RESOURCES, 2),
            "verbs": random.few(&VERBS, 2),
        });
        if random.below(3) == 0 {
            rule["resourceNames"] = json!(random.few(&["a", "b"], 2));
        }
        rule
    });
    rules.collect()
}

#[test]
fn nobody_grants_what_they_do_not_have() {
    let real = Real::new();
    let mut random = Random::seeded("nobody_grants_what_they_do_not_have");
    let tag = format!("e{}", random.below(1_000_000));
    let namespace = real.plane.namespace();
    let place = namespace.name();
    grant(&real, &tag, place);
    let index = real.index();
    let who = user(&format!("{tag}-user"), &["some", "system:authenticated"]);
    let headers = [("impersonate-user", who.name.as_str()), ("impersonate-group", "some")];
    let own = |name: &str| format!("{tag}-{name}");
    let (mut taken, mut refused) = (0, 0);
    let mut compare = |resource: &str, name: &str, object: &Value, old: Option<&Value>| {
        let here = if resource.starts_with("cluster") { "" } else { place };
        let path =
            if here.is_empty() { format!("{RBAC}/{resource}") } else { format!("{RBAC}/namespaces/{here}/{resource}") };
        let theirs = match old {
            None => request("POST", &format!("{path}?dryRun=All"), &headers, object),
            Some(_) => request("PUT", &format!("{path}/{name}?dryRun=All"), &headers, object),
        };
        let theirs = real.ask(&real.client, theirs);
        let write = Write { resource, namespace: here, name: if old.is_some() { name } else { "" }, object, old };
        match escalation(&who, &authority(&index), &write) {
            Ok(()) => {
                assert!([200, 201].contains(&theirs.code), "{resource} {object}\ntheirs: {}", theirs.body);
                taken += 1;
            }
            Err(refusal) => {
                assert_eq!(refusal.status(), theirs.body, "{resource} {object}");
                refused += 1;
            }
        }
    };
    for at in 0..60 {
        let resource = *random.pick(&["roles", "clusterroles"]);
        let rules = rules(&mut random, resource == "clusterroles");
        compare(resource, "", &json!({"metadata": {"name": own(&format!("new{at}"))}, "rules": rules}), None);
    }
    let roles = [
        ("ClusterRole", "small"),
        ("ClusterRole", "large"),
        ("ClusterRole", "bindable"),
        ("ClusterRole", "writes"),
        ("ClusterRole", "none"),
        ("Role", "here"),
        ("Role", "none"),
    ];
    for (kind, role) in roles {
        for resource in ["rolebindings", "clusterrolebindings"] {
            if kind == "Role" && resource == "clusterrolebindings" {
                continue;
            }
            let role = json!({"apiGroup": GROUP, "kind": kind, "name": own(role)});
            let subjects = json!([{"apiGroup": GROUP, "kind": "User", "name": "somebody"}]);
            compare(
                resource,
                "",
                &json!({"metadata": {"name": own("new")}, "subjects": subjects, "roleRef": role}),
                None,
            );
        }
    }
    let gathers = json!({"metadata": {"name": own("new")}, "rules": [], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    compare("clusterroles", "", &gathers, None);
    // Changes: of rules, of what the right to escalate is for, and of what only the garbage collector minds.
    for (name, rules) in [
        ("small", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])),
        ("escalatable", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])),
        ("small", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])),
    ] {
        let old = real.get(&format!("{RBAC}/clusterroles/{}", own(name)));
        let mut new = old.clone();
        new["rules"] = rules;
        compare("clusterroles", &own(name), &new, Some(&old));
    }
    let old = real.get(&format!("{RBAC}/clusterroles/{}", own("large")));
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    compare("clusterroles", &own("large"), &labelled, Some(&old));
    let mut held = old.clone();
    held["metadata"]["finalizers"] = json!(["example.com/x"]);
    compare("clusterroles", &own("large"), &held, Some(&old));
    println!("{taken} taken, {refused} refused");
    assert!(taken >= 10 && refused >= 30, "{taken} {refused}");
}
