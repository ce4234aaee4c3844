//! Keeps secret values out of every text that is shown.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use aggregator_crds::connector::HttpConnector;
use serde_json::Value;
use url::Url;

use super::super::known::{Known, MASK};

/// How many values from addresses are remembered: those of a page that is read are among the last.
const RECENT: usize = 32;
/// The least characters of a value that is taken for a secret by its name alone: shorter ones occur by chance.
const SHORTEST: usize = 6;

/// Knows the secret values of one Connector, those it was given and those it fetched.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    secrets: RwLock<Secrets>,
    /// The query parameter that carries a key.
    parameter: Option<String>,
}

#[derive(Debug, Default)]
struct Secrets {
    known: Known,
    recent: VecDeque<Known>,
}

impl Redactor {
    /// One that knows no value yet, but the query parameter that will carry a key.
    pub(super) fn new(parameter: Option<String>) -> Self {
        Self { secrets: RwLock::default(), parameter }
    }

    /// Remembers a value, in every way that a text may write it.
    pub(super) fn learn(&self, secret: &str) {
        self.secrets.write().unwrap_or_else(PoisonError::into_inner).known.learn(secret);
    }

    /// Remembers what the manifest's headers, parameters and bodies call secrets by their names, though it should not
    /// stand there.
    pub(super) fn learn_manifest(&self, spec: &HttpConnector) {
        let of_endpoints = spec.endpoints.iter().flat_map(|endpoint| endpoint.headers.iter().chain(&endpoint.query));
        for (_, value) in spec.headers.iter().chain(of_endpoints).filter(|(name, _)| names_secret(name)) {
            self.learn_named(value);
        }
        for body in spec.endpoints.iter().filter_map(|endpoint| endpoint.body.as_deref()) {
            // What is no JSON is refused elsewhere.
            if let Ok(body) = serde_json::from_str(body) {
                self.learn_fields(&body);
            }
        }
    }

    fn learn_fields(&self, body: &Value) {
        match body {
            Value::Array(values) => values.iter().for_each(|value| self.learn_fields(value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if names_secret(name) => self.learn_named(text),
                        value => self.learn_fields(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn learn_named(&self, value: &str) {
        if value.chars().count() >= SHORTEST {
            self.learn(value);
        }
    }

    /// Remembers for a while what an address calls a secret: a server that is asked for it may repeat it.
    pub(super) fn learn_address(&self, url: &Url) {
        let mut known = Known::default();
        let mut any = false;
        for (_, value) in url.query_pairs().filter(|(name, _)| names_secret(name)) {
            if value.chars().count() >= SHORTEST {
                known.learn(&value);
                any = true;
            }
        }
        if any {
            let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
            secrets.recent.push_back(known);
            if secrets.recent.len() > RECENT {
                secrets.recent.pop_front();
            }
        }
    }

    /// The text without any known value.
    pub(super) fn clean(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets.recent.iter().fold(secrets.known.clean(text), |text, known| known.clean(&text))
    }

    /// The address without any known value, and without what its parts call secrets.
    pub(super) fn address(&self, url: &Url) -> String {
        let own = |name: &str| self.parameter.as_deref() == Some(name);
        self.clean(masked(url, own).as_str())
    }
}

/// The address without a user's name and password, without a fragment, and without the values of parameters that carry
/// secrets, by their names or as `own` says.
pub(super) fn masked(url: &Url, own: impl Fn(&str) -> bool) -> Url {
    let mut shown = url.clone();
    if !shown.username().is_empty() || shown.password().is_some() {
        // Both fail only for addresses without a host, which have neither.
        let removed = shown.set_username("").and_then(|()| shown.set_password(None));
        debug_assert!(removed.is_ok(), "an address with a user has a host");
    }
    shown.set_fragment(None);
    let secret = |name: &str| own(name) || names_secret(name);
    if url.query_pairs().any(|(name, _)| secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs = pairs.into_iter().map(|(name, value)| {
            let value = if secret(&name) { MASK.to_owned() } else { value };
            (name, value)
        });
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown
}

/// Whether a parameter, header or field of that name carries a secret.
fn names_secret(name: &str) -> bool {
    const WHOLE: [&str; 6] = ["key", "sig", "pwd", "pass", "auth", "session"];
    const PARTS: [&str; 17] = [
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "signature",
        "credential",
        "authorization",
        "sessionid",
        "apikey",
        "accesskey",
        "accountkey",
        "authkey",
        "clientkey",
        "privatekey",
        "sharedkey",
        "subscriptionkey",
    ];
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WHOLE.contains(&letters.as_str()) || PARTS.iter().any(|part| letters.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_key_even_one_that_is_not_known() {
        let redactor = Redactor::new(Some("k".into()));
        let url =
            Url::parse("https://user:word@host/path?a=1&k=server%20made&b=2&Page-Token=t&author=x#access_token=y");
        assert_eq!(redactor.address(&url.unwrap()), "https://host/path?a=1&k=***&b=2&Page-Token=***&author=x");
        // One without a secret is shown as it was written.
        let url = Url::parse("https://host/path?a=%20b").unwrap();
        assert_eq!(redactor.address(&url), "https://host/path?a=%20b");
    }

    #[test]
    fn what_a_name_calls_a_secret_is_one_unless_it_is_too_short() {
        let redactor = Redactor::default();
        let spec = serde_json::json!({
            "url": "https://h", "headers": {"X-Auth-Token": "hunter2", "X-Author": "somebody"},
            "endpoints": [{
                "name": "a", "path": "/a", "query": {"api_key": "hunter3", "key": "1"}, "method": "Post",
                "body": "{\"login\": [{\"password\": \"hunter4\", \"user\": \"me\"}]}"
            }]
        });
        redactor.learn_manifest(&serde_json::from_value(spec).unwrap());
        assert_eq!(redactor.clean("hunter2 hunter3 hunter4 somebody me 1"), "*** *** *** somebody me 1");
    }

    #[test]
    fn the_secrets_of_the_last_addresses_are_known_and_no_more() {
        let redactor = Redactor::default();
        for page in 0..=RECENT {
            redactor.learn_address(&Url::parse(&format!("https://h/?page={page}&sig=signed-{page:03}")).unwrap());
        }
        assert_eq!(redactor.clean("signed-001 signed-032 signed-000"), "*** *** signed-000");
    }

    #[test]
    fn debug_shows_no_value() {
        let redactor = Redactor::default();
        redactor.learn("hunter2");
        assert!(!format!("{redactor:?}").contains("hunter2"));
    }
}
