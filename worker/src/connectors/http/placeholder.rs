//! `${cursor}` and `${cursor:-VALUE}` in query parameters and bodies.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

static CURSOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{cursor(?::-([^}]*))?\}").expect("a constant pattern"));

/// Whether the text speaks of the cursor.
pub(super) fn mentions_cursor(text: &str) -> bool {
    CURSOR.is_match(text)
}

/// The first `${…}` that is not the cursor's.
pub(super) fn unknown(text: &str) -> Option<String> {
    let rest = CURSOR.replace_all(text, "");
    let begin = rest.find("${")?;
    let end = rest[begin..].find('}').map_or(rest.len(), |end| begin + end + 1);
    Some(rest[begin..end].to_owned())
}

/// The text with the cursor's value, or the default, in place; None when one of them has neither.
pub(super) fn fill(text: &str, cursor: Option<&str>) -> Option<String> {
    let mut complete = true;
    let filled = CURSOR.replace_all(text, |found: &Captures<'_>| {
        let value = cursor.or_else(|| found.get(1).map(|default| default.as_str()));
        complete &= value.is_some();
        value.unwrap_or_default().to_owned()
    });
    complete.then(|| filled.into_owned())
}

/// A JSON body with the cursor in place. Inside a JSON string the value is a string, and a member or an element whose
/// string has neither value nor default is left out; bare (`{"since": ${cursor:-0}}`) the value is put in as it is.
///
/// # Errors
/// What is wrong with the body, in words.
pub(super) fn fill_body(text: &str, cursor: Option<&str>) -> Result<String, String> {
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        return Ok(fill_value(document, cursor).unwrap_or(Value::Null).to_string());
    }
    let filled =
        fill(text, cursor).ok_or("a bare `${cursor}` has no value on the first run: write `${cursor:-VALUE}`")?;
    match serde_json::from_str::<Value>(&filled) {
        Ok(document) => Ok(document.to_string()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

fn fill_value(value: Value, cursor: Option<&str>) -> Option<Value> {
    Some(match value {
        Value::String(text) => Value::String(fill(&text, cursor)?),
        Value::Array(items) => items.into_iter().filter_map(|item| fill_value(item, cursor)).collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter_map(|(name, member)| fill_value(member, cursor).map(|member| (name, member)))
                .collect(),
        ),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_wins_over_the_default_and_without_both_nothing_is_sent() {
        assert_eq!(fill("${cursor:-2026-01-01}", Some("2026-05-01")).as_deref(), Some("2026-05-01"));
        assert_eq!(fill("${cursor:-2026-01-01}", None).as_deref(), Some("2026-01-01"));
        assert_eq!(fill("from:${cursor:-}", None).as_deref(), Some("from:"));
        assert_eq!(fill("from:${cursor}", Some("1$0")).as_deref(), Some("from:1$0"));
        assert_eq!(fill("${cursor}", None), None);
        assert_eq!(fill("plain", None).as_deref(), Some("plain"));
    }

    #[test]
    fn a_body_stays_json_whatever_the_cursor_holds() {
        let body = r#"{"filter": {"from": "${cursor}", "kind": ["a"]}, "limit": 10}"#;
        assert_eq!(fill_body(body, Some("a\"b")).unwrap(), r#"{"filter":{"from":"a\"b","kind":["a"]},"limit":10}"#);
        assert_eq!(fill_body(body, None).unwrap(), r#"{"filter":{"kind":["a"]},"limit":10}"#);
        assert_eq!(fill_body(r#"{"since": ${cursor:-0}}"#, Some("17")).unwrap(), r#"{"since":17}"#);
        assert_eq!(fill_body(r#"{"since": ${cursor:-0}}"#, None).unwrap(), r#"{"since":0}"#);
        assert!(fill_body(r#"{"since": ${cursor}}"#, None).unwrap_err().contains("${cursor:-VALUE}"));
        assert!(fill_body(r#"{"since": ${cursor}"#, Some("1")).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn other_placeholders_are_found() {
        assert_eq!(unknown("${cursor}-${cursr:-1}"), Some("${cursr:-1}".into()));
        assert_eq!(unknown("${cursor:-1}"), None);
        assert_eq!(unknown("a ${open"), Some("${open".into()));
    }
}
