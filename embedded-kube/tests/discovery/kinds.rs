//! The kinds that are compared.

use std::sync::Arc;

use aggregator_embedded_kube::api::{Column, Kind};
use serde_json::{Value, json};

/// Group, version, kind, plural, short names (by commas), categories, whether it is namespaced, whether it has a status.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, bool, bool);

const BUILT_IN: [Row; 25] = [
    ("", "v1", "ConfigMap", "configmaps", "cm", "", true, false),
    ("", "v1", "Event", "events", "ev", "", true, false),
    ("", "v1", "LimitRange", "limitranges", "limits", "", true, false),
    ("", "v1", "Namespace", "namespaces", "ns", "", false, true),
    ("", "v1", "Node", "nodes", "no", "", false, true),
    ("", "v1", "Pod", "pods", "po", "all", true, true),
    ("", "v1", "ResourceQuota", "resourcequotas", "quota", "", true, true),
    ("", "v1", "Secret", "secrets", "", "", true, false),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", "", true, false),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "", "", true, false),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "", "", false, false),
    ("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", "", "", false, false),
    ("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", "", "", true, false),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "", "", false, false),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "", "", false, false),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "", "", false, false),
    ("batch", "v1", "Job", "jobs", "", "all", true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", "", true, false),
    ("events.k8s.io", "v1", "Event", "events", "ev", "", true, false),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", "", true, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", "", false, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", "", false, false),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", "", true, false),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", "", true, false),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd,crds",
        "api-extensions",
        false,
        true,
    ),
];

/// All of them.
pub(crate) fn all() -> Vec<Kind> {
    BUILT_IN.iter().map(built_in).chain(definitions().iter().flat_map(custom)).collect()
}

/// The kind of that group and plural.
pub(crate) fn named(group: &str, plural: &str) -> Kind {
    all().into_iter().find(|kind| kind.group == group && kind.plural == plural).expect("a kind of the list")
}

/// Where its objects are.
pub(crate) fn place(kind: &Kind, namespace: &str) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let namespace = if kind.namespaced { format!("/namespaces/{namespace}") } else { String::new() };
    format!("{root}/{}{namespace}/{}", kind.version, kind.plural)
}

fn built_in(row: &Row) -> Kind {
    let (group, version, kind, plural, short_names, categories, namespaced, status) = *row;
    let words = |text: &str| text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: words(short_names),
        categories: words(categories),
        namespaced,
        status,
        custom: false,
        schema: Arc::new(json!({"type": "object"})),
        columns: Vec::new(),
    }
}

/// The kinds of a definition, one for each version.
fn custom(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let of = |version: &Value| Kind {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        kind: text(&spec["names"]["kind"]),
        plural: text(&spec["names"]["plural"]),
        singular: text(&spec["names"]["singular"]),
        short_names: texts(&spec["names"]["shortNames"]),
        categories: texts(&spec["names"]["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        status: version["subresources"].get("status").is_some(),
        custom: true,
        schema: Arc::new(version["schema"]["openAPIV3Schema"].clone()),
        columns: version["additionalPrinterColumns"].as_array().into_iter().flatten().map(column).collect(),
    };
    spec["versions"].as_array().into_iter().flatten().map(of).collect()
}

fn column(column: &Value) -> Column {
    let text = |field: &str| column[field].as_str().unwrap_or_default().to_owned();
    Column {
        name: text("name"),
        column_type: text("type"),
        format: text("format"),
        description: text("description"),
        priority: column["priority"].as_i64().and_then(|number| number.try_into().ok()).unwrap_or_default(),
        json_path: text("jsonPath"),
    }
}

/// Shirts, which have a bit of everything; caps, which have nothing.
pub(crate) fn definitions() -> [Value; 2] {
    let column = |name: &str, column_type: &str, path: &str, rest: Value| {
        let mut column = json!({"name": name, "type": column_type, "jsonPath": path});
        for (key, value) in rest.as_object().unwrap() {
            column[key] = value.clone();
        }
        column
    };
    let columns = [
        column("Color", "string", ".spec.color", json!({"description": "What color it is."})),
        column("Size", "integer", ".spec.size", json!({"format": "int32"})),
        column("Price", "number", ".spec.price", json!({})),
        column("Price Text", "string", ".spec.price", json!({})),
        column("Washed", "boolean", ".spec.washed", json!({})),
        column("Since", "date", ".spec.since", json!({"format": "date-time"})),
        column("Age", "date", ".metadata.creationTimestamp", json!({})),
        column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", json!({"priority": 1})),
        column("Seen", "date", ".status.conditions[?(@.type==\"Ready\")].lastTransitionTime", json!({})),
        column("Tags", "string", ".spec.tags", json!({})),
        column("First", "string", ".spec.tags[0]", json!({})),
        column("Last", "string", ".spec.tags[-1]", json!({})),
        column("Labels", "string", ".metadata.labels", json!({})),
        column("Team", "string", ".metadata.labels.example\\.com/team", json!({"priority": 2})),
        column("Size Text", "string", ".spec.size", json!({})),
        column("Color Number", "integer", ".spec.color", json!({})),
        column("Any", "string", ".spec.any", json!({})),
        column("Maybe", "string", ".spec.maybe", json!({})),
    ];
    let condition = json!({
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    });
    let schema = json!({
        "type": "object",
        "description": "Shirt is something to wear.\n\nIt has a color and a size.",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "description": "What it should be like.",
                "required": ["color"],
                "properties": {
                    "color": {"type": "string", "description": "What color it is.", "enum": ["red", "blue", "green", "", "white"]},
                    "size": {"type": "integer", "format": "int32", "minimum": 1, "default": 4, "description": "Its size, in the measure of its country, which may be large or small, and is told nowhere."},
                    "price": {"type": "number"},
                    "washed": {"type": "boolean"},
                    "since": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "any": {"x-kubernetes-preserve-unknown-fields": true},
                    "maybe": {"type": "string", "nullable": true},
                    "port": {"x-kubernetes-int-or-string": true, "description": "A number or a name."},
                    "parts": {
                        "type": "array",
                        "description": "Of what it is made.",
                        "items": {
                            "type": "object",
                            "description": "A part.",
                            "required": ["name"],
                            "properties": {
                                "name": {"type": "string", "description": "What it is called."},
                                "weights": {"type": "object", "additionalProperties": {"type": "integer", "format": "int64"}},
                            },
                        },
                    },
                    "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true, "description": "Another object."},
                },
            },
            "status": {
                "type": "object",
                "properties": {"conditions": {"type": "array", "items": condition}},
            },
        },
    });
    let shirt = |name: &str, storage: bool, columns: &[Value]| {
        json!({
            "name": name,
            "served": true,
            "storage": storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
            "additionalPrinterColumns": columns,
            "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".spec.washed"}],
        })
    };
    let definition = |plural: &str, names: Value, scope: &str, versions: Value| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.wear.example.com")},
            "spec": {"group": "wear.example.com", "names": names, "scope": scope, "versions": versions},
        })
    };
    let shirts = json!({
        "kind": "Shirt", "listKind": "ShirtList", "plural": "shirts", "singular": "shirt",
        "shortNames": ["sh"], "categories": ["clothes", "all"],
    });
    let caps = json!({"kind": "Cap", "listKind": "CapList", "plural": "caps", "singular": "cap"});
    let cap = json!([{
        "name": "v1",
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }]);
    [
        definition(
            "shirts",
            shirts,
            "Namespaced",
            json!([shirt("v1", true, &columns), shirt("v1beta1", false, &columns[..1])]),
        ),
        definition("caps", caps, "Cluster", cap),
    ]
}
