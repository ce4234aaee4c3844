//! A read that goes on: files one after the other, on a thread of its own. A long one stops between two records, and its
//! reader waits for whoever wants the rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::FileFormat;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Store;
use super::data_file::DataFile;
use super::split::FileSplit;
use crate::connector::{
    ConnectorError, Cut, ErrorKind, EventStream, Position, Result, SourceEnd, SourceEvent, SourceRequest, is_long,
};
use crate::connectors::pipe::Cause;
use crate::format::{BlockReader, Place, ReadPlan, open};

/// Events that are read ahead.
const READ_AHEAD: usize = 3;

/// A file that was opened.
struct OpenFile {
    path: String,
    /// Where it is read from, if not from its beginning.
    place: Option<Place>,
    reader: Box<dyn BlockReader>,
    cause: Cause<ConnectorError>,
    /// Counts what is taken from the file.
    bytes: Arc<AtomicU64>,
    /// What of that a split before this one has taken.
    before: u64,
}

/// A file that was read in part, for whoever reads on.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<OpenFile>>);

impl Kept {
    fn take(&self, path: &str, place: Option<Place>) -> Option<OpenFile> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.filter(|file| place.is_some() && file.path == path && file.place == place)
    }

    fn put(&self, file: OpenFile) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }
}

/// A split of one file, which is read up to a size.
pub(super) struct Part {
    pub(super) split: FileSplit,
    /// About how many bytes it has.
    pub(super) all_bytes: u64,
    /// About how many a split should have.
    pub(super) split_bytes: u64,
}

/// What is to be read.
pub(super) struct Reading<S> {
    pub(super) store: S,
    pub(super) schema: SchemaRef,
    pub(super) format: FileFormat,
    pub(super) request: SourceRequest,
    pub(super) files: Vec<DataFile>,
    /// For a split of one file.
    pub(super) part: Option<Part>,
    pub(super) kept: Arc<Kept>,
    /// Where the next run goes on.
    pub(super) position: Option<Position>,
    /// How many files are read in all, and how many were read before.
    pub(super) counts: (usize, usize),
    /// What is known of the files before they are read.
    pub(super) notes: Vec<String>,
}

/// How the read of one file ended.
enum Ended {
    /// At its end, after so many rows and bytes.
    Whole(u64, u64),
    /// Between two records.
    Cut(u64, u64, Place),
    /// Nobody wants more.
    Unwanted,
}

type Sender = mpsc::Sender<Result<SourceEvent>>;

impl<S: Store> Reading<S> {
    /// Starts the thread.
    pub(super) fn start(self) -> EventStream {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let task = tokio::task::spawn_blocking(move || {
            if let Err(error) = self.run(&sender) {
                // A reader that is gone has no use for the error.
                sender.blocking_send(Err(error)).unwrap_or_default();
            }
        });
        futures::stream::unfold((receiver, Some(task)), next_event).boxed()
    }

    fn run(mut self, sender: &Sender) -> Result<()> {
        let mut end = SourceEnd::default();
        for file in std::mem::take(&mut self.files) {
            let ended = self.read_one(&file, sender)?;
            self.store.check_unchanged(&file)?;
            let (Ended::Whole(read, bytes) | Ended::Cut(read, bytes, _)) = ended else { return Ok(()) };
            end.read += read;
            end.bytes += bytes;
            if let (Ended::Cut(_, bytes, place), Some(part)) = (ended, &self.part) {
                let (read, rest) = part.split.cut(place, bytes);
                let rest = rest.split(part.all_bytes.saturating_sub(bytes))?;
                end.cut = Some(Box::new(Cut { read: read.split(bytes)?, rest }));
            }
        }
        let (all, skipped) = self.counts;
        end.note = Some(summary::<S>(all, skipped, &self.notes));
        end.position = self.position;
        sender.blocking_send(Ok(SourceEvent::End(end))).unwrap_or_default();
        Ok(())
    }

    /// The file, at the place where this split begins.
    fn open(&self, file: &DataFile) -> Result<OpenFile> {
        let place = self.part.as_ref().and_then(|part| part.split.from).map(|from| from.place);
        if let Some(kept) = self.kept.take(&file.path, place) {
            return Ok(kept);
        }
        let opened = self.store.open(file, &self.format)?;
        let bytes = Arc::default();
        let plan = ReadPlan {
            schema: Arc::clone(&self.schema),
            known: None,
            location: file.path.clone(),
            rejects: self.request.rejects,
            batch_rows: self.request.batch_rows.max(1),
            threads: self.request.threads,
            constants: file.partitions(),
            from: place,
        };
        let reader = open(opened.input, &file.path, &self.format, plan, &bytes);
        let reader = reader.map_err(|error| opened.cause.take().unwrap_or(error))?;
        Ok(OpenFile { path: file.path.clone(), place, reader, cause: opened.cause, bytes, before: 0 })
    }

    /// Reads one file to its end, or until the split is long enough.
    fn read_one(&mut self, file: &DataFile, sender: &Sender) -> Result<Ended> {
        let mut open = self.open(file)?;
        let mut read = 0;
        loop {
            let block = open.reader.next_block().map_err(|error| open.cause.take().unwrap_or(error))?;
            let Some(block) = block else {
                self.notes.extend(open.reader.notes());
                return Ok(Ended::Whole(read, open.bytes.load(Ordering::Relaxed) - open.before));
            };
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
                    return Ok(Ended::Unwanted);
                }
            }
            let bytes = open.bytes.load(Ordering::Relaxed) - open.before;
            if self.is_enough(bytes)
                && let Some(place) = open.reader.place().map_err(|error| open.cause.take().unwrap_or(error))?
            {
                self.kept.put(OpenFile { place: Some(place), before: open.before + bytes, ..open });
                return Ok(Ended::Cut(read, bytes, place));
            }
        }
    }

    /// Whether a split ends after so many bytes, because enough is left for another one.
    fn is_enough(&self, bytes: u64) -> bool {
        self.part.as_ref().is_some_and(|Part { all_bytes, split_bytes, .. }| {
            let left = all_bytes.saturating_sub(bytes);
            bytes >= *split_bytes && is_long(split_bytes.saturating_add(left), *split_bytes)
        })
    }
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

/// What a person may want to know.
pub(super) fn summary<S: Store>(read: usize, skipped: usize, notes: &[String]) -> String {
    /// The most notes that are shown.
    const MOST: usize = 5;
    let mut parts = vec![counted(read, S::ONE)];
    if skipped > 0 {
        parts.push(format!("{skipped} already read"));
    }
    parts.extend(notes.iter().take(MOST).cloned());
    if notes.len() > MOST {
        parts.push(format!("and {}", counted(notes.len() - MOST, "more note")));
    }
    parts.join(", ")
}
