//! Bodies of requests, as JSON.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::super::protobuf;
use super::super::{Kind, Refusal, RefusalReason};

/// The most bytes of a body, as the real one has it.
pub(super) const LARGEST: usize = 3 * 1024 * 1024;

/// The content type that a request names, without its parameters; JSON, if it names none.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match named.split(';').next().unwrap_or_default().trim() {
        "" => "application/json",
        named => named,
    }
}

/// The body of an object, as JSON.
///
/// # Errors
/// When it is of another content type, or cannot be read as what it says it is.
pub(super) fn json<'a>(kind: &Kind, headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    match content_type(headers) {
        "application/json" => Ok(whole_letters(body)),
        "application/vnd.kubernetes.protobuf" if !kind.custom => {
            let object = protobuf::decode(body).map_err(|error| error.refusal())?;
            Ok(Cow::Owned(object.to_string().into_bytes()))
        }
        "application/vnd.kubernetes.protobuf" => Err(protobuf::unsupported()),
        "application/yaml" | "application/x-yaml" => {
            let text = std::str::from_utf8(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
            let object: Value =
                serde_saphyr::from_str(text).map_err(|error| Refusal::bad_request(format!("yaml: {error}")))?;
            Ok(Cow::Owned(object.to_string().into_bytes()))
        }
        _ => {
            let known = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
            let message =
                format!("the body of the request was in an unknown format - accepted media types include: {known}");
            Err(Refusal::new(RefusalReason::UnsupportedMediaType, message))
        }
    }
}

/// JSON in which no letter is escaped by half: Go reads such a half as a letter that stands for none.
fn whole_letters(body: &[u8]) -> Cow<'_, [u8]> {
    if !body.windows(3).any(|begin| matches!(begin, [b'\\', b'u', b'd' | b'D'])) {
        return Cow::Borrowed(body);
    }
    let mut whole = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.first() {
        let is_second = || rest.get(6..).and_then(escaped).is_some_and(|letter| (0xdc00..=0xdfff).contains(&letter));
        let taken = match escaped(rest) {
            Some(0xd800..=0xdbff) if is_second() => 12,
            Some(0xd800..=0xdfff) => {
                whole.extend_from_slice(b"\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // What is escaped begins nothing.
            _ if *first == b'\\' => rest.len().min(2),
            _ => 1,
        };
        whole.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(whole)
}

/// The number of the escaped letter that a text begins with.
fn escaped(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_letters_are_replaced() {
        for (sent, read) in [
            (r#"{"a": "b"}"#, r#"{"a": "b"}"#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\ude00\ud83dx""#, r#""\ufffd\ufffdx""#),
            (r#""\\ud800\""#, r#""\\ud800\""#),
        ] {
            assert_eq!(String::from_utf8_lossy(&whole_letters(sent.as_bytes())), read);
        }
    }
}
