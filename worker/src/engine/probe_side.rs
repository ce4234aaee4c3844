//! The side of a join whose rows pass by those that it was built from.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use super::start::with_config;

/// The rows of a plan, for a join that gathers fewer at a time than the operators of the plan may.
#[derive(Debug)]
pub(super) struct ProbeSideExec {
    input: Arc<dyn ExecutionPlan>,
    /// How many rows the operators of the plan gather.
    rows: usize,
    /// Whether the join puts a row of its build side beside all rows of a batch at once, however many it may gather.
    whole: bool,
}

impl ProbeSideExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, rows: usize, whole: bool) -> Self {
        Self { input, rows, whole }
    }
}

impl DisplayAs for ProbeSideExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ProbeSideExec: rows={}", self.rows)
    }
}

impl ExecutionPlan for ProbeSideExec {
    fn name(&self) -> &'static str {
        "ProbeSideExec"
    }

    /// Those of the input: these are its rows, in their order.
    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("the probe side of a join has exactly one input".into()));
        };
        Ok(Arc::new(Self::new(input, self.rows, self.whole)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let most = context.session_config().batch_size();
        let config = context.session_config().clone().with_batch_size(self.rows);
        let rows = self.input.execute(partition, with_config(&context, config))?;
        if !self.whole {
            return Ok(rows);
        }
        let schema = rows.schema();
        let few = rows.map_ok(move |batch| futures::stream::iter(slices(batch, most))).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, few)))
    }
}

/// A batch in slices of so many rows at most: nothing is copied, as a join lets go of each before it takes the next one.
fn slices(batch: RecordBatch, most: usize) -> impl Iterator<Item = Result<RecordBatch>> {
    let all = batch.num_rows();
    (0..all).step_by(most).map(move |first| Ok(batch.slice(first, most.min(all - first))))
}
