//! A step of a path: from a map or list to what is in it.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// To a member of a map.
    Field(String),
    /// To the item of a list that has these values in these fields, which are sorted.
    Key(Vec<(String, Scalar)>),
    /// To that item of a set.
    Value(Scalar),
    /// To the item at that place.
    Index(i64),
}

/// A JSON value that can be compared with any other. Numbers are compared by what they are worth.
#[derive(Clone, Debug)]
pub(super) struct Scalar(pub(super) Value);

impl Element {
    /// As `fieldsV1` has it: `f:spec`, `k:{"name":"a"}`, `v:"a"`, `i:0`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), value.0.clone()));
                format!("k:{}", escaped(&Value::Object(fields.collect())))
            }
            Self::Value(value) => format!("v:{}", escaped(&value.0)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// The step that `fieldsV1` means; `Ok(None)` for a kind of step of a time to come.
    pub(super) fn read(text: &str) -> Result<Option<Self>, String> {
        let (kind, rest) = match (text.get(..1), text.get(1..2), text.get(2..)) {
            (Some(kind), Some(":"), Some(rest)) => (kind, rest),
            _ if text.len() < 2 => return Err("key must be 2 characters long:".into()),
            _ => return Err(format!("missing colon: {text}")),
        };
        match kind {
            "f" => Ok(Some(Self::Field(rest.into()))),
            "v" => serde_json::from_str(rest)
                .map(|value| Some(Self::Value(Scalar(value))))
                .map_err(|error| error.to_string()),
            "k" => serde_json::from_str::<Map<String, Value>>(rest)
                .map(|fields| Some(Self::key(fields.into_iter())))
                .map_err(|error| error.to_string()),
            "i" => rest.parse().map(|index| Some(Self::Index(index))).map_err(|_| format!("{rest} is no number")),
            _ => Ok(None),
        }
    }

    /// A step to an item with these values.
    pub(super) fn key(fields: impl Iterator<Item = (String, Value)>) -> Self {
        let mut fields: Vec<_> = fields.map(|(name, value)| (name, Scalar(value))).collect();
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        Self::Key(fields)
    }
}

/// JSON as Go writes it: safe within HTML.
pub(super) fn escaped(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// As messages have it.
impl fmt::Display for Element {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(to, ".{name}"),
            Self::Key(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
                write!(to, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(to, "[={}]", value.0),
            Self::Index(index) => write!(to, "[{index}]"),
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

/// Numbers come before texts, texts before truth values, and so on.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().unwrap_or(f64::NAN).total_cmp(&right.as_f64().unwrap_or(f64::NAN)),
        },
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            let items = left.iter().zip(right).map(|(left, right)| compare(left, right));
            items.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let sorted = |map: &Map<String, Value>| {
                let mut entries: Vec<(String, Value)> =
                    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                entries
            };
            let (left, right) = (sorted(left), sorted(right));
            let entries = left.iter().zip(&right).map(|((left_key, left), (right_key, right))| {
                left_key.cmp(right_key).then_with(|| compare(left, right))
            });
            entries.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Whether both are worth the same: `1` is `1.0`.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    compare(left, right) == Ordering::Equal
}
