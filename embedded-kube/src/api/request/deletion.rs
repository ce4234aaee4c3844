//! What a request to delete asks for (`meta/v1 DeleteOptions`).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::lifecycle::DeleteOptions;
use super::super::patch::not_of_type;
use super::super::schema::mistake::{invalid_text, not_supported};
use super::super::schema::path::Path;
use super::super::{Cause, Refusal};
use super::options::{flag, number};

const KIND: &str = "DeleteOptions";
/// What may become of an object's dependents. The last is told to clients, and nobody can say it.
const POLICIES: [&str; 4] = ["Foreground", "Background", "Orphan", "nil"];

/// A field, what Go calls its type, and whether a value is of it.
type Field = (&'static str, &'static str, fn(&Value) -> bool);

const FIELDS: [Field; 5] = [
    ("gracePeriodSeconds", "int64", Value::is_i64),
    ("preconditions", "v1.Preconditions", Value::is_object),
    ("orphanDependents", "bool", Value::is_boolean),
    ("propagationPolicy", "v1.DeletionPropagation", Value::is_string),
    ("dryRun", "[]string", Value::is_array),
];

/// The options of a deletion: those of its body, or of its query if it has none.
///
/// # Errors
/// When they cannot be read, or do not go together.
pub fn deletion(body: &[u8], query: &HashMap<String, String>) -> Result<DeleteOptions, Refusal> {
    let options = if body.is_empty() { of_query(query)? } else { of_body(body)? };
    let causes = mistakes(&options);
    if causes.is_empty() { Ok(options) } else { Err(Refusal::wrong_options(KIND, causes)) }
}

fn of_query(query: &HashMap<String, String>) -> Result<DeleteOptions, Refusal> {
    Ok(DeleteOptions {
        grace_period_seconds: number(query, "gracePeriodSeconds")?,
        preconditions: None,
        propagation_policy: query.get("propagationPolicy").cloned(),
        orphan_dependents: flag(query, "orphanDependents"),
        dry_run: query.get("dryRun").cloned().into_iter().collect(),
    })
}

fn of_body(body: &[u8]) -> Result<DeleteOptions, Refusal> {
    let mut document: Value = serde_json::from_slice(body).map_err(|error| {
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        Refusal::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
    })?;
    let said = |name: &str, or: &str| match document[name].as_str() {
        None | Some("") => or.to_owned(),
        Some(text) => text.to_owned(),
    };
    let (version, kind) = (said("apiVersion", "v1"), said("kind", KIND));
    if kind != KIND {
        return Err(Refusal::unregistered(&version, &kind));
    }
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        for (name, of, fits) in FIELDS {
            if let Some(value) = fields.get(name).filter(|value| !fits(value)) {
                let field = format!("struct field {KIND}.{name} of type {of}");
                return Err(Refusal::bad_request(not_of_type(value, &field)));
            }
        }
    }
    serde_json::from_value(document).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn mistakes(options: &DeleteOptions) -> Vec<Cause> {
    let place = Path::of("propagationPolicy");
    let mut causes = Vec::new();
    if let Some(policy) = &options.propagation_policy {
        if options.orphan_dependents.is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(invalid_text(&place, policy, why));
        }
        if !POLICIES[..3].contains(&policy.as_str()) {
            causes.push(not_supported(&place, &json!(policy), &POLICIES));
        }
    }
    if options.dry_run.iter().any(|what| what != "All") {
        causes.push(not_supported(&Path::of("dryRun"), &json!(options.dry_run), &["All"]));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        deletion(body.as_bytes(), &HashMap::new()).expect_err("it is refused").message
    }

    #[test]
    fn options_come_with_the_body_or_with_the_path() {
        let body =
            br#"{"kind": "DeleteOptions", "apiVersion": "batch/v1", "gracePeriodSeconds": 5, "dryRun": ["All"]}"#;
        let query = HashMap::from([("gracePeriodSeconds".to_owned(), "7".to_owned())]);
        let read = deletion(body, &query).expect("options");
        assert_eq!((read.grace_period_seconds, read.dry_run), (Some(5), vec!["All".to_owned()]));
        assert_eq!(deletion(b"", &query).expect("options").grace_period_seconds, Some(7));
        let soon = HashMap::from([("gracePeriodSeconds".to_owned(), "soon".to_owned())]);
        let refusal = deletion(b"", &soon).expect_err("it is refused");
        assert_eq!(refusal.message, "strconv.ParseInt: parsing \"soon\": invalid syntax");
    }

    #[test]
    fn mistakes_are_told_in_the_server_s_words() {
        for (body, message) in [
            ("{", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
            (
                r#"{"gracePeriodSeconds": "soon"}"#,
                "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
            ),
            (
                r#"{"kind": "ConfigMap", "apiVersion": "v1"}"#,
                "no kind \"ConfigMap\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:111\"",
            ),
            (
                r#"{"propagationPolicy": "Sideways", "dryRun": ["Some"]}"#,
                "DeleteOptions.meta.k8s.io \"\" is invalid: [propagationPolicy: Unsupported value: \"Sideways\": supported \
                 values: \"Foreground\", \"Background\", \"Orphan\", \"nil\", dryRun: Unsupported value: [\"Some\"]: \
                 supported values: \"All\"]",
            ),
        ] {
            assert_eq!(refused(body), message);
        }
        assert!(refused(r#"{"propagationPolicy": "Orphan", "orphanDependents": true}"#).contains("cannot be both set"));
    }
}
