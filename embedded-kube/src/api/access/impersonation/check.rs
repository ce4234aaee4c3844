//! The rights that it takes to act as somebody else.

use std::collections::BTreeMap;

use super::super::user::{self, MASTERS, NODES};
use super::super::{Attributes, Authority, Resource, Target, User, forbidden};
use super::extra::unfit;
use super::mode::Mode;
use crate::api::Refusal;

/// So many of a kind are first asked for all at once.
const MANY: usize = 4;

/// Whether somebody may act as somebody else: asked of each part of who these are.
pub(super) struct Check<'a> {
    /// By which right.
    pub mode: Mode,
    /// Who asks.
    pub asks: User,
    /// Who knows.
    pub authority: &'a Authority<'a>,
}

impl Check<'_> {
    fn asked(&self, group: &str, resource: &str, name: &str) -> Resource {
        // Users and groups were of the core group, before there were modes.
        let group = if self.mode == Mode::Legacy { group } else { "authentication.k8s.io" };
        let (group, resource, name) = (group.to_owned(), resource.to_owned(), name.to_owned());
        Resource { group, resource, name, ..Resource::default() }
    }

    fn attributes(&self, resource: Resource) -> Attributes {
        let verb = match self.mode {
            Mode::Legacy => "impersonate".to_owned(),
            mode => format!("impersonate:{}", mode.name()),
        };
        Attributes { user: self.asks.clone(), verb, target: Target::Resource(resource) }
    }

    fn may(&self, resource: Resource) -> Result<(), Refusal> {
        self.authority.check(&self.attributes(resource))
    }

    pub(super) fn name(&self, wanted: &User, user: &mut User) -> Result<(), Refusal> {
        let mut asked = self.asked("", "users", &wanted.name);
        if let (Some(node), true) = (user::node(&wanted.name), self.mode != Mode::Legacy) {
            "nodes".clone_into(&mut asked.resource);
            // The right of an associated node is one to every node on which the ServiceAccount may run.
            (if self.mode == Mode::AssociatedNode { "*" } else { node }).clone_into(&mut asked.name);
            user.groups = vec![NODES.to_owned()];
        }
        if let Some((namespace, name)) = user::account(&wanted.name) {
            "serviceaccounts".clone_into(&mut asked.resource);
            namespace.clone_into(&mut asked.namespace);
            name.clone_into(&mut asked.name);
            if wanted.groups.is_empty() {
                user.groups = user::account_groups(namespace);
            }
        }
        self.may(asked)
    }

    pub(super) fn uid(&self, uid: &str) -> Result<(), Refusal> {
        if uid.is_empty() { Ok(()) } else { self.may(self.asked("authentication.k8s.io", "uids", uid)) }
    }

    pub(super) fn groups(&self, groups: &[String]) -> Result<(), Refusal> {
        let asked = |name: &str| self.asked("", "groups", name);
        if self.mode != Mode::Legacy && !groups.is_empty() {
            let refuse = |name: &str, why: &str| Err(forbidden(&self.attributes(asked(name)), why));
            if groups.iter().any(String::is_empty) {
                return refuse("", "impersonating the empty string group is not allowed");
            }
            if groups.iter().any(|group| group == MASTERS) {
                return refuse(MASTERS, "impersonating the system:masters group is not allowed");
            }
            if groups.len() >= MANY && self.may(asked("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| self.may(asked(group)))
    }

    pub(super) fn extra(&self, extra: &BTreeMap<String, Vec<String>>) -> Result<(), Refusal> {
        let asked = |key: &str, value: &str| {
            let asked = self.asked("authentication.k8s.io", "userextras", value);
            Resource { subresource: key.to_owned(), ..asked }
        };
        if self.mode != Mode::Legacy {
            if let Some(why) = extra.iter().find_map(|(key, values)| unfit(key, values)) {
                return Err(forbidden(&self.attributes(asked("", "")), &why));
            }
            let many = extra.len() >= MANY || extra.values().map(Vec::len).sum::<usize>() >= MANY;
            if many && self.may(asked("*", "*")).is_ok() {
                return Ok(());
            }
        }
        let all = extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        all.into_iter().try_for_each(|(key, value)| self.may(asked(key, value)))
    }
}
