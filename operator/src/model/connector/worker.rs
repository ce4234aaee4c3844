//! The workers that check a Connector: each knows the version that it was started for, and some outlive their Job.

use aggregator_crds::connector::CATALOGUE;
use serde_json::{Value, json};

use super::{NAME, Version};
use crate::action::Kind;
use crate::connector::catalogue_name;
use crate::labels::MANAGED_BY;
use crate::model::jobs::{self, End};
use crate::model::object::{NAMESPACE, Object, Place, Stored, life, uid};
use crate::model::server::{Meant, Server};

/// Who keeps catalogues.
const MANAGER: &str = "aggregator-worker";
/// What says of which generation a catalogue is, if anything does: an argument of the worker, and an annotation of what
/// it keeps.
const GENERATION: (&str, &str) = ("--generation", "aggregator.dev/generation");

/// A worker of a Pod, and what it was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Worker {
    /// Its Pod.
    pub(super) pod: Place,
    /// What the spec asks for that it checks.
    version: Version,
    /// Which of all Connectors of the name it checks.
    life: u8,
    /// The generation of the spec, if it was told.
    generation: Option<u8>,
}

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Streams were found.
    Found,
    /// Nothing answers.
    Unreachable,
    /// The worker dies.
    Died,
}

impl Worker {
    /// The worker of a Pod that was just made; none as long as what it mounts is not there.
    pub(super) fn of(server: &Server, job: Object, pod: Place) -> Option<Self> {
        let plan = server.get(Kind::ConfigMap, job.name())?;
        let text = plan.at("/data")[crate::worker::MANIFESTS].as_str().unwrap_or_default();
        let version = Version::ALL.into_iter().find(|version| text.contains(version.database()))?;
        let arguments = job.at("/spec/template/spec/containers/0/args").as_array();
        let mut arguments = arguments.into_iter().flatten().skip_while(|argument| *argument != GENERATION.0);
        let generation = arguments.nth(1).and_then(|argument| argument.as_str()?.parse().ok());
        Some(Self { pod, version, life: job.controller().map_or(0, life), generation })
    }

    /// It ends, having said how the check did.
    pub(super) fn end(self, server: &mut Server, check: Check) -> bool {
        let database = self.version.database();
        let said = match check {
            Check::Found => {
                self.keep(server);
                Some(json!({"system": database, "latency": "1ms", "streams": {"count": 1, "names": [database]}}))
            }
            Check::Unreachable => Some(json!({
                "failure": {"step": "Reach", "reason": "Unreachable", "message": database},
            })),
            Check::Died => None,
        };
        let said = said.map(|said| said.to_string());
        let how = if said.is_some() { End::Well } else { End::Killed };
        jobs::end(server, self.pod.name(), how, said.as_deref())
    }

    /// It keeps what it has found, whatever has become of its Job and its Connector.
    pub(super) fn keep(self, server: &mut Server) {
        let name = catalogue_name(NAME);
        let owner = uid(Kind::Connector, NAME, self.life);
        let there = server.get(Kind::ConfigMap, &name);
        if there.is_some_and(|there| there.controller() != Some(owner.as_str())) {
            // No object has two controllers: the API server refuses that.
            return;
        }
        let mut fields = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name, "namespace": NAMESPACE, "labels": {MANAGED_BY.0: MANAGED_BY.1},
                "ownerReferences": [{
                    "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector", "name": NAME, "uid": owner,
                    "controller": true,
                }],
            },
            "data": {CATALOGUE: self.version.database()},
        });
        if let Some(generation) = self.generation {
            fields["metadata"]["annotations"] = json!({GENERATION.1: generation.to_string()});
        }
        server.apply(catalogue(), &fields, Meant::default(), MANAGER, false).ok();
    }
}

/// Where what was found is kept.
pub(super) fn catalogue() -> Place {
    Place::of(Kind::ConfigMap, &catalogue_name(NAME))
}

/// Of which version what is kept is, if it counts: if the last check was of the Connector as it stands, and what is
/// kept is not told to be of another.
pub(super) fn counts(server: &Server, connector: Object) -> Option<&'static str> {
    let generation = connector.at("/metadata/generation");
    if connector.at("/status/lastCheck/generation") != generation {
        return None;
    }
    let kept = server.at(catalogue()).filter(|kept| kept.controller() == Some(connector.uid()))?;
    let of = &kept.at("/metadata/annotations")[GENERATION.1];
    let is_of_it = of.is_null() || of.as_str() == Some(generation.to_string().as_str());
    is_of_it.then(|| kept.at("/data")[CATALOGUE].as_str().unwrap_or_default())
}

/// Pods whose workers have not ended.
pub(super) fn working(server: &Server) -> Vec<Object> {
    server.all(Stored::Pod).filter(|pod| !jobs::has_ended(*pod)).collect()
}

/// Everything that was made for checks.
pub(super) fn errands(server: &Server) -> Vec<Object> {
    let is_plan = |object: &Object| {
        let data: &Value = object.at("/data");
        object.place().kind() == Stored::Written(Kind::ConfigMap) && !data[crate::worker::MANIFESTS].is_null()
    };
    let is_job = |object: &Object| object.place().kind() == Stored::Written(Kind::Job);
    server.objects.iter().copied().filter(|object| is_plan(object) || is_job(object)).collect()
}
