//! Names that are part of other names.

/// Whether it can be a namespace's name: letters, digits and dashes, 63 of them, with no dash at an end.
pub(super) fn is_label(name: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(within) && !name.starts_with('-') && !name.ends_with('-')
}

/// Whether it can be the name of a node or a ServiceAccount: labels of any length with dots between them, 253 letters.
pub(super) fn is_subdomain(name: &str) -> bool {
    let is_part = |part: &str| {
        let within = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(within) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

/// A text in quotes, as Go puts it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            '\0'..'\u{20}' | '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            '\u{80}'..'\u{a0}' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Texts in quotes, as Go puts a list of them.
pub(super) fn quoted_all(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        for name in ["a", "a-b", "0", &"a".repeat(63)] {
            assert!(is_label(name) && is_subdomain(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "a/b"] {
            assert!(!is_label(name) && !is_subdomain(name), "{name}");
        }
        assert!(is_subdomain("a.b") && !is_label("a.b"));
        assert!(is_subdomain(&"a".repeat(253)) && !is_subdomain(&"a".repeat(254)));
        assert!(!is_subdomain("a..b") && !is_subdomain("a.-b"));
    }

    #[test]
    fn texts_are_quoted_as_by_go() {
        assert_eq!(quoted("a\"b\\c\n\0\u{7f}ä'"), r#""a\"b\\c\n\x00\x7fä'""#);
        assert_eq!(quoted_all(&["a".to_owned(), String::new()]), r#"["a" ""]"#);
        assert_eq!(quoted_all(&[]), "[]");
    }
}
