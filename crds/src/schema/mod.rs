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
    /// What is checked in of it. To derive it again takes a third of the time of a small run.
    generated: &'static str,
}

/// Every kind, in the order of the documentation.
#[must_use]
pub const fn kinds() -> &'static [Kind] {
    const KINDS: [Kind; 6] = [
        Kind {
            kind: "Connector",
            plural: "connectors",
            derived: Connector::crd,
            generated: include_str!("generated/connectors.json"),
        },
        Kind {
            kind: "Pipeline",
            plural: "pipelines",
            derived: Pipeline::crd,
            generated: include_str!("generated/pipelines.json"),
        },
        Kind {
            kind: "Transformation",
            plural: "transformations",
            derived: Transformation::crd,
            generated: include_str!("generated/transformations.json"),
        },
        Kind {
            kind: "Schedule",
            plural: "schedules",
            derived: Schedule::crd,
            generated: include_str!("generated/schedules.json"),
        },
        Kind {
            kind: "PipelineRun",
            plural: "pipelineruns",
            derived: PipelineRun::crd,
            generated: include_str!("generated/pipelineruns.json"),
        },
        Kind {
            kind: "Checkpoint",
            plural: "checkpoints",
            derived: Checkpoint::crd,
            generated: include_str!("generated/checkpoints.json"),
        },
    ];
    &KINDS
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(kind: &str) -> Option<&'static Self> {
        kinds().iter().find(|known| known.kind == kind)
    }

    /// The CustomResourceDefinition, as it is checked in.
    #[must_use]
    pub fn crd(&self) -> CustomResourceDefinition {
        serde_json::from_str(self.generated).expect("crdgen has written it")
    }

    /// The `openAPIV3Schema` of the kind: properties `spec` and, where there is one, `status`.
    #[must_use]
    pub fn schema(&self) -> Value {
        serde_json::from_str(self.generated)
            .map(|mut document: Value| document["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
            .expect("crdgen has written it")
    }

    /// The CustomResourceDefinition: what is derived from the Rust types, made structural, with the CEL rules.
    fn derive(&self) -> CustomResourceDefinition {
        let mut document =
            serde_json::to_value((self.derived)()).expect("a CustomResourceDefinition is serialized without failing");
        let schema = &mut document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        structural::normalise(schema);
        rules::add(self.kind, schema);
        serde_json::from_value(document).expect("the rewriting keeps a CustomResourceDefinition's shape")
    }

    /// The CustomResourceDefinition as JSON, as it is checked in, and built in.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.derive()).map(|json| json + "\n")
    }

    /// The CustomResourceDefinition as YAML, as it is checked in.
    ///
    /// # Errors
    /// When the document cannot be written as YAML.
    pub fn yaml(&self) -> Result<String, serde_saphyr::SerializeError> {
        let body = serde_saphyr::to_string(&self.derive())?;
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
