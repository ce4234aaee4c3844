//! What an object says about itself, checked by its own rules.

use aggregator_crds::Validate;

use crate::diagnostic::Diagnostic;
use crate::manifest::Located;

/// The code of everything that an object's own rules find.
pub(super) const INVALID: &str = "Invalid";

/// Everything about the object that cannot stand, whatever other objects there are.
#[must_use]
pub fn violations<T: Validate>(located: &Located<T>) -> Vec<Diagnostic> {
    let found = located.object.validate();
    found
        .into_iter()
        .map(|found| Diagnostic::error(INVALID, found.message).help(found.help).at(located.place(&found.path)))
        .collect()
}
