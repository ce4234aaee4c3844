//! Patches: what a request changes in an object. No I/O.
//!
//! ```text
//! bytes and content type ─► body ─► merge | operations | strategic ─► object
//!                             └───► apply (a configuration, see `api::apply`)
//! ```

mod body;
mod go;
mod merge;
mod operations;
mod options;
pub(super) mod shape;
mod strategic;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Kind, Refusal, RefusalReason};

pub(super) use body::not_of_type;
pub(super) use go::{printed, type_name, unrestored};

pub use body::PatchBody;
pub use operations::Operation;
pub use options::checked_options;

/// The object as the patch makes it, before defaults, pruning and validation.
///
/// # Errors
/// When the patch does not fit the object. A configuration to apply is refused: it needs to know who applies it
/// (`api::apply::applied`).
pub fn patched(kind: &Kind, live: &Value, patch: &PatchBody) -> Result<Value, Refusal> {
    match patch {
        PatchBody::Merge(patch) => merge::merged(live, patch),
        PatchBody::Operations(operations) => operations::changed(live, operations),
        PatchBody::Strategic(patch) => strategic::merged(kind, live, patch),
        PatchBody::Apply(_) => {
            let message = "a configuration is applied by a field manager, and is no patch of its own";
            Err(Refusal::new(RefusalReason::InternalError, message))
        }
    }
}

/// The patch is well formed and cannot be done to this object. The API server keeps to itself what exactly is the matter.
fn unfit() -> Refusal {
    let message = "the server rejected our request due to an error in our request";
    Refusal { reason: RefusalReason::Invalid, message: message.into(), details: Some(Box::default()) }
}
