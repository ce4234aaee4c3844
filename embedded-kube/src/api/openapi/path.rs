//! Where a kind's objects are, and what can be done there.

use serde_json::{Map, Value, json};

use super::super::Kind;
use super::super::discovery::{GroupVersion, subresources, verbs};
use super::operation::{Operation, parameter};

/// The paths of a kind whose schema has that name.
pub(super) fn paths(kind: &Kind, name: &str) -> Map<String, Value> {
    let mut paths = Map::new();
    let root = format!("/{}", GroupVersion { group: &kind.group, version: &kind.version }.path());
    let listed = format!("{name}List");
    let mut collection = format!("{root}/{}", kind.plural);
    if kind.namespaced {
        if verbs(kind).contains(&"list") {
            let operation = Operation { kind, action: "list", suffix: "ForAllNamespaces", answer: &listed, body: None };
            paths.insert(collection, place(kind, false, false, [operation]));
        }
        collection = format!("{root}/namespaces/{{namespace}}/{}", kind.plural);
    }
    let operation = |action: &'static str, suffix: &'static str| {
        let (answer, body) = match action {
            "list" => (listed.as_str(), None),
            "get" => (name, None),
            "delete" | "deletecollection" => (STATUS, Some(DELETE_OPTIONS)),
            _ => (name, Some(name)),
        };
        Operation { kind, action, suffix, answer, body }
    };
    let offered = |actions: &[(&'static str, &str)]| {
        let offered = actions.iter().filter(|(_, verb)| verbs(kind).contains(verb));
        offered.map(|(action, _)| operation(action, "")).collect::<Vec<_>>()
    };
    let on_all = offered(&[("list", "list"), ("post", "create"), ("deletecollection", "deletecollection")]);
    paths.insert(collection.clone(), place(kind, kind.namespaced, false, on_all));
    let on_one = offered(&[("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete")]);
    if on_one.is_empty() {
        return paths;
    }
    let object = format!("{collection}/{{name}}");
    paths.insert(object.clone(), place(kind, kind.namespaced, true, on_one));
    for part in subresources(kind) {
        let operations = match part.name {
            "log" => vec![Operation { answer: "", ..operation("get", "Log") }],
            "token" => vec![Operation { answer: TOKEN, body: Some(TOKEN), ..operation("post", "Token") }],
            _ => ["get", "put", "patch"].map(|action| operation(action, "Status")).into(),
        };
        paths.insert(format!("{object}/{}", part.name), place(kind, kind.namespaced, true, operations));
    }
    paths
}

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const TOKEN: &str = "io.k8s.api.authentication.v1.TokenRequest";

fn place<'a>(
    kind: &Kind,
    in_namespace: bool,
    named: bool,
    operations: impl IntoIterator<Item = Operation<'a>>,
) -> Value {
    let mut place = Map::new();
    for operation in operations {
        place.insert(operation.method().to_owned(), operation.described());
    }
    let mut parameters = Vec::new();
    if named {
        parameters.push(parameter("path", "name", "string", &format!("name of the {}", kind.kind)));
    }
    if in_namespace {
        let what = "object name and auth scope, such as for teams and projects";
        parameters.push(parameter("path", "namespace", "string", what));
    }
    if !parameters.is_empty() {
        place.insert("parameters".to_owned(), json!(parameters));
    }
    place.into()
}
