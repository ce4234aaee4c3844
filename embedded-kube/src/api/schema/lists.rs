//! Lists whose items must differ: sets, and lists whose items have keys.

use serde_json::{Map, Value};

use super::mistake;
use super::path::Path;
use super::shape::Schema;
use crate::api::Cause;

/// What is there twice.
pub(crate) fn check(value: &Value, schema: &Schema, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    visit(value, schema, path, &mut causes);
    causes
}

fn visit(value: &Value, schema: &Schema, path: &Path, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(of) = schema.additional.schema() {
                    visit(field, of, &path.key(name), causes);
                }
                if let Some(of) = schema.properties.get(name) {
                    visit(field, of, &path.child(name), causes);
                }
            }
        }
        Value::Array(items) => {
            match schema.list_type.as_deref() {
                Some("set") => {
                    let again = repeated(items);
                    causes.extend(again.into_iter().map(|place| mistake::duplicate(&path.index(place), &items[place])));
                }
                Some("map") => causes.extend(with_keys(items, schema, path)),
                _ => {}
            }
            let Some(of) = &schema.items else { return };
            for (place, item) in items.iter().enumerate() {
                visit(item, of, &path.index(place), causes);
            }
        }
        _ => {}
    }
}

/// The second of each that are alike.
fn repeated<T: PartialEq>(items: &[T]) -> Vec<usize> {
    let second = |place: &usize| items[..*place].iter().filter(|item| **item == items[*place]).count() == 1;
    (0..items.len()).filter(second).collect()
}

fn with_keys(items: &[Value], schema: &Schema, path: &Path) -> Vec<Cause> {
    if let Some(place) = items.iter().position(|item| !item.is_null() && !item.is_object()) {
        let detail = "must be an object for an array of list-type map";
        return vec![mistake::invalid(&path.index(place), &items[place], detail)];
    }
    let keys: Vec<Value> = items.iter().map(|item| keys(item, schema)).collect();
    repeated(&keys).into_iter().map(|place| mistake::duplicate(&path.index(place), &keys[place])).collect()
}

fn keys(item: &Value, schema: &Schema) -> Value {
    let key = |name: &String| item.get(name).map(|value| (name.clone(), value.clone()));
    schema.list_keys.iter().filter_map(key).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_twice_is_told_once() {
        let schema = Schema::read(&json!({
            "type": "object",
            "properties": {
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                    "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}},
            },
        }));
        let value = json!({"set": ["x", "y", "x", "x"], "map": [{"a": "p"}, {"a": "p", "b": 1}, {"a": "p", "c": 1}]});
        let causes = check(&value, &schema, &Path::default());
        let told: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(told, ["set[2]: Duplicate value: \"x\"", "map[2]: Duplicate value: {\"a\":\"p\"}"]);
    }
}
