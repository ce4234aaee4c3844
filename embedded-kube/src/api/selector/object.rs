//! Selectors that are part of objects: `matchLabels` and `matchExpressions`.

use serde_json::Value;

use super::label::LabelSelector;
use super::requirement::{Operator, Requirement};

impl LabelSelector {
    /// The selector that an object has: nothing for none (null), everything for an empty one.
    ///
    /// # Errors
    /// What is wrong with it, in the API server's words.
    pub fn from_object(selector: &Value) -> Result<Self, String> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::new(key, Operator::Equals, &[value])?);
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let text = |field: &str| expression[field].as_str().unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("\"{other}\" is not a valid label selector operator")),
            };
            let values = expression["values"].as_array().into_iter().flatten();
            let values: Vec<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(Requirement::new(text("key"), operator, &values)?);
        }
        Ok(Self::of(requirements))
    }

    /// How a table shows the selector that an object has.
    #[must_use]
    pub fn shown(selector: &Value) -> String {
        match Self::from_object(selector).map(|selector| selector.to_string()) {
            Ok(text) if text.is_empty() => "<none>".to_owned(),
            Ok(text) => text,
            Err(_) => "<error>".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_of_objects_select() {
        let selector = LabelSelector::from_object(&json!({
            "matchLabels": {"b": "1", "a": ""},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["y", "x"]},
                {"key": "d", "operator": "NotIn", "values": ["z"]},
                {"key": "e", "operator": "Exists"},
                {"key": "f", "operator": "DoesNotExist", "values": []},
            ],
        }))
        .unwrap();
        assert_eq!(selector.to_string(), "a=,b=1,c in (x,y),d notin (z),e,!f");
        assert!(selector.matches_labels(&json!({"a": "", "b": "1", "c": "x", "e": "1"})));
        assert!(!selector.matches_labels(&json!({"a": "", "b": "1", "c": "x", "e": "1", "f": ""})));
    }

    #[test]
    fn none_selects_nothing_and_an_empty_one_everything() {
        assert!(!LabelSelector::from_object(&Value::Null).unwrap().matches_labels(&json!({})));
        assert!(LabelSelector::from_object(&json!({})).unwrap().matches_labels(&Value::Null));
        assert_eq!(LabelSelector::shown(&Value::Null), "<none>");
        assert_eq!(LabelSelector::shown(&json!({})), "<none>");
        assert_eq!(LabelSelector::shown(&json!({"matchLabels": {"a": "b"}})), "a=b");
        assert_eq!(LabelSelector::shown(&json!({"matchLabels": {"-": "b"}})), "<error>");
    }

    #[test]
    fn mistakes_are_told() {
        let of =
            |expression: Value| LabelSelector::from_object(&json!({"matchExpressions": [expression]})).unwrap_err();
        assert_eq!(of(json!({"key": "a", "operator": "Is"})), "\"Is\" is not a valid label selector operator");
        assert_eq!(
            of(json!({"key": "a", "operator": "In"})),
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
        );
        assert_eq!(
            of(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            "values: Invalid value: [\"b\"]: values set must be empty for exists and does not exist"
        );
    }
}
