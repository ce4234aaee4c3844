//! What may be said of somebody besides their name, UID and groups.

use super::super::name::{is_subdomain, quoted};

/// Why nobody may say this of somebody else.
pub(super) fn unfit(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".to_owned());
    }
    if let Some((part, why)) = no_path(key) {
        let part = quoted(part);
        return Some(format!(
            "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: {part}: {why}"
        ));
    }
    if key.to_lowercase() != key {
        let key = quoted(key);
        return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key}"));
    }
    if values.iter().any(String::is_empty) {
        return Some("impersonating the empty string value in extra is not allowed".to_owned());
    }
    None
}

const NO_PATH: &str = "must be a domain-prefixed path (such as \"acme.io/foo\")";
const NO_DOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
    must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NO_HTTP_PATH: &str = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";

/// What of a key is no domain followed by a path, and why.
fn no_path(key: &str) -> Option<(&str, &'static str)> {
    let within = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    match key.split_once('/') {
        None | Some(("", _) | (_, "")) => Some((key, NO_PATH)),
        Some((domain, _)) if !is_subdomain(domain) => Some((domain, NO_DOMAIN)),
        Some((_, path)) if !path.bytes().all(within) => Some((path, NO_HTTP_PATH)),
        Some(_) => None,
    }
}
