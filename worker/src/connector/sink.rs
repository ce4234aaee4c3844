//! Writing a stream: fenced, staged, then committed in one act.

use std::collections::BTreeSet;

use aggregator_compiler::plural::counted;
use aggregator_crds::pipeline::{MissingRows, Scd2Columns, SchemaPolicy, WriteMode};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{ConnectorError, ErrorKind, Position, Reject, Result, SavedSplit};

/// What to write, and how.
#[derive(Clone, Debug)]
pub struct SinkRequest {
    /// The Pipeline, as `namespace/name`: with `node`, the identity under which commits are recorded.
    pub pipeline: String,
    /// The sink node's name.
    pub node: String,
    /// The stream, as the Pipeline names it.
    pub stream: String,
    /// The schema of the batches that will be written. A field's metadata key `comment` is the column's comment.
    pub schema: SchemaRef,
    /// How rows meet what is there.
    pub write: WriteOptions,
    /// Rows that the target refuses become rejects. Otherwise the first one is an error.
    pub rejects: bool,
}

/// How rows meet what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteOptions {
    /// The mode.
    pub mode: WriteMode,
    /// The columns that name a row, already resolved.
    pub key: Vec<String>,
    /// For files: the columns whose values become folders.
    pub partition_by: Vec<String>,
    /// For Merge: whether rows can delete their key. Then their last column is [`DELETED`].
    pub deletes: bool,
    /// What becomes of rows of the target that the run did not bring.
    pub missing: MissingRows,
    /// For SCD2: the columns of versions.
    pub history: Option<Scd2Columns>,
    /// What happens when the target and the rows differ in shape.
    pub policy: SchemaPolicy,
}

/// The column of a Merge's rows that says, true or false and never null, whether they delete their key. It is no column
/// of the target.
pub const DELETED: &str = "_aggregator_deleted";

/// Which attempt of which run writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The run's identity: the same for all attempts of one run.
    pub run: String,
    /// Grows with every attempt of the Pipeline, over all runs.
    pub epoch: u64,
}

impl Attempt {
    /// When the run began: the same for all its attempts. A run that does not tell it begins now.
    #[must_use]
    pub fn run_began(&self) -> jiff::Timestamp {
        // A run's identity is a UUID of version 7, which begins with the time.
        let told = uuid::Uuid::parse_str(&self.run).ok().and_then(|run| run.get_timestamp());
        let told = told.map(|told| told.to_unix()).and_then(|(seconds, nanoseconds)| {
            jiff::Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
        });
        told.unwrap_or_else(jiff::Timestamp::now)
    }
}

/// What a sink remembers of the last commit of this Pipeline's node, in the same place as the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitRecord {
    /// The epoch that owns the sink now.
    pub epoch: u64,
    /// The run that committed last; None when a sink was fenced but nothing was committed yet.
    pub run: Option<String>,
    /// The positions that run stored with its data, by source node.
    pub positions: std::collections::BTreeMap<String, Position>,
    /// The rows that run wrote.
    pub rows: u64,
}

/// What staging found: the target's own counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staged {
    /// Rows that will be visible after the commit, as the target counts them.
    pub written: u64,
    /// Rows that were dropped because a later row of the same run has the same key, and those that found the target as
    /// they would have made it.
    pub deduplicated: u64,
    /// Bytes sent to the target or put into files.
    pub bytes: u64,
    /// Rows the target refused while they were staged; those that [`Sink::write`] gave back are not among them.
    pub rejects: Vec<Reject>,
    /// What else came of them.
    pub effects: Effects,
}

/// What rows did to a target, apart from being written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effects {
    /// Rows of the target that were deleted because a row of the run said so; each counts as written.
    #[serde(skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Rows of the run that found the target as they would have made it; each counts as deduplicated.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchanged: u64,
    /// Versions that ended because a row of the run begins another one.
    #[serde(skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Rows of the target that were deleted, or versions that ended, because no row of the run has their key.
    #[serde(skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// How the target's shape was changed, and what of the rows it had no place for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schema_changes: Vec<SchemaChange>,
}

/// A difference between the shapes of the rows and of the target, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaChange {
    /// What was done.
    pub kind: SchemaChangeKind,
    /// The column; None for the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The type that the column had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The type that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The rows whose value was left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub rows: u64,
}

/// What was done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SchemaChangeKind {
    /// The table was missing, and was created.
    TableCreated,
    /// The column was missing, and was added.
    ColumnAdded,
    /// The column holds more than before.
    TypeWidened,
    /// Values that the target had no place for were left out.
    ValueDiscarded,
}

impl SchemaChange {
    /// One without details.
    #[must_use]
    pub fn of(kind: SchemaChangeKind) -> Self {
        Self { kind, column: None, from: None, to: None, rows: 0 }
    }
}

impl std::fmt::Display for SchemaChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (column, to) = (self.column.as_deref().unwrap_or_default(), self.to.as_deref().unwrap_or_default());
        match self.kind {
            SchemaChangeKind::TableCreated => write!(formatter, "table created"),
            SchemaChangeKind::ColumnAdded => write!(formatter, "column {column} {to} added"),
            SchemaChangeKind::TypeWidened => {
                write!(formatter, "column {column} widened from {} to {to}", self.from.as_deref().unwrap_or_default())
            }
            SchemaChangeKind::ValueDiscarded => {
                write!(formatter, "{} of {column} left out", counted(self.rows, "value"))
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Effects {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// In words, as `3 deleted, 1 unchanged`.
    #[must_use]
    pub fn words(&self) -> String {
        let counts = [
            (self.deleted, "deleted"),
            (self.closed, "closed"),
            (self.unchanged, "unchanged"),
            (self.missing, "missing"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        told.chain(self.schema_changes.iter().map(ToString::to_string)).collect::<Vec<_>>().join(", ")
    }
}

/// Something a run would change in the target, for `aggregator plan`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// What would be done, in words: `create table reporting.delays (3 columns, key iata, hour)`.
    pub action: String,
    /// The statement that would do it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
}

/// A stream, ready to be written by one attempt.
///
/// Order of calls: `last_commit`, `fence`, `write`…, `flush`, `stage`, then `commit` or `abort`. `plan` may be called instead
/// of all of them. Dropping a sink before `commit` leaves nothing visible in the target.
///
/// A sink that keeps splits is asked after `fence` what earlier attempts of the run have `saved`, told which of that to
/// `keep`, and then `begin` is called before the first row of each split and `save` after the last one. What was saved
/// outlives the attempt, and is removed when another run takes the sink over.
///
/// Where processes share an attempt, one of them calls `fence`, `saved` and `keep` and drops the sink; then each calls
/// `join`, `begin` and `save`, and drops it too. The next attempt finds what they have saved and commits it.
#[async_trait]
pub trait Sink: Send {
    /// What a run would change in the target. Changes nothing.
    async fn plan(&mut self) -> Result<Vec<PlannedChange>>;

    /// What this Pipeline's node committed last; None when it never wrote there. Changes nothing.
    async fn last_commit(&mut self) -> Result<Option<CommitRecord>>;

    /// Takes the sink over: from here on, no attempt with a smaller epoch can commit. A compare-and-set in the target.
    ///
    /// # Errors
    /// [`super::ErrorKind::Fenced`] when an attempt with this epoch or a greater one owns the sink.
    async fn fence(&mut self, attempt: &Attempt) -> Result<()>;

    /// Whether what was written can be kept over attempts, split by split.
    fn keeps_splits(&self) -> bool {
        false
    }

    /// The splits that earlier attempts of this run have saved, in no order.
    async fn saved(&mut self) -> Result<Vec<SavedSplit>> {
        Ok(Vec::new())
    }

    /// Keeps the saved splits of these numbers and removes all others. With `more`, splits are about to be written;
    /// without, everything is written in one go.
    async fn keep(&mut self, _numbers: &BTreeSet<u64>, _more: bool) -> Result<()> {
        Ok(())
    }

    /// Whether several processes can write splits of one attempt at the same time.
    fn shares(&self) -> bool {
        false
    }

    /// Instead of `fence`, `saved` and `keep`: takes part in an attempt for which another process has called these. Gives
    /// the splits that are saved by now, in no order. [`Sink::abort`] is not called afterwards.
    async fn join(&mut self, _attempt: &Attempt) -> Result<Vec<SavedSplit>> {
        Err(ConnectorError::new(ErrorKind::Bug, "share an attempt", "this sink has one writer"))
    }

    /// The rows that come next are of the split of that number. In a shared attempt, a split of that number that is
    /// saved already is written anew.
    async fn begin(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    /// Makes the rows that were written since `begin` durable, as this split, still invisible.
    ///
    /// # Errors
    /// [`super::ErrorKind::Fenced`] when a newer attempt has taken the sink over: nothing was saved.
    async fn save(&mut self, _split: &SavedSplit) -> Result<()> {
        Err(ConnectorError::new(ErrorKind::Bug, "save a split", "this sink keeps no splits"))
    }

    /// Takes rows of the request's schema; gives back those that the target is known to refuse. The others are not
    /// visible in the target yet.
    async fn write(&mut self, batch: RecordBatch) -> Result<Vec<Reject>>;

    /// Waits until the target has all rows that were written; gives back those that it refuses. Called before `save` and
    /// `stage`.
    async fn flush(&mut self) -> Result<Vec<Reject>> {
        Ok(Vec::new())
    }

    /// All rows were written: makes them durable, still invisible, and counts them in the target.
    async fn stage(&mut self) -> Result<Staged>;

    /// Makes the staged rows visible and stores the positions with them, in one act, if this attempt still owns the sink.
    ///
    /// # Errors
    /// [`super::ErrorKind::Fenced`] when a newer attempt has taken the sink over: nothing became visible. Where the newer one
    /// has ended what this one had open, [`super::ErrorKind::Transient`].
    async fn commit(&mut self, positions: &std::collections::BTreeMap<String, Position>) -> Result<()>;

    /// Gives up: removes what was staged.
    async fn abort(&mut self) -> Result<()>;
}
