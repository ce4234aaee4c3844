//! Checks of fields that occur in several kinds: names, paths, globs, headers.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use globset::Glob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use regex::Regex;
use serde_json_path::JsonPath;
use url::Url;

use super::path::Path;
use super::report::Report;
use crate::pipeline::Param;
use crate::secret::{CertificateAuthority, SecretKeyRef};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant that every test compiles")
}

static OBJECT_NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"));
static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| pattern("^[A-Za-z_][A-Za-z0-9_]*$"));
static SECRET_KEY: LazyLock<Regex> = LazyLock::new(|| pattern("^[-._a-zA-Z0-9]+$"));
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{([^}]*)(\}|$)"));

impl Report {
    /// The name of the object itself, of at most so many characters.
    pub(super) fn metadata(&mut self, metadata: &ObjectMeta, most: usize) {
        let path = Path::root("metadata").field("name");
        match (&metadata.name, &metadata.generate_name) {
            (Some(name), _) => self.object_name_up_to(&path, name, most),
            (None, Some(_)) => {}
            (None, None) => self.add(&path, "the object has no name", "give it a name"),
        }
    }

    /// The name of a Kubernetes object.
    pub(super) fn object_name(&mut self, path: &Path, name: &str) {
        self.object_name_up_to(path, name, 253);
    }

    fn object_name_up_to(&mut self, path: &Path, name: &str, most: usize) {
        if name.len() > most {
            let length = name.len();
            self.add(path, format!("the name has {length} characters"), format!("use at most {most}"));
        }
        if !OBJECT_NAME.is_match(name) {
            self.add(
                path,
                format!("`{name}` is not a name of a Kubernetes object"),
                "use small letters, digits, `-` and `.`, with a letter or digit first and last",
            );
        }
    }

    /// A name that stands in SQL: of a node or a parameter.
    pub(super) fn identifier(&mut self, path: &Path, what: &str, name: &str) {
        if !IDENTIFIER.is_match(name) || name.len() > 63 {
            self.add(
                path,
                format!("`{name}` cannot name a {what}"),
                "use at most 63 letters, digits and `_`, and no digit first: the name stands in SQL",
            );
        }
    }

    pub(super) fn secret(&mut self, path: &Path, secret: &SecretKeyRef) {
        self.secret_key(&path.field("secretKey"), &secret.secret_key);
    }

    fn secret_key(&mut self, path: &Path, key: &str) {
        if !SECRET_KEY.is_match(key) || key.len() > 253 {
            // The text is not repeated: whoever mistakes this field for the value would see it in a log.
            self.add(
                path,
                "this is not a key of a Secret",
                "name a key of the Connector's Secret with letters, digits, `-`, `_` and `.`; the value itself never stands here",
            );
        }
    }

    pub(super) fn authority(&mut self, path: &Path, authority: &CertificateAuthority) {
        match authority {
            CertificateAuthority::SecretKey(key) => self.secret_key(&path.field("secretKey"), key),
            CertificateAuthority::Pem(text) if text.contains("-----BEGIN CERTIFICATE-----") => {}
            CertificateAuthority::Pem(_) => self.add(
                &path.field("pem"),
                "the text holds no certificate",
                "paste PEM text that begins with `-----BEGIN CERTIFICATE-----`",
            ),
        }
    }

    /// Names of a Pipeline's or Transformation's parameters, as their declaration.
    pub(super) fn declared_params(&mut self, path: &Path, params: &[Param]) {
        for (index, param) in params.iter().enumerate() {
            let path = path.index(index);
            self.identifier(&path.field("name"), "parameter", &param.name);
            self.filled(&path.field("type"), "the type", &param.data_type);
        }
        let names =
            params.iter().enumerate().map(|(index, param)| (path.index(index).field("name"), param.name.as_str()));
        self.unique("parameter", names);
    }

    /// Names of a Pipeline's or Transformation's parameters, where values are given.
    pub(super) fn param_names<Value>(&mut self, path: &Path, params: &BTreeMap<String, Value>) {
        for name in params.keys() {
            self.identifier(&path.key(name), "parameter", name);
        }
    }

    pub(super) fn json_path(&mut self, path: &Path, text: &str) {
        if let Err(error) = JsonPath::parse(text) {
            self.add(
                path,
                format!("`{text}` is not a JSONPath: {}, at character {}", error.message(), error.position() + 1),
                "write a path as RFC 9535 has it, as `$.data[*]`",
            );
        }
    }

    pub(super) fn glob(&mut self, path: &Path, text: &str) {
        match Glob::new(text) {
            Ok(_) if text.is_empty() => self.add(path, "the glob is empty", "use `*` for everything"),
            Ok(_) => {}
            Err(error) => self.add(
                path,
                format!("`{text}` is not a glob: {}", error.kind()),
                "use `*`, `**`, `?`, `[…]` and `{…,…}`, and close what you open",
            ),
        }
    }

    /// An address of `http` or `https`, without credentials.
    pub(super) fn address(&mut self, path: &Path, text: &str) {
        match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => self.add(
                path,
                format!("the address has the scheme `{}`", url.scheme()),
                "begin it with `https://` or `http://`",
            ),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => self.add(
                path,
                "the address holds a user name or password",
                "take them out, and give them by `secretKey`",
            ),
            Ok(_) => {}
            Err(error) => self.add(path, format!("this is not an address: {error}"), "write it as `https://host/path`"),
        }
    }

    pub(super) fn header_name(&mut self, path: &Path, name: &str) {
        if ::http::HeaderName::from_str(name).is_err() {
            self.add(path, format!("`{name}` is not a name of a header"), "use letters, digits and `-`, as `X-Tenant`");
        }
    }

    /// Text in which `${…}` stands for something that is known when a run goes on. `known` tells a right word from a wrong one.
    pub(super) fn placeholders(&mut self, path: &Path, text: &str, known: impl Fn(&str) -> bool, help: &str) {
        for found in PLACEHOLDER.captures_iter(text) {
            if !found[2].is_empty() && known(&found[1]) {
                continue;
            }
            let message = match &found[2] {
                "" => format!("`{}` is not closed", &found[0]),
                _ => format!("`{}` stands for nothing here", &found[0]),
            };
            self.add(path, message, help);
        }
    }
}
