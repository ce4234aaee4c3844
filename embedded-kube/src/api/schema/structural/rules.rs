//! Whether the rules of a schema can be looked at.

use serde_json::Value;

use super::{list, text};
use crate::api::Cause;
use crate::api::schema::go;
use crate::api::schema::mistake::{invalid, invalid_text, not_supported, required};
use crate::api::schema::path::Path;
use crate::api::schema::rules::Rules;

/// A rule as the API server has it within itself.
fn shown(rule: &Value) -> String {
    let text = |field: &str| go::json(&text(rule, field).into());
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        go::json(&rule["reason"]),
        text("fieldPath"),
        go::json(&rule["optionalOldSelf"]),
    )
}

/// What the compiler says, and as the API server's one lays it out.
fn compiler_words(error: &str) -> String {
    let said = error.find("ERROR: ").map_or(error, |place| &error[place..]);
    said.replace("\n| ", "\n | ")
}

/// What is wrong with the rules of a place.
pub(super) fn rules(schema: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let all = list(schema, "x-kubernetes-validations");
    if all.is_empty() {
        return;
    }
    let before = causes.len();
    for (place, rule) in all.iter().enumerate() {
        let path = path.child("x-kubernetes-validations").index(place);
        if text(rule, "rule").trim().is_empty() {
            causes.push(required(&path.child("rule"), "rule is not specified"));
        }
        let message = text(rule, "message");
        if !message.is_empty() && message.trim().is_empty() {
            causes.push(invalid_text(&path.child("message"), message, "must be non-empty if specified"));
        } else if message.trim().contains(['\n', '\r']) {
            causes.push(invalid_text(&path.child("message"), message, "must not contain line breaks"));
        } else if message.is_empty() && text(rule, "rule").trim().contains(['\n', '\r']) {
            let detail = "message must be specified if rule contains line breaks";
            causes.push(required(&path.child("message"), detail));
        }
        let reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
        if rule["reason"].as_str().is_some_and(|reason| !reasons.contains(&reason)) {
            causes.push(not_supported(&path.child("reason"), &rule["reason"], &reasons));
        }
    }
    if causes.len() > before {
        return;
    }
    let compiled = Rules::read(&schema["x-kubernetes-validations"]);
    for (place, error) in compiled.broken() {
        let path = path.child("x-kubernetes-validations").index(place).child("rule");
        causes.push(Cause {
            reason: "FieldValueInvalid".into(),
            message: format!("Invalid value: {}: compilation failed: {}", shown(&all[place]), compiler_words(error)),
            field: path.to_string(),
        });
    }
    for (place, rule) in all.iter().enumerate() {
        if !rule["optionalOldSelf"].is_null() && !compiled.compares(place) {
            let path = path.child("x-kubernetes-validations").index(place).child("optionalOldSelf");
            causes.push(invalid(&path, &rule["optionalOldSelf"], "may not be set if oldSelf is not used in rule"));
        }
    }
}
