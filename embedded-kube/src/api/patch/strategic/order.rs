//! The order of a merged list: that of the patch, and among what the patch is silent about, that of the list before.

use serde_json::Value;

use crate::api::patch::shape::Patched;

use super::list::{no_key, object, position};
use super::{DIRECTIVE, Mistake, go};

/// Whether the patch's items stand in the order that the patch itself asks for.
pub(super) fn checked(patch: &[Value], wanted: &[Value], patched: Patched) -> Result<(), Mistake> {
    if patch.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let mismatch = || {
        let (patch, wanted) = (go::list(patch), go::list(wanted));
        Mistake::Other(format!("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{wanted}\n"))
    };
    let mut rest = wanted.iter();
    for item in patch {
        let directive = match patched {
            Patched::By(_) => object(item)?.get(DIRECTIVE),
            Patched::Replace | Patched::Merge => None,
        };
        match directive {
            Some(directive) if directive == "delete" => {}
            Some(_) if rest.len() == 0 => return Err(mismatch()),
            Some(_) => {}
            None => while !same(item, rest.next().ok_or_else(mismatch)?, patched)? {},
        }
    }
    Ok(())
}

fn same(left: &Value, right: &Value, patched: Patched) -> Result<bool, Mistake> {
    let Patched::By(key) = patched else { return Ok(left == right) };
    let (left, right) = (object(left)?, object(right)?);
    let left_key = left.get(key).ok_or_else(|| no_key(left, key))?;
    let right_key = right.get(key).ok_or_else(|| no_key(right, key))?;
    Ok(left_key == right_key)
}

/// The items in their order: those of `wanted` as they are there, the others as they were before, put in between.
pub(super) fn arranged(
    merged: Vec<Value>,
    wanted: &[Value],
    before: &[Value],
    patched: Patched,
    maps: bool,
) -> Result<Vec<Value>, Mistake> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let is_named = match patched {
            Patched::By(key) => {
                let entry = object(&item)?;
                position(wanted, key, entry.get(key).ok_or_else(|| no_key(entry, key))?)?.is_some()
            }
            _ => wanted.contains(&item),
        };
        if is_named { named.push(item) } else { others.push(item) }
    }
    let key = match patched {
        Patched::By(key) if maps => Some(key),
        _ => None,
    };
    if let Some(key) = key {
        for item in named.iter().chain(wanted).chain(&others).chain(before) {
            let entry = object(item)?;
            entry.get(key).ok_or_else(|| no_key(entry, key))?;
        }
    }
    named.sort_by_key(|item| index(wanted, item, key));
    others.sort_by_key(|item| index(before, item, key));
    Ok(interleaved(others, named, before, key))
}

fn index(items: &[Value], wanted: &Value, key: Option<&str>) -> Option<usize> {
    let of = |item: &Value| match key {
        Some(key) => item.get(key).cloned(),
        None => Some(item.clone()),
    };
    let wanted = of(wanted);
    items.iter().position(|item| of(item) == wanted)
}

/// Each of `others` goes before the first of `named` that stood behind it before.
fn interleaved(others: Vec<Value>, named: Vec<Value>, before: &[Value], key: Option<&str>) -> Vec<Value> {
    let mut all = Vec::with_capacity(others.len() + named.len());
    let (mut others, mut named) = (others.into_iter().peekable(), named.into_iter().peekable());
    loop {
        let other_is_next = match (others.peek(), named.peek()) {
            (None, None) => return all,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(named)) => {
                let places = index(before, other, key).zip(index(before, named, key));
                places.is_some_and(|(other, named)| other < named)
            }
        };
        all.extend(if other_is_next { others.next() } else { named.next() });
    }
}
