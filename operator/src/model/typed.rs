//! Objects as the caches of the operator keep them: typed, and without what no plan looks at.

use std::sync::Arc;

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde_json::Value;

use super::object::{Content, Stored};
use crate::action::Kind;
use crate::fixture::object;
use crate::lean::Lean;
use crate::pipeline::Checks;
use crate::run::Turns;
use crate::world::{Cache, Cached, World};

/// An object as a cache keeps it.
pub(super) enum Typed {
    /// A Connector.
    Connector(Arc<Connector>),
    /// A Pipeline.
    Pipeline(Arc<Pipeline>),
    /// A Transformation.
    Transformation(Arc<Transformation>),
    /// A Schedule.
    Schedule(Arc<Schedule>),
    /// A PipelineRun.
    Run(Arc<PipelineRun>),
    /// A Checkpoint.
    Checkpoint(Arc<Checkpoint>),
    /// A Job.
    Job(Arc<Job>),
    /// A Pod.
    Pod(Arc<Pod>),
    /// A ConfigMap.
    ConfigMap(Arc<ConfigMap>),
    /// A kept version of a Pipeline.
    Revision(Arc<ControllerRevision>),
    /// The identity of workers.
    ServiceAccount(Arc<ServiceAccount>),
    /// Their rights.
    Role(Arc<Role>),
    /// Who has them.
    RoleBinding(Arc<RoleBinding>),
}

fn lean<K: Cached>(json: Value) -> Arc<K> {
    let mut kept: K = object(json);
    Lean::lean(&mut kept);
    Arc::new(kept)
}

impl Typed {
    /// An object of that content. As its version stands the content's number: a plan tells by it only which version it was
    /// made from, and states that differ in versions alone have one plan.
    pub(super) fn of(json: &Value, content: u32) -> Self {
        let mut whole = json.clone();
        let kind = Stored::of(&whole);
        whole["metadata"]["resourceVersion"] = content.to_string().into();
        match kind {
            Stored::Pod => Self::Pod(lean(whole)),
            Stored::Written(kind) => match kind {
                Kind::Connector => Self::Connector(lean(whole)),
                Kind::Pipeline => Self::Pipeline(lean(whole)),
                Kind::Transformation => Self::Transformation(lean(whole)),
                Kind::Schedule => Self::Schedule(lean(whole)),
                Kind::PipelineRun => Self::Run(lean(whole)),
                Kind::Checkpoint => Self::Checkpoint(lean(whole)),
                Kind::ConfigMap => Self::ConfigMap(lean(whole)),
                Kind::Job => Self::Job(lean(whole)),
                Kind::ControllerRevision => Self::Revision(lean(whole)),
                Kind::ServiceAccount => Self::ServiceAccount(lean(whole)),
                Kind::Role => Self::Role(lean(whole)),
                Kind::RoleBinding => Self::RoleBinding(lean(whole)),
            },
        }
    }
}

/// The shipped caches, holding these objects.
pub(super) fn world(contents: &[Content], checks: Checks) -> World {
    macro_rules! held {
        ($kind:ident) => {
            Cache::of(contents.iter().filter_map(|content| match content.typed() {
                Typed::$kind(object) => Some(Arc::clone(object)),
                _ => None,
            }))
        };
    }
    World {
        connectors: held!(Connector),
        pipelines: held!(Pipeline),
        transformations: held!(Transformation),
        schedules: held!(Schedule),
        runs: held!(Run),
        checkpoints: held!(Checkpoint),
        jobs: held!(Job),
        pods: held!(Pod),
        config_maps: held!(ConfigMap),
        revisions: held!(Revision),
        service_accounts: held!(ServiceAccount),
        roles: held!(Role),
        role_bindings: held!(RoleBinding),
        checks,
        turns: Turns::default(),
    }
}
