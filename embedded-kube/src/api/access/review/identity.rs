//! Who somebody is: `SelfSubjectReview`, `TokenReview`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::Refusal;
use crate::api::access::authentication::bearer;
use crate::api::access::{Authentication, User};

/// Who asks: a `SelfSubjectReview`.
#[must_use]
pub fn self_subject(user: &User, now: Timestamp) -> Value {
    json!({
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": seconds(now)},
        "status": {"userInfo": user.info()},
    })
}

/// Who has a token: a `TokenReview`.
///
/// # Errors
/// When it has no token.
pub fn token(authentication: &Authentication<'_>, review: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let spec = &review["spec"];
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Refusal::bad_request("token is required for TokenReview in authentication"));
    }
    let asked = spec["audiences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let asked: Vec<String> = asked.iter().filter_map(|audience| audience.as_str().map(str::to_owned)).collect();
    let audiences = if asked.is_empty() { authentication.issuer.audiences() } else { &asked };
    // It is looked at as in a header, where a token ends at a space.
    let header = format!("Bearer {token}");
    let mut status = Map::new();
    match bearer(&header).map(|token| authentication.token(token, audiences, now)) {
        None => {
            status.insert("user".to_owned(), json!({}));
        }
        Some(Ok(known)) => {
            status.insert("authenticated".to_owned(), true.into());
            status.insert("user".to_owned(), known.user.info());
            status.insert("audiences".to_owned(), json!(known.audiences));
        }
        Some(Err(error)) => {
            status.insert("user".to_owned(), json!({}));
            status.insert("error".to_owned(), error.into());
        }
    }
    let mut review = review.clone();
    review["status"] = Value::Object(status);
    Ok(review)
}

/// A time as the API puts it.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
