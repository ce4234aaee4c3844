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

use super::edge::{EdgeExec, edges};
use super::gather::GatherExec;
use super::gathered::{Gathered, gatherers};
use super::join::JoinExec;
use super::width::rows_of;
use crate::connector::Buffers;

/// The buffers of a run; full-sized ones where nobody has said.
pub(super) fn buffers(config: &SessionConfig) -> Buffers {
    config.get_extension::<Buffers>().map_or_else(Buffers::default, |buffers| *buffers)
}

/// The same context with another configuration.
pub(super) fn with_config(context: &TaskContext, config: SessionConfig) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}

/// The same context for operators that gather so many rows at a time, and those that come to them are gathered so.
pub(super) fn configured(context: &TaskContext, rows: usize, gathered: Gathered) -> Arc<TaskContext> {
    let config = context.session_config().clone().with_batch_size(rows).with_extension(Arc::new(gathered));
    with_config(context, config)
}

/// The rows of a plan, those of all its partitions. Nothing is read before somebody asks for the first of them.
#[must_use]
pub fn start(plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> SendableRecordBatchStream {
    let (schema, context) = (plan.schema(), TaskContext::from(state));
    let started = async move {
        let widths = edges(&plan).into_iter().map(EdgeExec::first_width);
        let widest = futures::future::try_join_all(widths).await?.into_iter().flatten().max().unwrap_or_default();
        let config = context.session_config();
        let most = buffers(config).batch();
        let rows = rows_of(widest, most, config.batch_size());
        let bytes = usize::try_from(most).unwrap_or(usize::MAX);
        let plan = gathering(plan, rows, bytes)?;
        let gathered = Gathered::by(gatherers(&plan), rows, bytes);
        in_one_partition(plan).execute(0, configured(&context, rows, gathered))
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(started).try_flatten()))
}

fn in_one_partition(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.output_partitioning().partition_count() > 1 { Arc::new(CoalescePartitionsExec::new(plan)) } else { plan }
}

/// The plan with filters and joins whose rows are gathered by their bytes, too. Filters are told how many they gather when they
/// are planned, the others when they start, and joins when they know how wide these are.
fn gathering(plan: Arc<dyn ExecutionPlan>, rows: usize, bytes: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.transform_up(|plan| {
        if JoinExec::is_for(&plan) {
            return Ok(Transformed::yes(Arc::new(JoinExec::around(plan, rows, bytes)?) as _));
        }
        match plan.downcast_ref::<FilterExec>() {
            Some(filter) => {
                let filter = Arc::new(filter.with_batch_size(1)?);
                Ok(Transformed::yes(Arc::new(GatherExec::new(filter, rows, bytes)) as _))
            }
            None => Ok(Transformed::no(plan)),
        }
    });
    changed.data()
}
