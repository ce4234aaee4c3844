//! What is taken out of an object: fields that its schema does not know, and `null` where nothing may be.

use serde_json::Value;

use super::shape::Schema;
use super::tree::join;

/// Fields that every object has, whatever its schema says.
pub(crate) const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Takes out what the schema does not know, and gives back what that was, in order. The whole is an object of its own.
pub(crate) fn prune(object: &mut Value, schema: &Schema, whole: bool) -> Vec<String> {
    let mut unknown = Vec::new();
    if schema.preserve {
        skip(object, schema, whole || schema.embedded, "", &mut unknown);
    } else {
        prune_known(object, Some(schema), whole || schema.embedded, "", &mut unknown);
    }
    unknown.sort();
    unknown
}

fn visit(value: &mut Value, schema: Option<&Schema>, path: &str, unknown: &mut Vec<String>) {
    match schema {
        Some(schema) if schema.preserve => skip(value, schema, schema.embedded, path, unknown),
        _ => prune_known(value, schema, schema.is_some_and(|schema| schema.embedded), path, unknown),
    }
}

fn prune_known(value: &mut Value, schema: Option<&Schema>, embedded: bool, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.retain(|name, field| {
            if embedded && META.contains(&name.as_str()) {
                return true;
            }
            let place = join(path, name);
            let of = schema.map(|schema| (schema.properties.get(name), &schema.additional));
            match of {
                Some((Some(of), _)) => visit(field, Some(of), &place, unknown),
                Some((None, additional)) if additional.is_said() => {
                    visit(field, additional.schema(), &place, unknown);
                }
                _ => {
                    if !META.contains(&name.as_str()) || !path.is_empty() || schema.is_none() {
                        unknown.push(place);
                    }
                    return false;
                }
            }
            true
        }),
        Value::Array(items) => {
            let of = schema.and_then(|schema| schema.items.as_deref());
            for (place, item) in items.iter_mut().enumerate() {
                visit(item, of, &format!("{path}[{place}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Everything is kept here, but below what the schema names.
fn skip(value: &mut Value, schema: &Schema, embedded: bool, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if embedded && META.contains(&name.as_str()) {
                    continue;
                }
                let place = join(path, name);
                if let Some(of) = schema.properties.get(name) {
                    visit(field, Some(of), &place, unknown);
                } else if schema.additional.is_said() {
                    visit(field, schema.additional.schema(), &place, unknown);
                }
            }
        }
        Value::Array(items) => {
            let Some(of) = schema.items.as_deref() else { return };
            for (place, item) in items.iter_mut().enumerate() {
                skip(item, of, of.embedded, &format!("{path}[{place}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Takes out every `null` that may not be and that no default replaces.
pub(crate) fn drop_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(fields) => fields.retain(|name, field| {
            let of = schema.and_then(|schema| schema.field(name));
            let dropped = field.is_null() && of.is_some_and(|of| !of.nullable && of.default.is_none());
            if !dropped {
                drop_nulls(field, of);
            }
            !dropped
        }),
        Value::Array(items) => {
            let of = schema.and_then(|schema| schema.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(item, of));
        }
        _ => {}
    }
}

/// Fills in what is not there.
pub(crate) fn fill_in(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(fields) => {
            for (name, of) in schema.properties.iter() {
                let Some(default) = &of.default else { continue };
                let absent = fields.get(name).is_none_or(|field| field.is_null() && !of.nullable);
                if absent {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, field) in fields {
                if let Some(of) = schema.properties.get(name) {
                    fill_in(field, of);
                } else if let Some(of) = schema.additional.schema() {
                    replace_null(field, of);
                    fill_in(field, of);
                }
            }
        }
        Value::Array(items) => {
            let Some(of) = schema.items.as_deref() else { return };
            for item in items {
                replace_null(item, of);
                fill_in(item, of);
            }
        }
        _ => {}
    }
}

fn replace_null(value: &mut Value, schema: &Schema) {
    if let Some(default) = schema.default.as_ref().filter(|_| value.is_null() && !schema.nullable) {
        *value = default.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::read(&json!({
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "known": {"type": "string", "default": "x"},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                            "properties": {"strict": {"type": "object", "properties": {"a": {"type": "string"}}}}},
                        "list": {"type": "array", "items": {"type": "object", "properties": {
                            "a": {"type": "string", "default": "b"}}}},
                        "map": {"type": "object", "additionalProperties": {"type": "string", "nullable": true}},
                        "any": {"type": "object", "additionalProperties": true},
                        "whole": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {
                            "spec": {"type": "object"}}},
                        "null": {"type": "string", "nullable": true, "default": "y"},
                    },
                },
            },
        }))
    }

    #[test]
    fn what_the_schema_does_not_know_goes() {
        let mut object = json!({
            "kind": "K", "metadata": {"x": 1}, "other": 1,
            "spec": {
                "known": "k", "unknown": {"deep": 1},
                "free": {"any": {"thing": 1}, "strict": {"a": "1", "b": 2}},
                "list": [{"a": "1", "c": 1}], "map": {"k": null}, "any": {"p": {"q": 1}},
                "whole": {"kind": "A", "metadata": {"y": 1}, "spec": {"z": 1}, "data": 1},
            },
        });
        let unknown = prune(&mut object, &schema(), true);
        assert_eq!(
            unknown,
            [
                "other",
                "spec.any.p.q",
                "spec.free.strict.b",
                "spec.list[0].c",
                "spec.unknown",
                "spec.whole.data",
                "spec.whole.spec.z"
            ],
        );
        assert_eq!(
            object,
            json!({
                "kind": "K", "metadata": {"x": 1},
                "spec": {
                    "known": "k", "free": {"any": {"thing": 1}, "strict": {"a": "1"}},
                    "list": [{"a": "1"}], "map": {"k": null}, "any": {"p": {}},
                    "whole": {"kind": "A", "metadata": {"y": 1}, "spec": {}},
                },
            }),
        );
    }

    #[test]
    fn nulls_go_and_defaults_come() {
        let mut object =
            json!({"spec": {"known": null, "free": null, "list": [{"a": null}, {}], "map": {"k": null}, "null": null}});
        drop_nulls(&mut object, Some(&schema()));
        assert_eq!(
            object,
            json!({"spec": {"known": null, "list": [{"a": null}, {}], "map": {"k": null}, "null": null}})
        );
        fill_in(&mut object, &schema());
        assert_eq!(
            object,
            json!({"spec": {"known": "x", "list": [{"a": "b"}, {"a": "b"}], "map": {"k": null}, "null": null}}),
        );
    }
}
