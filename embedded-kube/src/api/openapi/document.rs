//! The document of one version: what its kinds look like, and where they are.

use serde_json::{Map, Value, json};

use super::super::Kind;
use super::builtin::Builtins;
use super::{model, path};

/// The document of kinds that are of one version.
pub(super) fn document(kinds: &[Kind]) -> Value {
    let mut builtins = Builtins::new();
    let names: Vec<String> = kinds.iter().map(|kind| builtins.add(kind).unwrap_or_else(|| model::name(kind))).collect();
    let mut schemas = builtins.take();
    let mut paths = Map::new();
    for (kind, name) in kinds.iter().zip(&names) {
        let known = schemas.remove(name);
        let mut own = known.unwrap_or_else(|| model::of(kind, &schemas));
        own["x-kubernetes-group-version-kind"] = json!([model::identity(kind, "")]);
        schemas.insert(name.clone(), own);
        schemas.insert(format!("{name}List"), model::list(kind, name, &schemas));
        paths.extend(path::paths(kind, name));
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::discovery::sample::kind;

    /// Every schema that something refers to.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.insert(reference.clone());
                }
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn nothing_is_referred_to_that_is_not_there() {
        let mut jobs = kind("batch", "v1", "Job", "jobs");
        jobs.status = true;
        let mut shirts = kind("batch", "v1", "Shirt", "shirts");
        shirts.custom = true;
        let document = document(&[jobs, shirts, kind("", "v1", "ServiceAccount", "serviceaccounts")]);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.contains("#/components/schemas/io.k8s.api.core.v1.PodSpec"));
        assert!(found.contains("#/components/schemas/batch.v1.ShirtList"));
        for reference in &found {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference} is not there");
        }
        let schemas: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
        assert!(schemas.is_sorted());
    }

    #[test]
    fn only_what_the_api_requires_is_required() {
        let document = document(&[kind("", "v1", "Pod", "pods"), kind("", "v1", "Event", "events")]);
        let required =
            |name: &str| &document["components"]["schemas"][format!("io.k8s.api.core.v1.{name}")]["required"];
        assert_eq!(required("Pod"), &Value::Null);
        assert_eq!(required("Event"), &json!(["involvedObject", "metadata"]));
        assert_eq!(required("PodSpec"), &json!(["containers"]));
    }
}
