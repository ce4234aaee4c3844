//! Kinds, as the API server describes them.

use std::sync::Arc;

use aggregator_embedded_kube::api::Kind;
use serde_json::{Map, Value, json};

use super::server::Server;

/// A schema without references, and without descriptions. What refers to itself ends as any value.
pub(crate) fn resolved(schemas: &Value, schema: &Value, within: &[&str]) -> Value {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    if let Some(reference) = reference {
        let name = reference.rsplit('/').next().unwrap();
        if within.contains(&name) {
            return json!({"x-kubernetes-preserve-unknown-fields": true});
        }
        let within: Vec<&str> = within.iter().copied().chain([name]).collect();
        let mut target = resolved(schemas, &schemas[name], &within);
        for (key, value) in schema.as_object().unwrap() {
            if key.starts_with("x-kubernetes-") || key == "default" {
                target[key] = value.clone();
            }
        }
        return target;
    }
    match schema {
        Value::Object(members) => {
            let members = members.iter().filter(|(key, value)| *key != "description" || !value.is_string());
            Value::Object(members.map(|(key, value)| (key.clone(), resolved(schemas, value, within))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| resolved(schemas, item, within)).collect()),
        value => value.clone(),
    }
}

/// A built-in kind.
pub(crate) fn built_in(server: &Server, group: &str, version: &str, kind: &str, plural: &str) -> Kind {
    let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
    let document = server.get(&format!("/openapi/v3/{path}"));
    let schemas = &document["components"]["schemas"];
    let wanted = json!([{"group": group, "version": version, "kind": kind}]);
    let (name, schema) = schemas
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, schema)| schema.get("x-kubernetes-group-version-kind") == Some(&wanted))
        .unwrap_or_else(|| panic!("{path} has no {kind}"));
    let schema = resolved(schemas, schema, &[name.as_str()]);
    described(group, version, kind, plural, false, schema)
}

pub(crate) fn described(group: &str, version: &str, kind: &str, plural: &str, custom: bool, schema: Value) -> Kind {
    Kind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        status: schema.pointer("/properties/status").is_some(),
        custom,
        schema: Arc::new(schema),
        columns: Vec::new(),
    }
}

/// The schema without what says how values merge.
pub(crate) fn without_extensions(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .iter()
                .filter(|(key, _)| {
                    !matches!(
                        key.as_str(),
                        "x-kubernetes-list-type" | "x-kubernetes-list-map-keys" | "x-kubernetes-map-type"
                    )
                })
                .map(|(key, value)| (key.clone(), without_extensions(value)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.iter().map(without_extensions).collect()),
        value => value.clone(),
    }
}
