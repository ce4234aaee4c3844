//! The kinds that are served.

use std::sync::Arc;

use serde_json::Value;

/// A kind that is served, in one version.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its API group; empty for the core.
    pub group: String,
    /// Its version, as `v1`.
    pub version: String,
    /// Its name, as `Pod`.
    pub kind: String,
    /// Its name in paths, as `pods`.
    pub plural: String,
    /// Its name for one object, as `pod`.
    pub singular: String,
    /// Other names that kubectl takes, as `po`.
    pub short_names: Vec<String>,
    /// Groups of kinds that kubectl lists together, as `all`.
    pub categories: Vec<String>,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether its status is a resource of its own, so that a write to the object leaves the status, and one to the status
    /// everything else.
    pub status: bool,
    /// Whether it is defined by a CustomResourceDefinition; the others are built in.
    pub custom: bool,
    /// The schema of the whole object: OpenAPI v3, structural, without `$ref`, with the extensions of CustomResourceDefinitions
    /// (`x-kubernetes-list-type`, `x-kubernetes-preserve-unknown-fields`, `x-kubernetes-validations`, …).
    pub schema: Arc<Value>,
    /// What a table shows after the name and before the age.
    pub columns: Vec<Column>,
}

/// A column of a table: `additionalPrinterColumns` of a CustomResourceDefinition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub column_type: String,
    /// `int32`, `date-time`, …; may be empty.
    pub format: String,
    /// What it shows, for people.
    pub description: String,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i32,
    /// Where the value is in the object: a JSONPath as `.spec.replicas`.
    pub json_path: String,
}

impl Kind {
    /// Group and version as objects have them: `v1`, `batch/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// How messages call the resource: `pods`, `jobs.batch`.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// How messages call the kind: `Pod`, `Job.batch`.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}
