//! Starting a node's plan when its first rows are there: DataFusion's operators gather rows by their number, and how
//! wide these are decides how many of them memory has room for.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::TryStreamExt;

use super::edge::EdgeExec;
use crate::connector::BATCH_BYTES;

/// The rows of a plan of one partition. Nothing is read before somebody asks for the first of them.
#[must_use]
pub fn start(plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> SendableRecordBatchStream {
    let (schema, context) = (plan.schema(), TaskContext::from(state));
    let started = async move {
        let mut edges = Vec::new();
        leaves(&plan, &mut edges);
        let widths = edges.iter().filter_map(|plan| plan.downcast_ref::<EdgeExec>()).map(EdgeExec::first_width);
        let widest = futures::future::try_join_all(widths).await?.into_iter().flatten().max().unwrap_or_default();
        let config = context.session_config().clone();
        let rows = rows_of(widest, config.batch_size());
        let plan = if rows < config.batch_size() { gathering(plan, rows)? } else { plan };
        plan.execute(0, Arc::new(context.with_session_config(config.with_batch_size(rows))))
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(started).try_flatten()))
}

/// The plan with filters that gather so many rows: they are told when they are planned, the others when they start.
fn gathering(plan: Arc<dyn ExecutionPlan>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.transform_up(|plan| match plan.downcast_ref::<FilterExec>() {
        Some(filter) => Ok(Transformed::yes(Arc::new(filter.with_batch_size(rows)?) as _)),
        None => Ok(Transformed::no(plan)),
    });
    changed.data()
}

fn leaves(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Arc<dyn ExecutionPlan>>) {
    if plan.children().is_empty() {
        found.push(Arc::clone(plan));
    }
    for child in plan.children() {
        leaves(child, found);
    }
}

/// How many rows of that many bytes a batch has, and at most `most`.
fn rows_of(width: usize, most: usize) -> usize {
    let rows = usize::try_from(BATCH_BYTES).unwrap_or(usize::MAX) / width.max(1);
    rows.min(most).max(1)
}

/// The bytes of a row, on average: of what the batch shows, and not of the buffers that it may share with others.
pub(super) fn width(batch: &RecordBatch) -> Option<usize> {
    let bytes: usize = batch.columns().iter().map(bytes).sum();
    bytes.checked_div(batch.num_rows())
}

fn bytes(column: &ArrayRef) -> usize {
    // The lower half of a view is its length.
    let length = |view: &u128| usize::try_from(view & u128::from(u32::MAX)).unwrap_or_default();
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().views().iter().map(length).sum(),
        DataType::BinaryView => column.as_binary_view().views().iter().map(length).sum(),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn wide_rows_come_in_few() {
        assert_eq!(rows_of(0, 8192), 8192, "rows that nobody has seen");
        assert_eq!(rows_of(512, 8192), 8192);
        assert_eq!(rows_of(4096, 8192), 1024);
        assert_eq!(rows_of(150_000, 8192), 27);
        assert_eq!(rows_of(64 << 20, 8192), 1);
    }

    #[test]
    fn a_row_is_as_wide_as_what_it_shows() {
        let long = "x".repeat(10_000);
        let texts = || std::iter::repeat_n(long.as_str(), 10);
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter_values(texts())),
            Arc::new(StringViewArray::from_iter_values(texts())),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..10).map(|_| Some(vec![Some(1); 2500])))),
        ];
        for column in columns {
            let batch = RecordBatch::try_from_iter([("wide", column)]).expect("a batch");
            let whole = width(&batch).expect("rows");
            assert!((10_000..10_020).contains(&whole), "{whole}");
        }
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8192));
        let batch = RecordBatch::try_from_iter([("number", numbers)]).expect("a batch");
        assert_eq!(width(&batch), Some(8));
        assert_eq!(width(&batch.slice(100, 3)), Some(8), "a slice shares its buffer");
        assert_eq!(width(&batch.slice(0, 0)), None);
    }
}
