//! Values as rules see them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, NaiveTime, TimeZone};
use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map};
use serde_json::{Map as Fields, Value};

use super::durations;
use super::shape::Schema;

/// Words that are no names in CEL.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The value. A whole object has a name, a kind and a version, whatever its schema says.
pub(crate) fn value(value: &Value, schema: &Schema, whole: bool) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if schema.int_or_string || !schema.is("number") => Cel::Int(whole),
            _ => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) if schema.int_or_string => Cel::String(Arc::new(text.clone())),
        Value::String(text) => of_format(text, &schema.raw_format),
        Value::Array(items) => {
            let item = |item: &Value| match &schema.items {
                Some(of) => self::value(item, of, of.embedded),
                None => plain(item),
            };
            Cel::List(Arc::new(items.iter().map(item).collect()))
        }
        Value::Object(fields) => object(fields, schema, whole),
    }
}

/// Whether there is a list where the schema has a text with a format: validation lets it pass (go-openapi's checker of
/// types leaves both to that of formats), and rules cannot read it.
pub(crate) fn holds_unreadable(value: &Value, schema: &Schema) -> bool {
    match value {
        Value::Array(_) if schema.is("string") && !schema.raw_format.is_empty() => true,
        Value::Array(items) => {
            schema.items.as_deref().is_some_and(|of| items.iter().any(|item| holds_unreadable(item, of)))
        }
        Value::Object(fields) => {
            fields.iter().any(|(name, field)| schema.field(name).is_some_and(|of| holds_unreadable(field, of)))
        }
        _ => false,
    }
}

fn object(fields: &Fields<String, Value>, schema: &Schema, whole: bool) -> Cel {
    let mut map = HashMap::new();
    let mut insert = |name: &str, value| map.insert(Key::String(Arc::new(name.to_owned())), value);
    let structured = whole || schema.embedded || !schema.properties.is_empty();
    for (name, field) in fields {
        let of = schema.properties.get(name);
        if structured {
            let value = match (name.as_str(), of) {
                ("metadata", _) if whole || schema.embedded => names_only(field),
                (_, Some(of)) => self::value(field, of, of.embedded),
                ("apiVersion" | "kind", None) if whole || schema.embedded => plain(field),
                _ => continue,
            };
            if let Some(name) = escaped(name) {
                insert(&name, value);
            }
        } else {
            let value =
                schema.additional.schema().map_or_else(|| plain(field), |of| self::value(field, of, of.embedded));
            insert(name, value);
        }
    }
    Cel::Map(Map { map: Arc::new(map) })
}

/// Rules see of metadata how an object is called, and nothing else.
fn names_only(meta: &Value) -> Cel {
    let mut map = HashMap::new();
    for name in ["name", "generateName"] {
        if let Some(value) = meta.get(name) {
            map.insert(Key::String(Arc::new(name.to_owned())), plain(value));
        }
    }
    Cel::Map(Map { map: Arc::new(map) })
}

fn plain(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cel::Float(number.as_f64().unwrap_or(f64::NAN)), Cel::Int)
        }
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(plain).collect())),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (Key::String(Arc::new(name.clone())), plain(value));
            Cel::Map(Map { map: Arc::new(fields.iter().map(field).collect()) })
        }
    }
}

fn of_format(text: &str, format: &str) -> Cel {
    let read = match format {
        "duration" => durations::nanoseconds(text).map(|nanos| Cel::Duration(Duration::nanoseconds(nanos))),
        "date" => text.parse::<NaiveDate>().ok().and_then(midnight).map(Cel::Timestamp),
        "date-time" => DateTime::parse_from_rfc3339(text).ok().map(Cel::Timestamp),
        "byte" => serde_json::from_value::<k8s_openapi::ByteString>(text.into())
            .ok()
            .map(|bytes| Cel::Bytes(Arc::new(bytes.0))),
        _ => None,
    };
    read.unwrap_or_else(|| Cel::String(Arc::new(text.to_owned())))
}

fn midnight(date: NaiveDate) -> Option<DateTime<FixedOffset>> {
    FixedOffset::east_opt(0)?.from_utc_datetime(&date.and_time(NaiveTime::MIN)).into()
}

/// A field's name as rules write it; nothing for one that they cannot.
pub(super) fn escaped(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-/".contains(letter)) {
        return None;
    }
    let name = name.replace("__", "__underscores__");
    Some(name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        for (name, written) in [
            ("plain", Some("plain")),
            ("namespace", Some("__namespace__")),
            ("a-b.c/d", Some("a__dash__b__dot__c__slash__d")),
            ("a__b", Some("a__underscores__b")),
            ("1a", None),
            ("a b", None),
        ] {
            assert_eq!(escaped(name).as_deref(), written, "{name}");
        }
    }
}
