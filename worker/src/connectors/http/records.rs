//! Where the records are in a JSON answer, and what is wrong when they are not.

use serde_json::Value;
use serde_json_path::JsonPath;

/// A JSONPath to the records.
#[derive(Debug)]
pub(super) struct RecordsPath {
    text: String,
    path: JsonPath,
    /// For a path that ends with a wildcard: what it is taken of.
    parent: Option<Parent>,
    /// Whether nothing found means a wrong answer, and not just no records.
    singular: bool,
}

#[derive(Debug)]
struct Parent {
    text: String,
    path: JsonPath,
    /// Whether the records may be the members of an object.
    members: bool,
}

impl RecordsPath {
    /// Reads the path.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let path = parse(text)?;
        let parent = [("[*]", false), (".*", true)]
            .into_iter()
            .find_map(|(ending, members)| Some((text.strip_suffix(ending)?, members)))
            .filter(|(parent, _)| names_one(parent))
            .map(|(parent, members)| Ok::<_, String>(Parent { text: parent.to_owned(), path: parse(parent)?, members }))
            .transpose()?;
        Ok(Self { text: text.to_owned(), path, parent, singular: names_one(text) })
    }

    /// The records of an answer, in its order.
    ///
    /// # Errors
    /// What is wrong with the answer: what the path speaks of is missing, or no list.
    pub(super) fn take(&self, mut document: Value) -> Result<Vec<Value>, String> {
        let Some(parent) = &self.parent else { return self.pick(&document) };
        let located = parent.path.query_located(&document);
        let Some(found) = located.first() else { return Err(missing(&parent.text, &document)) };
        let pointer = found.location().to_json_pointer();
        let list = document.pointer_mut(&pointer).map(Value::take).unwrap_or_default();
        match list {
            Value::Array(records) => Ok(records),
            // Some servers write an empty list so.
            Value::Null => Ok(Vec::new()),
            Value::Object(members) if parent.members => Ok(members.into_iter().map(|(_, member)| member).collect()),
            other => Err(format!("`{}` is {}, not a list of records", parent.text, shape(&other))),
        }
    }

    fn pick(&self, document: &Value) -> Result<Vec<Value>, String> {
        let found = self.path.query(document).all();
        if self.singular {
            match found.first() {
                None => return Err(missing(&self.text, document)),
                Some(Value::Array(_)) => {
                    return Err(format!("`{}` is a list: write `{}[*]` to mean its records", self.text, self.text));
                }
                Some(_) => {}
            }
        }
        Ok(found.into_iter().cloned().collect())
    }
}

/// Reads a JSONPath.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text)
        .map_err(|error| format!("`{text}` is not a JSONPath (RFC 9535): {error}; write one as `$.data[*]`"))
}

/// Whether a path names one place at most: it has no wildcard, filter, slice, union or descent.
fn names_one(path: &str) -> bool {
    !path.contains(['*', '?', ':', ',']) && !path.contains("..")
}

fn missing(path: &str, document: &Value) -> String {
    format!("there is nothing at `{path}`: the answer is {}", shape(document))
}

/// What a value is, in words.
fn shape(value: &Value) -> String {
    const MOST: usize = 10;
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "a Boolean".into(),
        Value::Number(_) => "a number".into(),
        Value::String(_) => "a string".into(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) if members.is_empty() => "an object without keys".into(),
        Value::Object(members) => {
            let mut keys: Vec<String> = members.keys().take(MOST).map(|key| format!("`{key}`")).collect();
            if members.len() > MOST {
                keys.push("…".into());
            }
            format!("an object with the keys {}", keys.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(path: &str, document: Value) -> Result<Vec<Value>, String> {
        RecordsPath::parse(path).unwrap().take(document)
    }

    #[test]
    fn records_are_taken_from_where_the_path_points() {
        let records = vec![json!({"id": 1}), json!({"id": 2})];
        assert_eq!(take("$[*]", json!([{"id": 1}, {"id": 2}])), Ok(records.clone()));
        assert_eq!(take("$.data[*]", json!({"data": [{"id": 1}, {"id": 2}]})), Ok(records.clone()));
        assert_eq!(take("$['a.b'].items[*]", json!({"a.b": {"items": [{"id": 1}, {"id": 2}]}})), Ok(records.clone()));
        assert_eq!(take("$.data.*", json!({"data": {"x": {"id": 1}, "y": {"id": 2}}})), Ok(records.clone()));
        assert_eq!(
            take("$.groups[*].items[*]", json!({"groups": [{"items": [{"id": 1}]}, {"items": [{"id": 2}]}]})),
            Ok(records.clone())
        );
        assert_eq!(take("$.data[?@.id < 3]", json!({"data": [{"id": 1}, {"id": 2}, {"id": 3}]})), Ok(records));
        assert_eq!(take("$.one", json!({"one": {"id": 1}})), Ok(vec![json!({"id": 1})]));
    }

    #[test]
    fn no_records_are_not_the_same_as_no_list() {
        assert_eq!(take("$.data[*]", json!({"data": []})), Ok(vec![]));
        assert_eq!(take("$.data[*]", json!({"data": null})), Ok(vec![]));
        assert_eq!(take("$.groups[*].items[*]", json!({"groups": []})), Ok(vec![]));
        assert_eq!(
            take("$.data[*]", json!({"error": "no", "code": 7})).unwrap_err(),
            "there is nothing at `$.data`: the answer is an object with the keys `error`, `code`"
        );
        assert_eq!(
            take("$[*]", json!({"error": "no"})).unwrap_err(),
            "`$` is an object with the keys `error`, not a list of records"
        );
        assert_eq!(take("$.data[*]", json!({"data": "x"})).unwrap_err(), "`$.data` is a string, not a list of records");
        assert_eq!(
            take("$.data", json!({"data": []})).unwrap_err(),
            "`$.data` is a list: write `$.data[*]` to mean its records"
        );
        assert_eq!(take("$.data", json!([])).unwrap_err(), "there is nothing at `$.data`: the answer is a list of 0");
    }

    #[test]
    fn what_is_no_path_is_refused_with_an_example() {
        assert!(RecordsPath::parse("data[*]").unwrap_err().contains("`$.data[*]`"));
    }
}
