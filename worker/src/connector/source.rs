//! Reading a stream.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{ConnectorError, Cut, Division, ErrorKind, Position, ReadSplit, Reject, Result, Size, Split};

/// What to read.
#[derive(Clone, Debug)]
pub struct SourceRequest {
    /// The stream, as the Pipeline names it.
    pub stream: String,
    /// The columns that are wanted, in order; None for all. [`Source::schema`] has just these.
    pub columns: Option<Vec<String>>,
    /// For an incremental read by a column: which part of the stream is wanted.
    ///
    /// A source that can, pushes both bounds down. One that cannot may deliver rows outside: the engine drops them.
    pub window: Option<CursorWindow>,
    /// Whether the read is incremental by the source's own position (files already read), without a cursor column.
    pub incremental: bool,
    /// Where the last run that committed had ended, when `incremental`: the source's own [`SourceEnd::position`].
    pub from: Option<Position>,
    /// Where an interrupted attempt of this same run had ended, if a sink has already committed that much: read exactly
    /// up to there.
    pub to: Option<Position>,
    /// Bad rows become [`SourceEvent::Rejects`]. Otherwise the first one is an error that says where it stands.
    pub rejects: bool,
    /// The most rows of a batch.
    pub batch_rows: usize,
    /// How many threads may decode at once.
    pub threads: usize,
    /// How many sources of this run are read from the same Connector, this one among them: all of them are read in one
    /// snapshot, where the system has snapshots.
    pub together: usize,
}

/// The part of a stream that an incremental read by a column wants. Values are the cursor's exact text, as
/// [`arrow::util::display`] writes it with the default options, never rounded.
#[derive(Clone, Debug, PartialEq)]
pub struct CursorWindow {
    /// The column.
    pub column: String,
    /// Rows below are not wanted; rows equal to it are (the engine drops those it has seen).
    pub lower: Option<String>,
    /// Rows above are not wanted; rows equal to it are.
    pub upper: Option<String>,
    /// Rows younger than this, by the clock of the system that is read, are not wanted.
    pub lag: Option<std::time::Duration>,
}

/// A stream of events; ends after [`SourceEvent::End`] or an error.
pub type EventStream = BoxStream<'static, Result<SourceEvent>>;

/// What a source says while it is read.
#[derive(Debug)]
pub enum SourceEvent {
    /// Rows of [`Source::schema`].
    Batch(RecordBatch),
    /// Rows that could not be read.
    Rejects(Vec<Reject>),
    /// The stream was read to its end. The last event.
    End(SourceEnd),
}

/// What a source counted by itself, apart from the batches it gave out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceEnd {
    /// Rows met in the system: good ones and rejected ones. Counted where they are split from the raw bytes, or what
    /// the server says it sent, not by adding up batches.
    pub read: u64,
    /// Bytes taken from the system, as they were transferred (compressed if they were).
    pub bytes: u64,
    /// Where the next run goes on, when the request was `incremental`.
    pub position: Option<Position>,
    /// What a person may want to know: `3 files, 1 already read`.
    pub note: Option<String>,
    /// When [`Source::read_split`] ended before the split did, because there is more of it than a split should have.
    pub cut: Option<Box<Cut>>,
}

/// A stream, ready to be read once.
#[async_trait]
pub trait Source: Send {
    /// The schema of the batches. Timestamps are in microseconds.
    fn schema(&self) -> SchemaRef;

    /// About how much there is to read, as far as that is known without reading.
    fn size(&self) -> Size {
        Size::default()
    }

    /// Starts reading. All of a read is one snapshot where the system has snapshots. Back-pressure: nothing is read
    /// ahead beyond a few batches. Dropping the stream stops reading and frees everything.
    async fn read(self: Box<Self>) -> Result<EventStream>;

    /// Divides the stream into splits of about `bytes` each, apart from those that an earlier attempt of this run has read
    /// and that still stand. Takes the snapshot that the splits are read in, where the system has snapshots. None when
    /// the stream can only be read whole. Never asked for when the request has a window.
    async fn divide(&mut self, _bytes: u64, _earlier: &[ReadSplit]) -> Result<Option<Division>> {
        Ok(None)
    }

    /// Whether several processes can read splits of one division.
    fn shares(&self) -> bool {
        false
    }

    /// Instead of `divide`: prepares to read splits, of about `bytes` each, of a division that another process has made,
    /// and gives them back as this process reads them: in its own snapshot, where the system has snapshots. What has
    /// changed since the division is for the attempt that completes the run, which divides anew and sees what stands.
    async fn share(&mut self, _bytes: u64, _splits: Vec<Split>) -> Result<Vec<Split>> {
        Err(ConnectorError::new(ErrorKind::Bug, "share a read", "this source has one reader"))
    }

    /// Starts reading one split of the division, as [`Source::read`] does for all of them; one at a time.
    async fn read_split(&mut self, _split: &Split) -> Result<EventStream> {
        Err(ConnectorError::new(ErrorKind::Bug, "read a split", "this source was not divided"))
    }
}
