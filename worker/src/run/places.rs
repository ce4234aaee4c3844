//! The Connectors of one run: opened once, with their secrets, and asked for the streams the Pipeline names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregator_compiler::catalogue::{Catalogue, Catalogues};
use aggregator_compiler::manifest::{Located, Manifests};
use aggregator_crds::Pipeline;

use super::error::RunError;
use super::secrets::SecretSource;
use super::session::Resources;
use crate::connector::{Buffers, Connector, ConnectorError, Environment, ErrorKind};
use crate::connectors;
use crate::pace::Pace;

/// The Connectors of one namespace.
pub struct Places {
    manifests: Arc<Manifests>,
    namespace: String,
    secrets: SecretSource,
    buffers: Buffers,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    paces: BTreeMap<String, Pace>,
    /// Streams that were discovered, by Connector: they need not be described again.
    known: BTreeMap<String, Catalogue>,
}

impl Places {
    /// None is open yet. Each will have buffers as beside the memory that is taken without being asked.
    #[must_use]
    pub fn new(manifests: Arc<Manifests>, namespace: &str, secrets: SecretSource) -> Self {
        let buffers = Buffers::beside(Resources::of_this_machine().memory);
        Self { manifests, namespace: namespace.to_owned(), secrets, buffers, open: Mutex::default() }
    }

    /// Those that are opened from here on have these buffers.
    #[must_use]
    pub(super) fn with_buffers(self, buffers: Buffers) -> Self {
        Self { buffers, ..self }
    }

    /// The buffers that each Connector has, and each node.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Connector of that name, opened when it was not yet.
    ///
    /// # Errors
    /// When there is none, its spec cannot work, or a secret is missing.
    pub fn connector(&self, name: &str) -> Result<Arc<dyn Connector>, ConnectorError> {
        let mut open = self.open();
        if let Some(connector) = open.connectors.get(name) {
            return Ok(Arc::clone(connector));
        }
        let located = self.manifests.connector(&self.namespace, name).ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Config,
                format!("open Connector `{name}`"),
                "there is no such object among the manifests",
            )
            .remedy("give the file that holds it with -f")
        })?;
        let spec = located.object.spec.clone();
        let secret = spec.secret_name.clone().unwrap_or_else(|| format!("connector-{name}"));
        let environment = Environment {
            name: name.to_owned(),
            secrets: self.secrets.load(&self.manifests, &self.namespace, &secret)?,
            base: folder_of(&located.file),
            locator: Some(located.locator.clone()),
            buffers: self.buffers,
            spec,
        };
        if let Some(limit) = environment.spec.limits.as_ref().and_then(|limits| limits.rows_per_second) {
            open.paces.insert(name.to_owned(), Pace::new(limit));
        }
        let connector: Arc<dyn Connector> = connectors::open(environment)?.into();
        open.connectors.insert(name.to_owned(), Arc::clone(&connector));
        Ok(connector)
    }

    /// How many connections one run may hold at that Connector.
    pub(super) fn connections(&self, name: &str) -> Option<u32> {
        let located = self.manifests.connector(&self.namespace, name)?;
        located.object.spec.limits.as_ref()?.connections
    }

    /// All streams of a Connector; remembered for [`Places::catalogues`].
    ///
    /// # Errors
    /// When the Connector cannot be reached.
    pub(super) async fn discover(&self, name: &str) -> Result<Catalogue, ConnectorError> {
        let catalogue = self.connector(name)?.discover().await?;
        self.open().known.insert(name.to_owned(), catalogue.clone());
        Ok(catalogue)
    }

    /// The limit on rows a second of an open Connector.
    pub(super) fn pace(&self, name: &str) -> Option<Pace> {
        self.open().paces.get(name).cloned()
    }

    /// The live catalogues of the streams that the Pipeline reads.
    ///
    /// # Errors
    /// When a Connector cannot be reached or a stream is not there.
    pub async fn catalogues(&self, pipeline: &Located<Pipeline>) -> Result<Catalogues, RunError> {
        let mut catalogues = Catalogues::new();
        for (index, source) in pipeline.object.spec.sources.iter().enumerate() {
            let Some(name) = &source.stream else { continue };
            let catalogue: &mut Catalogue = catalogues.entry(source.connector.clone()).or_default();
            if catalogue.stream(name).is_some() {
                continue;
            }
            let failed = |error| RunError::Connector { node: Some(source.name.as_str().into()), error };
            let known = self.open().known.get(&source.connector).and_then(|known| known.stream(name).cloned());
            if let Some(stream) = known {
                catalogue.streams.push(stream);
                continue;
            }
            let connector = self.connector(&source.connector).map_err(failed)?;
            let mut stream = connector.describe(name).await.map_err(|error| {
                // What is not there, or cannot be asked for, was named in the manifest.
                let named = matches!(error.kind, ErrorKind::Config | ErrorKind::NotFound);
                failed(error.at(named.then(|| pipeline.place(&format!("spec.sources[{index}].stream")))))
            })?;
            stream.name.clone_from(name);
            catalogue.streams.push(stream);
        }
        Ok(catalogues)
    }
}

/// The folder that a manifest's relative paths start from.
fn folder_of(file: &str) -> PathBuf {
    Path::new(file)
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
