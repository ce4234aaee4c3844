//! Files in a folder: CSV, NDJSON, JSON and Parquet, by glob.

mod commit;
mod listing;
mod saved;
mod sink;
mod store;

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_compiler::diagnostic::Place;
use aggregator_compiler::plural::counted;
use aggregator_crds::connector::{ConnectorType, FileFormat};
use aggregator_crds::schedule::FilesFound;
use async_trait::async_trait;

use crate::connector::{
    CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source, SourceRequest,
};
use crate::connectors::files::{blocking, catalogue, describe_stream, found, open_source};
use sink::FileSink;
use store::Folder;

/// Opens a `file` Connector.
pub(super) fn open(environment: Environment) -> Result<Box<dyn Connector>> {
    let ConnectorType::File(spec) = &environment.spec.connector_type else {
        return Err(ConnectorError::new(
            ErrorKind::Bug,
            format!("open Connector `{}`", environment.name),
            "it is not of type `file`",
        ));
    };
    // Inside a volume, the root is a path in the volume, which is mounted at the base.
    let place = environment.place("spec.file.root");
    let root = match &spec.volume {
        Some(_) => environment.base.join(inside_volume(&environment.name, &spec.root)?),
        None => environment.base.join(&spec.root),
    };
    Ok(Box::new(FileConnector {
        connector: environment.name.clone(),
        folder: Folder { root, buffers: environment.buffers },
        place,
        format: spec.format.clone(),
    }))
}

fn inside_volume(connector: &str, root: &str) -> Result<PathBuf> {
    let path = Path::new(root.trim_start_matches('/'));
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(path.to_owned());
    }
    Err(ConnectorError::new(
        ErrorKind::Config,
        format!("open Connector `{connector}`"),
        format!("`root: {root}` leaves the volume"),
    )
    .remedy("give a path inside the volume, without `..`"))
}

struct FileConnector {
    /// Its name.
    connector: String,
    folder: Folder,
    /// Where the manifest names the folder.
    place: Option<Place>,
    format: Option<FileFormat>,
}

impl FileConnector {
    /// Refuses a root that is a file, or lies below one: another try would find no folder either.
    async fn check_root(&self) -> Result<()> {
        let root = self.folder.root.clone();
        let file = blocking(move || {
            let there = root.ancestors().find_map(|path| Some((path, std::fs::metadata(path).ok()?)));
            Ok(there.filter(|(_, metadata)| !metadata.is_dir()).map(|(path, _)| path.to_owned()))
        });
        let Some(file) = file.await? else { return Ok(()) };
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let error = ConnectorError::new(
            ErrorKind::Config,
            format!("open Connector `{}`", self.connector),
            format!("`root` is a folder, and {} is a file", file.display()),
        );
        let remedy = format!(
            "write the folder as `root` (here {}), and the file as the `stream` of a source or sink: `{name}`",
            folder.display()
        );
        Err(error.remedy(remedy).at(self.place.clone()))
    }
}

#[async_trait]
impl Connector for FileConnector {
    async fn check(&self) -> Result<CheckReport> {
        self.check_root().await?;
        let root = self.folder.root.clone();
        let started = Instant::now();
        let message = blocking(move || {
            match std::fs::read_dir(&root) {
                Ok(entries) => Ok(format!("folder {}, {}", root.display(), counted(entries.count(), "entry"))),
                // A sink makes its folder, so a missing one is no fault of the Connector.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(format!("folder {} is not there yet; the first write makes it", root.display()))
                }
                Err(error) => Err(ConnectorError::new(
                    ErrorKind::Unreachable,
                    format!("open folder {}", root.display()),
                    error.to_string(),
                )
                .remedy("correct `root`, or give this user the right to read it")
                .caused_by(error)),
            }
        })
        .await?;
        Ok(CheckReport { message, latency: started.elapsed() })
    }

    async fn discover(&self) -> Result<Catalogue> {
        self.check_root().await?;
        let (folder, format) = (self.folder.clone(), self.format.clone());
        blocking(move || catalogue(&folder, format.as_ref())).await
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        self.check_root().await?;
        let (folder, format, stream) = (self.folder.clone(), self.format.clone(), stream.to_owned());
        blocking(move || describe_stream(&folder, format.as_ref(), &stream)).await
    }

    async fn files(&self, stream: &str, settle: Duration) -> Result<FilesFound> {
        self.check_root().await?;
        let (folder, stream) = (self.folder.clone(), stream.to_owned());
        blocking(move || {
            // The first file makes the folder, often.
            if !folder.root.is_dir() {
                return Ok(FilesFound::default());
            }
            found(&folder, &stream, settle)
        })
        .await
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        self.check_root().await?;
        open_source(&self.folder, self.format.as_ref(), request).await
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        self.check_root().await?;
        Ok(Box::new(FileSink::new(&self.folder, self.format.as_ref(), request)?))
    }
}
