//! How deep JSON may be nested: what reads it goes one call deeper for each level.

use serde_json::Error;

/// The most levels of objects and lists in each other: the parser's own limit.
const MAX_DEPTH: usize = 127;

/// That text is no JSON for us only because it is nested too deep, in words; `what` is the text.
pub(crate) fn too_deep(what: &str, error: &Error) -> Option<String> {
    // The parser has no class of its own for it.
    error.to_string().starts_with("recursion limit exceeded").then(|| {
        format!(
            "{what} is nested deeper than {MAX_DEPTH} levels, at its line {} column {}",
            error.line(),
            error.column()
        )
    })
}
