//! The values that must not be shown, in every way that a text may write them.

use std::fmt;

use url::form_urlencoded;

/// What replaces a secret.
pub(super) const MASK: &str = "***";

/// Values that must not be shown.
#[derive(Clone, Default)]
pub(super) struct Known(Vec<String>);

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Known({})", self.0.len())
    }
}

impl Known {
    /// Remembers a value, as it is and as addresses, JSON and delimited text write it. An empty value is no secret.
    pub(super) fn learn(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        for text in forms(secret) {
            if !self.0.contains(&text) {
                self.0.push(text);
            }
        }
        // A secret may hold another one: the longest goes first.
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// The text without any known value.
    pub(super) fn clean(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

fn forms(secret: &str) -> [String; 5] {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json).to_owned();
    [secret.to_owned(), form.replace('+', "%20"), form, json, secret.replace('"', "\"\"")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(secrets: &[&str]) -> Known {
        let mut known = Known::default();
        secrets.iter().for_each(|secret| known.learn(secret));
        known
    }

    #[test]
    fn a_secret_is_found_as_it_is_and_encoded() {
        assert_eq!(
            known(&["a b/c\"d"]).clean(r#"raw a b/c"d form a+b%2Fc%22d path a%20b%2Fc%22d json a b/c\"d csv a b/c""d"#),
            "raw *** form *** path *** json *** csv ***"
        );
    }

    #[test]
    fn the_longer_of_two_secrets_goes_first_and_an_empty_one_never() {
        assert_eq!(known(&["", "abc", "abcdef"]).clean("abcdefg abc"), "***g ***");
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", known(&["hunter2"])).contains("hunter2"));
    }
}
