//! A value and what it was before, where that can be told.

use serde_json::{Map, Value};

use super::shape::Schema;

/// A value, what it was, and what it must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) new: &'a Value,
    pub(crate) old: &'a Value,
    pub(crate) schema: &'a Schema,
}

impl<'a> Pair<'a> {
    /// A field of both.
    pub(crate) fn key(self, name: &str) -> Option<Self> {
        let (new, old) = (self.new.as_object()?.get(name)?, self.old.as_object()?.get(name)?);
        Some(Self { new, old, schema: self.schema.field(name)? })
    }

    /// An item of both: only lists whose items have keys can be compared.
    pub(crate) fn index(self, place: usize) -> Option<Self> {
        let old = before(self.schema, self.old, self.new.as_array()?.get(place)?)?;
        Some(Self { new: self.new.as_array()?.get(place)?, old, schema: self.schema.items.as_deref()? })
    }

    /// Whether nothing has changed. What the schema does not know counts as changed.
    pub(crate) fn is_equal(self) -> bool {
        match (self.new, self.old) {
            (Value::Array(new), Value::Array(old)) => {
                if new.len() != old.len() {
                    return false;
                }
                if self.schema.list_type.as_deref() != Some("map") {
                    return new == old;
                }
                (0..new.len()).all(|place| self.index(place).is_some_and(Self::is_equal))
            }
            (Value::Object(new), Value::Object(old)) => {
                new.len() == old.len() && new.keys().all(|name| self.key(name).is_some_and(Self::is_equal))
            }
            (new, old) => new == old,
        }
    }
}

/// What an item of a list with keys was before.
pub(crate) fn before<'a>(schema: &Schema, old: &'a Value, item: &Value) -> Option<&'a Value> {
    if schema.list_type.as_deref() != Some("map") || schema.list_keys.is_empty() {
        return None;
    }
    let key = key(schema, item.as_object()?)?;
    old.as_array()?.iter().find(|old| old.as_object().and_then(|old| self::key(schema, old)).as_ref() == Some(&key))
}

/// The values of an item's keys, if it has all of them.
fn key<'a>(schema: &Schema, item: &'a Map<String, Value>) -> Option<Vec<&'a Value>> {
    let plain = |value: &&Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    schema.list_keys.iter().map(|name| item.get(name).filter(plain)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_found_by_their_keys() {
        let schema = Schema::read(&json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}},
        }));
        let old = json!([{"name": "a", "size": 1}, {"name": "b", "size": 2}]);
        let moved = json!([{"name": "b", "size": 2}, {"name": "a", "size": 1}]);
        assert!(Pair { new: &moved, old: &old, schema: &schema }.is_equal());
        let changed = json!([{"name": "b", "size": 3}, {"name": "a", "size": 1}]);
        let pair = Pair { new: &changed, old: &old, schema: &schema };
        assert!(!pair.is_equal());
        assert_eq!(pair.index(0).unwrap().old, &json!({"name": "b", "size": 2}));
        assert!(pair.index(1).unwrap().is_equal());
        assert_eq!(before(&schema, &old, &json!({"size": 1})), None);
    }
}
