//! `mask`: columns made unreadable.

use aggregator_crds::pipeline::{Mask, MaskMethod, MaskedColumn};
use arrow::datatypes::DataType;
use datafusion_expr::{Expr, LogicalPlanBuilder, Operator, binary_expr, cast, lit, when};
use datafusion_functions::crypto::expr_fn::sha256;
use datafusion_functions::encoding::expr_fn::encode;
use datafusion_functions::string::expr_fn::repeat;
use datafusion_functions::unicode::expr_fn::{character_length, right};

use super::{Outcome, Step, columns};
use crate::graph::Grain;

/// How many characters `Partial` leaves by default.
const KEEP: u32 = 4;

/// Nulls stay null; everything else becomes text.
pub(super) fn mask(mask: &Mask, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    let mut problems = Vec::new();
    for (index, column) in mask.columns.iter().enumerate() {
        if let Some(schema) = &table.schema
            && !mask.if_present
            && schema.column_with_name(&column.name).is_none()
        {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            problems.push(step.unknown_column(&column.name, known, &step.field(&format!("columns[{index}].name"))));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if table.schema.is_none() {
        return Ok(None);
    }
    let input = table.scan().map_err(|error| step.explain(&error))?;
    let masked = columns(&input).into_iter().map(|expression| {
        let Expr::Column(column) = &expression else { return Ok(expression) };
        match mask.columns.iter().find(|masked| masked.name == column.name) {
            Some(masked) => Ok(unreadable(expression.clone(), masked)?.alias(&masked.name)),
            None => Ok(expression),
        }
    });
    let plan = masked
        .collect::<datafusion_common::Result<Vec<_>>>()
        .and_then(|masked| LogicalPlanBuilder::from(input).project(masked)?.build());
    step.finish(plan, Grain::Row)
}

fn unreadable(column: Expr, masked: &MaskedColumn) -> datafusion_common::Result<Expr> {
    let text = cast(column.clone(), DataType::Utf8);
    Ok(match masked.method {
        MaskMethod::Hash => {
            let salt = masked.salt.as_deref().unwrap_or_default();
            // `||` is null for null; concat() would hash the salt alone.
            let salted = if salt.is_empty() { text } else { binary_expr(lit(salt), Operator::StringConcat, text) };
            encode(sha256(salted), lit("hex"))
        }
        MaskMethod::Redact => when(column.is_not_null(), lit("***")).end()?,
        MaskMethod::Partial => {
            let keep = i64::from(masked.keep.unwrap_or(KEEP));
            let length = cast(character_length(text.clone()), DataType::Int64);
            // Text no longer than what stays would be shown whole: nothing of it stays.
            let long = binary_expr(
                repeat(lit("*"), length.clone() - lit(keep)),
                Operator::StringConcat,
                right(text, lit(keep)),
            );
            when(length.clone().gt(lit(keep)), long).otherwise(repeat(lit("*"), length))?
        }
    })
}
