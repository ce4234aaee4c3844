//! Whether somebody may.

use std::ops::ControlFlow;

use crate::api::Refusal;

use super::user::MASTERS;
use super::{Attributes, Missing, Pods, Rule, Rules, User, allowed, forbidden, node};

/// Everything that says who may do what.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    /// What bindings grant.
    pub rules: &'a dyn Rules,
    /// The Pods of nodes.
    pub pods: &'a dyn Pods,
}

/// Whether somebody may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether they may.
    pub allowed: bool,
    /// Why, or why not; may be empty.
    pub reason: String,
}

impl Decision {
    pub(super) fn allow(reason: impl Into<String>) -> Self {
        Self { allowed: true, reason: reason.into() }
    }

    pub(super) fn deny(reason: impl Into<String>) -> Self {
        Self { allowed: false, reason: reason.into() }
    }
}

impl Authority<'_> {
    /// Whether somebody may: the first of several authorities that allows it says why; if none does, each that has a reason
    /// tells it.
    #[must_use]
    pub fn decide(&self, attributes: &Attributes) -> Decision {
        if attributes.user.is_in(MASTERS) {
            return Decision::allow("");
        }
        let node = node::decide(attributes, self.pods);
        if node.allowed {
            return node;
        }
        let role = allowed(attributes, self.rules);
        if role.allowed {
            return role;
        }
        let named = [("node", node.reason), ("rbac", role.reason)];
        let reasons = named.into_iter().filter(|(_, reason)| !reason.is_empty());
        let reasons: Vec<String> = reasons.map(|(name, reason)| format!("{name}: {reason}")).collect();
        Decision::deny(reasons.join("\n"))
    }

    /// Nothing, when they may.
    ///
    /// # Errors
    /// When they may not.
    pub fn check(&self, attributes: &Attributes) -> Result<(), Refusal> {
        let decision = self.decide(attributes);
        if decision.allowed { Ok(()) } else { Err(forbidden(attributes, &decision.reason)) }
    }

    /// The rules that are granted to somebody in a namespace, and each role that a binding names and that is not there.
    pub(super) fn rules(&self, user: &User, namespace: &str) -> (Vec<&Rule>, Vec<Missing<'_>>) {
        let (mut rules, mut missing) = (Vec::new(), Vec::new());
        self.rules.grants(user, namespace, &mut |grant| {
            match grant.rules {
                Ok(granted) => rules.extend(granted),
                Err(role) => missing.push(role),
            }
            ControlFlow::Continue(())
        });
        (rules, missing)
    }
}
