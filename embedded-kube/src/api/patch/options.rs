//! What a request says beside its patch.

use crate::api::{Cause, Details, Refusal, RefusalReason};

use super::PatchBody;

const LONGEST: usize = 128;

/// Whether `fieldManager` and `force`, as the query has them, go with the patch.
///
/// # Errors
/// When a configuration is applied by nobody, something else is forced, or the manager has an impossible name.
pub fn checked_options(patch: &PatchBody, field_manager: &str, force: Option<bool>) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    let mut refuse = |field: &str, reason: &str, message: String| {
        causes.push(Cause { reason: reason.into(), message, field: field.into() });
    };
    if matches!(patch, PatchBody::Apply(_)) {
        if field_manager.is_empty() {
            let message = "Required value: is required for apply patch";
            refuse("fieldManager", "FieldValueRequired", message.into());
        }
    } else if force.is_some() {
        let message = "Forbidden: may not be specified for non-apply patch";
        refuse("force", "FieldValueForbidden", message.into());
    }
    if field_manager.len() > LONGEST {
        let message = format!("Too long: may not be more than {LONGEST} bytes");
        refuse("fieldManager", "FieldValueTooLong", message);
    }
    for (position, letter) in field_manager.char_indices().filter(|(_, letter)| letter.is_control()) {
        let code = u32::from(letter);
        let message =
            format!("Invalid value: {field_manager:?}: invalid character U+{code:04X} (at position {position})");
        refuse("fieldManager", "FieldValueInvalid", message);
    }
    if causes.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let what = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(", ")) };
    let details = Details { group: "meta.k8s.io".into(), kind: "PatchOptions".into(), causes, ..Details::default() };
    Err(Refusal {
        reason: RefusalReason::Invalid,
        message: format!("PatchOptions.meta.k8s.io \"\" is invalid: {what}"),
        details: Some(Box::new(details)),
    })
}
