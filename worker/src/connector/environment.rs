//! What a connector is opened with: its object, its secrets, the folder that relative paths start from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use aggregator_compiler::diagnostic::Place;
use aggregator_compiler::manifest::Locator;
use aggregator_crds::ConnectorSpec;

use super::{Buffers, ConnectorError, ErrorKind, Result};

/// What a connector is opened with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The Connector's name, for messages.
    pub name: String,
    /// What the user declared.
    pub spec: ConnectorSpec,
    /// The values of its Secret.
    pub secrets: Secrets,
    /// The folder that relative paths start from: the manifest's.
    pub base: PathBuf,
    /// Where the object's fields stand, for messages.
    pub locator: Option<Locator>,
    /// How much it may read ahead, and gather before it writes.
    pub buffers: Buffers,
}

impl Environment {
    /// The place of a field of the object, as `spec.file.root`.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        self.locator.as_ref().map(|locator| locator.place(path))
    }
}

/// A secret's value; its text is never shown.
#[derive(Clone)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Takes the bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one place that needs them.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(***)")
    }
}

/// The values of one Secret, by key.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The Secret's name, for messages.
    pub name: String,
    /// The values.
    pub values: BTreeMap<String, SecretValue>,
    /// Where it was looked for, for messages.
    pub sought: Vec<Sought>,
}

/// A place where a Secret was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The place, as `the folder secrets/connector-shop`.
    pub place: String,
    /// Whether it was there, and had anything in it.
    pub found: bool,
}

impl Secrets {
    /// The value of a key as text, without a final line end.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] when the Secret has no such key, or the value is not UTF-8.
    pub fn text(&self, key: &str) -> Result<String> {
        let operation = || format!("read key `{key}` of Secret `{}`", self.name);
        let value = self.values.get(key).ok_or_else(|| {
            let (detail, remedy) = self.missing(key);
            ConnectorError::new(ErrorKind::Credentials, operation(), detail).remedy(remedy)
        })?;
        let text = std::str::from_utf8(value.expose_bytes())
            .map_err(|_| ConnectorError::new(ErrorKind::Credentials, operation(), "the value is not UTF-8 text"))?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// What is there instead of a key, by names only, and what to do.
    fn missing(&self, key: &str) -> (String, String) {
        let places = |found: bool| {
            let places = self.sought.iter().filter(|sought| sought.found == found).map(|sought| sought.place.as_str());
            places.collect::<Vec<_>>().join(", and ")
        };
        let keys: Vec<&str> = self.values.keys().map(String::as_str).collect();
        match (places(true), keys.as_slice()) {
            (found, []) if found.is_empty() => {
                let detail = match places(false) {
                    sought if sought.is_empty() => "there is no such Secret".to_owned(),
                    sought => format!("there is no such Secret; it was looked for as {sought}"),
                };
                let remedy = format!(
                    "add it: a file `{0}/{key}` in the folder given with --secrets, a v1 Secret among the manifests, or, on a \
                     cluster, `kubectl create secret generic {0} --from-literal={key}=…`",
                    self.name
                );
                (detail, remedy)
            }
            (found, []) => (
                format!("the Secret has no keys; it was found as {found}"),
                format!("add the key `{key}` there, or correct the `secretName` of the Connector"),
            ),
            (found, keys) => (
                format!("the Secret has no such key; its keys are {}; it was found as {found}", keys.join(", ")),
                format!("add the key `{key}` there, or name one of these keys in the Connector's `secretKey`"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)], sought: &[(&str, bool)]) -> Secrets {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), SecretValue::new(*value)));
        let sought = sought.iter().map(|(place, found)| Sought { place: (*place).to_owned(), found: *found });
        Secrets { name: "db".into(), values: values.collect(), sought: sought.collect() }
    }

    /// Keys are named, values never.
    #[test]
    fn a_missing_key_is_told_with_the_keys_that_are_there_and_where() {
        let places = [("the folder s/db", true), ("a v1 Secret in the namespace demo", false)];
        let told = |secrets: &Secrets| {
            let error = secrets.text("password").expect_err("it is missing");
            (error.to_string(), error.remedy.unwrap_or_default())
        };
        assert_eq!(
            told(&secrets(&[("pass", "canary"), ("user", "canary")], &places)),
            (
                "read key `password` of Secret `db`: the Secret has no such key; its keys are pass, user; it was found as \
                 the folder s/db"
                    .to_owned(),
                "add the key `password` there, or name one of these keys in the Connector's `secretKey`".to_owned()
            )
        );
        assert_eq!(
            told(&secrets(&[], &[("the folder s/db", false), ("the v1 Secret at m.yaml:3", true)])),
            (
                "read key `password` of Secret `db`: the Secret has no keys; it was found as the v1 Secret at m.yaml:3"
                    .to_owned(),
                "add the key `password` there, or correct the `secretName` of the Connector".to_owned()
            )
        );
        assert_eq!(
            told(&secrets(&[], &places.map(|(place, _)| (place, false)))),
            (
                "read key `password` of Secret `db`: there is no such Secret; it was looked for as the folder s/db, and \
                 a v1 Secret in the namespace demo"
                    .to_owned(),
                "add it: a file `db/password` in the folder given with --secrets, a v1 Secret among the manifests, or, on a \
                 cluster, `kubectl create secret generic db --from-literal=password=…`"
                    .to_owned()
            )
        );
    }
}
