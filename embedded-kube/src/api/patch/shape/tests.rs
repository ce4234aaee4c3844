use aggregator_tests::control_plane::ControlPlane;
use serde_json::Value;

use super::*;

const KINDS: [(&str, &str, &[&str]); 10] = [
    (
        "",
        "api/v1",
        &["Namespace", "Node", "Pod", "Secret", "ConfigMap", "ServiceAccount", "Event", "ResourceQuota", "LimitRange"],
    ),
    ("apps", "apis/apps/v1", &["ControllerRevision"]),
    ("batch", "apis/batch/v1", &["Job"]),
    ("coordination.k8s.io", "apis/coordination.k8s.io/v1", &["Lease"]),
    ("events.k8s.io", "apis/events.k8s.io/v1", &["Event"]),
    ("networking.k8s.io", "apis/networking.k8s.io/v1", &["NetworkPolicy"]),
    (
        "rbac.authorization.k8s.io",
        "apis/rbac.authorization.k8s.io/v1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
    ),
    ("authorization.k8s.io", "apis/authorization.k8s.io/v1", &["SubjectAccessReview", "SelfSubjectAccessReview"]),
    ("authentication.k8s.io", "apis/authentication.k8s.io/v1", &["TokenReview"]),
    ("apiextensions.k8s.io", "apis/apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
];

/// What the API server publishes, read next to what the tables say.
struct Walk<'a> {
    schemas: &'a Value,
    path: Vec<String>,
    within: Vec<String>,
    fields: usize,
    differences: Vec<String>,
}

fn text<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Value::as_str)
}

fn reference(schema: &Value) -> Option<&str> {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"))?;
    reference.as_str()?.rsplit('/').next()
}

impl Walk<'_> {
    fn object(&mut self, name: &str, shape: &'static Shape) {
        if self.within.iter().any(|outer| outer == name) {
            return;
        }
        self.within.push(name.to_owned());
        let properties = self.schemas[name]["properties"].as_object().cloned().unwrap_or_default();
        if let Shape::Fields(fields) = shape {
            let unknown = fields.iter().filter(|(field, _)| !properties.contains_key(*field));
            let unknown: Vec<String> = unknown.map(|(field, _)| format!("{name} has no {field}")).collect();
            self.differences.extend(unknown);
        }
        for (field, schema) in &properties {
            self.path.push(field.clone());
            self.fields += 1;
            self.field(schema, shape.field(field));
            self.path.pop();
        }
        self.within.pop();
    }

    fn field(&mut self, schema: &Value, field: Option<&'static Field>) {
        if text(schema, "type") == Some("array") {
            let (applied, patched) = match field {
                Some(Field::List(list)) => (list.applied, list.patched),
                _ => (Applied::Atomic, Patched::Replace),
            };
            self.equal(format!("{:?}", published_applied(schema)), format!("{:?}", of_table(applied)));
            self.equal(format!("{:?}", published_patched(schema)), format!("{patched:?}"));
            if matches!(applied, Applied::Atomic) && patched == Patched::Replace {
                return;
            }
            if let (Some(Field::List(list)), Some(name)) = (field, reference(&schema["items"])) {
                self.value(name, None, Some(list.items));
            }
            return;
        }
        let shape = match field {
            Some(Field::Value(shape)) => Some(*shape),
            _ => None,
        };
        let map_type = text(schema, "x-kubernetes-map-type");
        match reference(schema).or_else(|| reference(&schema["additionalProperties"])) {
            Some(name) => self.value(name, map_type, shape),
            None => self.equal(map_type == Some("atomic"), matches!(shape, Some(Shape::Whole))),
        }
    }

    fn value(&mut self, name: &str, map_type: Option<&str>, shape: Option<&'static Shape>) {
        // Nothing says so, but it is anything, and one value.
        let anything = name.ends_with(".RawExtension");
        let atomic = map_type.or_else(|| text(&self.schemas[name], "x-kubernetes-map-type")) == Some("atomic");
        self.equal(atomic || anything, matches!(shape, Some(Shape::Whole)));
        if !atomic {
            self.object(name, shape.unwrap_or(&PLAIN));
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, published: T, ours: T) {
        if published != ours {
            self.differences.push(format!("{}: {published:?}, and not {ours:?}", self.path.join(".")));
        }
    }
}

fn of_table(applied: Applied) -> Vec<String> {
    match applied {
        Applied::Atomic => Vec::new(),
        Applied::Set => vec!["(set)".into()],
        Applied::Map(keys) => keys.iter().map(|(key, _)| (*key).to_owned()).collect(),
    }
}

fn published_applied(schema: &Value) -> Vec<String> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
    match text(schema, "x-kubernetes-list-type") {
        Some("set") => vec!["(set)".into()],
        Some("map") => keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    }
}

fn published_patched(schema: &Value) -> Patched {
    let strategy = text(schema, "x-kubernetes-patch-strategy").unwrap_or_default();
    match text(schema, "x-kubernetes-patch-merge-key") {
        _ if !strategy.split(',').any(|part| part == "merge") => Patched::Replace,
        None => Patched::Merge,
        Some(key) => Patched::By(key.to_owned().leak()),
    }
}

#[test]
fn the_tables_are_what_the_api_server_publishes() {
    let plane = ControlPlane::shared();
    let (mut fields, mut differences) = (0, Vec::new());
    for (group, path, kinds) in KINDS {
        let document: Value =
            serde_json::from_str(&plane.kubectl(["get", "--raw", &format!("/openapi/v3/{path}")])).unwrap();
        let schemas = &document["components"]["schemas"];
        for kind in kinds {
            let ending = format!(".{kind}");
            let found = schemas.as_object().unwrap().iter().find(|(name, schema)| {
                let kinds = schema["x-kubernetes-group-version-kind"].as_array();
                name.ends_with(&ending) && kinds.is_some_and(|kinds| kinds.iter().any(|of| of["kind"] == *kind))
            });
            let (name, _) = found.unwrap_or_else(|| panic!("{path} has no {kind}"));
            let path = vec![(*kind).to_owned()];
            let mut walk = Walk { schemas, path, within: Vec::new(), fields: 0, differences: Vec::new() };
            walk.object(name, objects::shape(group, kind));
            fields += walk.fields;
            differences.extend(walk.differences);
        }
    }
    println!("{fields} fields");
    assert!(fields > 2000, "{fields}");
    assert_eq!(differences, Vec::<String>::new());
}
