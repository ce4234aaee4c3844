//! `union`: all rows of all inputs, matched by column name.

use aggregator_crds::pipeline::Union;
use arrow::datatypes::DataType;
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::type_coercion::binary::type_union_coercion;
use datafusion_expr::{Expr, LogicalPlanBuilder, cast, lit};

use super::{Outcome, Step};
use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::types;

/// A column of the result.
struct Merged {
    name: String,
    data_type: DataType,
    /// The first input that has it.
    first: String,
}

/// Columns that an input lacks are null.
pub(super) fn union(union: &Union, step: &Step<'_>) -> Outcome {
    let mut merged: Vec<Merged> = Vec::new();
    let mut problems = Vec::new();
    for (index, table) in step.scope.tables.iter().enumerate() {
        let Some(schema) = &table.schema else { return Ok(None) };
        for field in schema.fields() {
            let Some(known) = merged.iter_mut().find(|known| known.name == *field.name()) else {
                let data_type = field.data_type().clone();
                merged.push(Merged { name: field.name().clone(), data_type, first: table.name.clone() });
                continue;
            };
            match common(&known.data_type, field.data_type()) {
                Some(data_type) => known.data_type = data_type,
                None => problems.push(
                    Diagnostic::error(
                        "TypeMismatch",
                        format!(
                            "the column `{}` is {} in `{}` and {} in `{}`",
                            known.name,
                            types::name(&known.data_type),
                            known.first,
                            types::name(field.data_type()),
                            table.name
                        ),
                    )
                    .help("cast one of them in a `mapping` node in front")
                    .at(step.scope.locator.place(&format!("{}[{index}]", step.from))),
                ),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut plans = step.scope.tables.iter().map(|table| {
        let input = table.scan()?;
        let columns = merged.iter().map(|column| {
            let value = match input.schema().field_with_unqualified_name(&column.name) {
                Ok(field) => {
                    let value = Expr::Column(Column::from_name(&column.name));
                    if *field.data_type() == column.data_type { value } else { cast(value, column.data_type.clone()) }
                }
                Err(_) => lit(ScalarValue::try_from(&column.data_type)?),
            };
            Ok(value.alias(&column.name))
        });
        let columns = columns.collect::<datafusion_common::Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(input).project(columns)
    });
    let Some(first) = plans.next() else { return Ok(None) };
    let plan = plans
        .try_fold(first, |all, next| Ok(all.and_then(|all| all.union(next?.build()?))))
        .and_then(|all| all)
        .and_then(|all| if union.distinct { all.distinct() } else { Ok(all) })
        .and_then(LogicalPlanBuilder::build);
    step.finish(plan, if union.distinct { Grain::Changed } else { Grain::Row })
}

/// The type that holds the values of both; None where that would take reading numbers as text.
fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if left == right || *right == DataType::Null {
        return Some(left.clone());
    }
    if text(left) != text(right) && *left != DataType::Null {
        return None;
    }
    type_union_coercion(left, right)
}
