//! What somebody asks for.

use super::User;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: User,
    /// What they want to do, as `list`; of a path, the HTTP method in small letters.
    pub verb: String,
    /// With what.
    pub target: Target,
}

/// With what somebody wants to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// With objects.
    Resource(Resource),
    /// With a path that has no objects, as `/healthz`.
    Path(String),
}

/// Objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Where; empty for all namespaces, and for what is in none.
    pub namespace: String,
    /// Their API group; empty for the core.
    pub group: String,
    /// In the plural, as `pods`.
    pub resource: String,
    /// As `log`; may be empty.
    pub subresource: String,
    /// Which; empty for all, and for those that have no name yet.
    pub name: String,
    /// What a field selector asks to be equal, as `spec.nodeName` to `n`.
    pub fields: Vec<(String, String)>,
}

impl Attributes {
    /// Where; empty for paths.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match &self.target {
            Target::Resource(resource) => &resource.namespace,
            Target::Path(_) => "",
        }
    }
}

impl Resource {
    /// The resource and the subresource, as rules name them: `pods/log`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}
