//! A RoleBinding or ClusterRoleBinding.

use serde_json::Value;

use super::super::User;
use super::super::name::quoted;
use super::super::user::account_name;

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where; empty for a ClusterRoleBinding.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// To whom.
    pub subjects: Vec<Subject>,
    /// What.
    pub role: RoleRef,
}

/// Whom a binding is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What they are.
    pub kind: SubjectKind,
    /// Where a ServiceAccount is; for one that does not tell, where the binding is.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// What the subject of a binding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A ServiceAccount.
    ServiceAccount,
}

/// The role that a binding names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Binding {
    /// The binding that an object is. Subjects of unknown kinds are nobody.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let namespace = text(&object["metadata"]["namespace"]);
        let subjects = object["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
        let subject = |subject: &Value| {
            let kind = match subject["kind"].as_str()? {
                "User" => SubjectKind::User,
                "Group" => SubjectKind::Group,
                "ServiceAccount" => SubjectKind::ServiceAccount,
                _ => return None,
            };
            let own = text(&subject["namespace"]);
            let namespace = if own.is_empty() { namespace.clone() } else { own };
            Some(Subject { kind, namespace, name: text(&subject["name"]) })
        };
        Self {
            subjects: subjects.iter().filter_map(subject).collect(),
            name: text(&object["metadata"]["name"]),
            role: RoleRef::of(object),
            namespace,
        }
    }

    /// The first of its subjects that somebody is.
    #[must_use]
    pub fn subject(&self, user: &User) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.is(user))
    }

    /// What it is, whose role it grants, and to whom.
    #[must_use]
    pub fn describe(&self, subject: &Subject) -> String {
        let (kind, name) = match self.namespace.as_str() {
            "" => ("ClusterRoleBinding", quoted(&self.name)),
            namespace => ("RoleBinding", quoted(&format!("{}/{namespace}", self.name))),
        };
        let to = match subject.kind {
            SubjectKind::User => format!("User {}", quoted(&subject.name)),
            SubjectKind::Group => format!("Group {}", quoted(&subject.name)),
            SubjectKind::ServiceAccount => {
                format!("ServiceAccount {}", quoted(&format!("{}/{}", subject.name, subject.namespace)))
            }
        };
        format!("{kind} {name} of {} {} to {to}", self.role.kind, quoted(&self.role.name))
    }
}

impl RoleRef {
    /// The role that a binding names.
    #[must_use]
    pub fn of(binding: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let role = &binding["roleRef"];
        Self { kind: text(&role["kind"]), name: text(&role["name"]) }
    }
}

impl Subject {
    /// Whether somebody is this.
    #[must_use]
    pub fn is(&self, user: &User) -> bool {
        match self.kind {
            SubjectKind::Group => user.is_in(&self.name),
            SubjectKind::User | SubjectKind::ServiceAccount => self.user_name().is_some_and(|name| name == user.name),
        }
    }

    /// What it is called as a user; a ServiceAccount of no namespace is nobody, a group not one.
    pub(super) fn user_name(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self.kind {
            SubjectKind::User => Some(self.name.as_str().into()),
            SubjectKind::Group => None,
            SubjectKind::ServiceAccount if self.namespace.is_empty() => None,
            SubjectKind::ServiceAccount => Some(account_name(&self.namespace, &self.name).into()),
        }
    }
}
