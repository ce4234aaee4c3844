//! A read that goes on: files one after the other, on a thread of its own, while the next one is begun on another. A long
//! one stops between two records, and its reader waits for whoever wants the rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvError;
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
use crate::format::{Block, BlockReader, Place, ReadPlan, Workers, open};

/// Events that are read ahead. One of them is the first block of the next file, if that is begun.
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

impl OpenFile {
    fn next_block(&mut self) -> Result<Option<Block>> {
        self.reader.next_block().map_err(|error| self.cause.take().unwrap_or(error))
    }

    fn place(&mut self) -> Result<Option<Place>> {
        self.reader.place().map_err(|error| self.cause.take().unwrap_or(error))
    }

    /// The bytes that this split has taken.
    fn taken(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) - self.before
    }
}

/// A file that was opened and read to the end of its first block; None when it has no more.
struct BegunFile {
    open: OpenFile,
    block: Option<Block>,
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
        let (sender, receiver) = mpsc::channel(READ_AHEAD - self.files_ahead());
        let task = tokio::task::spawn_blocking(move || {
            if let Err(error) = self.run(&sender) {
                // A reader that is gone has no use for the error.
                sender.blocking_send(Err(error)).unwrap_or_default();
            }
        });
        futures::stream::unfold((receiver, Some(task)), next_event).boxed()
    }

    /// How many files are begun while one is read.
    fn files_ahead(&self) -> usize {
        // A document is held whole: one at a time.
        let by_blocks = !matches!(self.format, FileFormat::Json(_));
        usize::from(by_blocks && self.request.threads > 1 && self.files.len() > 1)
    }

    fn run(mut self, sender: &Sender) -> Result<()> {
        let ahead = self.files_ahead();
        let (files, mut notes) = (std::mem::take(&mut self.files), std::mem::take(&mut self.notes));
        let reading = Arc::new(self);
        let mut begun = Workers::new(reading.request.threads);
        let mut to_begin = files.iter();
        let mut end = SourceEnd::default();
        for file in &files {
            // The next one is begun before this one is waited for: both may be on their way.
            while begun.pending() <= ahead
                && let Some(next) = to_begin.next()
            {
                let (reading, next) = (Arc::clone(&reading), next.clone());
                begun.give(move || reading.begin(&next));
            }
            let Some(current) = begun.take() else { break };
            let died = |error: RecvError| ConnectorError::new(ErrorKind::Bug, "read files", error.to_string());
            let ended = reading.read_on(current.map_err(died)??, sender, &mut notes)?;
            reading.store.check_unchanged(file)?;
            let (Ended::Whole(read, bytes) | Ended::Cut(read, bytes, _)) = ended else { return Ok(()) };
            end.read += read;
            end.bytes += bytes;
            if let (Ended::Cut(_, bytes, place), Some(part)) = (ended, &reading.part) {
                let (read, rest) = part.split.cut(place, bytes);
                let rest = rest.split(part.all_bytes.saturating_sub(bytes))?;
                end.cut = Some(Box::new(Cut { read: read.split(bytes)?, rest }));
            }
        }
        let (all, skipped) = reading.counts;
        end.note = Some(summary::<S>(all, skipped, &notes));
        end.position = reading.position.clone();
        sender.blocking_send(Ok(SourceEvent::End(end))).unwrap_or_default();
        Ok(())
    }

    /// Opens a file and reads its first block.
    fn begin(&self, file: &DataFile) -> Result<BegunFile> {
        let mut open = self.open(file)?;
        let block = open.next_block()?;
        Ok(BegunFile { open, block })
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
            buffers: self.store.buffers(),
            constants: file.partitions(),
            from: place,
        };
        let reader = open(opened.input, &file.path, &self.format, plan, &bytes);
        let reader = reader.map_err(|error| opened.cause.take().unwrap_or(error))?;
        Ok(OpenFile { path: file.path.clone(), place, reader, cause: opened.cause, bytes, before: 0 })
    }

    /// Reads a file to its end, or until the split is long enough.
    fn read_on(&self, begun: BegunFile, sender: &Sender, notes: &mut Vec<String>) -> Result<Ended> {
        let BegunFile { mut open, block: mut next } = begun;
        let mut read = 0;
        while let Some(block) = next {
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
            let bytes = open.taken();
            if self.is_enough(bytes)
                && let Some(place) = open.place()?
            {
                self.kept.put(OpenFile { place: Some(place), before: open.before + bytes, ..open });
                return Ok(Ended::Cut(read, bytes, place));
            }
            next = open.next_block()?;
        }
        notes.extend(open.reader.notes());
        Ok(Ended::Whole(read, open.taken()))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::super::data_file::{Identity, Version};
    use super::super::{Listing, Opened};
    use super::*;
    use crate::format::Input;

    /// Files in memory. Tells which of them are opened.
    #[derive(Clone)]
    struct Shelf {
        files: Arc<BTreeMap<String, String>>,
        opened: mpsc::UnboundedSender<String>,
    }

    impl Store for Shelf {
        const POSITIONS: &'static str = "files";
        const ONE: &'static str = "file";
        const EMPTY: &'static str = "";
        const UNREADABLE: &'static str = "";
        const REPLACED: &'static str = "";

        fn place(&self) -> String {
            "a shelf".into()
        }

        fn list(&self, _: &str) -> Result<Listing> {
            Ok(Listing::default())
        }

        fn list_all(&self) -> Result<Listing> {
            Ok(Listing::default())
        }

        fn is_open(&self, _: &str) -> bool {
            true
        }

        fn open(&self, file: &DataFile, _: &FileFormat) -> Result<Opened> {
            // A test that has ended listens no more.
            self.opened.send(file.path.clone()).unwrap_or_default();
            let missing = || ConnectorError::new(ErrorKind::NotFound, format!("read {}", file.path), "it is not there");
            let text = self.files.get(&file.path).ok_or_else(missing)?;
            Ok(Opened { input: Input::Bytes(text.clone().into()), cause: Cause::default() })
        }

        fn check_unchanged(&self, _: &DataFile) -> Result<()> {
            Ok(())
        }
    }

    const ROWS_OF_FILE: i64 = 40;

    /// Reads files of 20 blocks each, of which some are not there.
    fn read(format: &FileFormat, threads: usize, missing: &[usize]) -> (EventStream, mpsc::UnboundedReceiver<String>) {
        let (mut files, mut content) = (Vec::new(), BTreeMap::new());
        for number in 0..4 {
            let path = format!("{number}.txt");
            let first = i64::try_from(number).unwrap() * ROWS_OF_FILE;
            let records: Vec<String> = (first..first + ROWS_OF_FILE).map(|id| format!("{{\"id\":{id}}}")).collect();
            let text = match format {
                FileFormat::Json(_) => format!("[{}]", records.join(",")),
                _ => records.join("\n"),
            };
            let identity = Identity { size: text.len() as u64, version: Version::Changed { modified: 7 } };
            if !missing.contains(&number) {
                content.insert(path.clone(), text);
            }
            files.push(DataFile { path, identity, modified: 7 });
        }
        let (opened, seen) = mpsc::unbounded_channel();
        let reading = Reading {
            store: Shelf { files: Arc::new(content), opened },
            schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)])),
            format: format.clone(),
            request: SourceRequest {
                stream: "*.txt".into(),
                columns: None,
                window: None,
                incremental: false,
                from: None,
                to: None,
                rejects: true,
                batch_rows: 2,
                threads,
                together: 1,
            },
            counts: (files.len(), 0),
            files,
            part: None,
            kept: Arc::default(),
            position: None,
            notes: Vec::new(),
        };
        (reading.start(), seen)
    }

    /// The values of all rows, and how the stream ends.
    async fn all(mut events: EventStream) -> (Vec<i64>, Result<SourceEnd>) {
        let mut values = Vec::new();
        loop {
            match events.next().await.expect("an end or an error") {
                Ok(SourceEvent::Batch(batch)) => {
                    values.extend(batch.column(0).as_primitive::<Int64Type>().values().iter())
                }
                Ok(SourceEvent::Rejects(rejects)) => panic!("{rejects:?}"),
                Ok(SourceEvent::End(end)) => return (values, Ok(end)),
                Err(error) => return (values, Err(error)),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_next_file_is_begun_while_one_is_read_and_none_behind_it() {
        let (lines, document) = (FileFormat::Ndjson(Default::default()), FileFormat::Json(Default::default()));
        for (format, threads, begun) in
            [(&lines, 3, &["0.txt", "1.txt"][..]), (&lines, 1, &["0.txt"]), (&document, 3, &["0.txt"])]
        {
            let (events, mut opened) = read(format, threads, &[]);
            let mut seen = Vec::new();
            while seen.len() < begun.len() {
                seen.push(opened.recv().await.expect("it is opened"));
            }
            // Either may be the first one.
            seen.sort();
            assert_eq!(seen, begun);
            // The first file has more blocks than may wait, and nobody has taken one.
            assert_eq!(opened.try_recv().ok(), None);
            let (values, end) = all(events).await;
            assert!(values.iter().copied().eq(0..4 * ROWS_OF_FILE), "{values:?}");
            let end = end.unwrap();
            assert_eq!((end.read, end.note.as_deref()), (160, Some("4 files")));
            while let Some(path) = opened.recv().await {
                seen.push(path);
            }
            seen.sort();
            assert_eq!(seen, ["0.txt", "1.txt", "2.txt", "3.txt"], "each once");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_cannot_be_begun_is_told_when_all_before_it_are_out() {
        for threads in [1, 3] {
            let (events, _opened) = read(&FileFormat::Ndjson(Default::default()), threads, &[2]);
            let (values, end) = all(events).await;
            assert!(values.iter().copied().eq(0..2 * ROWS_OF_FILE), "{values:?}");
            assert_eq!(end.expect_err("a file is missing").to_string(), "read 2.txt: it is not there");
        }
    }
}
