//! What names may be: each rule gives back what is wrong, in the words of the API server
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/api/validate/content>).

use std::sync::LazyLock;

use regex::Regex;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";

const KEY_RULE: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// What a name may be: whether it is one, or the beginning of one.
pub(crate) type Rule = fn(name: &str, beginning: bool) -> Vec<String>;

fn whole(expression: &str) -> Regex {
    Regex::new(&format!("^(?:{expression})$")).expect("a constant that is an expression")
}

macro_rules! expression {
    ($name:ident, $expression:expr) => {
        fn $name(text: &str) -> bool {
            static EXPRESSION: LazyLock<Regex> = LazyLock::new(|| whole($expression));
            EXPRESSION.is_match(text)
        }
    };
}

expression!(is_label, LABEL);
expression!(is_subdomain, SUBDOMAIN);
expression!(is_label_1035, LABEL_1035);
expression!(is_key, KEY);
expression!(is_key_value, KEY_VALUE);
expression!(is_config_key, CONFIG_KEY);

/// The two halves of the API server count alike and name it differently.
fn too_long(most: usize, what: &str) -> String {
    format!("must be no more than {most} {what}")
}

fn does_not_match(what: &str, expression: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{what} (e.g. {}regex used for validation is '{expression}')", examples.join(" or "))
}

/// A DNS subdomain, as `my-name.example.com`.
pub(crate) fn subdomain(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 253 {
        wrong.push(too_long(253, "characters"));
    }
    if !is_subdomain(value) {
        let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
        wrong.push(does_not_match(what, SUBDOMAIN, &["example.com"]));
    }
    wrong
}

/// A DNS label, as `my-name`.
pub(crate) fn label(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push(too_long(63, "characters"));
    }
    if !is_label(value) {
        if is_subdomain(value) {
            wrong.push("must not contain dots".to_owned());
        } else {
            let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
            wrong.push(does_not_match(what, LABEL, &["my-name", "123-abc"]));
        }
    }
    wrong
}

/// A DNS label that begins with a letter.
pub(crate) fn label_1035(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push(too_long(63, "characters"));
    }
    if !is_label_1035(value) {
        let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
        wrong.push(does_not_match(what, LABEL_1035, &["my-name", "abc-123"]));
    }
    wrong
}

/// The key of a label, of an annotation, and the name of a finalizer: `example.com/name`.
pub(crate) fn qualified(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let examples = ["MyName", "my.name", "123-abc"];
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(
                    subdomain(prefix)
                        .into_iter()
                        .map(|what| format!("prefix part {}", what.replace("253 characters", "253 bytes"))),
                );
            }
            *name
        }
        _ => {
            wrong.push(format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                does_not_match(KEY_RULE, KEY, &examples)
            ));
            return wrong;
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63, "bytes")));
    }
    if !is_key(name) {
        wrong.push(format!("name part {}", does_not_match(KEY_RULE, KEY, &examples)));
    }
    wrong
}

/// The value of a label.
pub(crate) fn label_value(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push(too_long(63, "bytes"));
    }
    if !is_key_value(value) {
        let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
        wrong.push(does_not_match(what, KEY_VALUE, &["MyValue", "my_value", "12345"]));
    }
    wrong
}

/// A key of a ConfigMap or a Secret.
pub(crate) fn config_key(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 253 {
        wrong.push(too_long(253, "characters"));
    }
    if !is_config_key(value) {
        let what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        wrong.push(does_not_match(what, CONFIG_KEY, &["key.name", "KEY_NAME", "key-name"]));
    }
    wrong.extend(no_way_up(value));
    wrong
}

/// What cannot be the name of a file.
fn no_way_up(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// The name of an environment variable: anything that can be seen, but `=`.
pub(crate) fn variable(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if value.chars().any(|letter| !(' '..='~').contains(&letter) || letter == '=') {
        return vec![
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        ];
    }
    Vec::new()
}

/// A part of a path.
pub(crate) fn segment(value: &str) -> Vec<String> {
    if matches!(value, "." | "..") {
        return vec![format!("may not be '{value}'")];
    }
    segment_beginning(value)
}

fn segment_beginning(value: &str) -> Vec<String> {
    ["/", "%"].into_iter().filter(|part| value.contains(part)).map(|part| format!("may not contain '{part}'")).collect()
}

/// Names of most kinds: a DNS subdomain.
pub(crate) fn any(name: &str, beginning: bool) -> Vec<String> {
    if beginning { subdomain(&without_dash(name)) } else { subdomain(name) }
}

/// Names of namespaces: a DNS label.
pub(crate) fn short(name: &str, beginning: bool) -> Vec<String> {
    if beginning { label(&without_dash(name)) } else { label(name) }
}

/// Names of roles: a part of a path.
pub(crate) fn role(name: &str, _beginning: bool) -> Vec<String> {
    segment(name)
}

/// What every name must be.
pub(crate) fn path_segment(name: &str, beginning: bool) -> Vec<String> {
    if beginning { segment_beginning(name) } else { segment(name) }
}

/// A beginning may end in a dash, because more comes. The API server takes the letter before it away as well.
fn without_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut letters = rest.chars();
            letters.next_back();
            format!("{}a", letters.as_str())
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_good() {
        for name in ["a", "a-b.c", "1"] {
            assert_eq!(subdomain(name), Vec::<String>::new(), "{name}");
        }
        assert!(qualified("example.com/a_B.c").is_empty());
        assert!(label_value("").is_empty());
        assert!(any("run-", true).is_empty());
        assert!(config_key("a.b_C").is_empty());
    }

    #[test]
    fn bad_names_are_told() {
        assert_eq!(label("a.b"), ["must not contain dots"]);
        assert_eq!(
            subdomain("A"),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
              and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
              '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
        assert_eq!(qualified("/a"), ["prefix part must be non-empty"]);
        assert_eq!(qualified("").len(), 2);
        assert!(qualified("a/b/c")[0].ends_with("and '/' (e.g. 'example.com/MyName')"));
        assert_eq!(config_key(".."), ["must not be '..'"]);
        assert_eq!(segment("a/b%"), ["may not contain '/'", "may not contain '%'"]);
    }
}
