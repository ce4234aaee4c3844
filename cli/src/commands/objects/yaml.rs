//! Values as YAML, for people and for files.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Lines of folded text are as long as the text: a fold that is read back is one more thing that could go wrong.
const NEVER: usize = 1 << 20;

/// A value as YAML, which reads back as the same value.
pub(super) fn yaml(value: &Value) -> Result<String, Failure> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: NEVER };
    let text = serde_saphyr::to_string_with_options(value, options);
    text.map_err(|error| std::io::Error::other(error.to_string()).into())
}

/// The same value with its fields in the order of their names, and `name` first: so it looks alike wherever it comes from.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|(left, _), (right, _)| (left != "name", left).cmp(&(right != "name", right)));
            Value::Object(fields.into_iter().collect::<Map<String, Value>>())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_reads_back_as_it_was() {
        let long = "SELECT a, b  FROM t WHERE ".repeat(20);
        let value = json!({
            "plain": "orders", "empty": "", "number": "15", "word": "yes", "nothing": "null", "day": "2026-11-01",
            "lines": "SELECT *\n  FROM t\nWHERE a = 'b'\n", "open": "one\ntwo", "blank": "  x ", "tab": "\t", "many": "a\n\n\n",
            "long": long.trim_end(), "long with a blank": long, "mark": "# no comment", "colon": "a: b", "dash": "- a",
            "unicode": "Zürich 你好", "quote": "it's \"so\"", "control": "\u{1}\u{7f}", "percent": "%a", "star": "*.csv",
            "list": [1, -2, 2.5, true, null, [], {}, [[1]], {"a": [{"b": 1}]}],
            "key: odd": {"": 1, "yes": 2, "a b": 3, "1": 4},
        });
        let text = yaml(&value).expect("YAML");
        let read: Value = serde_saphyr::from_str(&text).expect(&text);
        assert_eq!(read, value, "{text}");
    }

    #[test]
    fn fields_stand_in_the_order_of_their_names_behind_the_name() {
        let value = json!({"b": [{"z": 1, "name": "n", "a": 2}], "a": "x", "name": "y"});
        let text = sorted(value).to_string();
        assert_eq!(text, r#"{"name":"y","a":"x","b":[{"name":"n","a":2,"z":1}]}"#);
    }
}
