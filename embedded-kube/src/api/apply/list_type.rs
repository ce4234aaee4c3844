//! What a schema says about lists.

use serde_json::Value;

use crate::api::patch::shape::Applied;

use super::element::{Element, Scalar};
use super::typed::{Hint, Type};

/// What a type says about lists.
#[derive(Clone, Debug)]
pub(super) struct ListType<'a> {
    /// What is in it.
    pub(super) items: Type<'a>,
    relation: Relation,
}

#[derive(Clone, Debug)]
enum Relation {
    Atomic,
    Set,
    /// The keys, and the values of those that may be left out.
    Map(Vec<(String, Option<Value>)>),
}

impl<'a> ListType<'a> {
    pub(super) fn of(of: Type<'a>) -> Self {
        let Some(schema) = of.schema() else { return Self { items: Type::UNTYPED, relation: Relation::Atomic } };
        let hint = match of.hint {
            Hint::List(list) => Hint::Value(list.items),
            Hint::Nothing | Hint::Value(_) => Hint::Nothing,
        };
        let items = schema.get("items").map_or(Type::UNTYPED, |items| Type::known(items, of.open, hint));
        Self { items, relation: relation(schema, of.hint) }
    }

    /// Whether it is owned as a whole.
    pub(super) fn is_atomic(&self) -> bool {
        matches!(self.relation, Relation::Atomic)
    }

    /// The step to an item.
    pub(super) fn step(&self, item: &Value) -> Result<Element, String> {
        match &self.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".into()),
            Relation::Set => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
                scalar => Ok(Element::Value(Scalar(scalar.clone()))),
            },
            Relation::Map(keys) => by_keys(keys, item),
        }
    }
}

fn by_keys(keys: &[(String, Option<Value>)], item: &Value) -> Result<Element, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".into()),
        _ => return Err("associative list with keys may not have non-map elements".into()),
    };
    let found = keys.iter().filter_map(|(key, default)| {
        let value = fields.get(key).or(default.as_ref())?;
        Some((key.clone(), value.clone()))
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() && !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|(key, _)| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
             values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(Element::key(found.into_iter()))
}

fn relation(schema: &Value, hint: Hint) -> Relation {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Relation::Set,
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            Relation::Map(keys.map(|key| (key.to_owned(), default(schema, key))).collect())
        }
        Some(_) => Relation::Atomic,
        None => match hint {
            Hint::List(list) => match list.applied {
                Applied::Atomic => Relation::Atomic,
                Applied::Set => Relation::Set,
                Applied::Map(keys) => {
                    let keys = keys.iter().map(|(key, own)| {
                        let default = default(schema, key).or_else(|| own.map(Value::from));
                        ((*key).to_owned(), default)
                    });
                    Relation::Map(keys.collect())
                }
            },
            Hint::Nothing | Hint::Value(_) => Relation::Atomic,
        },
    }
}

fn default(schema: &Value, key: &str) -> Option<Value> {
    schema.get("items")?.get("properties")?.get(key)?.get("default").cloned()
}
