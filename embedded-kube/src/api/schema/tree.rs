//! A document as it was sent, with every field that is there twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::go;

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// `null`, a flag, a number or a text.
    Plain(Value),
    /// A list.
    List(Vec<Tree>),
    /// Fields in the order in which they were sent.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The value, in which the last of two fields of a name counts.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::List(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Self::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, field)| (name, field.into_value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The field of that name that counts.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().rev().find(|(other, _)| other == name).map(|(_, field)| field)
    }

    /// The text that it is.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(value) => value.as_str(),
            _ => None,
        }
    }

    /// What is said of fields that are there twice, each once.
    pub(crate) fn duplicates(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.find_duplicates("", &mut found);
        found
    }

    fn find_duplicates(&self, path: &str, found: &mut Vec<String>) {
        match self {
            Self::Plain(_) => {}
            Self::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    item.find_duplicates(&format!("{path}[{place}]"), found);
                }
            }
            Self::Object(fields) => {
                let mut names = HashSet::with_capacity(fields.len());
                for (name, field) in fields {
                    let path = join(path, name);
                    if !names.insert(name.as_str()) {
                        say_once(found, duplicate_field(&path));
                    }
                    field.find_duplicates(&path, found);
                }
            }
        }
    }
}

/// Where a field is.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What is said of a field that is there twice.
pub(crate) fn duplicate_field(path: &str) -> String {
    format!("duplicate field {}", go::quoted(path))
}

/// What is said of a field that nobody knows.
pub(crate) fn unknown_field(path: &str) -> String {
    format!("unknown field {}", go::quoted(path))
}

/// The API server stops at a hundred.
pub(crate) fn say_once(found: &mut Vec<String>, what: String) {
    if found.len() < 100 && !found.contains(&what) {
        found.push(what);
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(name, field)| (name.clone(), Self::from(field))).collect())
            }
            plain => Self::Plain(plain.clone()),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        // What is larger than the largest whole number of the API server is a float there.
        #[allow(clippy::cast_precision_loss)]
        let plain = match i64::try_from(value) {
            Ok(value) => value.into(),
            Err(_) => Number::from_f64(value as f64).map_or(Value::Null, Value::Number),
        };
        Ok(Tree::Plain(plain))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Plain(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = from.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_twice_is_told() {
        let text = r#"{"a":{"x":1,"y":[{"z":1,"z":2,"z":3}],"x":{"q":1,"q":2}},"b":18446744073709551615,"a":1}"#;
        let tree: Tree = serde_json::from_str(text).unwrap();
        assert_eq!(
            tree.duplicates(),
            [
                r#"duplicate field "a.y[0].z""#,
                r#"duplicate field "a.x""#,
                r#"duplicate field "a.x.q""#,
                r#"duplicate field "a""#,
            ],
        );
        assert_eq!(tree.into_value(), json!({"a": 1, "b": 1.844_674_407_370_955_2e19}));
    }
}
