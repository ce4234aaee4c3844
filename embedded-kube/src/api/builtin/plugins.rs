//! What plug-ins of the real API server add to a new Pod: its ServiceAccount's token, how long it bears a node that is
//! gone, and its priority.

use serde_json::{Value, json};

use super::{default_to, items, items_mut, text};

/// Where programs look for the token.
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How the name of the token's volume begins.
const VOLUME: &str = "kube-api-access-";
/// A token of an hour, and seven seconds by which it is known that nobody has chosen them.
const SECONDS: i64 = 3607;

/// Adds what plug-ins add; `suffix` is of five letters, by which the volume of the token is told from others.
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
    bear_lost_nodes(pod);
    let spec = &mut pod["spec"];
    default_to(spec, "priority", 0);
    default_to(spec, "preemptionPolicy", "PreemptLowerPriority");
}

/// A Pod bears for a while that its node is gone, unless it says otherwise; also when it is changed.
pub fn bear_lost_nodes(pod: &mut Value) {
    let spec = &mut pod["spec"];
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let bears =
            |one: &Value| ["", key].contains(&text(one, "key")) && ["", "NoExecute"].contains(&text(one, "effect"));
        if !items(spec, "tolerations").iter().any(bears) {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            push(spec, "tolerations", toleration);
        }
    }
}

fn mount(spec: &mut Value, suffix: &str) {
    // Somebody may have copied a Pod that has it already.
    let there = items(spec, "volumes").iter().map(|volume| text(volume, "name")).find(|name| name.starts_with(VOLUME));
    let (is_there, name) = (there.is_some(), there.map_or_else(|| format!("{VOLUME}{suffix}"), str::to_owned));
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
    if is_there || !mounted {
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

    #[test]
    fn a_copy_of_a_pod_has_one_volume_for_its_token() {
        let mut pod = json!({"spec": {
            "serviceAccountName": "worker", "initContainers": [{"name": "i"}], "containers": [{"name": "c"}],
            "tolerations": [{"operator": "Exists"}],
        }});
        with_plugins(&mut pod, &json!({"imagePullSecrets": [{"name": "s"}]}), "abcde");
        assert_eq!(pod["spec"]["serviceAccountName"], "worker");
        assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "s"}]));
        assert_eq!(pod["spec"]["tolerations"], json!([{"operator": "Exists"}]));
        let mount = json!([{"name": "kube-api-access-abcde", "readOnly": true, "mountPath": PLACE}]);
        for list in ["initContainers", "containers"] {
            assert_eq!(pod["spec"][list][0]["volumeMounts"], mount);
        }
        assert_eq!(pod["spec"]["volumes"][0]["name"], "kube-api-access-abcde");
        pod["spec"]["containers"][0]["volumeMounts"] = Value::Null;
        with_plugins(&mut pod, &json!({}), "fghij");
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"], mount);
        assert_eq!(items(&pod["spec"], "volumes").len(), 1);
    }
}
