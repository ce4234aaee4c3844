//! JSON patches.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

use crate::api::{Refusal, RefusalReason};

use super::body::not_of_type;
use super::unfit;

/// Operations of one patch.
const MOST: usize = 10_000;
/// Bytes that copies of one patch may add.
const COPIED: usize = 3 * 1024 * 1024;
/// How deep what a patch puts somewhere may be nested there.
const DEEPEST: usize = 100;

/// An operation of a JSON patch, as it came: what is the matter with one is only found when its turn comes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    op: String,
    path: Option<String>,
    from: Option<String>,
    value: Value,
}

pub(super) fn read(patch: &Value) -> Result<Vec<Operation>, Refusal> {
    let wrong = |value: &Value, expected: &str| {
        Refusal::bad_request(format!("error decoding patch: {}", not_of_type(value, expected)))
    };
    let entries = match patch {
        Value::Null => &[],
        Value::Array(entries) => entries.as_slice(),
        other => return Err(wrong(other, "value of type []handlers.jsonPatchOp")),
    };
    let mut operations = Vec::with_capacity(entries.len());
    for entry in entries {
        let operation = match entry {
            Value::Null => Operation::default(),
            Value::Object(map) => {
                let text = |name: &str| match map.get(name) {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::String(text)) => Ok(Some(text.clone())),
                    Some(other) => Err(wrong(other, &format!("struct field jsonPatchOp.{name} of type string"))),
                };
                let value = map.get("value").cloned().unwrap_or_default();
                Operation { op: text("op")?.unwrap_or_default(), path: text("path")?, from: text("from")?, value }
            }
            other => return Err(wrong(other, "value of type handlers.jsonPatchOp")),
        };
        operations.push(operation);
    }
    if operations.len() > MOST {
        let message = format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {MOST}, got {}",
            operations.len()
        );
        return Err(Refusal::new(RefusalReason::RequestEntityTooLarge, message));
    }
    Ok(operations)
}

/// The object, changed by the operations one after the other.
pub(super) fn changed(live: &Value, operations: &[Operation]) -> Result<Value, Refusal> {
    let mut object = live.clone();
    let mut copied = 0;
    for operation in operations {
        operation.run(&mut object, &mut copied).ok_or_else(unfit)?;
    }
    if object.is_object() { Ok(object) } else { Err(unfit()) }
}

impl Operation {
    /// Nothing when it cannot be done. The API server is laxer than RFC 6902 in places; see the arms.
    fn run(&self, object: &mut Value, copied: &mut usize) -> Option<()> {
        let path = self.path.as_deref()?;
        match self.op.as_str() {
            "add" => add(object, path, self.value.clone()),
            "remove" => remove(object, path),
            "replace" if path.is_empty() => {
                *object = self.value.clone();
                Some(())
            }
            // A member that is not there yet is added.
            "replace" => {
                fits(path, &self.value)?;
                match Place::of(object, path)? {
                    place @ Place::Member(_) => act(object, add_at(&place, self.value.clone())),
                    place @ Place::Item { .. } => {
                        let replace = ReplaceOperation { path: place.pointer()?, value: self.value.clone() };
                        act(object, PatchOperation::Replace(replace))
                    }
                }
            }
            "move" => {
                let from = self.from.as_deref()?;
                let value = look(object, from)?;
                remove(object, from)?;
                add(object, path, value)
            }
            // What is not there is copied as null.
            "copy" => {
                let value = look(object, self.from.as_deref()?)?;
                *copied += if value.is_null() { 0 } else { value.to_string().len() };
                if *copied > COPIED {
                    return None;
                }
                add(object, path, value)
            }
            // What is not there is null; clients add a list only where there is none by testing for that.
            "test" if path.is_empty() => (*object == self.value).then_some(()),
            "test" => (look(object, path)? == self.value).then_some(()),
            _ => None,
        }
    }
}

/// Where an operation acts: in a container that is there.
enum Place {
    /// A member of a map, which may be missing.
    Member(Vec<String>),
    /// A place in a list: `at` counts from its front, and nothing means behind its end.
    Item { list: Vec<String>, at: Option<i64>, length: usize },
}

impl Place {
    /// What stands before the first slash is not looked at.
    fn of(object: &Value, path: &str) -> Option<Self> {
        let mut tokens: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let last = tokens.pop()?;
        let mut container = object;
        let mut places = Vec::with_capacity(tokens.len() + 1);
        for token in tokens {
            match container {
                Value::Object(map) => {
                    container = map.get(&token)?;
                    places.push(token);
                }
                Value::Array(items) => {
                    let index = index_in(items.len(), &token)?;
                    container = items.get(index)?;
                    places.push(index.to_string());
                }
                _ => return None,
            }
        }
        match container {
            Value::Object(_) => {
                places.push(last);
                Some(Self::Member(places))
            }
            Value::Array(_) if last == "-" => Some(Self::Item { list: places, at: None, length: length(container) }),
            Value::Array(_) => {
                let at = Some(last.parse().ok()?);
                Some(Self::Item { list: places, at, length: length(container) })
            }
            _ => None,
        }
    }

    /// The place of something that is in the list, or of a member.
    fn pointer(&self) -> Option<PointerBuf> {
        match self {
            Self::Member(path) => Some(PointerBuf::from_tokens(path)),
            Self::Item { list, at, length } => {
                let index = counted(*length, (*at)?).filter(|index| index < length)?;
                Some(PointerBuf::from_tokens(list.iter().cloned().chain([index.to_string()])))
            }
        }
    }
}

/// What is put there may not nest objects until nobody can read them.
fn fits(path: &str, value: &Value) -> Option<()> {
    (path.split('/').count() + depth(value) <= DEEPEST).then_some(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn length(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn decoded(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn index_in(length: usize, token: &str) -> Option<usize> {
    counted(length, token.parse().ok()?).filter(|index| *index < length)
}

/// Below zero counts from the end.
fn counted(length: usize, index: i64) -> Option<usize> {
    let from_front = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(from_front).ok()
}

/// What is there: null for a member that is missing.
fn look(object: &Value, path: &str) -> Option<Value> {
    let place = Place::of(object, path)?;
    let pointer = place.pointer()?;
    match pointer.resolve(object) {
        Ok(value) => Some(value.clone()),
        Err(_) => matches!(place, Place::Member(_)).then_some(Value::Null),
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    fits(path, &value)?;
    let place = Place::of(object, path)?;
    act(object, add_at(&place, value))
}

fn add_at(place: &Place, value: Value) -> Option<PatchOperation> {
    let path = match place {
        Place::Member(path) => PointerBuf::from_tokens(path),
        Place::Item { list, at, length } => {
            let index = match at {
                None => *length,
                // Below zero counts from behind the end, where something can be added too.
                Some(at) => counted(length + 1, *at).filter(|index| index <= length)?,
            };
            PointerBuf::from_tokens(list.iter().cloned().chain([index.to_string()]))
        }
    };
    Some(PatchOperation::Add(AddOperation { path, value }))
}

fn remove(object: &mut Value, path: &str) -> Option<()> {
    let path = Place::of(object, path)?.pointer()?;
    act(object, Some(PatchOperation::Remove(RemoveOperation { path })))
}

fn act(object: &mut Value, operation: impl Into<Option<PatchOperation>>) -> Option<()> {
    json_patch::patch_unsafe(object, &[operation.into()?]).ok()
}
