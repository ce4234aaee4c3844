//! Where a column's value is: Kubernetes' JSONPath (<https://kubernetes.io/docs/reference/kubectl/jsonpath/>), which is older
//! than that of RFC 9535 and is put into its words.

use serde_json::Value;
use serde_json_path::JsonPath;

/// A path to a value, as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug)]
pub struct ColumnPath(JsonPath);

impl ColumnPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Where it cannot be read on.
    pub fn parse(text: &str) -> Result<Self, serde_json_path::ParseError> {
        let mut letters = text.chars().peekable();
        let mut standard = String::from("$");
        standard.push_str(&steps(&mut letters, false));
        // What is left is no path, and is refused with it.
        standard.extend(letters);
        JsonPath::parse(&standard).map(Self)
    }

    /// The first value of the object there.
    #[must_use]
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.query(object).first()
    }
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Steps from one value to the next, as far as they go.
fn steps(letters: &mut Letters<'_>, in_filter: bool) -> String {
    let mut standard = String::new();
    while let Some(letter) = letters.next_if(|letter| matches!(letter, '.' | '[')) {
        if letter == '[' {
            standard.push_str(&brackets(letters));
            continue;
        }
        if letters.next_if_eq(&'.').is_some() {
            standard.push_str("..");
        }
        match name(letters, in_filter).as_str() {
            "" => {}
            "*" => standard.push_str("[*]"),
            name => standard.push_str(&format!("[{}]", Value::from(name))),
        }
    }
    standard
}

/// A name, in which a backslash takes the meaning of the letter behind it.
fn name(letters: &mut Letters<'_>, in_filter: bool) -> String {
    let ends = |letter: &char| {
        matches!(letter, '.' | '[') || (in_filter && matches!(letter, ' ' | ')' | '=' | '!' | '<' | '>' | '&' | '|'))
    };
    let mut name = String::new();
    while let Some(letter) = letters.next_if(|letter| !ends(letter)) {
        name.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
    }
    name
}

/// What stands in brackets: an index, names, or a filter with paths of its own.
fn brackets(letters: &mut Letters<'_>) -> String {
    let mut standard = String::from("[");
    let mut quote = None;
    while let Some(letter) = letters.next() {
        standard.push(letter);
        match (quote, letter) {
            (Some(_), '\\') => standard.extend(letters.next()),
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, '@') => standard.push_str(&steps(letters, true)),
            (None, ']') => break,
            _ => {}
        }
    }
    standard
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found() {
        let object = json!({
            "metadata": {"annotations": {"example.com/a-b": "x"}},
            "spec": {"max-size": 4, "list": [{"n": 1}, {"n": 2}], "empty": []},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "Ready", "status": "Other"},
                {"type": "a]b", "status": "Odd", "last-seen": 2},
            ]},
        });
        for (path, expected) in [
            (".spec.max-size", json!(4)),
            (".metadata.annotations.example\\.com/a-b", json!("x")),
            (".metadata.annotations['example.com/a-b']", json!("x")),
            (".spec.list[1].n", json!(2)),
            (".spec.list[-1].n", json!(2)),
            (".spec.list[*].n", json!(1)),
            (".spec.list", json!([{"n": 1}, {"n": 2}])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!("True")),
            (".status.conditions[?(@.type=='a]b')].status", json!("Odd")),
            (".status.conditions[?(@.last-seen==2)].type", json!("a]b")),
            (".status.conditions[?(@.last-seen > 1)].type", json!("a]b")),
            (".spec..n", json!(1)),
            (".spec.*[0].n", json!(1)),
        ] {
            assert_eq!(ColumnPath::parse(path).unwrap().find(&object), Some(&expected), "{path}");
        }
        for path in [".spec.none", ".spec.list[7]", ".spec.list.n", ".spec.none[0]", ".spec.empty[*]", ".a[?(@.b==1)]"]
        {
            assert_eq!(ColumnPath::parse(path).unwrap().find(&object), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["spec.x", ".spec[", ".spec[?(", ".a[b]"] {
            assert!(ColumnPath::parse(path).is_err(), "{path}");
        }
    }
}
