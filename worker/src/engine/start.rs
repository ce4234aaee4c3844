//! Starting a node's plan when its first rows are there: DataFusion's operators gather rows by their number, and how
//! wide these are decides how many of them memory has room for.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use datafusion::prelude::SessionConfig;
use futures::TryStreamExt;

use super::edge::EdgeExec;
use super::gather::GatherExec;
use super::gathered::Gathered;
use super::width::rows_of;
use crate::connector::Buffers;

/// The buffers of a run; full-sized ones where nobody has said.
pub(super) fn buffers(config: &SessionConfig) -> Buffers {
    config.get_extension::<Buffers>().map_or_else(Buffers::default, |buffers| *buffers)
}

/// The rows of a plan, those of all its partitions. Nothing is read before somebody asks for the first of them.
#[must_use]
pub fn start(plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> SendableRecordBatchStream {
    let (schema, context) = (plan.schema(), TaskContext::from(state));
    let started = async move {
        let mut edges = Vec::new();
        leaves(&plan, &mut edges);
        let widths = edges.iter().filter_map(|plan| plan.downcast_ref::<EdgeExec>()).map(EdgeExec::first_width);
        let widest = futures::future::try_join_all(widths).await?.into_iter().flatten().max().unwrap_or_default();
        let config = context.session_config().clone();
        let bytes = buffers(&config).batch();
        let rows = rows_of(widest, bytes, config.batch_size());
        let plan = gathering(plan, rows, bytes)?;
        let mut narrowed = config.with_batch_size(rows);
        if let Some(gathered) = Gathered::by(&plan, rows, bytes) {
            narrowed.set_extension(Arc::new(gathered));
        }
        in_one_partition(plan).execute(0, Arc::new(context.with_session_config(narrowed)))
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(started).try_flatten()))
}

fn in_one_partition(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.output_partitioning().partition_count() > 1 { Arc::new(CoalescePartitionsExec::new(plan)) } else { plan }
}

/// The plan with filters whose rows are gathered by their bytes, too. They are told how many they gather when they are planned,
/// the others when they start.
fn gathering(plan: Arc<dyn ExecutionPlan>, rows: usize, bytes: u64) -> Result<Arc<dyn ExecutionPlan>> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let changed = plan.transform_up(|plan| match plan.downcast_ref::<FilterExec>() {
        Some(filter) => {
            let filter = Arc::new(filter.with_batch_size(1)?);
            Ok(Transformed::yes(Arc::new(GatherExec::new(filter, rows, bytes)) as _))
        }
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
