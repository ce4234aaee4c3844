//! By which right somebody acts as somebody else.

use std::collections::BTreeMap;

use super::super::user::{self, ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED};
use super::super::{Attributes, Authority, User};
use super::check::Check;
use super::wanted::only_named;
use crate::api::Refusal;

/// How somebody may act as somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the node on which they run, for some verbs.
    AssociatedNode,
    /// As any node, for some verbs.
    ArbitraryNode,
    /// As a ServiceAccount, for some verbs.
    Account,
    /// As somebody else, for some verbs.
    UserInfo,
    /// As anybody, for whatever these may.
    Legacy,
}

/// In this order they are tried.
pub(super) const MODES: [Mode; 5] =
    [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::Account, Mode::UserInfo, Mode::Legacy];

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::Account => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Legacy => "",
        }
    }

    pub(super) fn applies(self, attributes: &Attributes, wanted: &User) -> bool {
        let node = user::node(&wanted.name);
        let account = user::account(&wanted.name);
        match self {
            Self::AssociatedNode => {
                let asks = &attributes.user;
                let on = asks.extra.get("authentication.kubernetes.io/node-name");
                only_named(wanted)
                    && user::account(&asks.name).is_some()
                    && node.is_some_and(|node| on.is_some_and(|on| *on == [node]))
            }
            Self::ArbitraryNode => only_named(wanted) && node.is_some(),
            Self::Account => only_named(wanted) && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }

    pub(super) fn check(
        self,
        attributes: &Attributes,
        wanted: &User,
        authority: &Authority<'_>,
    ) -> Result<User, Refusal> {
        let mut asks = attributes.user.clone();
        if self == Self::AssociatedNode {
            asks.extra = BTreeMap::new();
        }
        if self != Self::Legacy {
            let verb = format!("impersonate-on:{}:{}", self.name(), attributes.verb);
            authority.check(&Attributes { user: asks.clone(), verb, target: attributes.target.clone() })?;
        }
        let check = Check { mode: self, asks, authority };
        let mut user = wanted.clone();
        check.name(wanted, &mut user)?;
        check.uid(&wanted.uid)?;
        check.groups(&wanted.groups)?;
        check.extra(&wanted.extra)?;
        let group = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !user.is_in(group) && !user.is_in(UNAUTHENTICATED) {
            user.groups.push(group.to_owned());
        }
        Ok(user)
    }
}
