//! A stream of files as a source: which of them are read, and where the next run goes on.

use std::sync::Arc;

use aggregator_crds::connector::FileFormat;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;

use super::data_file::DataFile;
use super::reading::{Kept, Part, Reading, summary};
use super::split::{FileSplit, FilesRead, divide};
use super::{Store, blocking, not_found, shape_of};
use crate::connector::{
    ConnectorError, Division, ErrorKind, EventStream, Position, ReadSplit, Result, Size, Source, SourceRequest, Split,
};

const POSITION_VERSION: u32 = 1;

/// The files that a position names, which were read: one that has changed is read again, whole. None without a position.
fn files_of<S: Store>(position: Option<&Position>, stream: &str) -> Result<FilesRead> {
    let Some(position) = position else { return Ok(FilesRead::new()) };
    if position.kind != S::POSITIONS || position.version != POSITION_VERSION {
        return Err(ConnectorError::new(
            ErrorKind::Config,
            format!("read stream `{stream}`"),
            format!(
                "the checkpoint is of kind `{}` version {}, not `{}` version {POSITION_VERSION}",
                position.kind,
                position.version,
                S::POSITIONS
            ),
        )
        .remedy(
            "the source was another one when the checkpoint was written: reset the checkpoint, or run in mode Full",
        ));
    }
    serde_json::from_value(position.state.clone()).map_err(|error| {
        ConnectorError::new(
            ErrorKind::Config,
            format!("read stream `{stream}`"),
            format!("the checkpoint is broken: {error}"),
        )
        .remedy("reset the checkpoint, or run in mode Full")
    })
}

fn position<S: Store>(files: &FilesRead) -> Result<Position> {
    let state = serde_json::to_value(files)
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, "write the position of files", error.to_string()))?;
    Ok(Position { kind: S::POSITIONS.into(), version: POSITION_VERSION, state })
}

/// Which of the files that are there are to be read.
fn choose<S: Store>(files: Vec<DataFile>, request: &SourceRequest) -> Result<(Vec<DataFile>, FilesRead, usize)> {
    let before = files_of::<S>(request.from.as_ref(), &request.stream)?;
    let all = files.len();
    let mut chosen: Vec<DataFile> =
        files.into_iter().filter(|file| before.get(&file.path) != Some(&file.identity)).collect();
    let skipped = all - chosen.len();
    let mut after = before.clone();
    match &request.to {
        None => after.extend(chosen.iter().map(|file| (file.path.clone(), file.identity.clone()))),
        Some(to) => {
            // An attempt has committed exactly these files: the others are for the next run.
            let wanted = files_of::<S>(Some(to), &request.stream)?;
            chosen.retain(|file| wanted.get(&file.path) == Some(&file.identity));
            let gone = wanted.iter().find(|(path, identity)| {
                before.get(*path) != Some(*identity) && !chosen.iter().any(|file| file.path == **path)
            });
            if let Some((path, _)) = gone {
                return Err(ConnectorError::new(
                    ErrorKind::Data,
                    format!("read {path}"),
                    format!("the {} was changed or removed since an attempt of this run read it", S::ONE),
                )
                .remedy("restore it, or start a new run in mode Full"));
            }
            after = wanted;
        }
    }
    Ok((chosen, after, skipped))
}

/// What to tell of a stream without files whose earlier files an incremental source has read; None when it has read none,
/// or an attempt of this run has read more than what is left.
fn emptied<S: Store>(request: &SourceRequest) -> Result<Option<String>> {
    let before = files_of::<S>(request.from.as_ref(), &request.stream)?.len();
    // With `to`, `choose` compares what is left with what was committed.
    let by_file = before > 0 || request.to.is_some();
    let by_cursor = request.window.as_ref().is_some_and(|window| window.lower.is_some() && window.upper.is_none());
    Ok(match before {
        _ if !by_file && !by_cursor => None,
        0 => Some(format!("no {} is left", S::ONE)),
        before => Some(format!("no {} is left of {before} that were read before", S::ONE)),
    })
}

/// A stream of files, ready to be read.
struct FileSource<S> {
    store: S,
    schema: SchemaRef,
    format: FileFormat,
    files: Vec<DataFile>,
    /// Where the next run goes on.
    after: FilesRead,
    skipped: usize,
    request: SourceRequest,
    notes: Vec<String>,
    /// About how many bytes a split should have.
    split_bytes: u64,
    kept: Arc<Kept>,
}

/// Prepares to read a stream.
pub(crate) async fn open_source<S: Store>(
    store: &S,
    declared: Option<&FileFormat>,
    request: SourceRequest,
) -> Result<Box<dyn Source>> {
    let (store, declared) = (store.clone(), declared.cloned());
    blocking(move || {
        let listing = store.list(&request.stream)?;
        let mut shape = shape_of(&store, declared.as_ref(), &request.stream, listing)?;
        if shape.files.is_empty() {
            match emptied::<S>(&request)? {
                Some(note) => shape.notes.push(note),
                None => return Err(not_found(&store, declared.as_ref(), &request.stream, &[])),
            }
        }
        let schema = wanted(&shape.schema, &request)?;
        let (files, after, skipped) = choose::<S>(shape.files, &request)?;
        let (format, notes) = (shape.format, shape.notes);
        let (split_bytes, kept) = (u64::MAX, Arc::default());
        let source = FileSource { store, schema, format, files, after, skipped, request, notes, split_bytes, kept };
        Ok(Box::new(source) as Box<dyn Source>)
    })
    .await
}

/// The columns that are asked for.
fn wanted(schema: &SchemaRef, request: &SourceRequest) -> Result<SchemaRef> {
    let Some(columns) = &request.columns else { return Ok(Arc::clone(schema)) };
    let fields = columns.iter().map(|column| {
        schema.field_with_name(column).cloned().map_err(|_| {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            ConnectorError::new(
                ErrorKind::NotFound,
                format!("read stream `{}`", request.stream),
                format!("there is no column `{column}`; there are {}", names.join(", ")),
            )
        })
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

#[async_trait]
impl<S: Store> Source for FileSource<S> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn size(&self) -> Size {
        // Text and Parquet are both a few times larger in memory when they are compressed.
        Size { rows: None, bytes: Some(self.files.iter().map(|file| file.identity.size).sum()) }
    }

    async fn read(self: Box<Self>) -> Result<EventStream> {
        Ok(self.reading(self.files.clone(), None)?.start())
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        self.split_bytes = bytes;
        let (stands, rest) = divide(&self.files, bytes, earlier)?;
        let position = if self.request.incremental { Some(position::<S>(&self.after)?) } else { None };
        let note = Some(summary::<S>(self.files.len(), self.skipped, &self.notes));
        Ok(Some(Division { stands, rest, position, note }))
    }

    fn shares(&self) -> bool {
        true
    }

    async fn share(&mut self, bytes: u64, splits: Vec<Split>) -> Result<Vec<Split>> {
        self.split_bytes = bytes;
        Ok(splits)
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let wanted = FileSplit::of(split)?;
        // A file that has changed since another process divided them is not read: the split will not stand.
        let same = |file: &&DataFile| wanted.files.get(&file.path) == Some(&file.identity);
        let files: Vec<DataFile> = self.files.iter().filter(same).cloned().collect();
        let (all_bytes, split_bytes) = (split.bytes, self.split_bytes);
        let part = (files.len() == 1).then_some(Part { split: wanted, all_bytes, split_bytes });
        Ok(self.reading(files, part)?.start())
    }
}

impl<S: Store> FileSource<S> {
    /// What is to be read of some of the files.
    fn reading(&self, files: Vec<DataFile>, part: Option<Part>) -> Result<Reading<S>> {
        let incremental = self.request.incremental || self.request.window.is_some();
        Ok(Reading {
            store: self.store.clone(),
            schema: Arc::clone(&self.schema),
            format: self.format.clone(),
            request: self.request.clone(),
            files,
            part,
            kept: Arc::clone(&self.kept),
            position: if incremental { Some(position::<S>(&self.after)?) } else { None },
            counts: (self.files.len(), self.skipped),
            notes: self.notes.clone(),
        })
    }
}
