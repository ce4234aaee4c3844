//! The API types of the group `aggregator.dev/v1alpha1`, their defaults and their pure validation. No I/O.
//!
//! Six kinds: [`Connector`] (where data is), [`Pipeline`] (how it becomes what somebody needs), [`Transformation`]
//! (a reusable step), [`Schedule`] (when), [`PipelineRun`] (one execution) and [`Checkpoint`] (how far a stream was
//! read). Wherever a user chooses one of several shapes (a connector type, a node's operation, a trigger), the choice is
//! the name of a key, and exactly one such key is allowed.

// The lint takes the columns that kubectl prints, of which several have one type, for one attribute said twice.
#![expect(clippy::duplicated_attributes, reason = "each printer column names its type")]

pub mod checkpoint;
pub mod condition;
pub mod connector;
pub mod pipeline;
pub mod reason;
pub mod roles;
pub mod run;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod transformation;
mod usual;
pub mod validation;

pub use checkpoint::{Checkpoint, CheckpointSpec};
pub use condition::{Condition, ConditionStatus, ConditionType};
pub use connector::{Connector, ConnectorSpec, ConnectorType};
pub use pipeline::{Pipeline, PipelineSpec};
pub use reason::Reason;
pub use roles::Role;
pub use run::{PipelineRun, PipelineRunSpec};
pub use schedule::{Schedule, ScheduleSpec};
pub use schema::{Kind, connector_schema, json_schema, kinds};
pub use secret::SecretKeyRef;
pub use transformation::{Transformation, TransformationSpec};
pub use validation::{Validate, Violation, parse_bytes, parse_duration, parse_percent};

/// The API group of every kind.
pub const GROUP: &str = "aggregator.dev";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
/// The `apiVersion` a manifest carries.
pub const API_VERSION: &str = "aggregator.dev/v1alpha1";
