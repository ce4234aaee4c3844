//! Keeps secret values out of every text that is shown.

use std::sync::{PoisonError, RwLock};

use url::Url;
use url::form_urlencoded;

/// What replaces a secret.
const MASK: &str = "***";

/// Knows the secret values of one Connector, those it was given and those it fetched.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    secrets: RwLock<Secrets>,
    /// The query parameter that carries a key.
    parameter: Option<String>,
}

#[derive(Default)]
struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secrets({})", self.0.len())
    }
}

impl Redactor {
    /// One that knows no value yet, but the query parameter that will carry a key.
    pub(super) fn new(parameter: Option<String>) -> Self {
        Self { secrets: RwLock::default(), parameter }
    }

    /// Remembers a value, as it is and as addresses, JSON and delimited text write it. An empty value is no secret.
    pub(super) fn learn(&self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let json = serde_json::Value::from(secret).to_string();
        let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json).to_owned();
        let mut known = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        let quoted = secret.replace('"', "\"\"");
        for text in [secret.to_owned(), form.replace('+', "%20"), form, json, quoted] {
            if !known.0.contains(&text) {
                known.0.push(text);
            }
        }
        // A secret may hold another one: the longest goes first.
        known.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// The text without any known value.
    pub(super) fn clean(&self, text: &str) -> String {
        let known = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        known.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// The address without any known value, without a user's name and password, and without the key's parameter.
    pub(super) fn address(&self, url: &Url) -> String {
        let mut shown = url.clone();
        if !shown.username().is_empty() || shown.password().is_some() {
            // Both fail only for addresses without a host, which have neither.
            let removed = shown.set_username("").and_then(|()| shown.set_password(None));
            debug_assert!(removed.is_ok(), "an address with a user has a host");
        }
        if let Some(parameter) = &self.parameter
            && url.query_pairs().any(|(name, _)| name == parameter.as_str())
        {
            let others: Vec<(String, String)> =
                url.query_pairs().into_owned().filter(|(name, _)| name != parameter).collect();
            shown.query_pairs_mut().clear().extend_pairs(others).append_pair(parameter, MASK);
        }
        self.clean(shown.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_as_it_is_and_encoded() {
        let redactor = Redactor::default();
        redactor.learn("a b/c\"d");
        assert_eq!(
            redactor.clean(r#"raw a b/c"d form a+b%2Fc%22d path a%20b%2Fc%22d json a b/c\"d csv a b/c""d"#),
            "raw *** form *** path *** json *** csv ***"
        );
    }

    #[test]
    fn the_longer_of_two_secrets_goes_first_and_an_empty_one_never() {
        let redactor = Redactor::default();
        for secret in ["", "abc", "abcdef"] {
            redactor.learn(secret);
        }
        assert_eq!(redactor.clean("abcdefg abc"), "***g ***");
    }

    #[test]
    fn an_address_loses_its_key_even_one_that_is_not_known() {
        let redactor = Redactor::new(Some("key".into()));
        let url = Url::parse("https://user:word@host/path?a=1&key=server%20made&b=2").unwrap();
        assert_eq!(redactor.address(&url), "https://host/path?a=1&b=2&key=***");
    }

    #[test]
    fn debug_shows_no_value() {
        let redactor = Redactor::default();
        redactor.learn("hunter2");
        assert!(!format!("{redactor:?}").contains("hunter2"));
    }
}
