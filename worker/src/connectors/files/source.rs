//! Reads the files of a stream one after the other, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_crds::connector::FileFormat;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::data_file::{DataFile, Identity};
use super::{Store, blocking, not_found, shape_of};
use crate::connector::{
    ConnectorError, Division, ErrorKind, EventStream, Position, ReadSplit, Result, Size, Source, SourceEnd,
    SourceEvent, SourceRequest, Split,
};
use crate::format::{Input, ReadPlan, open};

const POSITION_VERSION: u32 = 1;
/// Events that are read ahead.
const READ_AHEAD: usize = 3;

/// The files that were read, and what was in them: a file that has changed is read again, whole.
type FilesRead = BTreeMap<String, Identity>;

/// What a position says, or nothing without one.
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
        Ok(Box::new(FileSource { store, schema, format, files, after, skipped, request, notes }) as Box<dyn Source>)
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
        Ok(self.start(self.files.clone()))
    }

    async fn divide(&mut self, bytes: u64, earlier: &[ReadSplit]) -> Result<Option<Division>> {
        let (stands, rest) = divide(&self.files, bytes, earlier)?;
        let incremental = self.request.incremental;
        Ok(Some(Division {
            stands,
            rest,
            position: if incremental { Some(position::<S>(&self.after)?) } else { None },
            note: Some(summary::<S>(self.files.len(), self.skipped, &self.notes)),
        }))
    }

    async fn read_split(&mut self, split: &Split) -> Result<EventStream> {
        let wanted = split_files(split)?;
        let files = self.files.iter().filter(|file| wanted.contains_key(&file.path));
        Ok(self.start(files.cloned().collect()))
    }
}

/// Groups of files, in order, each of about so many bytes, apart from the groups that were read and are still the same.
fn divide(files: &[DataFile], bytes: u64, earlier: &[ReadSplit]) -> Result<(Vec<bool>, Vec<Split>)> {
    let mut left: BTreeMap<&str, &Identity> = files.iter().map(|file| (file.path.as_str(), &file.identity)).collect();
    let mut stands = Vec::with_capacity(earlier.len());
    for read in earlier {
        let group = split_files(&read.split)?;
        let same = group.iter().all(|(path, identity)| left.get(path.as_str()) == Some(&identity));
        if same {
            left.retain(|path, _| !group.contains_key(*path));
        }
        stands.push(same);
    }
    let mut groups: Vec<(FilesRead, u64)> = Vec::new();
    for file in files.iter().filter(|file| left.contains_key(file.path.as_str())) {
        match groups.last_mut() {
            Some((group, size)) if *size < bytes => {
                group.insert(file.path.clone(), file.identity.clone());
                *size = size.saturating_add(file.identity.size);
            }
            _ => {
                let group = FilesRead::from([(file.path.clone(), file.identity.clone())]);
                groups.push((group, file.identity.size));
            }
        }
    }
    let rest = groups.into_iter().map(|(group, bytes)| {
        let state = serde_json::to_value(&group)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "divide files", error.to_string()))?;
        Ok(Split { state, bytes })
    });
    Ok((stands, rest.collect::<Result<_>>()?))
}

fn split_files(split: &Split) -> Result<FilesRead> {
    serde_json::from_value(split.state.clone()).map_err(|error| {
        ConnectorError::new(ErrorKind::Data, "go on with a divided read", format!("a split is broken: {error}"))
            .remedy("run in mode Full: it reads everything again")
    })
}

type Events = (mpsc::Receiver<Result<SourceEvent>>, Option<JoinHandle<()>>);

async fn next_event((mut receiver, task): Events) -> Option<(Result<SourceEvent>, Events)> {
    if let Some(event) = receiver.recv().await {
        return Some((event, (receiver, task)));
    }
    // The channel is closed: a thread that died without a word must not look like the end of the data.
    let error = task?.await.err()?;
    let error = ConnectorError::new(ErrorKind::Bug, "read files", error.to_string());
    Some((Err(error), (receiver, None)))
}

impl<S: Store> FileSource<S> {
    /// Reads some of the files on a thread of its own.
    fn start(&self, files: Vec<DataFile>) -> EventStream {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let reading = Reading {
            store: self.store.clone(),
            schema: Arc::clone(&self.schema),
            format: self.format.clone(),
            files,
            after: self.after.clone(),
            skipped: self.skipped,
            request: self.request.clone(),
            notes: self.notes.clone(),
        };
        let task = tokio::task::spawn_blocking(move || {
            if let Err(error) = reading.run(&sender) {
                // A reader that is gone has no use for the error.
                sender.blocking_send(Err(error)).unwrap_or_default();
            }
        });
        futures::stream::unfold((receiver, Some(task)), next_event).boxed()
    }
}

/// A read that goes on.
struct Reading<S> {
    store: S,
    schema: SchemaRef,
    format: FileFormat,
    files: Vec<DataFile>,
    after: FilesRead,
    skipped: usize,
    request: SourceRequest,
    notes: Vec<String>,
}

impl<S: Store> Reading<S> {
    fn run(self, sender: &mpsc::Sender<Result<SourceEvent>>) -> Result<()> {
        let bytes = Arc::new(AtomicU64::new(0));
        let mut read = 0;
        let mut notes = self.notes.clone();
        for file in &self.files {
            let opened = self.store.open(file, &self.format)?;
            let read_so_far = self.read_one(file, opened.input, &bytes, sender, &mut notes);
            match read_so_far.map_err(|error| opened.cause.take().unwrap_or(error))? {
                Some(rows) => read += rows,
                None => return Ok(()),
            }
            self.store.check_unchanged(file)?;
        }
        let incremental = self.request.incremental || self.request.window.is_some();
        let end = SourceEnd {
            read,
            bytes: bytes.load(Ordering::Relaxed),
            position: if incremental { Some(position::<S>(&self.after)?) } else { None },
            note: Some(summary::<S>(self.files.len(), self.skipped, &notes)),
        };
        sender.blocking_send(Ok(SourceEvent::End(end))).unwrap_or_default();
        Ok(())
    }

    /// Reads one file to its end and gives its rows; None when nobody wants more.
    fn read_one(
        &self,
        file: &DataFile,
        input: Input,
        bytes: &Arc<AtomicU64>,
        sender: &mpsc::Sender<Result<SourceEvent>>,
        notes: &mut Vec<String>,
    ) -> Result<Option<u64>> {
        let plan = ReadPlan {
            schema: Arc::clone(&self.schema),
            known: None,
            location: file.path.clone(),
            rejects: self.request.rejects,
            batch_rows: self.request.batch_rows.max(1),
            threads: self.request.threads,
            constants: file.partitions(),
        };
        let mut reader = open(input, &file.path, &self.format, plan, bytes)?;
        let mut read = 0;
        while let Some(block) = reader.next_block()? {
            read += block.read;
            let mut events = Vec::with_capacity(2);
            if block.batch.num_rows() > 0 {
                events.push(SourceEvent::Batch(block.batch));
            }
            if !block.rejects.is_empty() {
                events.push(SourceEvent::Rejects(block.rejects));
            }
            for event in events {
                if sender.blocking_send(Ok(event)).is_err() {
                    return Ok(None);
                }
            }
        }
        notes.extend(reader.notes());
        Ok(Some(read))
    }
}

fn summary<S: Store>(read: usize, skipped: usize, notes: &[String]) -> String {
    /// The most notes that are shown.
    const MOST: usize = 5;
    let mut parts = vec![format!("{read} {}{}", S::ONE, if read == 1 { "" } else { "s" })];
    if skipped > 0 {
        parts.push(format!("{skipped} already read"));
    }
    parts.extend(notes.iter().take(MOST).cloned());
    if notes.len() > MOST {
        parts.push(format!("and {} more notes", notes.len() - MOST));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    fn files(of: &[(&str, u64)]) -> Vec<DataFile> {
        let file = |(path, size): &(&str, u64)| DataFile {
            path: (*path).to_owned(),
            identity: Identity { size: *size, version: Version::Changed { modified: 7 } },
        };
        of.iter().map(file).collect()
    }

    fn paths(splits: &[Split]) -> Vec<Vec<String>> {
        splits.iter().map(|split| split_files(split).expect("files").into_keys().collect()).collect()
    }

    #[test]
    fn files_are_grouped_in_order_until_a_group_is_large_enough() {
        let (stands, splits) =
            divide(&files(&[("a", 4), ("b", 5), ("c", 20), ("d", 1), ("e", 0)]), 8, &[]).expect("fit");
        assert_eq!(stands, Vec::<bool>::new());
        assert_eq!(paths(&splits), [vec!["a", "b"], vec!["c"], vec!["d", "e"]]);
        assert_eq!(splits.iter().map(|split| split.bytes).collect::<Vec<_>>(), [9, 20, 1]);
    }

    #[test]
    fn what_was_read_stands_unless_one_of_its_files_changed_and_nothing_is_read_twice() {
        let (_, splits) = divide(&files(&[("a", 4), ("b", 5), ("c", 20), ("d", 1)]), 8, &[]).expect("fit");
        let earlier: Vec<ReadSplit> = splits.into_iter().map(|split| ReadSplit { split, read: 1 }).collect();
        // `b` has grown, `c` has gone, `e` has come.
        let now = files(&[("a", 4), ("b", 6), ("d", 1), ("e", 3)]);
        let (stands, rest) = divide(&now, 8, &earlier).expect("fit");
        assert_eq!(stands, [false, false, true]);
        assert_eq!(paths(&rest), [["a", "b"].as_slice(), ["e"].as_slice()]);
        let doubled = [earlier[2].clone(), earlier[2].clone()];
        assert_eq!(divide(&now, 8, &doubled).expect("fit").0, [true, false]);
    }
}
