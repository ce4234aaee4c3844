//! Python modules: one function from frame to frame, and what it calls.

#![expect(clippy::result_large_err, reason = "a refusal ends the work, so its size is paid once")]

mod aggregate;
mod code;
mod dialect;
mod expression;
mod function;
mod module;
mod query;

use aggregator_crds::Transformation;
use aggregator_crds::pipeline::{MappedColumn, Mapping, OnCastError, OtherColumns};
use aggregator_crds::transformation::Step;
use arrow::datatypes::DataType;
use datafusion_expr::Expr;

pub(super) use dialect::Dialect;

use super::read;
use crate::diagnostic::Diagnostic;
use crate::manifest::Located;
use crate::sql::{Scope, Text, parse_value, unknown_type};
use crate::types;
use code::{Code, string};
use expression::Writer;
use module::Item;

/// The module of a Transformation.
pub(super) fn module(
    located: &Located<Transformation>,
    scope: &Scope<'_>,
    step: &Step,
    dialect: Dialect,
) -> Result<String, Vec<Diagnostic>> {
    let params = &located.object.spec.params;
    let signature = module::signature(params, scope, dialect);
    let body = match step {
        Step::Sql(sql) => query::body(scope, dialect, &sql.query),
        Step::Mapping(mapping) => body(scope, dialect, mapping),
    };
    match (signature, body) {
        (Ok(signature), Ok(body)) => Ok(module::write(located, dialect, &signature, &body)),
        (signature, body) => Err([signature.err(), body.err()].into_iter().flatten().flatten().collect()),
    }
}

/// The statements of a mapping.
fn body(scope: &Scope<'_>, dialect: Dialect, mapping: &Mapping) -> Result<Vec<String>, Vec<Diagnostic>> {
    let (mut items, mut keeps, mut hidden, mut problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, column) in mapping.columns.iter().enumerate() {
        match map(scope, dialect, column, &format!("spec.mapping.columns[{index}]")) {
            Ok(mapped) => {
                keeps.extend(mapped.keeps);
                hidden.extend(mapped.mentions);
                hidden.push(column.name.clone());
                items.push(Item::Column(column.name.clone(), mapped.value));
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if mapping.others == OtherColumns::Keep {
        hidden.sort_unstable();
        hidden.dedup();
        items.push(Item::All { but: hidden });
    }
    let mut body = Vec::new();
    if !keeps.is_empty() {
        body.push("# The engine rejects rows with a value that cannot be cast; here they are left out.".to_owned());
        body.extend(keeps.iter().map(|keep| dialect.filter(keep)));
    }
    body.push(dialect.select(&items).map_err(|problem| vec![problem.at(scope.locator.place("spec.mapping"))])?);
    Ok(body)
}

/// One column of the result, and the condition under which its row is kept.
struct Mapped {
    value: Code,
    keeps: Option<Code>,
    mentions: Vec<String>,
}

fn map(scope: &Scope<'_>, dialect: Dialect, column: &MappedColumn, path: &str) -> Result<Mapped, Vec<Diagnostic>> {
    let field = format!("{path}.{}", if column.expression.is_some() { "expression" } else { "from" });
    let text = Text { sql: column.expression.as_deref().unwrap_or_default(), path: &field };
    let writer = Writer { scope, text, dialect };
    let (source, mentions) = match &column.expression {
        Some(_) => {
            let expression = scope.expression(text, false)?;
            let mentions = read::mentions(&expression).into_iter().collect();
            let planned: Expr = read::plan(scope, text, expression, "input")?;
            (writer.write(&planned).map_err(|problem| vec![problem])?, mentions)
        }
        None => {
            let name = column.from.as_ref().unwrap_or(&column.name);
            (dialect.column(name), vec![name.clone()])
        }
    };
    let one = |problem: Diagnostic, field: &str| vec![problem.at(scope.locator.place(&format!("{path}.{field}")))];
    let (mut value, mut keeps, mut wanted) = (source.clone(), None, None);
    if let Some(written) = &column.cast {
        let data_type = types::parse(written).map_err(|error| one(unknown_type(&error), "cast"))?;
        let Some(target) = dialect.type_name(&data_type) else {
            let help = "cast to a number, Utf8, Boolean, Date32, or a Timestamp(Microsecond) without zone or in UTC";
            let what = format!("the type {written}");
            return Err(one(super::not_translatable(&what, dialect.name(), help), "cast"));
        };
        value = dialect.cast(&source, &target, false);
        // Everything has a text.
        let fails = !matches!(data_type, DataType::Utf8 | DataType::LargeUtf8);
        if fails && column.on_error.unwrap_or_default() == OnCastError::Reject {
            keeps = Some(dialect.is_null(&source).infix("|", &dialect.is_not_null(&value)));
        }
        wanted = Some(data_type);
    }
    if let Some(text) = &column.default {
        let filled = match &wanted {
            Some(data_type) => {
                let scalar = parse_value(text, data_type);
                scalar.and_then(|scalar| code::literal(&scalar)).map(|filling| dialect.coalesce(&[value, filling]))
            }
            None => Some(dialect.call("_default", &[dialect.lifted(&value), Code::value(string(text))], &[])),
        };
        value = filled.ok_or_else(|| {
            let message = format!(
                "the default {text:?} is not a value of type {}",
                wanted.map(|it| types::name(&it)).unwrap_or_default()
            );
            one(Diagnostic::error("BadDefault", message).help("write a value of the column's type"), "default")
        })?;
    }
    Ok(Mapped { value, keeps, mentions })
}
