//! The kinds that are served now.

use super::super::Kind;
use super::super::builtin;
use super::super::request::ResourcePath;
use super::super::store::{Key, Resource, Store};

/// The kinds that are served now.
pub(super) struct Registry {
    kinds: Vec<Kind>,
}

/// Where the definitions of kinds are kept.
pub(super) fn definitions() -> Resource {
    Resource { group: "apiextensions.k8s.io".into(), plural: "customresourcedefinitions".into() }
}

impl Registry {
    /// The built-in kinds, and those that a store has definitions of.
    pub(super) fn of(store: &Store) -> Self {
        let mut kinds = builtin::kinds();
        for stored in store.list(&definitions(), None).items {
            let established = stored.object["status"]["conditions"].as_array().into_iter().flatten();
            if established.into_iter().any(|it| it["type"] == "Established" && it["status"] == "True") {
                match builtin::of_taken_definition(&stored.object) {
                    Ok(defined) => kinds.extend(defined),
                    Err(refusal) => tracing::warn!(%refusal, name = stored.key.name, "a definition is not served"),
                }
            }
        }
        Self { kinds }
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// All kinds, each with its schema.
    pub(super) fn with_schemas(&self) -> Vec<Kind> {
        let whole = |kind: &Kind| Kind { schema: builtin::schema(kind), ..kind.clone() };
        self.kinds.iter().map(whole).collect()
    }

    /// The kind of a path, with its schema.
    pub(super) fn find(&self, path: &ResourcePath) -> Option<Kind> {
        let mut found = self
            .kinds
            .iter()
            .filter(|kind| kind.group == path.group && kind.version == path.version && kind.plural == path.plural);
        let kind = found.find(|kind| kind.namespaced || path.namespace.is_none())?;
        Some(Kind { schema: builtin::schema(kind), ..kind.clone() })
    }

    /// Whether a version of a group has built-in kinds.
    pub(super) fn is_built_in(&self, group: &str, version: &str) -> bool {
        self.kinds.iter().any(|kind| !kind.custom && kind.group == group && kind.version == version)
    }

    /// The kind with that name in a group and version.
    pub(super) fn named(&self, api_version: &str, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
    }
}

/// Which object a path names.
pub(super) fn key(kind: &Kind, namespace: Option<&str>, name: &str) -> Key {
    Key {
        resource: super::event::resource(kind),
        namespace: namespace.unwrap_or_default().to_owned(),
        name: name.to_owned(),
    }
}
