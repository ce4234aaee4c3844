//! `filter`: rows for which an expression holds.

use aggregator_crds::pipeline::Filter;
use datafusion_expr::Expr;

use super::{Outcome, Step, sieve};
use crate::graph::Grain;
use crate::sieve::{Outcome as Taken, SieveRule};
use crate::sql::Text;

/// Rows for which the predicate is false or null are filtered.
pub(super) fn filter(filter: &Filter, step: &Step<'_>) -> Outcome {
    let path = step.field("where");
    let text = Text { sql: &filter.predicate, path: &path };
    let table = step.single()?;
    if table.schema.is_none() {
        return step.scope.expression(text, false).map(|_| None);
    }
    let input = table.scan().map_err(|error| step.explain(&error))?;
    let predicate = step.scope.row_condition(text, &input)?;
    let rule = SieveRule { catches: Expr::IsNotTrue(Box::new(predicate)), outcome: Taken::Filtered };
    step.finish(Ok(sieve(input, vec![rule])), Grain::Row)
}
