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
        "application/json" => Ok(Cow::Borrowed(body)),
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
