//! The way of rejected rows: from the node that found them, through a bounded lane, to the rejects sink.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use tokio::sync::mpsc;

use crate::connector::{ConnectorError, ErrorKind, Reject};
use crate::engine::NodeCounters;

/// The name of the rejects sink in ledgers and reports.
pub const NODE: &str = "rejects";

/// How many groups of rejects wait before the nodes that find them have to.
const LANE_GROUPS: usize = 16;

/// Rejected rows of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRejects {
    /// The node that found them.
    pub node: String,
    /// The rows.
    pub rejects: Vec<Reject>,
}

/// Where nodes put rejected rows.
#[derive(Clone, Debug)]
pub enum RejectLane {
    /// The Pipeline names no rejects sink: the first rejected row is an error.
    Strict,
    /// Rejected rows are taken.
    Open(mpsc::Sender<NodeRejects>),
}

impl RejectLane {
    /// An open lane, and its other end.
    #[must_use]
    pub fn open() -> (Self, mpsc::Receiver<NodeRejects>) {
        let (sender, receiver) = mpsc::channel(LANE_GROUPS);
        (Self::Open(sender), receiver)
    }

    /// Counts rejected rows and puts them on the lane; waits while it is full.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the first row when the lane is strict; [`ErrorKind::Interrupted`] when nobody takes
    /// rows any more, because the run has failed elsewhere.
    pub async fn send(&self, counters: &NodeCounters, rejects: Vec<Reject>) -> Result<(), ConnectorError> {
        let Some(first) = rejects.first() else { return Ok(()) };
        match self {
            Self::Strict => Err(strict_error(&counters.name, first)),
            Self::Open(sender) => {
                counters.rejected.add(rejects.len() as u64);
                sender.send(NodeRejects { node: counters.name.clone(), rejects }).await.map_err(|_| {
                    ConnectorError::new(
                        ErrorKind::Interrupted,
                        format!("reject rows of node `{}`", counters.name),
                        "the run has already failed",
                    )
                })
            }
        }
    }
}

fn strict_error(node: &str, reject: &Reject) -> ConnectorError {
    let column = reject.column.as_ref().map(|column| format!(", column `{column}`")).unwrap_or_default();
    let line = reject.line.map(|line| format!(":{line}")).unwrap_or_default();
    let raw: String = reject.raw.chars().take(200).collect();
    ConnectorError::new(
        ErrorKind::Data,
        format!("node `{node}`"),
        format!("{}{line}{column}: {}: {} in {raw}", reject.location, reject.reason.as_str(), reject.message),
    )
    .remedy("mend the data, or let such rows go to a rejects sink: add `rejects:` with a budget to the Pipeline")
}

/// The columns of a rejects sink.
#[must_use]
pub fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("run", false),
        text("node", false),
        text("location", false),
        Field::new("line", DataType::Int64, true),
        Field::new("byte_offset", DataType::Int64, true),
        text("column_name", true),
        text("reason", false),
        text("message", false),
        text("raw", false),
    ]))
}

/// Rejected rows as rows of a rejects sink.
///
/// # Errors
/// Never in practice: the columns have equal lengths by construction.
pub fn to_batch(run: &str, group: &NodeRejects) -> Result<RecordBatch, ArrowError> {
    let rejects = &group.rejects;
    let text =
        |value: fn(&Reject) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rejects.iter().map(value))) };
    let number = |value: fn(&Reject) -> Option<u64>| -> ArrayRef {
        Arc::new(
            rejects
                .iter()
                .map(|reject| value(reject).and_then(|number| i64::try_from(number).ok()))
                .collect::<Int64Array>(),
        )
    };
    let same = |value: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rejects.iter().map(|_| value))) };
    RecordBatch::try_new(
        schema(),
        vec![
            same(run),
            same(&group.node),
            text(|reject| &reject.location),
            number(|reject| reject.line),
            number(|reject| reject.offset),
            Arc::new(rejects.iter().map(|reject| reject.column.as_deref()).collect::<StringArray>()),
            text(|reject| reject.reason.as_str()),
            text(|reject| &reject.message),
            text(|reject| &reject.raw),
        ],
    )
}

/// One row as a JSON object, nulls included, cut at [`Reject::MAX_RAW`] bytes.
///
/// # Errors
/// When the batch has a type that JSON cannot show.
pub fn row_as_json(row: &RecordBatch) -> Result<String, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    writer.write(row)?;
    writer.finish()?;
    drop(writer);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    let end = (0..=text.len().min(Reject::MAX_RAW)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Ok(text[..end].to_owned())
}
