//! Who asks.

use std::collections::BTreeMap;

use ring::digest;
use serde_json::{Map, Value, json};

use super::name::{is_label, is_subdomain};

/// Everybody who has said who they are.
pub(super) const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who has not.
pub(super) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Who may do everything.
pub(super) const MASTERS: &str = "system:masters";
/// Every node.
pub(super) const NODES: &str = "system:nodes";
/// The name of those who have not said who they are.
pub(super) const ANONYMOUS: &str = "system:anonymous";
/// Where it stands by which token or certificate somebody is known.
pub(super) const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const ACCOUNT: &str = "system:serviceaccount:";
const NODE: &str = "system:node:";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What tells one from an earlier one of the same name; may be empty.
    pub uid: String,
    /// The groups they are in.
    pub groups: Vec<String>,
    /// What else is known of them.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Who has a client certificate that was verified: its common name, its organisations, and itself as DER. Nobody, when it
    /// has no common name.
    #[must_use]
    pub fn of_certificate(common_name: &str, organizations: &[String], certificate: &[u8]) -> Option<Self> {
        if common_name.is_empty() {
            return None;
        }
        let hash = digest::digest(&digest::SHA256, certificate);
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let user = Self {
            name: common_name.to_owned(),
            groups: organizations.to_vec(),
            extra: [(CREDENTIAL.to_owned(), vec![format!("X509SHA256={hash}")])].into(),
            uid: String::new(),
        };
        Some(user.authenticated())
    }

    /// A ServiceAccount, not yet in the group of all who have said who they are.
    #[must_use]
    pub fn of_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: account_name(namespace, name),
            uid: uid.to_owned(),
            groups: account_groups(namespace),
            extra: BTreeMap::new(),
        }
    }

    /// The user in the group of all who have said who they are, unless they are said not to be.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        if self.name != ANONYMOUS && !self.is_in(AUTHENTICATED) && !self.is_in(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether they are in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The user as reviews show it.
    #[must_use]
    pub fn info(&self) -> Value {
        let mut info = Map::new();
        if !self.name.is_empty() {
            info.insert("username".to_owned(), self.name.as_str().into());
        }
        if !self.uid.is_empty() {
            info.insert("uid".to_owned(), self.uid.as_str().into());
        }
        if !self.groups.is_empty() {
            info.insert("groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            info.insert("extra".to_owned(), json!(self.extra));
        }
        Value::Object(info)
    }
}

/// What a ServiceAccount is called as a user.
pub(super) fn account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// The groups that a ServiceAccount is in.
pub(super) fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// The namespace and name of a ServiceAccount, by what it is called as a user.
pub(super) fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    (is_label(namespace) && is_subdomain(name)).then_some((namespace, name))
}

/// The name of a node, by what it is called as a user.
pub(super) fn node(user: &str) -> Option<&str> {
    user.strip_prefix(NODE).filter(|name| is_subdomain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_who_it_is_for() {
        let user = User::of_certificate("ann", &["dev".to_owned()], b"abc").unwrap();
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("ann", ""));
        assert_eq!(user.groups, ["dev", "system:authenticated"]);
        let hash = "X509SHA256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(user.extra[CREDENTIAL], [hash]);
        assert_eq!(User::of_certificate("", &[], b"abc"), None);
    }

    #[test]
    fn accounts_and_nodes_are_told_by_their_names() {
        assert_eq!(account("system:serviceaccount:ns:a.b"), Some(("ns", "a.b")));
        for name in ["system:serviceaccount:ns", "system:serviceaccount:n.s:a", "system:serviceaccount:ns:a:b", "ns:a"]
        {
            assert_eq!(account(name), None, "{name}");
        }
        assert_eq!(node("system:node:n.1"), Some("n.1"));
        assert_eq!(node("system:node:"), None);
        assert_eq!(node("system:nodes"), None);
    }

    #[test]
    fn everybody_is_authenticated_who_does_not_say_otherwise() {
        let user = |name: &str, groups: &[&str]| {
            let groups = groups.iter().map(|&group| group.to_owned()).collect();
            User { name: name.to_owned(), groups, ..User::default() }.authenticated().groups
        };
        assert_eq!(user("ann", &[]), [AUTHENTICATED]);
        assert_eq!(user("ann", &[AUTHENTICATED]), [AUTHENTICATED]);
        assert_eq!(user("ann", &[UNAUTHENTICATED]), [UNAUTHENTICATED]);
        assert!(user(ANONYMOUS, &[]).is_empty());
    }
}
