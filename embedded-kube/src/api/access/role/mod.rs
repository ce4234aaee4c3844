//! Roles: the rules that bindings grant.

mod binding;
mod cover;
mod index;
mod rule;

use std::ops::ControlFlow;

use super::{Attributes, Decision, User};

pub use binding::{Binding, RoleRef, Subject, SubjectKind};
pub use index::Index;
pub use rule::Rule;

pub(super) use cover::missing;

/// What bindings grant.
pub trait Rules {
    /// Visits what is granted to somebody in a namespace, or in all of them when it is empty, until the visitor has enough.
    fn grants<'a>(&'a self, user: &User, namespace: &str, visit: &mut dyn FnMut(Grant<'a>) -> ControlFlow<()>);

    /// The rules of a role that a binding in a namespace names, or in none when it is empty.
    ///
    /// # Errors
    /// When there is no such role.
    fn role<'a>(&'a self, role: &'a RoleRef, namespace: &str) -> Result<&'a [Rule], Missing<'a>>;
}

/// What a binding grants to somebody.
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// Who of its subjects they are.
    pub subject: &'a Subject,
    /// What it grants.
    pub rules: Result<&'a [Rule], Missing<'a>>,
}

/// A role that a binding names and that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}.rbac.authorization.k8s.io {} not found", .0.kind.to_lowercase(), super::name::quoted(&.0.name))]
pub struct Missing<'a>(pub &'a RoleRef);

/// Whether a rule that is granted to somebody allows what they ask for, and by which binding.
#[must_use]
pub fn allowed(attributes: &Attributes, rules: &(impl Rules + ?Sized)) -> Decision {
    let mut by = None;
    let mut errors: Vec<String> = Vec::new();
    rules.grants(&attributes.user, attributes.namespace(), &mut |grant| {
        match grant.rules {
            Ok(rules) if rules.iter().any(|rule| rule.allows(attributes)) => {
                by = Some(format!("RBAC: allowed by {}", grant.binding.describe(grant.subject)));
                return ControlFlow::Break(());
            }
            Ok(_) => {}
            Err(missing) => errors.push(missing.to_string()),
        }
        ControlFlow::Continue(())
    });
    match (by, errors.is_empty()) {
        (Some(reason), _) => Decision::allow(reason),
        (None, true) => Decision::deny(""),
        (None, false) => Decision::deny(format!("RBAC: {}", listed(errors))),
    }
}

/// Several errors, as Go puts them: one by itself, more in brackets, each once.
pub(super) fn listed(mut errors: Vec<String>) -> String {
    let mut seen = std::collections::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// The texts in a list.
fn texts(list: &serde_json::Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
