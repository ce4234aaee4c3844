//! Few rows that a filter leaves of each batch, gathered into batches: by their number, and by their bytes.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use super::width;

/// Gathers rows. DataFusion's filter does so by itself, but counts them only: of rows that turn out to be a thousand times as
/// wide as the first ones, it would gather a thousand times as much.
pub(super) struct GatherExec {
    input: Arc<dyn ExecutionPlan>,
    rows: usize,
    bytes: usize,
    /// Those of the input: what is gathered is the same rows, in the same order.
    properties: Arc<PlanProperties>,
}

impl GatherExec {
    /// Batches of so many rows, or fewer when these have so many bytes.
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, rows: usize, bytes: usize) -> Self {
        let properties = Arc::clone(input.properties());
        Self { input, rows, bytes, properties }
    }
}

impl fmt::Debug for GatherExec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GatherExec")
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for GatherExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GatherExec: rows={}, bytes={}", self.rows, self.bytes)
    }
}

impl ExecutionPlan for GatherExec {
    fn name(&self) -> &'static str {
        "GatherExec"
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
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.input.schema())), Arc::clone))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("what is gathered has exactly one input".into()));
        };
        Ok(Arc::new(Self::new(input, self.rows, self.bytes)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(gather(self.input.execute(partition, context)?, self.rows, self.bytes))
    }
}

/// Rows in batches of so many, or fewer when these have so many bytes.
pub(super) fn gather(input: SendableRecordBatchStream, rows: usize, bytes: usize) -> SendableRecordBatchStream {
    let schema = input.schema();
    // As DataFusion's own operators do: a batch that is not small is handed on as it is.
    let coalescer = BatchCoalescer::new(Arc::clone(&schema), rows).with_biggest_coalesce_batch_size(Some(rows / 2));
    let gathering = Gathering { input, coalescer, held: 0, most: bytes, ended: false };
    let gathered = futures::stream::try_unfold(gathering, |mut gathering| async move {
        Ok(gathering.next().await?.map(|batch| (batch, gathering)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, gathered))
}

struct Gathering {
    input: SendableRecordBatchStream,
    coalescer: BatchCoalescer,
    /// About how many bytes were gathered.
    held: usize,
    most: usize,
    ended: bool,
}

impl Gathering {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await.transpose()? {
                Some(batch) => self.take(batch)?,
                None => {
                    self.coalescer.finish_buffered_batch()?;
                    self.ended = true;
                }
            }
        }
    }

    fn take(&mut self, batch: RecordBatch) -> Result<()> {
        let (bytes, rows) = (width::bytes(&batch), batch.num_rows());
        if self.held.saturating_add(bytes) > self.most {
            self.let_go()?;
        }
        let before = self.coalescer.get_buffered_rows();
        self.coalescer.push_batch(batch.clone())?;
        let gathered = self.coalescer.get_buffered_rows();
        if gathered == before + rows {
            self.held += bytes;
        } else {
            // There were enough for a batch: what is left of this one.
            self.held = width::bytes(&batch.slice(rows.saturating_sub(gathered), gathered.min(rows)));
        }
        if self.held >= self.most {
            self.let_go()?;
        }
        Ok(())
    }

    /// What was gathered is a batch.
    fn let_go(&mut self) -> Result<()> {
        self.held = 0;
        Ok(self.coalescer.finish_buffered_batch()?)
    }
}
