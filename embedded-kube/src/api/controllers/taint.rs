//! Taints of nodes, and who tolerates them.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// A node that takes no new Pods.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// A node that says that it is not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// A node that says nothing any more.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// A taint without a value.
#[must_use]
pub fn new(key: &str, effect: &str) -> Taint {
    Taint { key: key.to_owned(), effect: effect.to_owned(), ..Taint::default() }
}

/// Whether a toleration is for a taint.
#[must_use]
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let empty_or = |own: &Option<String>, value: &str| own.as_deref().is_none_or(|own| own.is_empty() || own == value);
    if !empty_or(&toleration.effect, &taint.effect) || !empty_or(&toleration.key, &taint.key) {
        return false;
    }
    let (own, value) = (toleration.value.as_deref().unwrap_or_default(), taint.value.as_deref().unwrap_or_default());
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => own == value,
        "Exists" => true,
        // `Lt` and `Gt` are switched off.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_is_for_a_key_a_value_and_an_effect() {
        let taint = Taint { value: Some("v".into()), ..new("k", "NoExecute") };
        let own = |key: &str, operator: &str, value: &str, effect: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let toleration = Toleration {
                key: some(key),
                operator: some(operator),
                value: some(value),
                effect: some(effect),
                toleration_seconds: None,
            };
            tolerates(&toleration, &taint)
        };
        assert!(own("k", "", "v", "") && own("k", "Equal", "v", "NoExecute") && own("k", "Exists", "", ""));
        assert!(own("", "Exists", "", ""));
        assert!(!own("k", "", "w", "") && !own("l", "Exists", "", "") && !own("k", "Exists", "", "NoSchedule"));
        assert!(!own("k", "Gt", "v", ""));
    }
}
