//! A new object.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Cause, Kind, Refusal, RefusalReason};
use super::metadata::{self, of, text};

/// The longest name that is made up, and what is added to its beginning.
const LONGEST: usize = 63;
const ADDED: usize = 5;
/// Letters of made-up names: no vowels, so that no words come about, and nothing that looks like something else.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Kinds that are built in and count the versions of their spec.
const COUNTED: [(&str, &str); 3] = [("", "pods"), ("batch", "jobs"), ("networking.k8s.io", "networkpolicies")];

/// A name that begins so, with five random letters behind.
#[must_use]
pub fn generated_name(begin: &str, random: u64) -> String {
    let end = begin.floor_char_boundary(LONGEST - ADDED);
    let mut rest = random;
    let letters = (0..ADDED).map(|_| {
        let letter = LETTERS[usize::try_from(rest % LETTERS.len() as u64).unwrap_or_default()];
        rest /= LETTERS.len() as u64;
        char::from(letter)
    });
    format!("{}{}", &begin[..end], letters.collect::<String>())
}

/// Whether the versions of a kind's spec are counted in `metadata.generation`.
pub(super) fn is_counted(kind: &Kind) -> bool {
    kind.custom || COUNTED.contains(&(kind.group.as_str(), kind.plural.as_str()))
}

/// What a new object becomes before it is looked over: with a name, a UID and the time, and without what only the server says.
///
/// `namespace` is that of the request; empty for kinds without.
///
/// # Errors
/// When its namespace is another one, it has a version already, or no name.
pub fn begin(
    kind: &Kind,
    mut object: Value,
    namespace: &str,
    (uid, random): (&str, u64),
    now: Timestamp,
) -> Result<Value, Refusal> {
    let own = text(&object, "namespace").to_owned();
    if !own.is_empty() && own != namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !text(&object, "resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Refusal::new(RefusalReason::Unknown, message));
    }
    let (name, begin) = (text(&object, "name").to_owned(), text(&object, "generateName").to_owned());
    let metadata = of(&mut object);
    if name.is_empty() && !begin.is_empty() {
        metadata.insert("name".into(), generated_name(&begin, random).into());
    } else if name.is_empty() {
        let cause = Cause {
            reason: "FieldValueRequired".into(),
            message: "Required value: name or generateName is required".into(),
            field: "metadata.name".into(),
        };
        return Err(Refusal::invalid(kind, "", vec![cause]));
    }
    if kind.namespaced {
        metadata.insert("namespace".into(), namespace.into());
    } else {
        metadata.remove("namespace");
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uid.into());
    metadata.insert("creationTimestamp".into(), metadata::seconds(now).into());
    if is_counted(kind) {
        metadata.insert("generation".into(), 1.into());
    }
    // Whoever registers a node says how it is.
    if kind.status
        && kind.plural != "nodes"
        && let Value::Object(fields) = &mut object
    {
        fields.remove("status");
        if !kind.custom {
            fields.insert("status".into(), first_status(kind));
        }
    }
    Ok(object)
}

/// The status with which the server makes objects of kinds that are built in.
fn first_status(kind: &Kind) -> Value {
    match kind.plural.as_str() {
        "pods" => json!({"phase": "Pending"}),
        "namespaces" => json!({"phase": "Active"}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_fit_and_differ() {
        let name = generated_name("run-", 7);
        assert!(name.starts_with("run-") && name.len() == 9, "{name}");
        assert_ne!(name, generated_name("run-", 8));
        assert_eq!(generated_name(&"x".repeat(80), 7).len(), 63);
    }
}
