//! Who owns which fields of an object: what server-side apply takes away again.
//!
//! Lists are one value each here. That is exact where each has one owner, as all of ours have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Parts of an object that nobody owns: what says which object it is, and what the server says.
const NOBODYS: [&str; 11] = [
    "/apiVersion",
    "/kind",
    "/metadata/creationTimestamp",
    "/metadata/deletionGracePeriodSeconds",
    "/metadata/deletionTimestamp",
    "/metadata/generation",
    "/metadata/managedFields",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/resourceVersion",
    "/metadata/uid",
];

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner {
    /// Its name.
    pub(super) manager: &'static str,
    /// Whether it applies, or only changes.
    pub(super) applies: bool,
    /// Whether it writes the status alone.
    pub(super) status: bool,
}

/// The owners of an object's fields, by JSON pointers to these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Owners(BTreeMap<Owner, BTreeSet<String>>);

impl Owners {
    /// Takes from all what was changed or is gone; gives the first to whoever has changed it, if that is to be known.
    pub(super) fn updated(&self, before: &Value, after: &Value, by: Option<&Owner>) -> Self {
        let (before, now) = (leaves(before), leaves(after));
        // A map that gets its first field is the same map.
        let fills = |path: &str| {
            before.get(path).is_some_and(|it| it.is_object()) && after.pointer(path).is_some_and(Value::is_object)
        };
        let changed = |path: &String| before.get(path) != now.get(path) && !fills(path);
        let mut owners = self.clone();
        owners.take(changed);
        if let Some(by) = by {
            let new = now.keys().filter(|path| changed(path)).cloned();
            owners.0.entry(by.clone()).or_default().extend(new);
        }
        owners.0.retain(|_, paths| !paths.is_empty());
        owners
    }

    fn take(&mut self, taken: impl Fn(&String) -> bool) {
        for paths in self.0.values_mut() {
            paths.retain(|path| !taken(path));
        }
    }

    /// Whether somebody owns that field itself, and not only what is in it.
    pub(super) fn own(&self, path: &str) -> bool {
        self.0.values().any(|paths| paths.contains(path))
    }

    fn is_owned(&self, path: &str, except: &Owner) -> bool {
        self.0.iter().any(|(owner, paths)| owner != except && paths.contains(path))
    }
}

/// An object after somebody has applied fields, with force: these are theirs, and those that they have applied before and do
/// not any more are gone, unless others own them as well.
pub(super) fn applied(before: &Value, owners: &Owners, fields: &Value, by: &Owner) -> (Value, Owners) {
    let new = leaves(fields);
    let was = leaves(before);
    let mut after = before.clone();
    for (path, value) in &new {
        // A map without anything takes nothing out of one that is there.
        if !(value.is_object() && before.pointer(path).is_some_and(Value::is_object)) {
            set(&mut after, path, (*value).clone());
        }
    }
    let none = BTreeSet::new();
    let left = owners.0.get(by).unwrap_or(&none).iter();
    // Who said that a map is empty, and says now what is in it, takes nothing away.
    let within = |path: &str| new.keys().any(|new| new.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    let left = left.filter(|path| !new.contains_key(*path) && was.contains_key(*path) && !within(path));
    let left: Vec<&String> = left.collect();
    for path in left {
        if !owners.is_owned(path, by) {
            remove(&mut after, path);
        }
    }
    let mut owners = owners.clone();
    owners.take(|path| new.get(path).is_some_and(|value| was.get(path).is_some_and(|was| was != value)));
    owners.0.insert(by.clone(), new.into_keys().collect());
    owners.0.retain(|_, paths| !paths.is_empty());
    (after, owners)
}

/// What stands where in an object: its scalars, lists and empty maps, by JSON pointers.
fn leaves(value: &Value) -> BTreeMap<String, &Value> {
    fn walk<'a>(value: &'a Value, path: String, all: &mut BTreeMap<String, &'a Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(value, format!("{path}/{name}"), all);
                }
            }
            Value::Null => {}
            _ if NOBODYS.contains(&path.as_str()) => {}
            _ => {
                all.insert(path, value);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(value, String::new(), &mut all);
    all
}

fn steps(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in steps(path) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[step.as_str()];
    }
    *at = value;
}

/// Removes a field, and the maps around it that are left empty.
fn remove(object: &mut Value, path: &str) {
    fn walk(value: &mut Value, steps: &[String]) {
        let (Value::Object(fields), Some((first, rest))) = (value, steps.split_first()) else { return };
        let Some(there) = fields.get_mut(first) else { return };
        if !rest.is_empty() {
            walk(there, rest);
        }
        let gone = rest.is_empty() || there.as_object().is_some_and(Map::is_empty);
        if gone {
            fields.shift_remove(first);
        }
    }
    walk(object, &steps(path));
}

/// A merge patch (RFC 7396), carried out.
pub(super) fn merged(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(into) = value else { return };
    for (name, patch) in fields {
        if patch.is_null() {
            into.shift_remove(name);
        } else {
            merged(into.entry(name.clone()).or_insert(Value::Null), patch);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OPERATOR: Owner = Owner { manager: "operator", applies: true, status: true };
    const WORKER: Owner = Owner { manager: "worker", applies: true, status: true };

    #[test]
    fn what_is_applied_no_more_is_gone_and_what_others_own_stays() {
        let (one, owners) =
            applied(&json!({}), &Owners::default(), &json!({"status": {"a": 1, "b": {"c": 2}}}), &OPERATOR);
        let (two, owners) = applied(&one, &owners, &json!({"status": {"a": 1, "p": {"n": 3}}}), &WORKER);
        assert_eq!(two, json!({"status": {"a": 1, "b": {"c": 2}, "p": {"n": 3}}}));
        let (three, owners) = applied(&two, &owners, &json!({"status": {"d": 4}}), &OPERATOR);
        assert_eq!(three, json!({"status": {"a": 1, "p": {"n": 3}, "d": 4}}), "the worker owns `a` as well");
        let (four, _) = applied(&three, &owners, &json!({"status": {"p": {"n": 3}}}), &WORKER);
        assert_eq!(four, json!({"status": {"p": {"n": 3}, "d": 4}}));
        let (empty, owners) = applied(&json!({}), &Owners::default(), &json!({"status": {}}), &OPERATOR);
        assert_eq!(applied(&empty, &owners, &json!({"status": {"a": 1}}), &OPERATOR).0, json!({"status": {"a": 1}}));
    }

    #[test]
    fn what_somebody_has_changed_is_not_taken_away_by_who_had_applied_it() {
        let (one, owners) = applied(&json!({}), &Owners::default(), &json!({"spec": {"a": 1, "b": 2}}), &OPERATOR);
        let two = json!({"spec": {"a": 7, "b": 2}});
        let owners = owners.updated(&one, &two, None);
        assert_eq!(applied(&two, &owners, &json!({"spec": {"c": 3}}), &OPERATOR).0, json!({"spec": {"a": 7, "c": 3}}));
    }

    #[test]
    fn a_patch_sets_and_removes() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merged(&mut value, &json!({"a": {"b": null, "e": 3}, "d": [2]}));
        assert_eq!(value, json!({"a": {"c": 2, "e": 3}, "d": [2]}));
    }
}
