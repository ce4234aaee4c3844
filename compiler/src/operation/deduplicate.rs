//! `deduplicate`: one row for each key.

use aggregator_crds::pipeline::{Deduplicate, Keep, SortDirection};
use datafusion_expr::expr::{Sort, WindowFunction};
use datafusion_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, WindowFunctionDefinition, ident, lit};
use datafusion_functions_window::row_number::row_number_udwf;

use super::{Outcome, Step, columns, sieve};
use crate::graph::Grain;
use crate::sieve::{Outcome as Taken, SieveRule};

/// The column that numbers the rows of a key.
const RANK: &str = "_aggregator_rank";

/// Keeps the first or last row of each key in the given order. A null in the order never wins over a value.
pub(super) fn deduplicate(deduplicate: &Deduplicate, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    if table.schema.is_none() {
        return Ok(None);
    }
    let input = table.scan().map_err(|error| step.explain(&error))?;
    let (mut keys, mut order, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (index, name) in deduplicate.key.iter().enumerate() {
        match step.column(name, input.schema(), &step.field(&format!("key[{index}]"))) {
            Ok(column) => keys.push(column),
            Err(found) => problems.extend(found),
        }
    }
    for (index, by) in deduplicate.order_by.iter().enumerate() {
        match step.column(&by.column, input.schema(), &step.field(&format!("orderBy[{index}].column"))) {
            Ok(column) => {
                let ascending = (by.direction == SortDirection::Ascending) == (deduplicate.keep == Keep::First);
                order.push(Sort::new(column, ascending, false));
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let kept = columns(&input);
    let function = WindowFunctionDefinition::WindowUDF(row_number_udwf());
    let plan = Expr::from(WindowFunction::new(function, vec![]))
        .partition_by(keys)
        .order_by(order)
        .build()
        .and_then(|rank| LogicalPlanBuilder::from(input).window([rank.alias(RANK)])?.build())
        .map(|ranked| {
            let rule = SieveRule { catches: ident(RANK).gt(lit(1_u64)), outcome: Taken::Deduplicated };
            sieve(ranked, vec![rule])
        })
        .and_then(|plan| LogicalPlanBuilder::from(plan).project(kept)?.build());
    step.finish(plan, Grain::Row)
}
