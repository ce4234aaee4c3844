//! The optimised plans of a run's nodes, made once, and what they want of each source.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_compiler::graph::{CompiledPipeline, NodeKind, SourceNode};
use arrow::datatypes::Schema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;

use super::error::RunError;

/// The optimised plans of the nodes that rows go through.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// Of transforms, by node.
    pub(super) transforms: BTreeMap<String, LogicalPlan>,
    /// Of quality rules, by rule.
    pub(super) quality: BTreeMap<String, LogicalPlan>,
    /// The columns that somebody reads of a source, in the source's order; a source that is not here is read whole.
    columns: BTreeMap<String, Vec<String>>,
}

/// The columns of one source that somebody reads: all, or these.
#[derive(Debug)]
enum Wanted {
    All,
    Some(BTreeSet<usize>),
}

impl Plans {
    /// Optimises the plans of the wanted nodes.
    ///
    /// # Errors
    /// Those of DataFusion's optimiser.
    pub(super) fn new(
        pipeline: &CompiledPipeline,
        wanted: &BTreeSet<&str>,
        state: &SessionState,
    ) -> Result<Self, RunError> {
        let mut plans = Self::default();
        let mut read: BTreeMap<&str, Wanted> = BTreeMap::new();
        for node in pipeline.nodes.iter().filter(|node| wanted.contains(node.name.as_str())) {
            let failed = |error| RunError::from_stream(&node.name, &error);
            match &node.kind {
                NodeKind::Source(_) => {}
                NodeKind::Sink(_) => {
                    read.extend(node.inputs.iter().map(|input| (input.as_str(), Wanted::All)));
                }
                NodeKind::Transform(transform) => {
                    let plan = state.optimize(&transform.plan).map_err(failed)?;
                    scans(&plan, &mut |name, projection| note(&mut read, pipeline, name, projection))
                        .map_err(failed)?;
                    plans.transforms.insert(node.name.clone(), plan);
                }
            }
        }
        for check in pipeline.quality.iter().filter(|check| wanted.contains(check.node.as_str())) {
            let failed = |error| RunError::from_stream(&format!("quality rule {}", check.name), &error);
            let plan = state.optimize(&check.plan).map_err(failed)?;
            scans(&plan, &mut |name, projection| note(&mut read, pipeline, name, projection)).map_err(failed)?;
            plans.quality.insert(check.name.clone(), plan);
        }
        for node in &pipeline.nodes {
            if let (NodeKind::Source(source), Some(Wanted::Some(columns))) = (&node.kind, read.get(node.name.as_str()))
                && let Some(columns) = narrowed(source, &node.schema, columns)
            {
                plans.columns.insert(node.name.clone(), columns);
            }
        }
        Ok(plans)
    }

    /// The columns that are read of a source; None for all.
    pub(super) fn columns(&self, source: &str) -> Option<&Vec<String>> {
        self.columns.get(source)
    }
}

fn note<'p>(
    read: &mut BTreeMap<&'p str, Wanted>,
    pipeline: &'p CompiledPipeline,
    name: &str,
    projection: Option<&[usize]>,
) {
    let Some(node) = pipeline.node(name) else { return };
    let known = read.entry(node.name.as_str()).or_insert_with(|| Wanted::Some(BTreeSet::new()));
    match (known, projection) {
        (Wanted::Some(columns), Some(more)) => columns.extend(more),
        (known, _) => *known = Wanted::All,
    }
}

/// Calls with the name and the projection of each table that a plan reads, in subqueries too.
fn scans(plan: &LogicalPlan, each: &mut dyn FnMut(&str, Option<&[usize]>)) -> Result<()> {
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            each(scan.table_name.table(), scan.projection.as_deref());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

/// The names of the columns, with those that the engine itself needs; None when that is all of them.
fn narrowed(source: &SourceNode, schema: &Schema, columns: &BTreeSet<usize>) -> Option<Vec<String>> {
    let mut columns = columns.clone();
    if let Some(cursor) = &source.cursor {
        // Without a key, rows of an equal cursor are told apart by all they have.
        if source.key.is_empty() {
            return None;
        }
        columns.extend(source.key.iter().chain([cursor]).filter_map(|name| schema.index_of(name).ok()));
    }
    // Rows that are only counted are read by one column.
    if columns.is_empty() {
        columns.insert(0);
    }
    let names: Vec<String> = columns.iter().filter_map(|at| Some(schema.fields().get(*at)?.name().clone())).collect();
    (names.len() < schema.fields().len()).then_some(names)
}
