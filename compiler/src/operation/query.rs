//! `sql`: a query over the inputs.

use std::sync::Arc;

use aggregator_crds::pipeline::Sql;
use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};

use super::{Built, Outcome, Step, sieve};
use crate::graph::Grain;
use crate::sieve::{Outcome as Taken, SieveRule};
use crate::sql::Text;

/// A query that only computes columns and filters rows goes through row by row: its rows stay accounted for.
pub(crate) fn query(sql: &Sql, step: &Step<'_>) -> Outcome {
    let path = step.field("query");
    let text = Text { sql: &sql.query, path: &path };
    let Some((plan, schema)) = step.scope.planned(text)? else { return Ok(None) };
    let (plan, grain) = if row_wise(&plan) {
        (filters_to_sieves(plan).map_err(|error| step.scope.explain(text, &error))?, Grain::Row)
    } else {
        (plan, Grain::Changed)
    };
    Ok(Some(Built { plan, grain, schema }))
}

/// Whether each row of the only input gives at most one row, whatever the others hold.
fn row_wise(plan: &LogicalPlan) -> bool {
    let simple = match plan {
        LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.expressions().iter().all(stands_alone)
        }
        _ => false,
    };
    simple && plan.inputs().into_iter().all(row_wise)
}

/// Whether an expression needs nothing but its row.
pub(crate) fn stands_alone(expression: &Expr) -> bool {
    let mut alone = true;
    let walked = expression.apply(|part| {
        if matches!(
            part,
            Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::ScalarSubquery(_) | Expr::Unnest(_)
        ) {
            alone = false;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && alone
}

fn filters_to_sieves(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up(|plan| {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let rule = SieveRule { catches: Expr::IsNotTrue(Box::new(filter.predicate)), outcome: Taken::Filtered };
        Ok(Transformed::yes(sieve(Arc::unwrap_or_clone(filter.input), vec![rule])))
    })?;
    Ok(changed.data)
}
