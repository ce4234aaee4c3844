//! Rows on their way into a Merge: which of them delete their key, and what of them goes to the sink.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::graph::{CompiledPipeline, NodeKind, SinkNode};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::physical_expr::PhysicalExpr;

use super::error::RunError;
use crate::connector::DELETED;

/// Marks the rows of one sink.
pub(super) struct Marking {
    deletes: Arc<dyn PhysicalExpr>,
    keep: Vec<usize>,
    schema: SchemaRef,
}

/// The markings that the sinks of a graph want, by their names.
pub(super) fn of(pipeline: &CompiledPipeline, state: &SessionState) -> Result<BTreeMap<String, Marking>, RunError> {
    let mut markings = BTreeMap::new();
    for node in &pipeline.nodes {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let Some(deletes) = &sink.deletes else { continue };
        let Some(input) = node.inputs.first().and_then(|input| pipeline.node(input)) else { continue };
        let table = TableReference::bare(input.name.clone());
        let physical = DFSchema::try_from_qualified_schema(table, &input.schema)
            .and_then(|schema| state.create_physical_expr(deletes.holds.clone(), &schema))
            .map_err(|error| RunError::from_stream(&node.name, &error))?;
        let schema = sent(&node.schema, sink);
        markings.insert(node.name.clone(), Marking { deletes: physical, keep: deletes.keep.clone(), schema });
    }
    Ok(markings)
}

/// The schema of the rows that a sink is given: with the mark, if it wants one.
pub(super) fn sent(schema: &SchemaRef, sink: &SinkNode) -> SchemaRef {
    if sink.deletes.is_none() {
        return Arc::clone(schema);
    }
    let mark = Arc::new(Field::new(DELETED, DataType::Boolean, false));
    let fields: Vec<_> = schema.fields().iter().cloned().chain([mark]).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

impl Marking {
    /// The rows as the sink wants them.
    pub(super) fn mark(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let holds = self.deletes.evaluate(batch)?.into_array(batch.num_rows())?;
        // A bare NULL has a type of its own.
        let holds = cast(&holds, &DataType::Boolean)?;
        let holds = holds.as_boolean();
        let mark: BooleanArray = (0..holds.len()).map(|row| Some(holds.is_valid(row) && holds.value(row))).collect();
        let kept = self.keep.iter().map(|at| Arc::clone(batch.column(*at)));
        let columns: Vec<ArrayRef> = kept.chain([Arc::new(mark) as ArrayRef]).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
