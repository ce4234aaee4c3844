//! Objects of the cases.

use serde_json::{Value, json};

/// The node of each plane.
pub(crate) const NODE: &str = "main";

/// Kinds that are in no namespace.
const OUTSIDE: [&str; 6] =
    ["Buoy", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "Node"];

/// Where objects of an object's kind are, in the short form of a path.
pub(crate) fn place(object: &Value) -> String {
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let (version, kind) = (version.expect("a version"), kind.expect("a kind"));
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let plural = match kind.strip_suffix('y') {
        Some(stem) if kind != "Buoy" => format!("{}ies", stem.to_lowercase()),
        _ => format!("{}s", kind.to_lowercase()),
    };
    if OUTSIDE.contains(&kind) { format!("{root}/{plural}") } else { format!("{root}/namespaces/{{ns}}/{plural}") }
}

/// An object: its version, kind and name, and what else is merged into it.
pub(crate) fn object(version: &str, kind: &str, name: &str, more: &Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    json_patch::merge(&mut object, more);
    object
}

/// An object with more merged into it.
pub(crate) fn with(mut object: Value, more: &Value) -> Value {
    json_patch::merge(&mut object, more);
    object
}

/// A list of objects, as kubectl reads it.
pub(crate) fn list(objects: impl IntoIterator<Item = Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": objects.into_iter().collect::<Vec<_>>()})
}

/// A ConfigMap.
pub(crate) fn config(name: &str) -> Value {
    object("v1", "ConfigMap", name, &json!({"data": {"color": "red"}}))
}

/// A ConfigMap with labels.
pub(crate) fn labelled(name: &str, labels: &Value) -> Value {
    object("v1", "ConfigMap", name, &json!({"metadata": {"labels": labels}, "data": {"color": "red"}}))
}

/// A Secret.
pub(crate) fn secret(name: &str) -> Value {
    object("v1", "Secret", name, &json!({"stringData": {"password": "p4ss"}}))
}

/// What a Pod is to do: a script of the shell, on the node.
fn spec(script: &str) -> Value {
    json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "containers": [{"name": "main", "image": "tests/shell", "command": ["sh", "-c", script]}],
    })
}

/// A Pod that runs a script of the shell.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    object("v1", "Pod", name, &json!({"spec": spec(script)}))
}

/// A Pod that nobody runs: no scheduler looks at it.
pub(crate) fn idle_pod(name: &str) -> Value {
    with(pod(name, "exit 0"), &json!({"spec": {"schedulerName": "nobody"}}))
}

/// A Job whose Pods run a script of the shell; `more` is merged into its spec.
pub(crate) fn job(name: &str, script: &str, more: &Value) -> Value {
    let job = object("batch/v1", "Job", name, &json!({"spec": {"template": {"spec": spec(script)}}}));
    with(job, &json!({"spec": more}))
}

/// A Job that waits until somebody lets it.
pub(crate) fn suspended_job(name: &str) -> Value {
    job(name, "exit 0", &json!({"suspend": true}))
}

/// A role that lets read some resources of the core group.
pub(crate) fn reader(kind: &str, name: &str, resources: &[&str]) -> Value {
    let rules = json!([{"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]}]);
    object("rbac.authorization.k8s.io/v1", kind, name, &json!({"rules": rules}))
}

/// Binds a role of the namespace to a user.
pub(crate) fn binding(name: &str, role: &str, subject: &Value) -> Value {
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role});
    let more = json!({"roleRef": reference, "subjects": [subject]});
    object("rbac.authorization.k8s.io/v1", "RoleBinding", name, &more)
}

/// Somebody of that name.
pub(crate) fn user(name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name})
}

/// A ServiceAccount of the namespace, as a subject.
pub(crate) fn account(name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": "{ns}"})
}

/// A boat, whose kind has a bit of everything.
pub(crate) fn boat(name: &str, spec: &Value) -> Value {
    with(object("example.com/v1", "Boat", name, &json!({"spec": {"title": "anna"}})), &json!({"spec": spec}))
}

/// The definition of a kind: its names are made of one word, its group is that of the case.
pub(crate) fn definition(kind: &str, version: &Value) -> Value {
    let (group, singular) = ("{ns}.example.com", kind.to_lowercase());
    let mut own = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
    });
    json_patch::merge(&mut own, version);
    let names = json!({"kind": kind, "plural": format!("{singular}s"), "singular": singular});
    let spec = json!({"group": group, "scope": "Namespaced", "names": names, "versions": [own]});
    object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &format!("{singular}s.{group}"),
        &json!({"spec": spec}),
    )
}

/// The definitions that each plane has from the beginning: boats, which have a bit of everything; buoys, which have
/// nothing, and are in no namespace.
pub(crate) fn definitions() -> [Value; 2] {
    let column = |name: &str, kind: &str, path: &str, priority: i32| json!({"name": name, "type": kind, "jsonPath": path, "priority": priority});
    let condition = json!({
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string"},
            "reason": {"type": "string"},
            "message": {"type": "string"},
        },
    });
    let sail = json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "area": {"type": "integer", "default": 5}},
    });
    let spec = json!({
        "type": "object",
        "description": "What the boat is to be.",
        "required": ["title"],
        "properties": {
            "title": {"type": "string", "description": "What is painted on it.", "minLength": 1, "maxLength": 20, "pattern": "^[a-z-]+$"},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "blue"},
            "crew": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 10, "default": 1},
            "length": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
            "port": {"x-kubernetes-int-or-string": true},
            "tags": {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "sails": {"type": "array", "maxItems": 9, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": sail},
            "log": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
            "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "flags": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "boolean"}},
            "launched": {"type": "string", "format": "date-time", "nullable": true},
            "harbour": {"type": "string", "maxLength": 40, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "a boat stays in its harbour"}]},
            "season": {
                "type": "object",
                "required": ["from", "to"],
                "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.from < self.to", "messageExpression": "self.from == self.to ? 'a season has a beginning and an end' : 'a season begins before it ends'", "fieldPath": ".from"}],
            },
        },
        "x-kubernetes-validations": [
            {"rule": "self.crew <= 8 || self.color == 'red'", "message": "large crews are on red boats", "reason": "FieldValueForbidden"},
        ],
    });
    let status = json!({
        "type": "object",
        "properties": {
            "phase": {"type": "string"},
            "place": {"type": "string", "default": "harbour"},
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "items": condition},
        },
    });
    let schema = json!({"type": "object", "description": "Something that floats.", "properties": {"spec": spec, "status": status}});
    let boats = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [
            column("Color", "string", ".spec.color", 0),
            column("Crew", "integer", ".spec.crew", 0),
            column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", 0),
            column("Age", "date", ".metadata.creationTimestamp", 0),
            column("Title", "string", ".spec.title", 1),
        ],
    });
    let names =
        json!({"kind": "Boat", "plural": "boats", "singular": "boat", "shortNames": ["bo"], "categories": ["fleet"]});
    let boats = json!({"group": "example.com", "scope": "Namespaced", "names": names, "versions": [boats]});
    let buoys = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    });
    let names = json!({"kind": "Buoy", "plural": "buoys", "singular": "buoy", "categories": ["fleet"]});
    let buoys = json!({"group": "example.com", "scope": "Cluster", "names": names, "versions": [buoys]});
    let definition = |name: &str, spec: Value| {
        object("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, &json!({"spec": spec}))
    };
    [definition("boats.example.com", boats), definition("buoys.example.com", buoys)]
}

#[test]
fn objects_are_where_their_kinds_are() {
    assert_eq!(place(&config("a")), "/api/v1/namespaces/{ns}/configmaps");
    assert_eq!(place(&job("a", "", &json!({}))), "/apis/batch/v1/namespaces/{ns}/jobs");
    assert_eq!(place(&object("v1", "Node", "a", &json!({}))), "/api/v1/nodes");
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "a", &json!({}));
    assert_eq!(place(&policy), "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies");
    assert_eq!(place(&object("example.com/v1", "Buoy", "a", &json!({}))), "/apis/example.com/v1/buoys");
}
