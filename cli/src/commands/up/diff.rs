//! What has become of an object, field by field, in lines for people. No value of a Secret is among them.

use serde_json::{Map, Value};

use crate::commands::objects::mask::LAST_APPLIED;

/// The longest value that is shown whole.
const WIDEST: usize = 60;
/// The most fields that are shown of an object.
const MOST: usize = 20;
/// What stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";
/// What stands for a field that is not there.
const NOTHING: &str = "(none)";

/// A field that differs.
struct Change<'a> {
    path: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

/// The fields in which two versions of an object differ, a line for each: those that somebody has written, and not what the
/// server keeps of it.
pub(super) fn lines(before: &Value, after: &Value) -> Vec<String> {
    let hides = after["kind"] == "Secret" && after["apiVersion"] == "v1";
    let (before, after) = (written(before), written(after));
    let mut changes = Vec::new();
    compare("", Some(&before), Some(&after), &mut changes);
    let mut lines: Vec<String> = changes.iter().take(MOST).map(|change| line(change, hides)).collect();
    if changes.len() > MOST {
        lines.push(format!("… and {} more", changes.len() - MOST));
    }
    lines
}

/// An object without what the server keeps of it.
fn written(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let of_metadata = ["labels", "annotations", "finalizers", "ownerReferences"];
    let mut metadata = Map::new();
    for name in of_metadata {
        if let Some(value) = object["metadata"].get(name) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|name, _| name != LAST_APPLIED);
    }
    metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    let mut written = Map::new();
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(name.as_str(), "status" | "metadata")) {
        written.insert(name.clone(), value.clone());
    }
    written.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(written)
}

fn compare<'a>(path: &str, before: Option<&'a Value>, after: Option<&'a Value>, changes: &mut Vec<Change<'a>>) {
    if before == after {
        return;
    }
    let known = changes.len();
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                compare(&child(path, name), old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (names(old), names(new)) {
            // Items that have names are told apart by these: one that is put in between moves no other.
            (Some(old_names), Some(new_names)) => {
                let added = new_names.iter().filter(|name| !old_names.contains(name));
                for name in old_names.iter().chain(added) {
                    let of = |list: &'a [Value]| list.iter().find(|item| item["name"] == **name);
                    compare(&format!("{path}[{name}]"), of(old), of(new), changes);
                }
            }
            _ => {
                for index in 0..old.len().max(new.len()) {
                    compare(&format!("{path}[{index}]"), old.get(index), new.get(index), changes);
                }
            }
        },
        _ => {}
    }
    // What differs in nothing that is in it differs as a whole: values, and the order of items.
    if changes.len() == known {
        changes.push(Change { path: path.to_owned(), before, after });
    }
}

/// The names of a list's items, if each has one of its own.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for item in list {
        let name = item["name"].as_str().filter(|name| !names.contains(name))?;
        names.push(name);
    }
    Some(names)
}

/// The path of a field below another one.
fn child(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[\"{name}\"]"),
    }
}

fn line(change: &Change<'_>, hides: bool) -> String {
    let Change { path, before, after } = change;
    if hides && (path.starts_with("data") || path.starts_with("stringData")) {
        let shown = |value: &Option<&Value>| if value.is_some() { HIDDEN } else { NOTHING };
        return format!("{path}: {} → {}", shown(before), shown(after));
    }
    if let (Some(Value::String(old)), Some(Value::String(new))) = (before, after)
        && (old.contains('\n') || new.contains('\n'))
        && let Some((number, old, new)) = first_difference(old, new)
    {
        let shown = |line: Option<&str>| line.map_or_else(|| NOTHING.to_owned(), |line| cut(line.trim()));
        return format!("{path}, line {number}: {} → {}", shown(old), shown(new));
    }
    let shown = |value: &Option<&Value>| value.map_or_else(|| NOTHING.to_owned(), |value| cut(&value.to_string()));
    format!("{path}: {} → {}", shown(before), shown(after))
}

/// The first line, from 1, in which two texts differ.
fn first_difference<'a>(old: &'a str, new: &'a str) -> Option<(usize, Option<&'a str>, Option<&'a str>)> {
    let (mut old, mut new) = (old.lines(), new.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return None,
            (old, new) if old != new => return Some((number, old, new)),
            _ => {}
        }
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() > WIDEST { text.chars().take(WIDEST - 1).chain(['…']).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pipeline(spec: &Value) -> Value {
        json!({"apiVersion": "aggregator.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec})
    }

    fn changed(before: &Value, after: &Value) -> Vec<String> {
        lines(&pipeline(before), &pipeline(after))
    }

    #[test]
    fn each_field_that_differs_has_a_line() {
        let before = json!({"draft": true, "params": {"a.b": 1, "c": [1, 2]}, "mode": "Batch"});
        let after = json!({"draft": false, "params": {"a.b": 2, "c": [1]}, "shards": 4, "mode": "Batch"});
        assert_eq!(
            changed(&before, &after),
            [
                "spec.draft: true → false",
                "spec.params[\"a.b\"]: 1 → 2",
                "spec.params.c[1]: 2 → (none)",
                "spec.shards: (none) → 4",
            ]
        );
        assert_eq!(changed(&before, &before), [""; 0]);
    }

    #[test]
    fn items_with_names_are_told_apart_by_these() {
        let before = json!({"transforms": [{"name": "a", "from": ["x"]}, {"name": "b", "filter": {"where": "n > 1"}}]});
        let after = json!({"transforms": [
            {"name": "a", "from": ["x"]},
            {"name": "new", "from": ["a"]},
            {"name": "b", "filter": {"where": "n > 2"}},
        ]});
        assert_eq!(
            changed(&before, &after),
            [
                "spec.transforms[b].filter.where: \"n > 1\" → \"n > 2\"",
                "spec.transforms[new]: (none) → {\"name\":\"new\",\"from\":[\"a\"]}",
            ]
        );
        let turned = json!({"transforms": [{"name": "b", "filter": {"where": "n > 1"}}, {"name": "a", "from": ["x"]}]});
        let told = changed(&before, &turned);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("spec.transforms: [{\"name\":\"a\""), "{told:?}");
    }

    #[test]
    fn of_a_text_the_line_is_shown_that_differs() {
        let before = json!({"query": "SELECT a\nFROM t\n"});
        let after = json!({"query": "SELECT a\n  FROM u\n"});
        assert_eq!(changed(&before, &after), ["spec.query, line 2: FROM t → FROM u"]);
        assert_eq!(changed(&before, &json!({"query": "SELECT a\n"})), ["spec.query, line 2: FROM t → (none)"]);
        assert_eq!(
            changed(&before, &json!({"query": "SELECT a\nFROM t"})),
            ["spec.query: \"SELECT a\\nFROM t\\n\" → \"SELECT a\\nFROM t\""]
        );
    }

    #[test]
    fn long_values_and_many_fields_are_cut() {
        let long = changed(&json!({"a": "x"}), &json!({"a": "y".repeat(100)}));
        assert_eq!(long, [format!("spec.a: \"x\" → \"{}…", "y".repeat(WIDEST - 2))]);
        let many: Value = (0..25).map(|number| (format!("f{number}"), json!(number))).collect::<Map<_, _>>().into();
        let told = changed(&json!({"f0": 0}), &many);
        assert_eq!((told.len(), told.last().map(String::as_str)), (MOST + 1, Some("… and 4 more")));
    }

    #[test]
    fn what_the_server_keeps_is_no_change() {
        let mut after = pipeline(&json!({"draft": true}));
        let mut before = after.clone();
        before["status"] = json!({"phase": "Ready"});
        after["metadata"]["managedFields"] = json!([{}]);
        after["metadata"]["resourceVersion"] = json!("7");
        after["metadata"]["annotations"] = json!({LAST_APPLIED: "{}"});
        assert_eq!(lines(&before, &after), [""; 0]);
        after["metadata"]["labels"] = json!({"team": "shop"});
        assert_eq!(lines(&before, &after), ["metadata.labels: (none) → {\"team\":\"shop\"}"]);
    }

    #[test]
    fn no_value_of_a_secret_is_shown() {
        let secret = |data: &Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": data});
        let before = secret(&json!({"a": "b2xk", "gone": "Yg=="}));
        let mut after = secret(&json!({"a": "bmV3"}));
        after["metadata"]["annotations"] = json!({LAST_APPLIED: "b2xk"});
        after["stringData"] = json!({"b": "open"});
        assert_eq!(
            lines(&before, &after),
            ["data.a: (hidden) → (hidden)", "data.gone: (hidden) → (none)", "stringData: (none) → (hidden)"]
        );
    }
}
