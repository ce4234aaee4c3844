//! Mistakes in the objects of reviews, in the words of the API server.

use serde_json::Value;

use crate::api::access::name::quoted;
use crate::api::{Cause, Details, Refusal, RefusalReason};

/// A value is not what it must be.
pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Cause {
    let value = match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    };
    cause("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
}

/// A value is missing.
pub(super) fn required(field: &str, why: &str) -> Cause {
    cause("FieldValueRequired", field, format!("Required value: {why}"))
}

fn cause(reason: &str, field: &str, message: String) -> Cause {
    Cause { reason: reason.to_owned(), message, field: field.to_owned() }
}

/// Nothing, when there are no mistakes.
///
/// Of reviews of access, the API server has lost the kind by then.
pub(super) fn none(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Result<(), Refusal> {
    let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let what = match texts.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let message = format!("{kind}.{group} {} is invalid: {what}", quoted(name));
    let details =
        Details { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), causes, ..Details::default() };
    Err(Refusal { reason: RefusalReason::Invalid, message, details: Some(Box::new(details)) })
}
