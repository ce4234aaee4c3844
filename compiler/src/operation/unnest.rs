//! `unnest`: one row for each element of a list column.

use aggregator_crds::pipeline::Unnest;
use arrow::datatypes::DataType;
use datafusion_common::{NullHandling, UnnestOptions};
use datafusion_expr::{Expr, LogicalPlanBuilder};

use super::{Outcome, Step};
use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::types;

/// The element's column stands where the list stood.
pub(super) fn unnest(unnest: &Unnest, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    let Some(schema) = &table.schema else { return Ok(None) };
    let input = table.scan().map_err(|error| step.explain(&error))?;
    let path = step.field("column");
    step.column(&unnest.column, input.schema(), &path)?;
    let element = unnest.alias.as_ref().unwrap_or(&unnest.column);
    for field in schema.fields() {
        if field.name() == &unnest.column && !matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_)) {
            let message = format!("`{}` is {}, not a list", unnest.column, types::name(field.data_type()));
            let problem = Diagnostic::error("TypeMismatch", message).help("name a column of a List type");
            return Err(vec![problem.at(step.scope.locator.place(&path))]);
        }
        if field.name() == element && element != &unnest.column {
            let message = format!("there is already a column `{element}`");
            let problem = Diagnostic::error("DuplicateColumn", message).help("choose another name in `as`");
            return Err(vec![problem.at(step.scope.locator.place(&step.field("as")))]);
        }
    }
    let columns: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(|column| {
            let name = if column.name == unnest.column { element.clone() } else { column.name.clone() };
            Expr::Column(column).alias(name)
        })
        .collect();
    let nulls = if unnest.keep_empty { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
    let plan = LogicalPlanBuilder::from(input)
        .project(columns)
        .and_then(|plan| {
            let column = datafusion_common::Column::new_unqualified(element);
            plan.unnest_column_with_options(column, UnnestOptions::new().with_null_handling(nulls))
        })
        .and_then(LogicalPlanBuilder::build);
    step.finish(plan, Grain::Changed)
}
