//! What label keys and values may look like.

const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                     must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                     regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Why the text is no key of a label, if it is none; the mistake is said to be at `place`.
pub(super) fn bad_key(place: &str, key: &str) -> Option<String> {
    complaint(place, key, &key_mistakes(key))
}

/// Why the text is no value of a label, if it is none.
pub(super) fn bad_value(place: &str, value: &str) -> Option<String> {
    let mut mistakes = Vec::new();
    if value.len() > 63 {
        mistakes.push("must be no more than 63 bytes".to_owned());
    }
    if !value.is_empty() && !is_name(value) {
        mistakes.push(VALUE.to_owned());
    }
    complaint(place, value, &mistakes)
}

fn complaint(place: &str, text: &str, mistakes: &[String]) -> Option<String> {
    let why = mistakes.join("; ");
    (!why.is_empty()).then(|| format!("{place}: Invalid value: {}: {why}", quoted(text)))
}

fn key_mistakes(key: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let (prefix, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            let prefix = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {NAME} {prefix}")];
        }
    };
    match prefix {
        None => {}
        Some("") => mistakes.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            if prefix.len() > 253 {
                mistakes.push("prefix part must be no more than 253 bytes".to_owned());
            }
            if !prefix.split('.').all(is_dns_label) {
                mistakes.push(format!("prefix part {SUBDOMAIN}"));
            }
        }
    }
    if name.is_empty() {
        mistakes.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        mistakes.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name(name) {
        mistakes.push(format!("name part {NAME}"));
    }
    mistakes
}

/// Letters, digits and marks, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    bounded(text, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

fn is_dns_label(text: &str) -> bool {
    bounded(text, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(), b"-")
}

fn bounded(text: &str, end: fn(u8) -> bool, marks: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()].into_iter().all(|byte| byte.is_some_and(|byte| end(*byte)));
    ends && bytes.iter().all(|byte| end(*byte) || marks.contains(byte))
}

/// A text in quotation marks as Go writes it (`%q`).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            control if u32::from(control) < 0x20 || control == '\u{7f}' => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(control)));
            }
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_with_or_without_a_prefix() {
        for key in ["a", "A-b_c.9", "example.com/x", &"a".repeat(63), &format!("{}/x", "a".repeat(253))] {
            assert_eq!(bad_key("key", key), None, "{key}");
        }
        for (key, parts) in [
            ("", &["name part must be non-empty; name part must consist of"][..]),
            ("a/b/c", &["a valid label key must consist of", "with an optional DNS subdomain prefix and '/'"]),
            ("/a", &["\"/a\": prefix part must be non-empty"]),
            ("A/b", &["prefix part a lowercase RFC 1123 subdomain must consist"]),
            ("a..b/c", &["prefix part a lowercase"]),
            ("-a", &["\"-a\": name part must consist"]),
            (&"a".repeat(64), &["name part must be no more than 63 bytes"]),
        ] {
            let complaint = bad_key("key", key).unwrap();
            assert!(complaint.starts_with("key: Invalid value: "), "{complaint}");
            assert!(parts.iter().all(|part| complaint.contains(part)), "{complaint}");
        }
    }

    #[test]
    fn values_may_be_empty() {
        for value in ["", "a", "a.b-c_D", &"9".repeat(63)] {
            assert_eq!(bad_value("x", value), None, "{value}");
        }
        for value in ["-", "a.", "ä", "a b", &"9".repeat(64)] {
            assert!(bad_value("x", value).is_some(), "{value}");
        }
    }

    #[test]
    fn texts_are_quoted_as_go_does() {
        assert_eq!(quoted("a\"\\\n\u{1}ä\u{7f}\u{85}"), "\"a\\\"\\\\\\n\\x01ä\\x7f\\u0085\"");
    }
}
