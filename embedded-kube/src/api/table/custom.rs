//! The cells of kinds that CustomResourceDefinitions define
//! (<https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/registry/customresource/tableconvertor/tableconvertor.go>).

use jiff::Timestamp;
use serde_json::{Map, Number, Value, json};

use super::super::Column;
use super::path::ColumnPath;
use super::{age, cell};

/// Makes the cells of a kind's objects.
#[derive(Debug)]
pub(super) struct Cells(Vec<Cell>);

#[derive(Debug)]
struct Cell {
    column_type: String,
    /// Where the value is; nothing, when the path cannot be read: then there never is one.
    path: Option<ColumnPath>,
}

impl Cells {
    /// Of the columns; without any, the age is shown.
    pub(super) fn new(columns: &[Column]) -> Self {
        let cell = |column_type: &str, path: &str| Cell {
            column_type: column_type.to_owned(),
            path: ColumnPath::parse(path).ok(),
        };
        if columns.is_empty() {
            return Self(vec![cell("date", ".metadata.creationTimestamp")]);
        }
        Self(columns.iter().map(|column| cell(&column.column_type, &column.json_path)).collect())
    }

    pub(super) fn of(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let own = self.0.iter().map(|cell| {
            let value = cell.path.as_ref().and_then(|path| path.find(object));
            value.map_or(Value::Null, |value| shown(&cell.column_type, value, now))
        });
        std::iter::once(json!(cell::name(object))).chain(own).collect()
    }
}

/// The value in a column of that type; null, if it does not fit there.
fn shown(column_type: &str, value: &Value, now: Timestamp) -> Value {
    match (column_type, value) {
        ("string", value) => text(value).into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(number) => number.into(),
            // What is behind the point is not shown.
            None => number.as_f64().map_or(Value::Null, |number| (number as i64).into()),
        },
        ("number", Value::Number(number)) => plain(number),
        ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => date(text, now).into(),
        _ => Value::Null,
    }
}

fn date(text: &str, now: Timestamp) -> String {
    match text {
        "" | "null" => "<unknown>".to_owned(),
        text => match text.parse::<Timestamp>() {
            Ok(time) => age::human(now.duration_since(time)),
            Err(_) => "<invalid>".to_owned(),
        },
    }
}

/// Any value as a text, as Go writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => float(number),
            None => number.to_string(),
        },
        Value::Array(_) | Value::Object(_) => escaped(&sorted(value).to_string()),
    }
}

/// A number without a point where none is needed.
fn plain(number: &Number) -> Value {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
        _ => number.clone().into(),
    }
}

/// A number with a point, in as few figures as tell it, and in powers of ten when it is large or small.
fn float(number: f64) -> String {
    let exponential = format!("{number:e}");
    let Some((figures, exponent)) = exponential.split_once('e') else { return exponential };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{figures}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// With the fields of objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), sorted(field))).collect();
            fields.sort_keys();
            fields.into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Number(number) if number.is_f64() => plain(number),
        other => other.clone(),
    }
}

/// JSON that is safe within HTML, as Go makes it.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_by_the_type_of_their_column() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        for (column_type, value, expected) in [
            ("string", json!("a"), json!("a")),
            ("string", json!(3), json!("3")),
            ("string", json!(1.5), json!("1.5")),
            ("string", json!(1e21), json!("1e+21")),
            ("string", json!(123_456.5), json!("123456.5")),
            ("string", json!(1_234_567.5), json!("1.2345675e+06")),
            ("string", json!(1e-7), json!("1e-07")),
            ("string", json!(true), json!("true")),
            ("string", json!({"b": [1, "<"], "a": {}}), json!("{\"a\":{},\"b\":[1,\"\\u003c\"]}")),
            ("string", json!([]), json!("[]")),
            ("string", Value::Null, json!("<no value>")),
            ("integer", json!(3), json!(3)),
            ("integer", json!(3.9), json!(3)),
            ("integer", json!("3"), Value::Null),
            ("number", json!(3), json!(3)),
            ("number", json!(3.0), json!(3)),
            ("number", json!(3.5), json!(3.5)),
            ("boolean", json!(false), json!(false)),
            ("boolean", json!("true"), Value::Null),
            ("date", json!("2026-01-01T00:00:00Z"), json!("60s")),
            ("date", json!("2026-01-01T00:02:00Z"), json!("<invalid>")),
            ("date", json!("soon"), json!("<invalid>")),
            ("date", json!(""), json!("<unknown>")),
            ("date", json!(1), Value::Null),
        ] {
            assert_eq!(shown(column_type, &value, now), expected, "{column_type} {value}");
        }
    }

    #[test]
    fn what_is_not_there_is_null() {
        let column = |path: &str| Column {
            name: "A".into(),
            column_type: "string".into(),
            format: String::new(),
            description: String::new(),
            priority: 0,
            json_path: path.into(),
        };
        let cells = Cells::new(&[column(".spec.a"), column(".spec["), column(".spec.b")]);
        let object = json!({"metadata": {"name": "n"}, "spec": {"b": "x"}});
        assert_eq!(cells.of(&object, Timestamp::UNIX_EPOCH), [json!("n"), Value::Null, Value::Null, json!("x")]);
    }
}
