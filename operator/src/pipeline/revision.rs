//! The kept versions of a Pipeline's spec, as ControllerRevisions.

use std::sync::Arc;

use aggregator_crds::run::PipelineRevisionRef;
use aggregator_crds::{Pipeline, PipelineSpec};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::Value;

use crate::index::Tie;
use crate::labels::{self, labels};
use crate::names;
use crate::world::World;

/// The revisions that a Pipeline owns, the newest first.
#[must_use]
pub fn of(world: &World, pipeline: Option<&Pipeline>) -> Vec<Arc<ControllerRevision>> {
    let Some((pipeline, uid)) = pipeline.and_then(|it| Some((it, it.uid()?))) else { return Vec::new() };
    let mut kept = world.revisions.tied(&pipeline.namespace().unwrap_or_default(), &Tie::Owner(uid));
    kept.sort_by_key(|revision| std::cmp::Reverse(number(revision)));
    kept
}

/// Of a Pipeline's revisions, the one that a reference names; the newest, if it names none.
#[must_use]
pub fn asked<'a>(
    revisions: &'a [Arc<ControllerRevision>],
    reference: &PipelineRevisionRef,
) -> Option<&'a ControllerRevision> {
    let found = match reference.revision {
        Some(asked) => revisions.iter().find(|kept| number(kept) == asked),
        None => revisions.first(),
    };
    found.map(AsRef::as_ref)
}

/// A revision's number, from 1.
#[must_use]
pub fn number(revision: &ControllerRevision) -> i64 {
    revision.revision.unwrap_or(0)
}

/// The spec that a revision keeps.
#[must_use]
pub fn spec(revision: &ControllerRevision) -> Option<PipelineSpec> {
    match &revision.data.0 {
        // As the caches keep it.
        Value::String(text) => serde_json::from_str(text).ok(),
        whole => PipelineSpec::deserialize(whole).ok(),
    }
}

/// The generation of the Pipeline that a revision was kept of; 0 where it does not say so.
#[must_use]
pub fn generation(revision: &ControllerRevision) -> i64 {
    let said = revision.annotations().get(labels::GENERATION);
    said.and_then(|said| said.parse().ok()).unwrap_or(0)
}

/// A new revision of a Pipeline's spec as it stands.
#[must_use]
pub fn keep(pipeline: &Pipeline, number: i64) -> ControllerRevision {
    let name = pipeline.name_any();
    let own = labels([(labels::PIPELINE, &names::label(&name))]);
    let mut metadata = labels::child_of(pipeline, names::child(&name, &number.to_string()), own);
    let generation = pipeline.metadata.generation.unwrap_or(0).to_string();
    metadata.annotations.get_or_insert_default().insert(labels::GENERATION.to_owned(), generation);
    ControllerRevision {
        metadata,
        data: RawExtension(serde_json::to_value(&pipeline.spec).unwrap_or_default()),
        revision: Some(number),
    }
}
