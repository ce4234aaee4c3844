//! Formats of texts that are checked, by their names without dashes
//! (<https://github.com/kubernetes/kube-openapi/tree/master/pkg/validation/strfmt>).

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use email_address::{EmailAddress, Options};
use jiff::civil::Date;
use regex::Regex;

use super::durations;

/// Formats that are expressions.
const EXPRESSIONS: [(&str, &str); 16] = [
    ("bsonobjectid", "^[0-9a-fA-F]{24}$"),
    ("byte", "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
    (
        "creditcard",
        r"^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$",
    ),
    ("hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    (
        "hostname",
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    ),
    ("isbn10", "^(?:[0-9]{9}X|[0-9]{10})$"),
    ("isbn13", "^[0-9]{13}$"),
    ("k8sshortname", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
    ("k8slongname", r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
    (
        "mac",
        "^(?i)(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?:(?::[0-9a-f]{2}){2}|(?::[0-9a-f]{2}){14})?|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}(?:(?:-[0-9a-f]{2}){2}|(?:-[0-9a-f]{2}){14})?|[0-9a-f]{4}(?:\\.[0-9a-f]{4}){2}(?:\\.[0-9a-f]{4}|(?:\\.[0-9a-f]{4}){7})?)$",
    ),
    (
        "rgbcolor",
        r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$",
    ),
    ("ssn", r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    ("uuid", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid3", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid4", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    ("uuid5", "^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
];

/// Formats that are more than an expression.
const OTHERS: [&str; 11] =
    ["cidr", "date", "datetime", "duration", "email", "ipv4", "ipv6", "isbn", "password", "uri", "uuid"];

static COMPILED: LazyLock<HashMap<&str, Regex>> = LazyLock::new(|| {
    let compile = |(name, text): (&'static str, &str)| Regex::new(text).ok().map(|expression| (name, expression));
    EXPRESSIONS.into_iter().filter_map(compile).collect()
});

/// Whether texts of this format are checked.
pub(crate) fn is_known(format: &str) -> bool {
    let name = format.replace('-', "");
    OTHERS.contains(&name.as_str()) || EXPRESSIONS.iter().any(|(known, _)| *known == name)
}

/// Whether the text is of the format, which is a known one.
pub(crate) fn is_of(format: &str, text: &str) -> bool {
    let name = format.replace('-', "");
    let matches = |name: &str, text: &str| COMPILED.get(name).is_some_and(|expression| expression.is_match(text));
    match name.as_str() {
        "cidr" => is_cidr(text),
        "creditcard" => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            matches("creditcard", &digits) && doubled_every_second(&digits).is_multiple_of(10)
        }
        "date" => text.len() == 10 && matches_date(text),
        "datetime" => is_date_time(text),
        "duration" => durations::nanoseconds(text).is_some(),
        "email" => is_email(text),
        "hostname" => matches("hostname", text) && text.len() <= 255 && text.split('.').all(|part| part.len() <= 63),
        "ipv4" => text.contains('.') && is_ip(text),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "isbn" => is_of("isbn10", text) || is_of("isbn13", text),
        "isbn10" | "isbn13" => {
            let digits: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
            matches(&name, &digits) && is_book(&digits)
        }
        "k8sshortname" => text.len() <= 63 && matches(&name, text),
        "k8slongname" => text.len() <= 253 && matches(&name, text),
        "password" => true,
        "ssn" => text.len() == 11 && matches("ssn", text),
        "uri" => is_uri(text),
        _ => matches(&name, text),
    }
}

/// Zeros before a number do no harm.
fn is_ip(text: &str) -> bool {
    let four = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let plain = part.trim_start_matches('0');
        digits.then_some(if plain.is_empty() { "0" } else { plain })
    });
    let four: Option<Vec<&str>> = four.collect();
    let plain = four.is_some_and(|four| four.join(".").parse::<Ipv4Addr>().is_ok());
    plain || (text.contains(':') && text.parse::<Ipv6Addr>().is_ok())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = if address.contains(':') { 128 } else { 32 };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    is_ip(address) && digits && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

fn matches_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dashes = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    dashes && text.parse::<Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    static TIME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$").ok());
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let parts = TIME.as_ref().and_then(|expression| expression.captures(time));
    is_of("date", date) && parts.is_some_and(|parts| &parts[1] <= "23" && &parts[2] <= "59" && &parts[3] <= "59")
}

fn is_email(text: &str) -> bool {
    let options = Options { minimum_sub_domains: 0, allow_domain_literal: true, allow_display_text: true };
    EmailAddress::parse_with_options(text, options).is_ok()
}

/// What a server may be asked for: a path, or anything behind a scheme.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return false;
    }
    let scheme = text.split_once(':').filter(|(scheme, _)| {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) && scheme.chars().all(letters)
    });
    let rest = match scheme {
        Some((_, rest)) if !rest.starts_with('/') => return true,
        Some((_, rest)) => rest,
        None if text.starts_with('/') => text,
        None => return false,
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = match rest.strip_prefix("//").filter(|_| scheme.is_some()) {
        Some(rest) => rest.find('/').map_or((rest, ""), |end| rest.split_at(end)),
        None => ("", rest),
    };
    let escapes = path
        .split('%')
        .skip(1)
        .all(|part| part.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    let host = host.rsplit('@').next().unwrap_or_default();
    let port = host.rsplit_once(':').filter(|_| !host.ends_with(']'));
    let port = port.is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    escapes && port && !host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '}', '|'])
}

fn doubled_every_second(digits: &str) -> u32 {
    let digits = digits.bytes().rev().map(|byte| u32::from(byte - b'0'));
    digits.enumerate().map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum()
}

fn is_book(digits: &str) -> bool {
    let value = |byte: u8| if byte == b'X' { 10 } else { u32::from(byte - b'0') };
    let values: Vec<u32> = digits.bytes().map(value).collect();
    if values.len() == 10 {
        return (1..).zip(&values).map(|(weight, value)| weight * value).sum::<u32>().is_multiple_of(11);
    }
    let sum: u32 =
        values.iter().enumerate().map(|(place, value)| if place % 2 == 1 { 3 * value } else { *value }).sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_can_be_read() {
        assert_eq!(COMPILED.len(), EXPRESSIONS.len());
        assert!(is_known("date-time") && is_known("uuid") && !is_known("int32") && !is_known("made-up"));
    }

    #[test]
    fn texts_are_checked() {
        for (format, good, bad) in [
            ("date-time", "2026-11-29T21:00:00.5+02:00", "2026-11-29"),
            ("date", "2026-11-29", "2026-02-30"),
            ("ipv4", "010.0.0.1", "256.0.0.1"),
            ("ipv6", "::1", "127.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("uri", "https://example.com/a?b=c", "example.com"),
            ("uri", "/a", ""),
            ("hostname", "a.example.com", "-a"),
            ("mac", "01:23:45:67:89:ab", "01:23"),
            ("byte", "YQ==", "Y"),
            ("email", "a@example.com", "a"),
            ("uuid4", "0c9ee7a1-9d2b-4f3c-8a1b-0123456789ab", "0c9ee7a1-9d2b-5f3c-8a1b-0123456789ab"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("duration", "1h30m", "1"),
            ("k8s-short-name", "a-b", "a.b"),
        ] {
            assert!(is_of(format, good), "{format} {good}");
            assert!(!is_of(format, bad), "{format} {bad}");
        }
    }
}
