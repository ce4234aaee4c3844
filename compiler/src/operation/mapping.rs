//! `mapping`: new columns from old ones, row by row.

use std::collections::HashSet;

use aggregator_crds::pipeline::{MappedColumn, Mapping, OnCastError, OtherColumns};
use arrow::compute::can_cast_types;
use arrow::datatypes::DataType;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit, try_cast};
use datafusion_functions::core::expr_fn::coalesce;

use super::{Outcome, Step, sieve};
use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::reject::RejectReason;
use crate::sieve::{Outcome as Taken, SieveRule};
use crate::sql::{Text, parse_value, unknown_type};
use crate::types;

/// One column of the result.
struct Mapped {
    value: Expr,
    rule: Option<SieveRule>,
    /// Columns of the input that the entry mentions.
    mentions: Vec<String>,
}

/// Copies, computes, casts and fills columns. A value that cannot be cast rejects its row, unless `onError` says otherwise.
pub(crate) fn mapping(mapping: &Mapping, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    let mut problems = Vec::new();
    let names: HashSet<&str> = mapping.columns.iter().map(|column| column.name.as_str()).collect();
    if table.schema.is_none() {
        for (index, column) in mapping.columns.iter().enumerate() {
            problems.extend(unread(column, index, step));
        }
        return if problems.is_empty() { Ok(None) } else { Err(problems) };
    }
    let input = table.scan().map_err(|error| step.explain(&error))?;
    let mut mapped = Vec::new();
    for (index, column) in mapping.columns.iter().enumerate() {
        match map(column, index, &input, step) {
            Ok(found) => mapped.push(found),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mentioned: HashSet<String> = mapped.iter().flat_map(|column| column.mentions.iter().cloned()).collect();
    let others = input
        .schema()
        .columns()
        .into_iter()
        .filter(|column| mapping.others == OtherColumns::Keep && !mentioned.contains(&column.name))
        .filter(|column| !names.contains(column.name.as_str()))
        .map(Expr::Column);
    let rules = mapped.iter().filter_map(|column| column.rule.clone()).collect();
    let values: Vec<Expr> = mapped.into_iter().map(|column| column.value).chain(others).collect();
    let plan = LogicalPlanBuilder::from(sieve(input, rules)).project(values).and_then(LogicalPlanBuilder::build);
    step.finish(plan, Grain::Row)
}

/// What can be said of an entry without knowing the input's columns.
fn unread(column: &MappedColumn, index: usize, step: &Step<'_>) -> Vec<Diagnostic> {
    let path = step.field(&format!("columns[{index}]"));
    let mut problems = Vec::new();
    if let Some(sql) = &column.expression {
        let path = format!("{path}.expression");
        problems.extend(step.scope.expression(Text { sql, path: &path }, false).err().unwrap_or_default());
    }
    problems.extend(target(column, &path, step).err().unwrap_or_default());
    problems
}

/// The type of `cast`.
fn target(column: &MappedColumn, path: &str, step: &Step<'_>) -> Result<Option<DataType>, Vec<Diagnostic>> {
    let Some(written) = &column.cast else { return Ok(None) };
    types::parse(written)
        .map(Some)
        .map_err(|error| vec![unknown_type(&error).at(step.scope.locator.place(&format!("{path}.cast")))])
}

fn map(column: &MappedColumn, index: usize, input: &LogicalPlan, step: &Step<'_>) -> Result<Mapped, Vec<Diagnostic>> {
    let path = step.field(&format!("columns[{index}]"));
    let one = |problem: Diagnostic| vec![problem];
    let (source, found, label) = match (&column.expression, &column.from) {
        (Some(sql), _) => {
            let path = format!("{path}.expression");
            let (expression, found) = step.scope.row_expression(Text { sql, path: &path }, input)?;
            (expression, found, sql.trim().to_owned())
        }
        (None, from) => {
            let name = from.as_ref().unwrap_or(&column.name);
            let field = if from.is_some() { "from" } else { "name" };
            let expression = step.column(name, input.schema(), &format!("{path}.{field}"))?;
            let found = input.schema().field_with_unqualified_name(name).map(|field| field.data_type().clone());
            (expression, found.map_err(|error| step.explain(&error))?, name.clone())
        }
    };
    let mentions = source.column_refs().into_iter().map(|column| column.name.clone()).collect();
    let target = target(column, &path, step)?;
    let wanted = target.as_ref().unwrap_or(&found);
    let default = match &column.default {
        None => None,
        Some(text) => Some(parse_value(text, wanted).ok_or_else(|| {
            let message = format!("the default {text:?} is not a value of type {}", types::name(wanted));
            one(Diagnostic::error("BadDefault", message)
                .help("write a value of the column's type")
                .at(step.scope.locator.place(&format!("{path}.default"))))
        })?),
    };
    let (mut value, mut rule) = (source.clone(), None);
    if let Some(target) = target.as_ref().filter(|target| **target != found) {
        if !can_cast_types(&found, target) {
            let message = format!("a value of type {} can never become {}", types::name(&found), types::name(target));
            let problem = Diagnostic::error("TypeMismatch", message).help("compute it with an `expression` instead");
            return Err(one(problem.at(step.scope.locator.place(&format!("{path}.cast")))));
        }
        value = if never_fails(&found, target) {
            cast(source.clone(), target.clone())
        } else {
            try_cast(source.clone(), target.clone())
        };
        if column.on_error.unwrap_or_default() == OnCastError::Reject && !never_fails(&found, target) {
            rule = Some(SieveRule {
                catches: source.is_not_null().and(value.clone().is_null()),
                outcome: Taken::Rejected {
                    column: Some(column.name.clone()),
                    reason: RejectReason::CastFailed,
                    message: format!("the value of `{label}` is not of type {}", types::name(target)),
                },
            });
        }
    }
    if let Some(default) = default {
        value = coalesce(vec![value, lit(default)]);
    }
    Ok(Mapped { value: value.alias(&column.name), rule, mentions })
}

/// Whether every value of one type is a value of the other.
fn never_fails(from: &DataType, to: &DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, Utf8};
    let text = matches!(to, Utf8 | LargeUtf8);
    let plain =
        from.is_integer() || matches!(from, DataType::Boolean | DataType::Date32 | Utf8 | LargeUtf8 | DataType::Null);
    let wider = matches!(
        (from, to),
        (Int8, Int16 | Int32 | Int64)
            | (Int16, Int32 | Int64)
            | (Int32, Int64)
            | (UInt8, UInt16 | UInt32 | Int16 | Int32 | Int64)
            | (UInt16, UInt32 | Int32 | Int64)
            | (UInt32, Int64)
    );
    wider || (text && plain) || *from == DataType::Null
}
