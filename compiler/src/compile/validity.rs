//! What an object says about itself, checked by its own rules.

use aggregator_crds::{Connector, Validate};

use crate::declared;
use crate::diagnostic::Diagnostic;
use crate::manifest::Located;

/// The code of everything that an object's own rules find.
pub(super) const INVALID: &str = "Invalid";

/// Everything about a Connector that cannot stand: its own rules, and the columns that it declares.
pub(super) fn connector_violations(located: &Located<Connector>) -> Vec<Diagnostic> {
    let mut found = violations(located);
    let wrong = declared::mistakes(&located.object.spec.connector_type).into_iter();
    let wrong = wrong.filter(|wrong| !located.is_in_damaged(&wrong.path));
    found.extend(
        wrong.map(|wrong| Diagnostic::error(INVALID, wrong.message).help(wrong.help).at(located.place(&wrong.path))),
    );
    found
}

/// Everything about the object that cannot stand, whatever other objects there are. What was told when it was read is
/// not told again.
#[must_use]
pub fn violations<T: Validate>(located: &Located<T>) -> Vec<Diagnostic> {
    let found = located.object.validate();
    found
        .into_iter()
        .filter(|found| !located.is_in_damaged(&found.path))
        .map(|found| Diagnostic::error(INVALID, found.message).help(found.help).at(located.place(&found.path)))
        .collect()
}
