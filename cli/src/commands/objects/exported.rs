//! Objects as manifests that another server takes as they are.

use serde_json::{Map, Value, json};

use super::yaml::sorted;

/// Labels and annotations that begin so are the operator's, or ask it for something once.
const OWN: &str = "aggregator.dev/";
/// Those of the server and its tools.
const OTHERS: [&str; 3] =
    ["kubectl.kubernetes.io/last-applied-configuration", "kubernetes.io/metadata.name", "deployment.kubernetes.io/"];
/// What the operator puts on everything that it makes.
const MANAGED_BY: (&str, &str) = aggregator_operator::labels::MANAGED_BY;
/// Namespaces that every cluster has.
const EVERYWHERE: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// An object without all that belongs to its server: a manifest. None for what is not exported: Secrets, what is about to go,
/// and namespaces that are everywhere.
pub(super) fn exported(object: Value) -> Option<Value> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let (secret, namespace) = (version == "v1" && kind == "Secret", version == "v1" && kind == "Namespace");
    let going = object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    if name.is_empty() || secret || going || (namespace && EVERYWHERE.contains(&name)) {
        return None;
    }
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    match text("/metadata/namespace") {
        "" => {}
        within => {
            metadata.insert("namespace".into(), within.into());
        }
    }
    for field in ["labels", "annotations"] {
        let kept = kept(&object["metadata"][field]);
        if !kept.is_empty() {
            metadata.insert(field.into(), sorted(kept.into()));
        }
    }
    let mut manifest = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
    // A namespace's spec says only who may finish it off.
    if let (false, Some(spec)) = (namespace, object.get("spec")) {
        manifest["spec"] = sorted(spec.clone());
    }
    Some(manifest)
}

/// The labels or annotations that somebody has written for other people.
fn kept(all: &Value) -> Map<String, Value> {
    let own = |name: &str, value: &Value| {
        name.starts_with(OWN)
            || OTHERS.iter().any(|other| name.starts_with(other))
            || (name == MANAGED_BY.0 && value == MANAGED_BY.1)
    };
    let kept = all.as_object().into_iter().flatten().filter(|(name, value)| !own(name, value));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_server_is_left_out() {
        let object = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "Connector",
            "metadata": {
                "name": "shop", "namespace": "demo", "uid": "1", "resourceVersion": "2", "generation": 3,
                "creationTimestamp": "2026-11-29T10:00:00Z", "managedFields": [{}], "selfLink": "x",
                "ownerReferences": [{"uid": "4"}], "finalizers": ["a/b"],
                "labels": {"team": "a", "app.kubernetes.io/managed-by": "aggregator", "aggregator.dev/pipeline": "p"},
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{}", "aggregator.dev/check-requested-at": "now",
                },
            },
            "spec": {"postgres": {"port": 5432, "host": "db"}, "description": "a shop"},
            "status": {"type": "postgres"},
        });
        let expected = json!({
            "apiVersion": "aggregator.dev/v1alpha1",
            "kind": "Connector",
            "metadata": {"name": "shop", "namespace": "demo", "labels": {"team": "a"}},
            "spec": {"description": "a shop", "postgres": {"host": "db", "port": 5432}},
        });
        let manifest = exported(object).expect("a manifest");
        // As text, so that the order counts.
        assert_eq!(manifest.to_string(), expected.to_string());
        assert_eq!(exported(manifest.clone()), Some(manifest));
    }

    #[test]
    fn labels_of_another_manager_stay() {
        let labels = json!({"app.kubernetes.io/managed-by": "Helm"});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}});
        assert_eq!(exported(object).map(|manifest| manifest["metadata"]["labels"].clone()), Some(labels));
    }

    #[test]
    fn a_namespace_is_its_name_and_some_are_everywhere() {
        let namespace = |name: &str| {
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, "team": "a"}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            })
        };
        let expected =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo", "labels": {"team": "a"}}});
        assert_eq!(exported(namespace("demo")), Some(expected));
        assert_eq!(exported(namespace("default")), None);
        assert_eq!(exported(namespace("kube-system")), None);
    }

    #[test]
    fn secrets_and_what_is_about_to_go_are_not_exported() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"b": "Yw=="}});
        assert_eq!(exported(secret), None);
        let going = json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Pipeline",
            "metadata": {"name": "a", "deletionTimestamp": "2026-11-29T10:00:00Z"}, "spec": {},
        });
        assert_eq!(exported(going), None);
        assert_eq!(exported(json!({"kind": "Pipeline"})), None);
    }
}
