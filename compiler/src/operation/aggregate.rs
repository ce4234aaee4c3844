//! `aggregate`: one row for each group.

use aggregator_crds::pipeline::Aggregate;
use datafusion_sql::sqlparser::ast::{Expr, GroupByExpr, Ident, SelectItem, SetExpr, Statement};

use super::{Outcome, Step};
use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::sql::{Scope, Text, settle};

/// Groups come first, then the measures, each in the order of the manifest.
pub(super) fn aggregate(aggregate: &Aggregate, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    let (mut items, mut groups, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (index, sql) in aggregate.group_by.iter().enumerate() {
        let path = step.field(&format!("groupBy[{index}]"));
        match step.scope.item(Text { sql, path: &path }) {
            Ok(item) => match &item {
                SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
                    groups.push(expression.clone());
                    items.push(item);
                }
                _ => problems.push(
                    Diagnostic::error("BadSql", "`*` cannot make a group")
                        .help("name the columns that make a group")
                        .at(step.scope.locator.place(&path)),
                ),
            },
            Err(found) => problems.extend(found),
        }
    }
    let mut measures = Vec::new();
    for (index, measure) in aggregate.measures.iter().enumerate() {
        let path = step.field(&format!("measures[{index}].expression"));
        match step.scope.expression(Text { sql: &measure.expression, path: &path }, true) {
            Ok(expr) => {
                measures.push((path, SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', &measure.name) }))
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if table.schema.is_none() {
        return Ok(None);
    }
    // Each group and measure is planned alone first, so that every mistake is told, at its own place.
    for (index, (item, group)) in std::iter::zip(&items, &groups).enumerate() {
        let path = step.field(&format!("groupBy[{index}]"));
        problems.extend(attempt(&step.scope, &path, vec![item.clone()], vec![group.clone()]));
    }
    if problems.is_empty() {
        for (path, item) in &measures {
            problems.extend(attempt(&step.scope, path, vec![item.clone()], groups.clone()));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    items.extend(measures.into_iter().map(|(_, item)| item));
    step.finish(step.scope.plan_query(select(&step.scope, items, groups)?), Grain::Changed)
}

fn attempt(scope: &Scope<'_>, path: &str, items: Vec<SelectItem>, groups: Vec<Expr>) -> Vec<Diagnostic> {
    let text = Text { sql: "", path };
    match select(scope, items, groups) {
        Ok(statement) => match scope.plan_query(statement).and_then(settle) {
            Ok(_) => Vec::new(),
            Err(error) => scope.explain(text, &error),
        },
        Err(problems) => problems,
    }
}

/// `SELECT items FROM input GROUP BY groups`, put together from parsed parts.
pub(crate) fn select(
    scope: &Scope<'_>,
    items: Vec<SelectItem>,
    groups: Vec<Expr>,
) -> Result<Statement, Vec<Diagnostic>> {
    let mut statement = scope.read_whole_input()?;
    if let Statement::Query(query) = &mut statement
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = items;
        select.group_by = GroupByExpr::Expressions(groups, Vec::new());
    }
    Ok(statement)
}
