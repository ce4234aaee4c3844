//! What counts of a request: its token, what names its event, and the values in its body.

use std::collections::BTreeMap;
use std::time::Duration;

use aggregator_crds::Schedule;
use aggregator_crds::schedule::{Trigger, WebhookTrigger};
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::refusal::{Refusal, refusal};

/// The most bytes of a request's body.
pub(super) const BODY: usize = 64 * 1024;
/// The most bytes of the values that are taken from it: they wait in the Schedule's status.
pub(super) const VALUES: usize = 4 * 1024;
/// The header with the event, if the Schedule names no other.
const KEY: &str = "idempotency-key";
/// What the hash of a token is compared with where there is no Schedule: no token has it.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The token that a request carries.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// The SHA-256 of a token, in hexadecimal digits.
pub(super) fn hash_of(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A Schedule and what it says of requests, if the token of that hash is its own. It takes as long for each hash, and where
/// there is no Schedule.
pub(super) fn opened<'a>(schedule: Option<&'a Schedule>, hash: &str) -> Option<(&'a Schedule, &'a WebhookTrigger)> {
    let there = schedule.filter(|schedule| schedule.metadata.deletion_timestamp.is_none());
    let waiting = there.and_then(|schedule| match &schedule.spec.trigger {
        Trigger::Webhook(webhook) => Some((schedule, webhook)),
        _ => None,
    });
    let own = waiting.map_or(NOBODYS, |(_, webhook)| webhook.token_sha256.as_str());
    let is_own = bool::from(own.as_bytes().ct_eq(hash.as_bytes()));
    waiting.filter(|_| is_own)
}

/// The whole body, if it is small and comes in time.
pub(super) async fn whole(body: Body, time: Duration) -> Result<Bytes, Refusal> {
    let large = || {
        let why = format!("the body has more than {BODY} bytes, or did not come whole");
        refusal(StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    // Who says beforehand that it is too large does not have to send it.
    if body.size_hint().lower() > BODY as u64 {
        return Err(large());
    }
    match tokio::time::timeout(time, to_bytes(body, BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(large()),
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {time:?}"))),
    }
}

/// What names the event of a request.
pub(super) fn key<'a>(headers: &'a HeaderMap, trigger: &WebhookTrigger) -> Result<Option<&'a str>, Refusal> {
    let name = trigger.event_id_header.as_deref().unwrap_or(KEY);
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    let value = value.map_err(|_| refusal(StatusCode::BAD_REQUEST, format!("the header `{name}` is no plain text")))?;
    Ok(value.filter(|value| !value.is_empty()))
}

/// The values that a Schedule takes from a body.
pub(super) fn params(trigger: &WebhookTrigger, body: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut values = BTreeMap::new();
    if trigger.params.is_empty() {
        return Ok(values);
    }
    let bad = |why: String| refusal(StatusCode::BAD_REQUEST, why);
    let body: Value = serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    for (name, path) in &trigger.params {
        let query =
            JsonPath::parse(path).map_err(|_| refusal(StatusCode::CONFLICT, format!("`{path}` is no JSONPath")))?;
        let value = match query.query(&body).exactly_one() {
            Ok(Value::String(text)) => text.clone(),
            Ok(Value::Number(number)) => number.to_string(),
            Ok(Value::Bool(truth)) => truth.to_string(),
            _ => return Err(bad(format!("the body has not one value at `{path}`, of which `{name}` is taken"))),
        };
        values.insert(name.clone(), value);
    }
    if values.values().map(String::len).sum::<usize>() > VALUES {
        let why = format!("the values that are taken from the body have more than {VALUES} bytes");
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(values)
}
