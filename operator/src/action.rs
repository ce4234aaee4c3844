//! What a plan is made of: writes, in order, each idempotent and with preconditions.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use serde::Serialize;
use serde_json::Value;

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;

/// A kind of object that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// Ours.
    Connector,
    /// Ours.
    Pipeline,
    /// Ours.
    Transformation,
    /// Ours.
    Schedule,
    /// Ours.
    PipelineRun,
    /// Ours.
    Checkpoint,
    /// `v1`.
    ConfigMap,
    /// `batch/v1`.
    Job,
    /// `apps/v1`.
    ControllerRevision,
    /// `v1`.
    ServiceAccount,
    /// `rbac.authorization.k8s.io/v1`.
    Role,
    /// `rbac.authorization.k8s.io/v1`.
    RoleBinding,
}

impl Kind {
    /// Those of the group `aggregator.dev`.
    pub const OURS: [Self; 6] =
        [Self::Connector, Self::Pipeline, Self::Transformation, Self::Schedule, Self::PipelineRun, Self::Checkpoint];

    /// Its name, for people and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connector => "Connector",
            Self::Pipeline => "Pipeline",
            Self::Transformation => "Transformation",
            Self::Schedule => "Schedule",
            Self::PipelineRun => "PipelineRun",
            Self::Checkpoint => "Checkpoint",
            Self::ConfigMap => "ConfigMap",
            Self::Job => "Job",
            Self::ControllerRevision => "ControllerRevision",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
        }
    }

    /// How the API calls it.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Connector => ApiResource::erase::<Connector>(&()),
            Self::Pipeline => ApiResource::erase::<Pipeline>(&()),
            Self::Transformation => ApiResource::erase::<Transformation>(&()),
            Self::Schedule => ApiResource::erase::<Schedule>(&()),
            Self::PipelineRun => ApiResource::erase::<PipelineRun>(&()),
            Self::Checkpoint => ApiResource::erase::<Checkpoint>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Job => ApiResource::erase::<Job>(&()),
            Self::ControllerRevision => ApiResource::erase::<ControllerRevision>(&()),
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
        }
    }
}

/// An object that is written, and which version of it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of all objects that ever had this name.
    pub uid: String,
    /// The version that the plan was made from: a later one refuses the write.
    pub resource_version: Option<String>,
}

impl Target {
    /// An object as it was looked at.
    #[must_use]
    pub fn of(kind: Kind, metadata: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone(),
        }
    }

    /// The same, whatever its version: for what holds of the object as long as there is one.
    #[must_use]
    pub fn any_version(mut self) -> Self {
        self.resource_version = None;
        self
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Makes a child. One that is there and has the same owner is as good as made; any other is in the way.
    Create {
        /// Its kind.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// Makes an object, or makes it what it should be: for what belongs to a namespace, not to one of our objects.
    Apply {
        /// Its kind.
        kind: Kind,
        /// The fields that are ours.
        object: Value,
    },
    /// Says what the operator says of an object's status, all of it.
    Status {
        /// The object.
        target: Target,
        /// The status.
        status: Value,
    },
    /// Sets fields of an object that is there (a merge patch, RFC 7396).
    Merge {
        /// The object.
        target: Target,
        /// The fields.
        patch: Value,
    },
    /// Deletes an object; what it owns goes first when `foreground`.
    Delete {
        /// The object.
        target: Target,
        /// Whether its dependents go before it.
        foreground: bool,
    },
}

impl Action {
    /// What is written, and how, in a word each.
    #[must_use]
    pub fn what(&self) -> (Kind, &'static str) {
        match self {
            Self::Create { kind, .. } => (*kind, "create"),
            Self::Apply { kind, .. } => (*kind, "apply"),
            Self::Status { target, .. } => (target.kind, "status"),
            Self::Merge { target, .. } => (target.kind, "merge"),
            Self::Delete { target, .. } => (target.kind, "delete"),
        }
    }

    /// Makes a child.
    #[must_use]
    pub fn create<K: Resource<DynamicType = ()> + Serialize>(kind: Kind, object: &K) -> Self {
        Self::Create { kind, object: whole(object) }
    }

    /// Makes an object, or makes it what it should be.
    #[must_use]
    pub fn apply<K: Resource<DynamicType = ()> + Serialize>(kind: Kind, object: &K) -> Self {
        Self::Apply { kind, object: whole(object) }
    }

    /// Says what the operator says of an object's status.
    #[must_use]
    pub fn status(target: Target, status: &impl Serialize) -> Self {
        Self::Status { target, status: serde_json::to_value(status).unwrap_or_default() }
    }
}

/// An object as JSON that says what it is.
fn whole<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| K::api_version(&()).into_owned().into());
        fields.entry("kind").or_insert_with(|| K::kind(&()).into_owned().into());
    }
    object
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { kind, object } => {
                write!(out, "create {kind:?} {}", object["metadata"]["name"].as_str().unwrap_or_default())
            }
            Self::Apply { kind, object } => {
                write!(out, "apply {kind:?} {}", object["metadata"]["name"].as_str().unwrap_or_default())
            }
            Self::Status { target, .. } => write!(out, "status of {:?} {}", target.kind, target.name),
            Self::Merge { target, patch } => write!(out, "merge {patch} into {:?} {}", target.kind, target.name),
            Self::Delete { target, .. } => write!(out, "delete {:?} {}", target.kind, target.name),
        }
    }
}

/// What is to be done for an object now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The writes, in order. Each is done, or fails and ends the plan; then the object is planned anew.
    pub actions: Vec<Action>,
    /// When to look again, if nothing changes before.
    pub again: Option<Duration>,
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Adds a write.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Does what another plan says as well.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.actions.extend(other.actions);
        self.again = self.again.into_iter().chain(other.again).min();
        self
    }

    /// Looks again after this time, or earlier if that was said before.
    #[must_use]
    pub fn again_in(mut self, time: Duration) -> Self {
        self.again = Some(self.again.map_or(time, |before| before.min(time)));
        self
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<String> = self.actions.iter().map(ToString::to_string).collect();
        write!(out, "{}", if actions.is_empty() { "nothing to do".to_owned() } else { actions.join("; ") })?;
        match self.again {
            Some(time) => write!(out, "; again in {time:?}"),
            None => Ok(()),
        }
    }
}
