//! What a selector asks of one label.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::json;

use super::key;

/// What is asked of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How its value is compared.
    pub operator: Operator,
    /// With what, in order.
    pub values: BTreeSet<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`: it is there and is that.
    Equals,
    /// `==`: the same.
    DoubleEquals,
    /// `!=`: it is something else, or is not there.
    NotEquals,
    /// `in`: it is there and is one of them.
    In,
    /// `notin`: it is none of them, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// `!`: it is not there.
    DoesNotExist,
    /// `>`: it is a larger whole number.
    GreaterThan,
    /// `<`: it is a smaller whole number.
    LessThan,
}

impl Requirement {
    /// A requirement whose parts are as they should be.
    ///
    /// # Errors
    /// What is wrong, in the API server's words.
    pub(super) fn new(key: &str, operator: Operator, values: &[String]) -> Result<Self, String> {
        let mut mistakes = Vec::new();
        mistakes.extend(key::bad_key("key", key));
        let list = || if values.is_empty() { "null".to_owned() } else { json!(values).to_string() };
        let mut count = |holds: bool, why: &str| {
            if !holds {
                mistakes.push(format!("values: Invalid value: {}: {why}", list()));
            }
        };
        match operator {
            Operator::In | Operator::NotIn => {
                count(!values.is_empty(), "for 'in', 'notin' operators, values set can't be empty");
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
                count(values.len() == 1, "exact-match compatibility requires one single value");
            }
            Operator::Exists | Operator::DoesNotExist => {
                count(values.is_empty(), "values set must be empty for exists and does not exist");
            }
            Operator::GreaterThan | Operator::LessThan => {
                count(values.len() == 1, "for 'Gt', 'Lt' operators, exactly one value is required");
                for (index, value) in values.iter().enumerate().filter(|(_, value)| integer(value).is_none()) {
                    let quoted = key::quoted(value);
                    let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                    mistakes.push(format!("values[{index}]: Invalid value: {quoted}: {why}"));
                }
            }
        }
        for (index, value) in values.iter().enumerate() {
            mistakes.extend(key::bad_value(&format!("values[{index}][{key}]"), value));
        }
        match mistakes.as_slice() {
            [] => Ok(Self { key: key.to_owned(), operator, values: values.iter().cloned().collect() }),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    /// Whether it is met by the label's value, or by its absence.
    pub(super) fn met(&self, value: Option<&str>) -> bool {
        let bound = || self.values.first().and_then(|bound| integer(bound));
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => {
                value.is_some_and(|value| self.values.contains(value))
            }
            Operator::NotIn | Operator::NotEquals => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(integer).zip(bound()).is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => value.and_then(integer).zip(bound()).is_some_and(|(value, bound)| value < bound),
        }
    }
}

/// A whole number as Go reads it: signs and leading zeros, and nothing else.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = self.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match self.operator {
            Operator::Equals => write!(formatter, "{key}={values}"),
            Operator::DoubleEquals => write!(formatter, "{key}=={values}"),
            Operator::NotEquals => write!(formatter, "{key}!={values}"),
            Operator::In => write!(formatter, "{key} in ({values})"),
            Operator::NotIn => write!(formatter, "{key} notin ({values})"),
            Operator::Exists => write!(formatter, "{key}"),
            Operator::DoesNotExist => write!(formatter, "!{key}"),
            Operator::GreaterThan => write!(formatter, "{key}>{values}"),
            Operator::LessThan => write!(formatter, "{key}<{values}"),
        }
    }
}
