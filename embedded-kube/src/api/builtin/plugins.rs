//! What plug-ins of the real API server add to a new Pod: its ServiceAccount's token, how long it bears a node that is
//! gone, and its priority.

use serde_json::{Value, json};

use super::{default_to, items, items_mut, text};

/// Where programs look for the token.
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A token of an hour, and seven seconds by which it is known that nobody has chosen them.
const SECONDS: i64 = 3607;

/// Adds what plug-ins add; `suffix` is of five letters that no other volume of the Pod has at its end.
pub fn with_plugins(pod: &mut Value, account: &Value, suffix: &str) {
    let spec = &mut pod["spec"];
    if text(spec, "serviceAccountName").is_empty() {
        spec["serviceAccountName"] = "default".into();
        spec["serviceAccount"] = "default".into();
    }
    if items(spec, "imagePullSecrets").is_empty() && !items(account, "imagePullSecrets").is_empty() {
        spec["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
    let wanted = spec["automountServiceAccountToken"].as_bool().or(account["automountServiceAccountToken"].as_bool());
    if wanted != Some(false) {
        mount(spec, suffix);
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let bears = |one: &Value| {
            let all = text(one, "key").is_empty() && one["operator"] == "Exists";
            (all || one["key"] == key) && ["", "NoExecute"].contains(&text(one, "effect"))
        };
        if !items(spec, "tolerations").iter().any(bears) {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            push(spec, "tolerations", toleration);
        }
    }
    default_to(spec, "priority", 0);
    default_to(spec, "preemptionPolicy", "PreemptLowerPriority");
}

fn mount(spec: &mut Value, suffix: &str) {
    let name = format!("kube-api-access-{suffix}");
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in items_mut(spec, list) {
            if items(container, "volumeMounts").iter().any(|mount| mount["mountPath"] == PLACE) {
                continue;
            }
            push(container, "volumeMounts", json!({"name": name, "readOnly": true, "mountPath": PLACE}));
            mounted = true;
        }
    }
    if !mounted {
        return;
    }
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]);
    push(spec, "volumes", json!({"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}));
}

fn push(of: &mut Value, list: &str, item: Value) {
    if !of[list].is_array() {
        of[list] = json!([]);
    }
    if let Some(items) = of[list].as_array_mut() {
        items.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_no_token_gets_none() {
        let mut pod = json!({"spec": {"containers": [{"name": "c"}], "automountServiceAccountToken": false}});
        with_plugins(&mut pod, &json!({}), "abcde");
        assert!(pod["spec"]["volumes"].is_null());
        assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 2);
        let mut pod = json!({"spec": {"containers": [{"name": "c"}]}});
        with_plugins(&mut pod, &json!({"automountServiceAccountToken": false}), "abcde");
        assert!(pod["spec"]["volumes"].is_null());
    }
}
