//! References to variables in arguments and in the environment: `$(NAME)`.

use std::collections::BTreeMap;

/// The text with each `$(NAME)` replaced by the variable's value. A name that is not known stays as it is, and `$$` is a
/// dollar sign that begins no reference.
pub(crate) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (after.strip_prefix('$'), name) {
            (Some(after), _) => {
                expanded.push('$');
                after
            }
            (None, Some((name, after))) => {
                match variables.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.extend(["$(", name, ")"]),
                }
                after
            }
            (None, None) => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced() {
        let variables = [("A", "1"), ("B", "$(A)"), ("ü", "u")].map(|(name, value)| (name.into(), value.into())).into();
        for (text, expanded) in [
            ("", ""),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$(C)", "$(C)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("$(ü)", "u"),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }
}
