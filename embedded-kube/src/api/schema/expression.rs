//! Expressions of the API server, which are Go's: nearly Rust's.

use regex::Regex;

/// The expression, which means what it means in Go; nothing for one that cannot be read.
pub(crate) fn read(text: &str) -> Option<Regex> {
    Regex::new(&translated(text)).ok()
}

/// What is wrong with an expression, as Go puts what is wrong most often; nothing if nothing is.
pub(crate) fn wrong(text: &str) -> Option<String> {
    let error = Regex::new(&translated(text)).err()?.to_string();
    let from = |place: Option<usize>| &text[place.unwrap_or_default()..];
    let (what, which) = if error.contains("unclosed group") {
        ("missing closing )", text)
    } else if error.contains("unopened group") {
        ("unexpected )", text)
    } else if error.contains("unclosed character class") {
        ("missing closing ]", from(text.rfind('[')))
    } else if error.contains("missing expression") {
        let first = text.find(['*', '+', '?']).unwrap_or_default();
        ("missing argument to repetition operator", text.get(first..=first).unwrap_or(text))
    } else if error.contains("look-around") {
        ("invalid or unsupported Perl syntax", from(text.find("(?")))
    } else {
        ("invalid escape sequence", text)
    };
    Some(format!("error parsing regexp: {what}: `{which}`"))
}

/// `\d` and its like mean ASCII in Go; in a class, `[` and doubled signs mean nothing there.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut class: Option<usize> = None;
    while let Some(letter) = letters.next() {
        match (letter, class) {
            ('\\', _) => match letters.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') if class.is_none() => out.push_str(r"(?-u:\b)"),
                Some('B') if class.is_none() => out.push_str(r"(?-u:\B)"),
                Some('C') => out.push_str("(?s:.)"),
                Some(escaped) => {
                    out.push('\\');
                    out.push(escaped);
                }
                None => out.push('\\'),
            },
            ('[', None) => {
                class = Some(0);
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // The first letter of a class is a letter, be it the one that ends classes.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ('[', Some(_)) if letters.peek() == Some(&':') => {
                out.push('[');
                for letter in letters.by_ref() {
                    out.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            ('[' | '&' | '~', Some(_)) => {
                out.push('\\');
                out.push(letter);
            }
            (']', Some(_)) => {
                class = None;
                out.push(']');
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (text, matched, other) in [
            (r"^\d+$", "12", "١٢"),
            (r"^[\w.]+$", "a_1.b", "é"),
            (r"^[[a]+$", "[a", "b"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[^]a]+$", "b", "]"),
            (r"^[a&&b]+$", "&ab", "c"),
            (r"^[[:alpha:]_]+$", "a_", "1"),
            (r"^\S+$", "a\u{a0}", "a b"),
            (r"\bfoo\b", "a foo b", "foob"),
        ] {
            let expression = read(text).unwrap();
            assert!(expression.is_match(matched), "{text} {matched}");
            assert!(!expression.is_match(other), "{text} {other}");
        }
        assert!(read("(?=a)").is_none());
        assert_eq!(wrong("(").as_deref(), Some("error parsing regexp: missing closing ): `(`"));
        assert_eq!(wrong("a[b").as_deref(), Some("error parsing regexp: missing closing ]: `[b`"));
        assert_eq!(wrong("ab*"), None);
    }
}
