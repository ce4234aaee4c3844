//! Lists.

use serde_json::Value;

use crate::api::patch::shape::{Patched, Shape};

use super::{DIRECTIVE, Mistake, Object, go, map, order, unexpected, unknown_directive};

/// Merges a patch into a list, or takes its items out of it.
pub(super) fn merged(
    original: Vec<Value>,
    patch: Vec<Value>,
    patched: Patched,
    items: &'static Shape,
    deletes: bool,
) -> Result<Vec<Value>, Mistake> {
    if patched == Patched::Replace && !deletes {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !of_maps(&[&original, &patch])? {
        if deletes {
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
        }
        let merged = distinct(original.iter().chain(&patch).cloned().collect());
        return order::arranged(merged, &patch, &original, patched, false);
    }
    let Patched::By(key) = patched else {
        return Err(Mistake::Other("cannot merge lists without merge key for ".to_owned()));
    };
    let (original, patch) = directed(original, patch, key)?;
    let mut merged = original.clone();
    for item in &patch {
        let item = object(item)?;
        let wanted = item.get(key).ok_or_else(|| no_key(item, key))?;
        match position(&merged, key, wanted)? {
            Some(at) => {
                let before = object(&merged[at])?.clone();
                merged[at] = Value::Object(map(before, item.clone(), items)?);
            }
            None => merged.push(Value::Object(item.clone())),
        }
    }
    order::arranged(merged, &patch, &original, patched, true)
}

/// Whether the lists are of maps. Items of several types, and lists of lists, are refused.
pub(super) fn of_maps(lists: &[&[Value]]) -> Result<bool, Mistake> {
    let mut items = lists.iter().flat_map(|list| list.iter());
    let Some(first) = items.next() else {
        return Err(Mistake::Other("no elements in any of the given slices".into()));
    };
    if first.is_array() {
        return Err(Mistake::Unfit);
    }
    if items.all(|item| go::same_type(first, item)) {
        return Ok(first.is_object());
    }
    let lists: Vec<String> = lists.iter().map(|list| go::list(list)).collect();
    Err(Mistake::Other(format!("list element types are not identical: [{}]", lists.join(" "))))
}

/// What the patch's directives leave of the list, and the patch without them.
fn directed(mut original: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Mistake> {
    let mut rest = Vec::with_capacity(patch.len());
    let mut replaces = false;
    for item in patch {
        let entry = object(&item)?;
        let Some(directive) = entry.get(DIRECTIVE) else {
            rest.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let wanted = entry.get(key).ok_or_else(|| no_key(entry, key))?;
                while let Some(at) = position(&original, key, wanted)? {
                    original.remove(at);
                }
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(Mistake::Other("merging lists cannot yet be specified in the patch".into()));
            }
            _ => return Err(unknown_directive(directive, entry)),
        }
    }
    Ok(if replaces { (rest, Vec::new()) } else { (original, rest) })
}

/// The list before, as the API server has it when it comes to the order: it merges in place, so that what is deleted is
/// overwritten by what comes after it, and by what is new as far as there is room.
pub(super) fn overwritten(mut before: Vec<Value>, patch: &[Value], patched: Patched) -> Result<Vec<Value>, Mistake> {
    let Patched::By(key) = patched else { return Ok(before) };
    let mut length = before.len();
    let directive = |item: &Value| item.get(DIRECTIVE).cloned();
    for item in patch.iter().filter(|item| directive(item).is_some_and(|directive| directive == "delete")) {
        let Some(wanted) = item.get(key) else { continue };
        while let Some(at) = position(&before[..length], key, wanted)? {
            before[at..length].rotate_left(1);
            length -= 1;
            if let Some(last) = length.checked_sub(1).filter(|last| *last >= at) {
                before[length] = before[last].clone();
            }
        }
    }
    if patch.iter().any(|item| directive(item).is_some_and(|directive| directive == "replace")) {
        return Ok(before);
    }
    for item in patch.iter().filter(|item| directive(item).is_none()) {
        let Some(wanted) = item.get(key) else { continue };
        if position(&before[..length], key, wanted)?.is_some() {
            continue;
        }
        let Some(room) = before.get_mut(length) else { break };
        *room = item.clone();
        length += 1;
    }
    Ok(before)
}

pub(super) fn object(item: &Value) -> Result<&Object, Mistake> {
    item.as_object().ok_or_else(|| unexpected(&Value::Object(Object::new()), item))
}

pub(super) fn no_key(item: &Object, key: &str) -> Mistake {
    let item = go::printed(&Value::Object(item.clone()));
    Mistake::Other(format!("map: {item} does not contain declared merge key: {key}"))
}

/// Where the item with that key is.
pub(super) fn position(items: &[Value], key: &str, wanted: &Value) -> Result<Option<usize>, Mistake> {
    for (at, item) in items.iter().enumerate() {
        let item = item.as_object().ok_or_else(|| Mistake::Other(format!("value for key {at} is not a map")))?;
        if item.get(key) == Some(wanted) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Each scalar once. What is there twice is replaced by the last, which is how the API server comes to its order.
fn distinct(mut items: Vec<Value>) -> Vec<Value> {
    let mut first = 0;
    while first < items.len() {
        let mut other = first + 1;
        while other < items.len() {
            if items[first] == items[other] {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        first += 1;
    }
    items
}
