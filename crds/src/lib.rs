//! The API types of the group `aggregator.dev/v1alpha1`, their defaults and their pure validation. No I/O.
//!
//! Six kinds: [`Connector`] (where data is), [`Pipeline`] (how it becomes what somebody needs), [`Transformation`]
//! (a reusable step), `Schedule` (when), `PipelineRun` (one execution) and `Checkpoint` (how far a stream was
//! read). Wherever a user chooses one of several shapes (a connector type, a node's operation, a trigger), the choice is
//! the name of a key, and exactly one such key is allowed.

pub mod connector;
pub mod pipeline;
pub mod secret;
pub mod transformation;

pub use connector::{Connector, ConnectorSpec, ConnectorType};
pub use pipeline::{Pipeline, PipelineSpec};
pub use secret::SecretKeyRef;
pub use transformation::{Transformation, TransformationSpec};

/// The API group of every kind.
pub const GROUP: &str = "aggregator.dev";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
/// The `apiVersion` a manifest carries.
pub const API_VERSION: &str = "aggregator.dev/v1alpha1";
