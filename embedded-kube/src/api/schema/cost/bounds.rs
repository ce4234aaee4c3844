//! How large what a schema describes may be
//! (<https://github.com/kubernetes/apiserver/blob/master/pkg/cel/common/schemas.go>).

use std::collections::HashMap;

use serde_json::Value;

use super::amount;
use crate::api::schema::cel;

/// The most bytes of a request.
const REQUEST: u64 = 3 * 1024 * 1024;
/// The most letters of an object's name.
const NAME: u64 = 253;
/// The most bytes of a letter.
const BYTES: u64 = 4;

/// What kind of value it is to rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A number or a text.
    Any,
    Scalar,
    Text,
    Bytes,
    List,
    Map,
    Object,
}

/// How large a value may be.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(super) sort: Sort,
    /// The most letters, bytes, items or keys.
    pub(super) most: u64,
    /// The fewest bytes that it takes in a request.
    least: u64,
    /// The fields of an object, as rules write them.
    pub(super) fields: HashMap<String, Bounds>,
    /// The items of a list, or the values of a map.
    pub(super) element: Option<Box<Bounds>>,
}

impl Bounds {
    /// Those of a schema; nothing for one that rules do not see. A `whole` object has a name, a kind and a version, whatever
    /// its schema says.
    pub(crate) fn read(schema: &Value, whole: bool) -> Option<Self> {
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Self::plain(Sort::Any, letters(schema).unwrap_or(REQUEST - 2), 1));
        }
        match schema["type"].as_str()? {
            "array" => {
                let item = Self::inner(&schema["items"])?;
                let most = number(schema, "maxItems").unwrap_or((REQUEST - 2) / (item.least + 1));
                Some(Self { element: Some(Box::new(item)), ..Self::plain(Sort::List, most, 2) })
            }
            "object" if schema["additionalProperties"].is_object() => {
                let value = Self::inner(&schema["additionalProperties"])?;
                // A key is two quotes, a colon and a comma at least, and so on.
                let most = number(schema, "maxProperties").unwrap_or((REQUEST - 2) / (value.least + 6));
                Some(Self { element: Some(Box::new(value)), ..Self::plain(Sort::Map, most, 2) })
            }
            "object" => Some(Self::object(schema, whole)),
            "string" => Some(Self::text(schema)),
            "boolean" => Some(Self::plain(Sort::Scalar, 0, 4)),
            "integer" | "number" => Some(Self::plain(Sort::Scalar, 0, 1)),
            _ => None,
        }
    }

    /// How often a value like this fits into a request.
    pub(crate) fn times(&self) -> u64 {
        REQUEST / (self.least + 1)
    }

    fn inner(schema: &Value) -> Option<Self> {
        Self::read(schema, schema["x-kubernetes-embedded-resource"] == true)
    }

    fn plain(sort: Sort, most: u64, least: u64) -> Self {
        Self { sort, most, least, fields: HashMap::new(), element: None }
    }

    fn object(schema: &Value, whole: bool) -> Self {
        let mut bounds = Self::plain(Sort::Object, 0, 2);
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let Some(field) = Self::inner(of) else { continue };
            let is_required = required.iter().any(|required| required.as_str() == Some(name.as_str()));
            // What has a default need not be in a request.
            if is_required && of["default"].is_null() {
                bounds.least += amount(name.len()) + field.least + 4;
            }
            if let Some(name) = cel::escaped(name) {
                bounds.fields.insert(name, field);
            }
        }
        if whole {
            let known = &schema["properties"]["metadata"]["properties"];
            let mut metadata = Self::plain(Sort::Object, 0, 2);
            for (name, most) in [("name", NAME), ("generateName", NAME - 1)] {
                let most = number(&known[name], "maxLength").map_or(most, |own| own.min(most));
                metadata.fields.insert(name.to_owned(), Self::plain(Sort::Text, most * BYTES, 2));
            }
            bounds.fields.insert("metadata".to_owned(), metadata);
            for name in ["apiVersion", "kind"] {
                bounds.fields.insert(name.to_owned(), Self::plain(Sort::Text, REQUEST - 2, 2));
            }
        }
        bounds
    }

    fn text(schema: &Value) -> Self {
        match schema["format"].as_str() {
            Some("byte") => Self::plain(Sort::Bytes, number(schema, "maxLength").unwrap_or(REQUEST - 2), 2),
            Some("duration") => Self::plain(Sort::Scalar, 32, 3),
            Some("date") => Self::plain(Sort::Scalar, 12, 12),
            Some("date-time") => Self::plain(Sort::Scalar, 32, 21),
            _ => {
                let most = letters(schema).or_else(|| longest(schema)).unwrap_or(REQUEST - 2);
                Self::plain(Sort::Text, most, 2)
            }
        }
    }
}

fn number(schema: &Value, name: &str) -> Option<u64> {
    schema[name].as_i64().map(|number| u64::try_from(number).unwrap_or_default())
}

/// The most bytes of a text that says how many letters it has.
fn letters(schema: &Value) -> Option<u64> {
    Some(number(schema, "maxLength")?.saturating_mul(BYTES))
}

/// The bytes of the longest text of those that it may be.
fn longest(schema: &Value) -> Option<u64> {
    let known = schema["enum"].as_array().filter(|known| !known.is_empty())?;
    Some(known.iter().filter_map(Value::as_str).map(|text| amount(text.len())).max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_nothing_is_as_large_as_a_request() {
        let most = |schema: Value| Bounds::read(&schema, false).map(|bounds| bounds.most);
        let text = json!({"type": "string"});
        assert_eq!(most(text.clone()), Some(3_145_726));
        assert_eq!(most(json!({"type": "string", "maxLength": 10})), Some(40));
        assert_eq!(most(json!({"type": "string", "enum": ["a", "long"]})), Some(4));
        assert_eq!(most(json!({"type": "string", "format": "date-time"})), Some(32));
        assert_eq!(most(json!({"type": "array", "items": {"type": "integer"}})), Some(1_572_863));
        assert_eq!(most(json!({"type": "array", "items": {"type": "integer"}, "maxItems": 3})), Some(3));
        assert_eq!(most(json!({"type": "object", "additionalProperties": text})), Some(393_215));
        assert_eq!(most(json!({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}})), None);
        let required = json!({
            "type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 1}},
        });
        assert_eq!(most(json!({"type": "array", "items": required})), Some(3_145_726 / 10));
    }

    #[test]
    fn a_whole_object_has_a_name() {
        let schema = json!({"type": "object", "properties": {"a-b": {"type": "boolean"}}});
        let bounds = Bounds::read(&schema, true).expect("bounds");
        assert_eq!(bounds.fields["metadata"].fields["name"].most, 1012);
        assert!(bounds.fields.contains_key("a__dash__b"));
        assert!(!Bounds::read(&schema, false).expect("bounds").fields.contains_key("metadata"));
    }
}
