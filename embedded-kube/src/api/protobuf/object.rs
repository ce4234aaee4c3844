//! A message as an object.

use serde_json::{Map, Value};

use super::message::{self, Field, Shape, Type};
use super::read::{Content, Reader};
use super::{DecodeError, scalar};

/// How many values a body may still stand for: two bytes are enough for an empty one, which takes a hundred in memory.
pub(super) struct Budget(usize);

/// As many values as a ConfigMap of the largest size could have keys, with some to spare.
const LIMIT: usize = 500_000;

impl Default for Budget {
    fn default() -> Self {
        Self(LIMIT)
    }
}

impl Budget {
    fn take(&mut self) -> Result<(), DecodeError> {
        self.0 = self.0.checked_sub(1).ok_or(DecodeError::Large { limit: LIMIT })?;
        Ok(())
    }
}

/// Reads a message's fields into an object; what is there already stays, unless it comes again.
pub(super) fn read(
    message: &str,
    bytes: &[u8],
    object: &mut Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        let Some(field) = message::field(message, number) else { continue };
        budget.take()?;
        match field.shape {
            Shape::Embedded(message) => read(message, scalar::bytes(content)?, object, budget)?,
            Shape::One(Type::Message(message)) => nested(field, message, scalar::bytes(content)?, object, budget)?,
            Shape::One(kind) => one(field, scalar::value(kind, content)?, object),
            Shape::List(kind) => {
                let values = elements(kind, content, budget)?;
                if let Value::Array(list) = entry(object, field.name, || Value::Array(Vec::new())) {
                    list.extend(values);
                }
            }
            Shape::Map(kind) => {
                let (key, value) = pair(kind, scalar::bytes(content)?, budget)?;
                if let Value::Object(map) = entry(object, field.name, || Value::Object(Map::new())) {
                    map.insert(key, value);
                }
            }
        }
    }
    Ok(())
}

/// A message that comes in two parts is one.
fn nested(
    field: &Field,
    message: &str,
    bytes: &[u8],
    object: &mut Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    let mut inner = match object.remove(field.name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    read(message, bytes, &mut inner, budget)?;
    if field.counts || !inner.is_empty() {
        object.insert(field.name.to_owned(), Value::Object(inner));
    }
    Ok(())
}

/// Go sends zeros of fields whose presence does not count, and JSON leaves them out.
fn one(field: &Field, value: Option<Value>, object: &mut Map<String, Value>) {
    match value.filter(|value| field.counts || !scalar::is_zero(value)) {
        Some(value) => object.insert(field.name.to_owned(), value),
        None => object.remove(field.name),
    };
}

fn elements(kind: Type, content: Content<'_>, budget: &mut Budget) -> Result<Vec<Value>, DecodeError> {
    if let (Type::Number, Content::Bytes(bytes)) = (kind, content) {
        let numbers = Reader::new(bytes).numbers()?;
        for _ in &numbers {
            budget.take()?;
        }
        return Ok(numbers.into_iter().map(scalar::number).collect());
    }
    Ok(vec![value(kind, content, budget)?])
}

fn pair(kind: Type, bytes: &[u8], budget: &mut Budget) -> Result<(String, Value), DecodeError> {
    // A part that is missing is empty.
    let (mut key, mut found) = (String::new(), value(kind, Content::Bytes(&[]), budget)?);
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.field()? {
        match number {
            1 => key = scalar::text(content)?,
            2 => found = value(kind, content, budget)?,
            _ => {}
        }
    }
    Ok((key, found))
}

/// A value in a list or a map, where zero stands for itself.
fn value(kind: Type, content: Content<'_>, budget: &mut Budget) -> Result<Value, DecodeError> {
    let Type::Message(message) = kind else { return Ok(scalar::value(kind, content)?.unwrap_or_default()) };
    let mut object = Map::new();
    read(message, scalar::bytes(content)?, &mut object, budget)?;
    Ok(Value::Object(object))
}

fn entry<'a>(object: &'a mut Map<String, Value>, name: &str, empty: impl FnOnce() -> Value) -> &'a mut Value {
    object.entry(name).or_insert_with(empty)
}
