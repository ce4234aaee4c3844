//! Whether a run can be taken in pieces: when every row finds its way alone, rows that were staged by an attempt that
//! died need not be read again, and several processes can share the rows among them.

use datafusion_expr::LogicalPlan;

use crate::graph::{CompiledPipeline, NodeKind};
use crate::sieve::Sieve;

impl CompiledPipeline {
    /// Why a run cannot be taken in pieces, in words; None when it can.
    #[must_use]
    pub fn indivisible(&self) -> Option<String> {
        if let Some(check) = self.quality.first() {
            return Some(format!("quality rule `{}` looks at all rows of `{}` at once", check.name, check.node));
        }
        self.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::Source(source) => source
                .cursor
                .as_ref()
                .map(|cursor| format!("`{}` is read by the cursor `{cursor}`, whose position is one value", node.name)),
            NodeKind::Transform(transform) => (!row_by_row(&transform.plan))
                .then(|| format!("`{}` ({}) combines rows", node.name, transform.operation)),
            NodeKind::Sink(sink) => sink
                .deletes
                .as_ref()
                .filter(|deletes| !crate::operation::stands_alone(&deletes.holds))
                .map(|_| format!("what `{}` deletes depends on more than the row", node.name)),
        })
    }
}

/// Whether what a row becomes depends on nothing but the row.
fn row_by_row(plan: &LogicalPlan) -> bool {
    let alone = match plan {
        LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => {
            true
        }
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<Sieve>(),
        _ => false,
    };
    alone && plan.expressions().iter().all(crate::operation::stands_alone) && plan.inputs().into_iter().all(row_by_row)
}
