//! `join`: rows of two inputs that belong together.

use aggregator_crds::pipeline::{Join, JoinType};
use arrow::datatypes::DataType;
use datafusion_common::{Column, DataFusionError};
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion_sql::sqlparser::ast::{self, SelectItem};

use super::{Outcome, Step};
use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::sql::{Table, Text};
use crate::types;

/// The first of `from` is the left input.
pub(super) fn join(join: &Join, step: &Step<'_>) -> Outcome {
    let [left, right] = step.scope.tables else {
        let message = format!("`join` reads two inputs; this node has {}", step.scope.tables.len());
        let problem = Diagnostic::error("InputCount", message)
            .help("name the left and the right node in `from`; join a third in a node of its own")
            .at(step.scope.locator.place(step.from));
        return Err(vec![problem]);
    };
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for (index, sql) in join.select.iter().enumerate() {
        let path = step.field(&format!("select[{index}]"));
        match step.scope.item(Text { sql, path: &path }) {
            Ok(item) => items.push((path, item)),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(keys(join, left, right, step));
    if !problems.is_empty() {
        return Err(problems);
    }
    if left.schema.is_none() || right.schema.is_none() {
        return Ok(None);
    }
    let joined = joined(join, left, right).map_err(|error| step.explain(&error))?;
    let columns = if items.is_empty() { Ok(default_columns(&joined)) } else { selected(items, &joined, step) }?;
    let plan = LogicalPlanBuilder::from(joined).project(columns).and_then(LogicalPlanBuilder::build);
    step.finish(plan, Grain::Changed)
}

/// Whether the key columns exist and can be equal.
fn keys(join: &Join, left: &Table, right: &Table, step: &Step<'_>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (index, key) in join.keys.iter().enumerate() {
        let found = [("left", &key.left, left), ("right", &key.right, right)].map(|(side, name, table)| {
            let schema = table.schema.as_ref()?;
            let field = schema.column_with_name(name).map(|(_, field)| field.data_type().clone());
            if field.is_none() {
                let known = schema.fields().iter().map(|field| field.name().as_str());
                problems.push(step.unknown_column(name, known, &step.field(&format!("keys[{index}].{side}"))));
            }
            field
        });
        if let [Some(one), Some(other)] = found
            && is_text(&one) != is_text(&other)
        {
            let message = format!(
                "`{}` is {} and `{}` is {}: they are never equal",
                key.left,
                types::name(&one),
                key.right,
                types::name(&other)
            );
            let problem =
                Diagnostic::error("TypeMismatch", message).help("cast one of them in a `mapping` node in front");
            problems.push(problem.at(step.scope.locator.place(&step.field(&format!("keys[{index}]")))));
        }
    }
    problems
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn joined(join: &Join, left: &Table, right: &Table) -> Result<LogicalPlan, DataFusionError> {
    let column = |table: &Table, name: &str| Column::new(Some(crate::sql::quoted(&table.name)), name);
    let kind = match join.join_type {
        JoinType::Inner => datafusion_expr::JoinType::Inner,
        JoinType::Left => datafusion_expr::JoinType::Left,
        JoinType::Right => datafusion_expr::JoinType::Right,
        JoinType::Full => datafusion_expr::JoinType::Full,
        JoinType::LeftSemi => datafusion_expr::JoinType::LeftSemi,
        JoinType::LeftAnti => datafusion_expr::JoinType::LeftAnti,
    };
    let (left_keys, right_keys): (Vec<Column>, Vec<Column>) =
        join.keys.iter().map(|key| (column(left, &key.left), column(right, &key.right))).unzip();
    LogicalPlanBuilder::from(left.scan()?).join(right.scan()?, kind, (left_keys, right_keys), None)?.build()
}

/// All of the left, then those of the right whose name is not taken.
fn default_columns(joined: &LogicalPlan) -> Vec<Expr> {
    let mut taken = std::collections::HashSet::new();
    joined.schema().columns().into_iter().filter(|column| taken.insert(column.name.clone())).map(Expr::Column).collect()
}

fn selected(
    items: Vec<(String, SelectItem)>,
    joined: &LogicalPlan,
    step: &Step<'_>,
) -> Result<Vec<Expr>, Vec<Diagnostic>> {
    let (mut columns, mut problems) = (Vec::new(), Vec::new());
    for (path, item) in items {
        let text = Text { sql: "", path: &path };
        let (expression, alias) = match item {
            SelectItem::UnnamedExpr(expression) => (expression, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            SelectItem::Wildcard(_) => {
                columns.extend(joined.schema().columns().into_iter().map(Expr::Column));
                continue;
            }
            SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let wanted = name.to_string().replace('"', "");
                let of_input = |column: &Column| column.relation.as_ref().is_some_and(|table| table.table() == wanted);
                columns.extend(joined.schema().columns().into_iter().filter(of_input).map(Expr::Column));
                continue;
            }
            SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                let problem = Diagnostic::error("BadSql", "this is not a column or an expression");
                problems.push(problem.at(step.scope.locator.place(&path)));
                continue;
            }
        };
        match step.scope.plan_expression(expression, joined.schema()) {
            Ok(expression) => columns.push(match alias {
                Some(alias) if alias.quote_style.is_none() => expression.alias(alias.value.to_lowercase()),
                Some(alias) => expression.alias(alias.value),
                None => expression,
            }),
            Err(error) => problems.extend(step.scope.explain(text, &error)),
        }
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}
