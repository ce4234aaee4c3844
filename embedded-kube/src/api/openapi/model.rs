//! The schemas of kinds that CustomResourceDefinitions define, and of all lists.

use serde_json::{Map, Value, json};

use super::super::Kind;

const OBJECT_META: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
/// A kind of which every document has the schema.
const EVERYWHERE: &str = "io.k8s.api.core.v1.ConfigMap";

/// The name of a kind's schema: `com.example.v1.Shirt`.
pub(super) fn name(kind: &Kind) -> String {
    let mut group: Vec<&str> = kind.group.split('.').collect();
    group.reverse();
    format!("{}.{}.{}", group.join("."), kind.version, kind.kind)
}

/// By what clients find out which kind a schema or an operation is for.
pub(super) fn identity(kind: &Kind, suffix: &str) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": format!("{}{suffix}", kind.kind)})
}

/// The schema of a kind, which says of every kind's own fields what Kubernetes says of them.
pub(super) fn of(kind: &Kind, builtins: &Map<String, Value>) -> Value {
    let mut schema = (*kind.schema).clone();
    embed(&mut schema, builtins);
    common(&mut schema, "ObjectMeta", builtins);
    if let Some(metadata) = schema["properties"]["metadata"].as_object_mut() {
        // What is defined has no defaults of Go's types.
        metadata.remove("default");
    }
    schema
}

/// The schema of a list of the kind whose schema has that name.
pub(super) fn list(kind: &Kind, name: &str, builtins: &Map<String, Value>) -> Value {
    let mut schema = json!({
        "description": format!("{0}List is a list of {0}", kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {
                "description": format!("List of {}. More info: {CONVENTIONS}", kind.plural),
                "type": "array",
                "items": {"$ref": format!("#/components/schemas/{name}")},
            },
        },
        "x-kubernetes-group-version-kind": [identity(kind, "List")],
    });
    common(&mut schema, "ListMeta", builtins);
    if let Some(metadata) = schema["properties"]["metadata"].as_object_mut().filter(|_| kind.custom) {
        metadata.remove("default");
        metadata.insert(
            "description".into(),
            format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds").into(),
        );
    }
    schema
}

/// Gives a schema the fields that all objects have.
fn common(schema: &mut Value, meta: &str, builtins: &Map<String, Value>) {
    let described = |field: &str| {
        let own = builtins.get(EVERYWHERE).map(|schema| &schema["properties"][field]["description"]);
        own.cloned().unwrap_or_default()
    };
    let reference = if meta == "ListMeta" { LIST_META } else { OBJECT_META };
    schema["properties"]["apiVersion"] = json!({"type": "string", "description": described("apiVersion")});
    schema["properties"]["kind"] = json!({"type": "string", "description": described("kind")});
    schema["properties"]["metadata"] =
        json!({"allOf": [{"$ref": reference}], "description": described("metadata"), "default": {}});
}

/// Gives the objects within the object the same fields.
fn embed(schema: &mut Value, builtins: &Map<String, Value>) {
    for part in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(part).filter(|part| part.is_object()) {
            embed(part, builtins);
        }
    }
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        embed(property, builtins);
    }
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) && schema.get("anyOf").is_none() {
        schema["anyOf"] = json!([{"type": "integer"}, {"type": "string"}]);
    }
    if schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        common(schema, "ObjectMeta", builtins);
        // Other words than those for the object itself.
        schema["properties"]["apiVersion"]["description"] = format!(
            "apiVersion defines the versioned schema of this representation of an object. More info: {CONVENTIONS}#resources"
        )
        .into();
        schema["properties"]["kind"]["description"] = format!(
            "kind is a string value representing the type of this object. In CamelCase. More info: \
             {CONVENTIONS}#types-kinds"
        )
        .into();
        let mut required = schema["required"].as_array().cloned().unwrap_or_default();
        for field in ["kind", "apiVersion"] {
            if !required.iter().any(|one| one == field) {
                required.push(field.into());
            }
        }
        schema["required"] = required.into();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::builtin::Builtins;
    use super::*;
    use crate::api::discovery::sample::kind;

    #[test]
    fn a_kind_gets_the_fields_of_all_kinds() {
        let mut shirts = kind("wear.example.com", "v1", "Shirt", "shirts");
        shirts.custom = true;
        let template = json!({"type": "object", "x-kubernetes-embedded-resource": true, "required": ["kind"]});
        shirts.schema = Arc::new(json!({
            "type": "object",
            "properties": {
                "metadata": {"type": "object"},
                "spec": {"type": "object", "properties": {"templates": {"type": "array", "items": template}}},
            },
        }));
        assert_eq!(name(&shirts), "com.example.wear.v1.Shirt");
        let builtins = Builtins::new().take();
        let model = of(&shirts, &builtins);
        assert_eq!(model["properties"]["metadata"]["allOf"][0]["$ref"], OBJECT_META);
        let text = model["properties"]["kind"]["description"].as_str().unwrap();
        assert!(text.starts_with("Kind is a string value representing the REST resource"), "{text}");
        let embedded = &model["properties"]["spec"]["properties"]["templates"]["items"];
        assert_eq!(embedded["required"], json!(["kind", "apiVersion"]));
        assert_eq!(embedded["properties"]["metadata"]["allOf"][0]["$ref"], OBJECT_META);
        let list = list(&shirts, "com.example.wear.v1.Shirt", &builtins);
        assert_eq!(list["properties"]["items"]["items"]["$ref"], "#/components/schemas/com.example.wear.v1.Shirt");
        assert_eq!(list["properties"]["metadata"]["allOf"][0]["$ref"], LIST_META);
    }
}
