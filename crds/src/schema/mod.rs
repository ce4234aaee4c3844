//! The CustomResourceDefinitions of the kinds, and the JSON Schemas taken from them.

pub(crate) mod choice;
mod rules;
mod structural;
#[cfg(test)]
mod tests;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};

/// One of the kinds of the API group.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, as a manifest's `kind` has it.
    pub kind: &'static str,
    /// Its plural, as URLs and RBAC rules have it.
    pub plural: &'static str,
    derived: fn() -> CustomResourceDefinition,
}

/// Every kind, in the order of the documentation.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    const KINDS: [Kind; 6] = [
        Kind { kind: "Connector", plural: "connectors", derived: Connector::crd },
        Kind { kind: "Pipeline", plural: "pipelines", derived: Pipeline::crd },
        Kind { kind: "Transformation", plural: "transformations", derived: Transformation::crd },
        Kind { kind: "Schedule", plural: "schedules", derived: Schedule::crd },
        Kind { kind: "PipelineRun", plural: "pipelineruns", derived: PipelineRun::crd },
        Kind { kind: "Checkpoint", plural: "checkpoints", derived: Checkpoint::crd },
    ];
    &KINDS
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(kind: &str) -> Option<&'static Self> {
        kinds().iter().find(|known| known.kind == kind)
    }

    /// The CustomResourceDefinition: what is derived from the Rust types, made structural, with the CEL rules.
    #[must_use]
    pub fn crd(&self) -> CustomResourceDefinition {
        let mut document =
            serde_json::to_value((self.derived)()).expect("a CustomResourceDefinition is serialized without failing");
        let schema = &mut document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        structural::normalise(schema);
        rules::add(self.kind, schema);
        serde_json::from_value(document).expect("the rewriting keeps a CustomResourceDefinition's shape")
    }

    /// The `openAPIV3Schema` of the kind: properties `spec` and, where there is one, `status`.
    #[must_use]
    pub fn schema(&self) -> Value {
        serde_json::to_value(self.crd())
            .map(|mut document| document["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
            .expect("a CustomResourceDefinition is serialized without failing")
    }

    /// The CustomResourceDefinition as YAML, as it is checked in.
    ///
    /// # Errors
    /// When the document cannot be written as YAML.
    pub fn yaml(&self) -> Result<String, serde_saphyr::SerializeError> {
        let body = serde_saphyr::to_string(&self.crd())?;
        Ok(format!("# Generated from the Rust types by `cargo run --bin crdgen`. Do not edit.\n{body}"))
    }
}

/// The `openAPIV3Schema` of a kind, by its name as `Pipeline`; `None` when there is no such kind.
#[must_use]
pub fn json_schema(kind: &str) -> Option<Value> {
    Kind::named(kind).map(Kind::schema)
}

/// The JSON Schema, with descriptions, of the fields of one Connector type, by its key as `postgres`; `None` when there is no
/// such type.
#[must_use]
pub fn connector_schema(key: &str) -> Option<Value> {
    if !crate::ConnectorType::KEYS.contains(&key) {
        return None;
    }
    json_schema("Connector")?.pointer_mut(&format!("/properties/spec/properties/{key}")).map(Value::take)
}
