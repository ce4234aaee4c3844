//! Truth values that are usual for their field, and so left out of what is written.

/// The default of a field that is usually true.
pub(crate) fn yes() -> bool {
    true
}

/// Whether a field that is usually true may be left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
pub(crate) fn is_true(value: &bool) -> bool {
    *value
}

/// Whether a field that is usually false may be left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
