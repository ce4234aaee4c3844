//! The leaf of a node's plan: rows of an input node.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use super::gathered::watched;
use super::output::Reader;
use super::start::buffers;
use super::width::{cut, width};
use crate::connector::Size;

/// Rows of an input node, in one partition, read once.
pub(super) struct EdgeExec {
    from: String,
    size: Size,
    rows: Mutex<Option<Rows>>,
    /// That of the first rows, when they were there.
    width: OnceLock<usize>,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

/// How far the rows are.
enum Rows {
    /// Nobody has asked for them.
    Waiting(Reader),
    /// The first batches were looked at, and are still to be given.
    Begun(SendableRecordBatchStream),
}

impl EdgeExec {
    /// The columns of these names, in this order.
    pub(super) fn new(reader: Reader, names: &[&str]) -> Result<Self> {
        let all = reader.schema();
        let columns = names.iter().map(|name| Ok(all.index_of(name)?)).collect::<Result<Vec<usize>>>()?;
        let all_columns = all.fields().len();
        let whole = columns.iter().copied().eq(0..all.fields().len());
        let projection = (!whole).then_some(columns);
        let schema: SchemaRef = match &projection {
            Some(columns) => Arc::new(all.project(columns)?),
            None => all,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            size: reader.size().of_columns(names.len(), all_columns),
            from: reader.from().to_owned(),
            rows: Mutex::new(Some(Rows::Waiting(reader))),
            width: OnceLock::new(),
            projection,
            properties: Arc::new(properties),
        })
    }

    /// Waits for the first rows, and tells how wide they are, in bytes; None when there are none.
    pub(super) async fn first_width(&self) -> Result<Option<usize>> {
        let mut stream = self.stream()?;
        let (mut seen, mut found) = (Vec::new(), None);
        while found.is_none() {
            let Some(batch) = stream.next().await.transpose()? else { break };
            found = width(&batch);
            seen.push(Ok(batch));
        }
        if let Some(width) = found {
            self.width.get_or_init(|| width);
        }
        let schema = stream.schema();
        let all = futures::stream::iter(seen).chain(stream);
        *self.lock() = Some(Rows::Begun(Box::pin(RecordBatchStreamAdapter::new(schema, all))));
        Ok(found)
    }

    /// How wide the first rows are, if somebody has waited for them.
    pub(super) fn width(&self) -> usize {
        self.width.get().copied().unwrap_or_default()
    }

    /// The rows; only once.
    fn stream(&self) -> Result<SendableRecordBatchStream> {
        let stream = match self.lock().take() {
            Some(Rows::Begun(stream)) => return Ok(stream),
            Some(Rows::Waiting(reader)) => reader.stream()?,
            None => {
                return Err(DataFusionError::Execution(format!(
                    "node `{}` would have to be read a second time, as a recursive query does; give the rows a node of their own",
                    self.from
                )));
            }
        };
        let Some(columns) = self.projection.clone() else { return Ok(stream) };
        let projected = stream.map(move |batch| Ok(batch?.project(&columns)?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.properties.eq_properties.schema()), projected)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Rows>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The edges of a plan.
pub(super) fn edges(plan: &Arc<dyn ExecutionPlan>) -> Vec<&EdgeExec> {
    match plan.downcast_ref::<EdgeExec>() {
        Some(edge) => vec![edge],
        None => plan.children().into_iter().flat_map(edges).collect(),
    }
}

impl fmt::Debug for EdgeExec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EdgeExec").field("from", &self.from).finish_non_exhaustive()
    }
}

impl DisplayAs for EdgeExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EdgeExec: from={}", self.from)
    }
}

impl ExecutionPlan for EdgeExec {
    fn name(&self) -> &'static str {
        "EdgeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    /// A guess: enough to build the smaller side of a join.
    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::new(self.size.statistics(self.properties.eq_properties.schema())))
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

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!("an edge has one partition, and not {partition}")));
        }
        let most = buffers(context.session_config()).batch();
        Ok(watched(cut(self.stream()?, most), &self.from, &context))
    }
}
