//! Files in a folder: CSV, NDJSON, JSON and Parquet, by glob.

mod commit;
mod discover;
mod listing;
mod parts;
mod saved;
mod sink;
mod source;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_crds::connector::{ConnectorType, FileFormat};
use arrow::datatypes::Schema;
use async_trait::async_trait;

use crate::connector::{
    CheckReport, Connector, ConnectorError, Environment, ErrorKind, Result, Sink, SinkRequest, Source, SourceRequest,
};
use discover::{Shape, catalogue, not_found, shape_of};
use listing::list;
use sink::FileSink;
use source::{FileSource, choose, emptied};

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
    let root = match &spec.volume {
        Some(_) => environment.base.join(inside_volume(&environment.name, &spec.root)?),
        None => environment.base.join(&spec.root),
    };
    Ok(Box::new(FileConnector { root, format: spec.format.clone() }))
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

/// Runs what blocks on a thread for such work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, "work on files", error.to_string()))?
}

struct FileConnector {
    root: PathBuf,
    format: Option<FileFormat>,
}

impl FileConnector {
    /// The files of a stream and their schema.
    async fn shape(&self, stream: &str) -> Result<Shape> {
        let (root, format, stream) = (self.root.clone(), self.format.clone(), stream.to_owned());
        blocking(move || shape_of(&root, format.as_ref(), &stream, list(&root, &stream)?)).await
    }

    /// The error of a stream without files.
    async fn missing(&self, stream: &str) -> ConnectorError {
        let (root, format, stream) = (self.root.clone(), self.format.clone(), stream.to_owned());
        let error = blocking(move || Ok(not_found(&root, format.as_ref(), &stream, &[]))).await;
        error.unwrap_or_else(|error| error)
    }
}

#[async_trait]
impl Connector for FileConnector {
    async fn check(&self) -> Result<CheckReport> {
        let root = self.root.clone();
        let started = Instant::now();
        let message = blocking(move || {
            match std::fs::read_dir(&root) {
                Ok(entries) => Ok(format!("folder {}, {} entries", root.display(), entries.count())),
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
        let (root, format) = (self.root.clone(), self.format.clone());
        blocking(move || catalogue(&root, format.as_ref())).await
    }

    async fn describe(&self, stream: &str) -> Result<Stream> {
        let shape = self.shape(stream).await?;
        let mut described = Stream::from_schema(stream, &shape.schema);
        described.estimated_rows = shape.rows;
        described.comment = (!shape.notes.is_empty()).then(|| shape.notes.join("; "));
        Ok(described)
    }

    async fn source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let mut shape = self.shape(&request.stream).await?;
        if shape.files.is_empty() {
            match emptied(&request)? {
                Some(note) => shape.notes.push(note),
                None => return Err(self.missing(&request.stream).await),
            }
        }
        let schema = match &request.columns {
            None => shape.schema,
            Some(columns) => {
                let fields = columns.iter().map(|column| {
                    shape.schema.field_with_name(column).cloned().map_err(|_| {
                        let names: Vec<&str> =
                            shape.schema.fields().iter().map(|field| field.name().as_str()).collect();
                        ConnectorError::new(
                            ErrorKind::NotFound,
                            format!("read stream `{}`", request.stream),
                            format!("there is no column `{column}`; there are {}", names.join(", ")),
                        )
                    })
                });
                Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?))
            }
        };
        let (files, after, skipped) = choose(shape.files, &request)?;
        Ok(Box::new(FileSource { schema, format: shape.format, files, after, skipped, request, notes: shape.notes }))
    }

    async fn sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        Ok(Box::new(FileSink::new(self.root.clone(), self.format.as_ref(), request)?))
    }
}
