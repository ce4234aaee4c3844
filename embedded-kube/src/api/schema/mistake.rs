//! Mistakes in an object, in the words of the API server
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/field/errors.go>).

use std::collections::HashSet;

use serde_json::Value;

use super::go;
use super::path::Path;
use crate::api::{Cause, Kind, Refusal};

/// A mistake of that kind, in a few words and, behind a colon, in more.
fn mistake(path: &Path, reason: &str, what: &str, detail: &str) -> Cause {
    let message = if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") };
    Cause { reason: reason.to_owned(), message, field: path.to_string() }
}

/// A value as messages show it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => go::quoted(text),
        Value::Number(number) => go::number(number),
        other => go::json(other),
    }
}

/// The value is wrong.
pub(crate) fn invalid(path: &Path, value: &Value, detail: &str) -> Cause {
    mistake(path, "FieldValueInvalid", &format!("Invalid value: {}", shown(value)), detail)
}

/// The text is wrong.
pub(crate) fn invalid_text(path: &Path, value: &str, detail: &str) -> Cause {
    mistake(path, "FieldValueInvalid", &format!("Invalid value: {}", go::quoted(value)), detail)
}

/// The value, which is not shown, is wrong.
pub(crate) fn invalid_unseen(path: &Path, detail: &str) -> Cause {
    mistake(path, "FieldValueInvalid", "Invalid value", detail)
}

/// The value is of another type.
pub(crate) fn type_invalid(path: &Path, value: &Value, detail: &str) -> Cause {
    mistake(path, "FieldValueTypeInvalid", &format!("Invalid value: {}", shown(value)), detail)
}

/// It is missing.
pub(crate) fn required(path: &Path, detail: &str) -> Cause {
    mistake(path, "FieldValueRequired", "Required value", detail)
}

/// It may not be there.
pub(crate) fn forbidden(path: &Path, detail: &str) -> Cause {
    mistake(path, "FieldValueForbidden", "Forbidden", detail)
}

/// It is there twice.
pub(crate) fn duplicate(path: &Path, value: &Value) -> Cause {
    mistake(path, "FieldValueDuplicate", &format!("Duplicate value: {}", shown(value)), "")
}

/// It is there twice, and the value is not shown.
pub(crate) fn duplicate_unseen(path: &Path, detail: &str) -> Cause {
    mistake(path, "FieldValueDuplicate", "Duplicate value", detail)
}

/// What it names is not there.
pub(crate) fn not_found(path: &Path, value: &str) -> Cause {
    mistake(path, "FieldValueNotFound", &format!("Not found: {}", go::quoted(value)), "")
}

/// It is none of these.
pub(crate) fn not_supported<T: AsRef<str>>(path: &Path, value: &Value, known: &[T]) -> Cause {
    let known: Vec<String> = known.iter().map(|known| go::quoted(known.as_ref())).collect();
    let detail = if known.is_empty() { String::new() } else { format!("supported values: {}", known.join(", ")) };
    mistake(path, "FieldValueNotSupported", &format!("Unsupported value: {}", shown(value)), &detail)
}

/// It is longer than that.
pub(crate) fn too_long(path: &Path, most: i64) -> Cause {
    let detail = match most {
        i64::MIN..=-1 => "value is too long".to_owned(),
        1 => "may not be more than 1 byte".to_owned(),
        _ => format!("may not be more than {most} bytes"),
    };
    mistake(path, "FieldValueTooLong", "Too long", &detail)
}

/// It has more items than that.
pub(crate) fn too_many(path: &Path, actual: i64, most: i64) -> Cause {
    let detail =
        if most == 1 { "must have at most 1 item".to_owned() } else { format!("must have at most {most} items") };
    mistake(path, "FieldValueTooMany", &format!("Too many: {actual}"), &detail)
}

/// Whether rules are not looked at before it is mended.
pub(crate) fn blocks_rules(cause: &Cause) -> bool {
    let blocking = [
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ];
    blocking.contains(&cause.reason.as_str())
}

/// The object has these mistakes. One that is there twice is told once, and counted twice.
pub(crate) fn refusal(kind: &Kind, name: &str, causes: Vec<Cause>) -> Refusal {
    let mut known = HashSet::with_capacity(causes.len());
    let told = causes.iter().filter(|cause| known.insert((&cause.field, &cause.message))).cloned().collect();
    let mut refusal = Refusal::invalid(kind, name, told);
    // The name is quoted as Go does, which differs for names that cannot be.
    if let Some(rest) = refusal.message.strip_prefix(&format!("{} \"{name}\"", kind.qualified())) {
        refusal.message = format!("{} {}{rest}", kind.qualified(), go::quoted(name));
    }
    if let Some(details) = &mut refusal.details {
        details.causes = causes;
    }
    refusal
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mistakes_are_told_in_the_server_s_words() {
        let path = Path::of("spec.size");
        let told = |cause: Cause| format!("{}: {}", cause.field, cause.message);
        assert_eq!(told(invalid(&path, &json!(1.5), "no")), "spec.size: Invalid value: 1.5: no");
        assert_eq!(told(invalid(&path, &json!({"b": "<"}), "no")), r#"spec.size: Invalid value: {"b":"\u003c"}: no"#);
        assert_eq!(told(invalid(&path, &json!("a\n"), "no")), "spec.size: Invalid value: \"a\\n\": no");
        assert_eq!(told(required(&path, "")), "spec.size: Required value");
        assert_eq!(
            told(not_supported(&path, &json!("c"), &["a", "b"])),
            "spec.size: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        );
        assert_eq!(told(too_many(&path, 3, 1)), "spec.size: Too many: 3: must have at most 1 item");
        assert_eq!(told(too_long(&path, 63)), "spec.size: Too long: may not be more than 63 bytes");
    }
}
