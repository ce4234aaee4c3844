//! Field selectors: all of their terms have to hold.

use std::fmt;

use serde_json::Value;

use super::super::{Kind, Refusal};
use super::fields;

/// A field selector of requests for a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    /// What its kind calls the field.
    field: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// Reads `fieldSelector` of a request for objects of the kind, such as `metadata.name=x,status.phase!=Running`.
    /// `selectable` has the fields that the kind's CustomResourceDefinition lets select by (`selectableFields`), as
    /// `spec.color`; for a built-in kind it is ignored.
    ///
    /// # Errors
    /// A bad request, in the API server's words.
    pub fn parse(text: &str, kind: &Kind, selectable: &[String]) -> Result<Self, Refusal> {
        let mut parts = split(text);
        parts.sort_unstable();
        let mut read = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let Some((field, equal, value)) = operator(part) else {
                let why = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(Refusal::bad_request(why));
            };
            let value = unescape(value).map_err(Refusal::bad_request)?;
            if !(field.is_empty() && value.is_empty()) {
                read.push((field, equal, value));
            }
        }
        // Only when all can be read is it asked whether the kind has them.
        let mut terms = Vec::new();
        for (field, equal, value) in read {
            let field = fields::known(kind, field, selectable).map_err(Refusal::bad_request)?;
            terms.push(Term { field, equal, value });
        }
        Ok(Self { terms })
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that it asks a field to have, as `metadata.name`, so that a store need not look at other objects.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// Whether it selects the object, which is of the kind it was read for.
    #[must_use]
    pub fn matches(&self, kind: &Kind, object: &Value) -> bool {
        self.terms.iter().all(|term| (fields::value(kind, object, &term.field) == term.value) == term.equal)
    }
}

/// The terms between commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|letter| {
        let ends = letter == ',' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    })
    .collect()
}

/// The term in two at its first operator.
fn operator(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(offset, _)| {
        let (field, rest) = term.split_at(offset);
        let found = [("!=", false), ("==", true), ("=", true)];
        found.into_iter().find_map(|(operator, equal)| Some((field, equal, rest.strip_prefix(operator)?)))
    })
}

fn unescape(text: &str) -> Result<String, String> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => value.push(escaped),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(format!("invalid field selector: invalid escape sequence: {sequence}"));
                }
            },
            // As a number: the API server has it so.
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(letter)));
            }
            other => value.push(other),
        }
    }
    Ok(value)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, term) in self.terms.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(formatter, "{comma}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::discovery::sample::kind;

    fn refused(text: &str) -> String {
        FieldSelector::parse(text, &kind("", "v1", "Pod", "pods"), &[]).unwrap_err().message
    }

    #[test]
    fn fields_are_selected() {
        let pods = kind("", "v1", "Pod", "pods");
        let pod = json!({
            "metadata": {"name": "a", "namespace": "n"},
            "spec": {"nodeName": "one"},
            "status": {"phase": "Running"},
        });
        for (text, expected) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==a,metadata.namespace!=m", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=one,status.phase=Running", true),
            ("spec.nodeName=", false),
            ("spec.host=one", true),
            ("=", true),
            ("status.nominatedNodeName=", true),
        ] {
            let selector = FieldSelector::parse(text, &pods, &[]).unwrap();
            assert_eq!(selector.matches(&pods, &pod), expected, "{text}");
        }
        let selector = FieldSelector::parse("status.phase!=x,metadata.name=a", &pods, &[]).unwrap();
        assert_eq!((selector.exact("metadata.name"), selector.exact("status.phase")), (Some("a"), None));
        assert_eq!(selector.to_string(), "metadata.name=a,status.phase!=x");
    }

    #[test]
    fn values_may_be_escaped() {
        let pods = kind("", "v1", "Pod", "pods");
        let selector = FieldSelector::parse(r"metadata.name=a\,b\=c\\", &pods, &[]).unwrap();
        assert_eq!(selector.exact("metadata.name"), Some(r"a,b=c\"));
        assert_eq!(selector.to_string(), r"metadata.name=a\,b\=c\\");
        assert_eq!(refused(r"metadata.name=\x"), r"invalid field selector: invalid escape sequence: \x");
        assert_eq!(refused(r"metadata.name=a\"), r"invalid field selector: invalid escape sequence: \");
        assert_eq!(refused("metadata.name=a=b"), "invalid field selector: unescaped character in value: 61");
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(refused("a"), "invalid selector: 'a'; can't understand 'a'");
        assert_eq!(refused("metadata.name=x,!a"), "invalid selector: 'metadata.name=x,!a'; can't understand '!a'");
        assert_eq!(refused("spec.color=x"), "field label not supported: spec.color");
    }
}
