//! Choices by key (`#[serde(flatten)]` of an externally tagged enum) in schemas.

use schemars::Schema;

/// Takes the keyword `unevaluatedProperties` from a struct that refuses unknown fields and holds a choice.
///
/// OpenAPI has no such keyword, and what schemars replaces it by (every key listed in every branch of the choice) cannot
/// be made structural. Which keys are allowed stays known: they are the properties of the structural schema.
pub(crate) fn open(schema: &mut Schema) {
    schema.remove("unevaluatedProperties");
}
