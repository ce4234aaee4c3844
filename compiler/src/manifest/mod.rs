//! The objects of a set of YAML files, checked one by one.

mod cases;
mod located;
mod position;
mod read;
mod salvage;
mod secret;
mod structure;

use std::collections::BTreeSet;

use aggregator_crds::{Checkpoint, Connector, Pipeline, PipelineRun, Schedule, Transformation};

pub use cases::{PipelineCase, PipelineExpectation, PipelineTests, SourceRows};
pub use located::{Located, Locator};
pub use secret::{ConfigMapManifest, SecretManifest};

use crate::diagnostic::Diagnostic;

/// A file's text.
#[derive(Clone, Debug)]
pub struct ManifestText {
    /// The file, as the user named it.
    pub file: String,
    /// What it holds: YAML, any number of documents. JSON is YAML.
    pub text: String,
}

/// The objects of a set of files.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    connectors: Vec<Located<Connector>>,
    pipelines: Vec<Located<Pipeline>>,
    transformations: Vec<Located<Transformation>>,
    schedules: Vec<Located<Schedule>>,
    runs: Vec<Located<PipelineRun>>,
    checkpoints: Vec<Located<Checkpoint>>,
    secrets: Vec<Located<SecretManifest>>,
    config_maps: Vec<Located<ConfigMapManifest>>,
    /// Kind, namespace and name of the objects of which nothing could be read.
    broken: BTreeSet<(String, String, String)>,
}

impl Manifests {
    /// Reads files, and tells every mistake in the shape of their objects. An object with such a mistake is there to be
    /// looked at as far as it goes ([`Located::damaged`]); it must not be run.
    #[must_use]
    pub fn parse(files: &[ManifestText]) -> (Self, Vec<Diagnostic>) {
        let mut reader = read::Reader::default();
        for file in files {
            reader.file(file);
        }
        reader.finish()
    }

    /// Whether there is no object that anybody could use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let ours = [
            self.connectors.len(),
            self.pipelines.len(),
            self.transformations.len(),
            self.schedules.len(),
            self.runs.len(),
            self.checkpoints.len(),
        ];
        ours.iter().sum::<usize>() + self.secrets.len() + self.config_maps.len() == 0
    }

    /// The Pipelines, in the order of the files.
    pub fn pipelines(&self) -> impl Iterator<Item = &Located<Pipeline>> {
        self.pipelines.iter()
    }

    /// The Connectors, in the order of the files.
    pub fn connectors(&self) -> impl Iterator<Item = &Located<Connector>> {
        self.connectors.iter()
    }

    /// The Transformations, in the order of the files.
    pub fn transformations(&self) -> impl Iterator<Item = &Located<Transformation>> {
        self.transformations.iter()
    }

    /// The Schedules, in the order of the files.
    pub fn schedules(&self) -> impl Iterator<Item = &Located<Schedule>> {
        self.schedules.iter()
    }

    /// The PipelineRuns, in the order of the files.
    pub fn runs(&self) -> impl Iterator<Item = &Located<PipelineRun>> {
        self.runs.iter()
    }

    /// The Checkpoints, in the order of the files.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Located<Checkpoint>> {
        self.checkpoints.iter()
    }

    /// The `v1` Secrets, in the order of the files.
    pub fn secrets(&self) -> impl Iterator<Item = &Located<SecretManifest>> {
        self.secrets.iter()
    }

    /// The `v1` ConfigMaps, in the order of the files.
    pub fn config_maps(&self) -> impl Iterator<Item = &Located<ConfigMapManifest>> {
        self.config_maps.iter()
    }

    /// The Connector of that namespace and name.
    #[must_use]
    pub fn connector(&self, namespace: &str, name: &str) -> Option<&Located<Connector>> {
        self.connectors.iter().find(|object| object.is(namespace, name))
    }

    /// The Pipeline of that namespace and name.
    #[must_use]
    pub fn pipeline(&self, namespace: &str, name: &str) -> Option<&Located<Pipeline>> {
        self.pipelines.iter().find(|object| object.is(namespace, name))
    }

    /// The same objects, but for what one Pipeline says.
    #[must_use]
    pub fn with_pipeline(&self, namespace: &str, name: &str, spec: aggregator_crds::PipelineSpec) -> Self {
        let mut changed = self.clone();
        if let Some(pipeline) = changed.pipelines.iter_mut().find(|object| object.is(namespace, name)) {
            pipeline.object.spec = spec;
        }
        changed
    }

    /// Whether there is an object of that kind, namespace and name of which nothing could be read.
    pub(crate) fn is_broken(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.broken.contains(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    /// The Transformation of that namespace and name.
    #[must_use]
    pub fn transformation(&self, namespace: &str, name: &str) -> Option<&Located<Transformation>> {
        self.transformations.iter().find(|object| object.is(namespace, name))
    }

    /// The `v1` Secret of that namespace and name.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&Located<SecretManifest>> {
        self.secrets.iter().find(|object| object.is(namespace, name))
    }
}
