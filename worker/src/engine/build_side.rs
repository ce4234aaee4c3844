//! The side that a join is built from: all of its rows are read, and known, before the join begins.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use super::collected::Collected;
use super::width::widest;

/// Rows that were read, in the place of the plan that they come from. Each of its partitions is given once.
pub(super) struct BuildSideExec {
    /// One for each partition.
    held: Vec<Mutex<Option<Held>>>,
    needs: Needs,
    /// Those of the plan: these are its rows, in their order.
    properties: Arc<PlanProperties>,
}

/// What a join needs of its build side.
pub(super) struct Needs {
    /// The columns that it gives, or filters by: it gathers no others.
    pub(super) gathered: Vec<usize>,
    /// Bytes for each row that it does not ask the pool for.
    pub(super) beside: usize,
    /// Whether it gives rows of this side that have met some, or none, of the other: all of them at once, in a batch for which it
    /// does not ask.
    pub(super) again: bool,
}

/// Rows that wait for the join: one batch, since a join of many would have all of them twice when it makes them one.
struct Held {
    batch: Option<RecordBatch>,
    /// What the join takes from the pool for it.
    bytes: usize,
    reservation: MemoryReservation,
}

impl BuildSideExec {
    /// In the place of a plan; nothing is read yet.
    pub(super) fn of(side: &Arc<dyn ExecutionPlan>, needs: Needs) -> Self {
        let partitions = side.output_partitioning().partition_count();
        Self {
            held: std::iter::repeat_with(|| Mutex::new(None)).take(partitions).collect(),
            properties: Arc::clone(side.properties()),
            needs,
        }
    }

    /// Reads a partition of the plan to its end, and tells the bytes of its widest row.
    ///
    /// # Errors
    /// Those of the plan; when the pool has no room for the rows.
    pub(super) async fn read(
        &self,
        side: &Arc<dyn ExecutionPlan>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<usize> {
        let reservation = MemoryConsumer::new("build side of a join").register(context.memory_pool());
        let mut rows = side.execute(partition, context)?;
        let mut collected = Collected::of(rows.schema());
        let mut most = 0;
        while let Some(batch) = rows.next().await.transpose()? {
            most = most.max(widest(&batch.project(&self.needs.gathered)?));
            collected.take(batch, &reservation)?;
        }
        // What is not asked for is there until the join is done, as far as anybody knows.
        reservation.try_grow(collected.rows.saturating_mul(self.needs.beside))?;
        let batch = collected.in_one(&reservation)?;
        let bytes = get_record_batch_memory_size(&batch);
        if self.needs.again {
            reservation.try_grow(bytes)?;
        }
        *self.partition(partition)? = Some(Held { batch: Some(batch), bytes, reservation });
        Ok(most)
    }

    fn partition(&self, partition: usize) -> Result<MutexGuard<'_, Option<Held>>> {
        let held = self.held.get(partition).ok_or_else(|| {
            DataFusionError::Internal(format!("the build side of a join has no partition {partition}"))
        })?;
        Ok(held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for BuildSideExec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BuildSideExec").finish_non_exhaustive()
    }
}

impl DisplayAs for BuildSideExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BuildSideExec")
    }
}

impl ExecutionPlan for BuildSideExec {
    fn name(&self) -> &'static str {
        "BuildSideExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut held = self.partition(partition)?;
        let Some((batch, held)) = held.as_mut().and_then(|held| Some((held.batch.take()?, held))) else {
            // A nested loop join that had no room for its rows would read them again, and put them on the disk.
            return Err(DataFusionError::ResourcesExhausted(
                "there is no room for what a join makes of its build side".into(),
            ));
        };
        // The join takes what it is given from the pool by itself.
        held.reservation.shrink(held.bytes);
        let schema = Arc::clone(self.properties.eq_properties.schema());
        let given = (batch.num_rows() > 0).then_some(Ok(batch));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(given))))
    }
}
