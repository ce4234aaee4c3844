//! What a run needs, as one immutable plan: the Pipeline's revision, and the Connectors and Transformations it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregator_compiler::catalogue::Catalogues;
use aggregator_compiler::compile::{CompileInput, compile, lint};
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{ManifestText, Manifests};
use aggregator_crds::pipeline::{Execution, Operation};
use aggregator_crds::{Connector, Pipeline, PipelineSpec, Reason, Transformation};
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde::Serialize;

use crate::settings::Settings;
use crate::worker::{Mounts, NoVolume};

/// Why a run cannot be resolved.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Unresolved {
    /// A Connector is not there.
    #[error("there is no Connector `{0}` in this namespace")]
    ConnectorMissing(String),
    /// A Transformation is not there.
    #[error("there is no Transformation `{0}` in this namespace")]
    TransformationMissing(String),
    /// A Connector names a path of the node that the operator does not allow.
    #[error(transparent)]
    VolumeMissing(#[from] NoVolume),
    /// The Pipeline does not compile.
    #[error("{}", first(.0))]
    Invalid(Vec<Diagnostic>),
    /// The Pipeline compiles, but not with what was found at its Connectors.
    #[error("{} (as the Connectors were found; annotate them with {} to have them looked at again)", first(.0), crate::connector::REQUESTED)]
    SchemaMismatch(Vec<Diagnostic>),
    /// The plan is too large for a ConfigMap.
    #[error("the plan has {0} bytes; a ConfigMap holds at most {LARGEST}")]
    TooLarge(usize),
    /// It cannot be written as YAML: a mistake of ours.
    #[error("the plan cannot be written: {0}")]
    Unwritable(String),
}

/// The most bytes of a plan.
const LARGEST: usize = 1_000_000;

/// The first mistake.
fn first(diagnostics: &[Diagnostic]) -> String {
    let mut mistakes = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let Some(first) = mistakes.next() else { return String::new() };
    let more = mistakes.count();
    let help = first.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let place = first.place.as_ref().map(|place| format!("{}: ", place.path)).unwrap_or_default();
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("{place}{}{help}{more}", first.message)
}

impl Unresolved {
    /// A word for the condition.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::ConnectorMissing(_) => Reason::ConnectorMissing,
            Self::TransformationMissing(_) => Reason::TransformationMissing,
            Self::VolumeMissing(_) => Reason::VolumeMissing,
            Self::Invalid(_) => Reason::Invalid,
            Self::SchemaMismatch(_) => Reason::SchemaMismatch,
            Self::TooLarge(_) => Reason::PlanTooLarge,
            Self::Unwritable(_) => Reason::InternalError,
        }
    }
}

/// What a run needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Material {
    /// All objects as YAML, as the worker reads them.
    pub manifests: String,
    /// What the Pod mounts.
    pub mounts: Mounts,
    /// What the run may use, and how often it is tried.
    pub execution: Execution,
}

/// The Connectors that a Pipeline names.
#[must_use]
pub fn connectors_of(spec: &PipelineSpec) -> BTreeSet<&str> {
    let sources = spec.sources.iter().map(|source| source.connector.as_str());
    let sinks = spec.sinks.iter().map(|sink| sink.connector.as_str());
    sources.chain(sinks).chain(spec.rejects.iter().map(|rejects| rejects.connector.as_str())).collect()
}

/// The Transformations that a Pipeline names.
#[must_use]
pub fn transformations_of(spec: &PipelineSpec) -> BTreeSet<&str> {
    let operations = spec.transforms.iter().map(|transform| &transform.operation);
    let named = operations.filter_map(|operation| match operation {
        Operation::Transformation(reference) => Some(reference.name.as_str()),
        _ => None,
    });
    named.collect()
}

/// Everything that a Pipeline of a namespace may name.
pub struct Around<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Its Connectors.
    pub connectors: &'a [Arc<Connector>],
    /// Its Transformations.
    pub transformations: &'a [Arc<Transformation>],
    /// Which paths of the nodes are allowed.
    pub settings: &'a Settings,
}

/// What a run of a Pipeline's spec needs.
///
/// # Errors
/// When something is not there, a path is not allowed, or the Pipeline does not compile with these parameters.
pub(super) fn resolve(
    around: &Around<'_>,
    pipeline: &str,
    spec: &PipelineSpec,
    params: &BTreeMap<String, String>,
) -> Result<Material, Unresolved> {
    let (text, mounts) = around.gather(pipeline, spec)?;
    let manifests = parse(around.namespace, pipeline, &text)?;
    let catalogues = Catalogues::new();
    let input =
        CompileInput { manifests: &manifests, namespace: around.namespace, pipeline, catalogues: &catalogues, params };
    sound(compile(&input).diagnostics)?;
    Ok(Material { manifests: text, mounts, execution: spec.execution.clone().unwrap_or_default() })
}

/// Looks a Pipeline over, as `aggregator lint` does, with what was found at its Connectors. Gives what is worth knowing of it.
///
/// # Errors
/// When something is not there, a path is not allowed, or the Pipeline does not compile.
pub fn check(
    around: &Around<'_>,
    pipeline: &str,
    spec: &PipelineSpec,
    catalogues: &Catalogues,
) -> Result<Vec<Diagnostic>, Unresolved> {
    let (text, _) = around.gather(pipeline, spec)?;
    let manifests = parse(around.namespace, pipeline, &text)?;
    let warnings = sound(lint(&manifests, &BTreeMap::new()))?;
    if catalogues.is_empty() {
        return Ok(warnings);
    }
    let found = catalogues.iter().map(|(name, found)| ((around.namespace.to_owned(), name.clone()), found.clone()));
    match sound(lint(&manifests, &found.collect())) {
        // A catalogue may be old: that is no mistake of the Pipeline.
        Err(Unresolved::Invalid(diagnostics)) => Err(Unresolved::SchemaMismatch(diagnostics)),
        other => other,
    }
}

/// Looks a Transformation over, as `aggregator lint` does.
///
/// # Errors
/// When it does not compile.
pub fn check_transformation(transformation: &Transformation) -> Result<(), Unresolved> {
    let (namespace, name) = (transformation.namespace().unwrap_or_default(), transformation.name_any());
    let file = ManifestText { file: format!("Transformation {namespace}/{name}"), text: document(transformation)? };
    let (manifests, diagnostics) = Manifests::parse(&[file]);
    sound(diagnostics)?;
    sound(lint(&manifests, &BTreeMap::new())).map(drop)
}

fn parse(namespace: &str, pipeline: &str, text: &str) -> Result<Manifests, Unresolved> {
    let file = ManifestText { file: format!("Pipeline {namespace}/{pipeline}"), text: text.to_owned() };
    let (manifests, diagnostics) = Manifests::parse(&[file]);
    sound(diagnostics)?;
    Ok(manifests)
}

/// Only mistakes count, and all that was said is told with them; where there are none, it is what is worth knowing.
fn sound(diagnostics: Vec<Diagnostic>) -> Result<Vec<Diagnostic>, Unresolved> {
    if diagnostics.iter().any(Diagnostic::is_error) { Err(Unresolved::Invalid(diagnostics)) } else { Ok(diagnostics) }
}

fn named<'a, K: ResourceExt>(all: &'a [Arc<K>], name: &str) -> Option<&'a K> {
    all.iter().find(|object| object.name_any() == name).map(AsRef::as_ref)
}

impl Around<'_> {
    /// The Pipeline and all that it names as YAML, with the paths that a Pod will see, and what the Pod mounts.
    fn gather(&self, pipeline: &str, spec: &PipelineSpec) -> Result<(String, Mounts), Unresolved> {
        let metadata = |name: &str| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.to_owned()),
            ..ObjectMeta::default()
        };
        let mut mounts = Mounts::default();
        let mut documents =
            vec![document(&Pipeline { metadata: metadata(pipeline), spec: spec.clone(), status: None })?];
        for name in connectors_of(spec) {
            let there = named(self.connectors, name).ok_or_else(|| Unresolved::ConnectorMissing(name.to_owned()))?;
            let spec = mounts.add(name, &there.spec, self.settings)?;
            documents.push(document(&Connector { metadata: metadata(name), spec, status: None })?);
        }
        for name in transformations_of(spec) {
            let there =
                named(self.transformations, name).ok_or_else(|| Unresolved::TransformationMissing(name.to_owned()))?;
            let spec = there.spec.clone();
            documents.push(document(&Transformation { metadata: metadata(name), spec, status: None })?);
        }
        let text = documents.join("---\n");
        if text.len() > LARGEST { Err(Unresolved::TooLarge(text.len())) } else { Ok((text, mounts)) }
    }
}

fn document(object: &impl Serialize) -> Result<String, Unresolved> {
    serde_saphyr::to_string(object).map_err(|error| Unresolved::Unwritable(error.to_string()))
}
