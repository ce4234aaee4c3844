//! The sieve at work: takes rows out of a stream, counts them by what they are, and hands on those that are wrong.

use std::fmt;
use std::sync::Arc;

use aggregator_compiler::sieve::Outcome;
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use super::counters::NodeCounters;
use crate::connector::Reject;
use crate::rejects::RejectLane;

/// A rule whose expression is ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct PhysicalRule {
    pub(super) catches: Arc<dyn PhysicalExpr>,
    pub(super) outcome: Outcome,
}

/// Takes rows out of its input.
#[derive(Clone)]
pub(super) struct SieveExec {
    input: Arc<dyn ExecutionPlan>,
    rules: Arc<[PhysicalRule]>,
    counters: Arc<NodeCounters>,
    lane: RejectLane,
    properties: Arc<PlanProperties>,
}

impl SieveExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        rules: Arc<[PhysicalRule]>,
        counters: Arc<NodeCounters>,
        lane: RejectLane,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, rules, counters, lane, properties: Arc::new(properties) }
    }

    /// The rows that stay, and the rejects among those that do not.
    fn sieve(&self, batch: RecordBatch) -> Result<(RecordBatch, Vec<Reject>)> {
        let rows = batch.num_rows();
        let mut caught = vec![false; rows];
        let mut rejects = Vec::new();
        for rule in self.rules.iter() {
            let value = rule.catches.evaluate(&batch)?.into_array(rows)?;
            let catches = value.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| {
                DataFusionError::Internal(format!("the rule {} is {}, not Boolean", rule.catches, value.data_type()))
            })?;
            if catches.true_count() == 0 {
                continue;
            }
            let newly: Vec<usize> =
                (0..rows).filter(|&row| catches.is_valid(row) && catches.value(row) && !caught[row]).collect();
            for &row in &newly {
                caught[row] = true;
            }
            let count = newly.len() as u64;
            match &rule.outcome {
                Outcome::Filtered => self.counters.filtered.add(count),
                Outcome::Deduplicated => self.counters.deduplicated.add(count),
                Outcome::Rejected { column, reason, message } => {
                    for row in newly {
                        rejects.push(Reject {
                            location: self.counters.name.clone(),
                            line: None,
                            offset: None,
                            column: column.clone(),
                            reason: *reason,
                            message: message.clone(),
                            raw: crate::rejects::row_as_json(&batch.slice(row, 1))?,
                        });
                    }
                }
            }
        }
        if !caught.contains(&true) {
            return Ok((batch, rejects));
        }
        let stays: BooleanArray = caught.iter().map(|caught| Some(!caught)).collect();
        Ok((filter_record_batch(&batch, &stays)?, rejects))
    }
}

impl fmt::Debug for SieveExec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SieveExec").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl DisplayAs for SieveExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.rules.iter().map(|rule| rule.catches.to_string()).collect();
        write!(formatter, "SieveExec: catches=[{}]", rules.join(", "))
    }
}

impl ExecutionPlan for SieveExec {
    fn name(&self) -> &'static str {
        "SieveExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().map(|input| input.as_ref().clone().to_inexact());
        Ok(Arc::new(input.unwrap_or_else(|| Statistics::new_unknown(&self.input.schema()))))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for rule in self.rules.iter() {
            recursion = visit(&rule.catches)?;
            if recursion == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(recursion)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("a sieve has exactly one input".into()));
        };
        Ok(Arc::new(Self::new(input, Arc::clone(&self.rules), Arc::clone(&self.counters), self.lane.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let this = Arc::new(self.clone());
        let sieved = input.and_then(move |batch| {
            let this = Arc::clone(&this);
            async move {
                let (stays, rejects) = this.sieve(batch)?;
                this.lane
                    .send(&this.counters, rejects)
                    .await
                    .map_err(|error| DataFusionError::External(Box::new(error)))?;
                Ok(stays)
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), sieved)))
    }
}
