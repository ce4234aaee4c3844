//! Writing a stream: fenced, staged, then committed in one act.

use std::collections::BTreeSet;

use aggregator_crds::pipeline::WriteMode;
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
}

/// Which attempt of which run writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The run's identity: the same for all attempts of one run.
    pub run: String,
    /// Grows with every attempt of the Pipeline, over all runs.
    pub epoch: u64,
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
    /// Rows that an Upsert dropped because a later row of the same run has the same key.
    pub deduplicated: u64,
    /// Bytes sent to the target or put into files.
    pub bytes: u64,
    /// Rows the target refused while they were staged; those that [`Sink::write`] gave back are not among them.
    pub rejects: Vec<Reject>,
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
/// `keep`, and `save` is called after the last row of each split. What was saved outlives the attempt, and is removed
/// when another run takes the sink over.
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

    /// Makes the rows that were written since the last `save` or `keep` durable, as this split, still invisible.
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
    /// [`super::ErrorKind::Fenced`] when a newer attempt has taken the sink over: nothing became visible.
    async fn commit(&mut self, positions: &std::collections::BTreeMap<String, Position>) -> Result<()>;

    /// Gives up: removes what was staged.
    async fn abort(&mut self) -> Result<()>;
}
