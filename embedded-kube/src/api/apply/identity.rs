//! Which object a configuration means, and in which version.

use serde_json::Value;

use crate::api::{Cause, Kind, Refusal};

/// The object, if it is the one that its configuration means: a configuration may name the UID and the version that it is for.
/// What it leaves empty is as it was.
pub(super) fn kept(kind: &Kind, live: Option<&Value>, mut object: Value) -> Result<Value, Refusal> {
    let name = text(&object, "name").to_owned();
    let Some(live) = live else {
        return match text(&object, "uid") {
            "" => Ok(object),
            uid => {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                Err(Refusal::conflict(kind, &name, &why))
            }
        };
    };
    match text(&object, "resourceVersion") {
        version if version == text(live, "resourceVersion") => {}
        "" if kind.custom => return Err(Refusal::unversioned(kind, &name)),
        "" => {}
        _ => return Err(Refusal::modified(kind, &name)),
    }
    match text(&object, "uid") {
        "" => {}
        uid if uid == text(live, "uid") => {}
        uid => {
            let cause = invalid("metadata.uid", format!("Invalid value: {uid:?}: field is immutable"));
            let mut refusal = Refusal::invalid(kind, &name, vec![cause.clone()]);
            // The API server looks twice, and says it once.
            if let Some(details) = &mut refusal.details {
                details.causes.push(cause);
            }
            return Err(refusal);
        }
    }
    for name in ["uid", "creationTimestamp", "resourceVersion"] {
        if text(&object, name).is_empty()
            && let Some(before) = live.get("metadata").and_then(|metadata| metadata.get(name))
        {
            object["metadata"][name] = before.clone();
        }
    }
    Ok(object)
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    let value = object.get("metadata").and_then(|metadata| metadata.get(name));
    value.and_then(Value::as_str).unwrap_or_default()
}

fn invalid(field: &str, message: String) -> Cause {
    Cause { reason: "FieldValueInvalid".into(), message, field: field.into() }
}
