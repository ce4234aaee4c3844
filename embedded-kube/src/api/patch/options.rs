//! What a request says beside its patch.

use crate::api::Refusal;
use crate::api::request::manager_mistakes;
use crate::api::schema::mistake::{forbidden, required};
use crate::api::schema::path::Path;

use super::PatchBody;

/// Whether `fieldManager` and `force`, as the query has them, go with the patch.
///
/// # Errors
/// When a configuration is applied by nobody, something else is forced, or the manager has an impossible name.
pub fn checked_options(patch: &PatchBody, field_manager: &str, force: Option<bool>) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    if matches!(patch, PatchBody::Apply(_)) {
        if field_manager.is_empty() {
            causes.push(required(&Path::of("fieldManager"), "is required for apply patch"));
        }
    } else if force.is_some() {
        causes.push(forbidden(&Path::of("force"), "may not be specified for non-apply patch"));
    }
    causes.extend(manager_mistakes(field_manager));
    if causes.is_empty() { Ok(()) } else { Err(Refusal::wrong_options("PatchOptions", causes)) }
}
