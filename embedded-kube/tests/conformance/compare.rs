//! What is not the same in two answers, field by field.

use std::fmt;

use serde_json::{Map, Value};

/// The most letters of a value that are shown.
const SHOWN: usize = 700;

/// Something that only one has, or that each has differently.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Where it is, as `body.metadata.labels`.
    pub(crate) place: String,
    pub(crate) real: Option<Value>,
    pub(crate) embedded: Option<Value>,
}

impl Difference {
    /// What both sides say, as text.
    pub(crate) fn sides(&self) -> impl Iterator<Item = String> {
        [&self.real, &self.embedded].into_iter().flatten().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            None => "-".to_owned(),
            Some(value) => value.to_string().chars().take(SHOWN).collect(),
        };
        writeln!(formatter, "    {}", self.place)?;
        writeln!(formatter, "      real:     {}", shown(&self.real))?;
        write!(formatter, "      embedded: {}", shown(&self.embedded))
    }
}

/// Everything in which they differ.
pub(crate) fn differences(real: &Value, embedded: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", real, embedded, &mut found);
    found
}

fn walk(place: &str, real: &Value, embedded: &Value, found: &mut Vec<Difference>) {
    let one = |real: Option<&Value>, embedded: Option<&Value>, place: String| Difference {
        place,
        real: real.cloned(),
        embedded: embedded.cloned(),
    };
    match (real, embedded) {
        _ if real == embedded => {}
        (Value::Object(real), Value::Object(embedded)) => match (lines(real), lines(embedded)) {
            (Some(real), Some(embedded)) => texts(place, real, embedded, found),
            _ => {
                for (name, value) in real {
                    let place = below(place, name);
                    match embedded.get(name) {
                        Some(other) => walk(&place, value, other, found),
                        None => found.push(one(Some(value), None, place)),
                    }
                }
                let others = embedded.iter().filter(|(name, _)| !real.contains_key(*name));
                found.extend(others.map(|(name, value)| one(None, Some(value), below(place, name))));
            }
        },
        (Value::Array(real), Value::Array(embedded)) => {
            for at in 0..real.len().max(embedded.len()) {
                let place = format!("{place}[{at}]");
                match (real.get(at), embedded.get(at)) {
                    (Some(real), Some(embedded)) => walk(&place, real, embedded, found),
                    (real, embedded) => found.push(one(real, embedded, place)),
                }
            }
        }
        _ => found.push(one(Some(real), Some(embedded), place.to_owned())),
    }
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// The lines of a text, which an answer has in a field of its own.
fn lines(fields: &Map<String, Value>) -> Option<&[Value]> {
    let lines = fields.get("lines")?.as_array()?;
    (fields.len() == 1).then_some(lines.as_slice())
}

/// Lines that only one has: what is left beside the longest sequence of lines that both have.
fn texts(place: &str, real: &[Value], embedded: &[Value], found: &mut Vec<Difference>) {
    let mut longest = vec![vec![0_usize; embedded.len() + 1]; real.len() + 1];
    for at in (0..real.len()).rev() {
        for other in (0..embedded.len()).rev() {
            longest[at][other] = if real[at] == embedded[other] {
                longest[at + 1][other + 1] + 1
            } else {
                longest[at + 1][other].max(longest[at][other + 1])
            };
        }
    }
    let (mut at, mut other) = (0, 0);
    while at < real.len() || other < embedded.len() {
        let (here, there) = (real.get(at), embedded.get(other));
        if here.is_some() && here == there {
            (at, other) = (at + 1, other + 1);
            continue;
        }
        let of_real = there.is_none() || (here.is_some() && longest[at + 1][other] >= longest[at][other + 1]);
        let place = place.to_owned();
        if of_real {
            found.push(Difference { place, real: here.cloned(), embedded: None });
            at += 1;
        } else {
            found.push(Difference { place, real: None, embedded: there.cloned() });
            other += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_the_same_is_no_difference() {
        let value = json!({"a": [1, {"b": null}], "out": {"lines": ["x"]}});
        assert_eq!(differences(&value, &value), []);
    }

    #[test]
    fn each_field_is_told() {
        let real = json!({"a": 1, "b": [1, 2], "c": {"d": "x"}});
        let embedded = json!({"a": 2, "b": [1], "c": {"d": "x", "e": null}});
        let places: Vec<String> = differences(&real, &embedded).into_iter().map(|it| it.place).collect();
        assert_eq!(places, ["a", "b[1]", "c.e"]);
    }

    #[test]
    fn of_texts_only_the_other_lines_are_told() {
        let real = json!({"out": {"lines": ["a", "b", "c", "d"]}});
        let embedded = json!({"out": {"lines": ["a", "c", "x", "d", "e"]}});
        let found = differences(&real, &embedded);
        let told: Vec<(Option<&str>, Option<&str>)> = found
            .iter()
            .map(|it| (it.real.as_ref().and_then(Value::as_str), it.embedded.as_ref().and_then(Value::as_str)))
            .collect();
        assert_eq!(told, [(Some("b"), None), (None, Some("x")), (None, Some("e"))]);
        assert!(found.iter().all(|it| it.place == "out"));
    }
}
