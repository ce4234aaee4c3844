//! What two planes cannot say alike: times, UIDs, versions, ports, and names that the server has made up. Each is replaced
//! by what it is, and only if it has the shape of one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// The letters of which the ends of names are made.
const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
const DAY: i64 = 24 * 60 * 60;

/// What is told of the objects of a case, by which it is known what a text means.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// What stands for a name.
    names: BTreeMap<String, String>,
    /// What stands for a UID.
    uids: BTreeMap<String, String>,
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a regular expression")
}

static UID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(?:Z|[+-]\d{2}:\d{2})"));
/// An object in a message, written as Go writes texts.
static OBJECT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"Invalid value: ("\{(?:[^"\\]|\\.)*\}")"#));
/// A word that is an age or a duration, as kubectl has it.
static AGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\()?(?:\d+[smhdy])+(\))?$"));
/// What else is replaced, and by what, in this order.
static OTHERS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let all = [
        (r"(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\s*", "<certificate>"),
        (r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", "<token>"),
        (r"\b[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}", "<now>"),
        (r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)? [+-]\d{4}", "<now>"),
        (r"\b127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"\bkube-api-access-[a-z0-9]{5}\b", "kube-api-access-*****"),
        // The name of an object that was not made.
        (r"\bA_[bcdfghjklmnpqrstvwxz2456789]{5}\b", "A_*****"),
        (r"\.[0-9a-f]{16}\b", ".<16>"),
        (r"\bhash=[0-9A-F]{128}\b", "hash=<hash>"),
        (r"\bX509SHA256=[0-9a-f]{64}\b", "X509SHA256=<hash>"),
        (r#"([Rr]esource ?[Vv]ersion"?: *"?)[1-9]\d*"#, "$1<version>"),
        (r"ResourceVersion in record \(\d+\)", "ResourceVersion in record (<version>)"),
        (r"(?m)^([IWE])\d{4} \d{2}:\d{2}:\d{2}\.\d+ +\d+ ", "$1<now> "),
        (r"too old resource version: \d+ \(\d+\)", "too old resource version: <version> (<version>)"),
        (r"Too large resource version: \d+, current: \d+", "Too large resource version: <version>, current: <version>"),
        (r"\S*/(kubectl-edit-)\w+(\.yaml)", "$1<file>$2"),
        (r"\S*/(LIVE|MERGED)-\d+", "$1"),
        (r"\S*/conformance-[A-Za-z0-9]{6}\b", "<home>"),
    ];
    all.into_iter().map(|(text, instead)| (pattern(text), instead)).collect()
});

impl Masks {
    /// Takes in which names the server has made up, and whose each UID is.
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Object(metadata)) = fields.get("metadata") {
                    self.meet(metadata);
                }
                fields.values().for_each(|value| self.learn(value));
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            _ => {}
        }
    }

    fn meet(&mut self, metadata: &Map<String, Value>) {
        let text = |field: &str| metadata.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(name) = text("name") else { return };
        let mut told = name.to_owned();
        if let Some(prefix) = text("generateName")
            && let Some(end) = name.strip_prefix(prefix)
        {
            let is_made_up = end.len() == 5 && end.chars().all(|letter| LETTERS.contains(letter));
            if is_made_up {
                told = format!("{prefix}*****");
                self.names.insert(name.to_owned(), told.clone());
            }
        }
        if let Some(uid) = text("uid") {
            self.uids.insert(uid.to_owned(), format!("<uid of {told}>"));
        }
    }

    /// An answer in which everything is replaced. A field `text` becomes a field `lines`.
    pub(crate) fn answer(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) => self.object(fields),
            Value::Array(values) => values.into_iter().map(|value| self.answer(value)).collect(),
            Value::String(text) => self.text(&text).into(),
            other => other,
        }
    }

    fn object(&self, fields: Map<String, Value>) -> Value {
        if let (1, Some(Value::String(text))) = (fields.len(), fields.get("text")) {
            let text = self.text(text);
            let lines: Vec<Value> = text.lines().map(|line| line_without_ages(line).into()).collect();
            return json!({"lines": lines});
        }
        let is_table = fields.get("kind").is_some_and(|kind| kind == "Table");
        let masked = fields.into_iter().map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("resourceVersion", Value::String(version)) if is_version(&version) => "<version>".into(),
                ("managedFields", Value::Array(entries)) => {
                    // They are in the order of their times, which may be of the same second, or not.
                    let mut entries: Vec<Value> = entries.into_iter().map(|entry| self.answer(entry)).collect();
                    entries.sort_by_key(|entry| {
                        [&entry["manager"], &entry["operation"], &entry["subresource"]].map(ToString::to_string)
                    });
                    entries.into()
                }
                ("continue", Value::String(token)) if !token.is_empty() => "<continue>".into(),
                ("rows", Value::Array(mut rows)) if is_table => {
                    rows.iter_mut().for_each(cells_without_ages);
                    self.answer(rows.into())
                }
                (_, value) => self.answer(value),
            };
            // Managed fields have UIDs in the names of fields.
            (self.text(&name), value)
        });
        masked.collect::<Map<String, Value>>().into()
    }

    /// A message with the objects in it: the fields of one are in no order.
    fn with_objects(&self, text: &str) -> String {
        let told = OBJECT.replace_all(text, |found: &Captures<'_>| {
            let object =
                serde_json::from_str::<String>(&found[1]).and_then(|text| serde_json::from_str::<Value>(&text));
            match object {
                Ok(object) => format!("Invalid value: {:?}", sorted(self.answer(object)).to_string()),
                Err(_) => found[0].to_owned(),
            }
        });
        told.into_owned()
    }

    fn text(&self, text: &str) -> String {
        let text = self.with_objects(text);
        let mut text = UID
            .replace_all(&text, |found: &Captures<'_>| {
                self.uids.get(&found[0]).cloned().unwrap_or_else(|| "<uid>".to_owned())
            })
            .into_owned();
        for (name, told) in &self.names {
            if text.contains(name.as_str()) {
                text = text.replace(name.as_str(), told);
            }
        }
        text = TIME.replace_all(&text, time).into_owned();
        for (pattern, instead) in OTHERS.iter() {
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, *instead).into_owned();
            }
        }
        text
    }
}

/// A value with the fields of each object in the order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.into_iter().collect::<Map<String, Value>>().into()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn is_version(text: &str) -> bool {
    text != "0" && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A time, if it is of the day of the test.
fn time(found: &Captures<'_>) -> String {
    let Ok(time) = found[0].parse::<Timestamp>() else { return found[0].to_owned() };
    if (Timestamp::now().as_second() - time.as_second()).abs() > DAY {
        return found[0].to_owned();
    }
    match found.get(1) {
        None => "<now>".to_owned(),
        Some(fraction) => format!("<now.{}>", fraction.len() - 1),
    }
}

/// A line in which ages are replaced. How wide columns are depends on them: two spaces stand for any number of them.
fn line_without_ages(line: &str) -> String {
    let mut told = String::new();
    let mut words = line.trim_end().split(' ').peekable();
    while let Some(word) = words.next() {
        told.push_str(&age(word));
        if words.peek().is_some() && !told.ends_with("  ") {
            told.push(' ');
        }
    }
    told
}

fn age(word: &str) -> std::borrow::Cow<'_, str> {
    AGE.replace(word, "$1<age>$2")
}

/// The cells of a row of a table.
fn cells_without_ages(row: &mut Value) {
    for cell in row["cells"].as_array_mut().into_iter().flatten() {
        if let Value::String(text) = cell {
            *cell = age(text).into_owned().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_itself_is_replaced() {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let pod = json!({
            "metadata": {"name": "j-x2b4c", "generateName": "j-", "uid": "0a1b2c3d-0000-4000-8000-000000000001",
                "resourceVersion": "17", "creationTimestamp": format!("{now}Z")},
            "note": format!("j-x2b4c at {now}.123456Z is 0a1b2c3d-0000-4000-8000-000000000001, since 2001-02-03T04:05:06Z"),
            "other": "0a1b2c3d-0000-4000-8000-000000000002 127.0.0.1:6443 kube-api-access-abcde",
        });
        let mut masks = Masks::default();
        masks.learn(&pod);
        let told = masks.answer(pod);
        assert_eq!(
            told,
            json!({
                "metadata": {"name": "j-*****", "generateName": "j-", "uid": "<uid of j-*****>",
                    "resourceVersion": "<version>", "creationTimestamp": "<now>"},
                "note": "j-***** at <now.6> is <uid of j-*****>, since 2001-02-03T04:05:06Z",
                "other": "<uid> 127.0.0.1:<port> kube-api-access-*****",
            })
        );
    }

    #[test]
    fn objects_in_messages_are_the_same_in_any_order() {
        let message = |object: &str| Masks::default().answer(json!(format!("patch: Invalid value: {object:?}: no")));
        let told = message(r#"{"metadata":{"resourceVersion":"12","name":"a"},"data":{"k":"\"v\""}}"#);
        assert_eq!(told, message(r#"{"data":{"k":"\"v\""},"metadata":{"name":"a","resourceVersion":"7"}}"#));
        assert_ne!(told, message(r#"{"data":{"k":"w"},"metadata":{"name":"a","resourceVersion":"7"}}"#));
        let torn = json!("Invalid value: \"{a}\": no");
        assert_eq!(Masks::default().answer(torn.clone()), torn);
    }

    #[test]
    fn a_name_of_another_shape_stays() {
        let odd = json!({"metadata": {"name": "j-aeiou", "generateName": "j-"}});
        let mut masks = Masks::default();
        masks.learn(&odd);
        assert_eq!(masks.answer(odd.clone()), odd);
    }

    #[test]
    fn ages_are_replaced_in_texts_and_tables() {
        let text = json!({"out": {"text": "NAME   AGE\na      5s\nb      2m13s (x2 over 7s)\n"}});
        let lines = json!(["NAME  AGE", "a  <age>", "b  <age> (x2 over <age>)"]);
        assert_eq!(Masks::default().answer(text), json!({"out": {"lines": lines}}));
        let table = json!({"kind": "Table", "rows": [{"cells": ["a", "3h2m", 7]}]});
        assert_eq!(Masks::default().answer(table), json!({"kind": "Table", "rows": [{"cells": ["a", "<age>", 7]}]}));
    }
}
