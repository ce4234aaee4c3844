//! Simple queries as Python: one `SELECT` over `input`, with `WHERE`, `GROUP BY`, `HAVING`, `DISTINCT`.

use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast::{self, GroupByExpr, SelectItem, SetExpr, TableFactor};

use super::aggregate::Groups;
use super::dialect::Dialect;
use super::expression::Writer;
use super::module::Item;
use crate::codegen::{not_translatable, read};
use crate::diagnostic::Diagnostic;
use crate::sql::{Scope, Text};

const PATH: &str = "spec.sql.query";

/// One item of the list after SELECT.
pub(super) enum Selected {
    /// An expression under a name.
    Named(String, Expr),
    /// `*`.
    All,
}

/// The statements of a query.
pub(super) fn body(scope: &Scope<'_>, dialect: Dialect, sql: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
    let text = Text { sql, path: PATH };
    let statement = scope.query(text)?;
    let refuse = |what: &str| {
        let help = "`--to sql` writes the query as it stands; Python code takes SELECT … FROM input with WHERE, GROUP BY, HAVING, DISTINCT";
        vec![not_translatable(what, dialect.name(), help).at(scope.locator.place(PATH))]
    };
    let ast::Statement::Query(query) = statement else { return Err(refuse("this statement")) };
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(refuse("WITH, ORDER BY or LIMIT"));
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(refuse("a UNION or VALUES")) };
    let [from] = select.from.as_slice() else { return Err(refuse("a query without exactly one table")) };
    let TableFactor::Table { alias, .. } = &from.relation else { return Err(refuse("a subquery in FROM")) };
    if !from.joins.is_empty() {
        return Err(refuse("a join"));
    }
    if select.qualify.is_some() || select.top.is_some() || !select.lateral_views.is_empty() {
        return Err(refuse("QUALIFY, TOP or LATERAL VIEW"));
    }
    if !matches!(select.distinct, None | Some(ast::Distinct::Distinct)) {
        return Err(refuse("DISTINCT ON"));
    }
    let table = alias.as_ref().map_or("input".to_owned(), |alias| read::name(&alias.name));
    let plan = |expression: &ast::Expr| read::plan(scope, text, expression.clone(), &table);
    let mut items = Vec::new();
    for item in &select.projection {
        items.push(match item {
            SelectItem::UnnamedExpr(expression) => match plan(expression)? {
                Expr::Column(column) => Selected::Named(column.name.clone(), Expr::Column(column)),
                _ => return Err(refuse(&format!("`{expression}` without a name (give it one with AS)"))),
            },
            SelectItem::ExprWithAlias { expr, alias } => Selected::Named(read::name(alias), plan(expr)?),
            SelectItem::Wildcard(options) if *options == ast::WildcardAdditionalOptions::default() => Selected::All,
            other => return Err(refuse(&format!("`{other}`"))),
        });
    }
    let keys = match &select.group_by {
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => keys,
        _ => return Err(refuse("GROUP BY ALL, ROLLUP or CUBE")),
    };
    let mut planned = Vec::new();
    for key in keys {
        planned.push(match ordinal(key) {
            Some(position) => match position.checked_sub(1).and_then(|index| items.get(index)) {
                Some(Selected::Named(_, expression)) => expression.clone(),
                _ => return Err(refuse(&format!("GROUP BY {position}"))),
            },
            None => plan(key)?,
        });
    }
    // A name may mean a column of the input or an item of the list; which one depends on the input.
    for key in &planned {
        let Expr::Column(column) = key else { continue };
        let other = |item: &Selected| matches!(item, Selected::Named(name, expression) if *name == column.name && !same(expression, key));
        if items.iter().any(other) {
            return Err(refuse(&format!("GROUP BY {}, which may mean a column or an item,", column.name)));
        }
    }
    let writer = Writer { scope, text, dialect };
    let one = |problem: Diagnostic| vec![problem];
    let mut body = Vec::new();
    if let Some(condition) = &select.selection {
        body.push(dialect.filter(&writer.write(&plan(condition)?).map_err(one)?));
    }
    let having = select.having.as_ref().map(plan).transpose()?;
    let groups = Groups::of(planned, &items, having.as_ref());
    let (items, having) = match groups {
        None => (items, having),
        Some(groups) => {
            body.push(groups.statement(&writer).map_err(one)?);
            groups.over(items, having).ok_or_else(|| refuse("`*` in a query that groups"))?
        }
    };
    if let Some(condition) = &having {
        body.push(dialect.filter(&writer.write(condition).map_err(one)?));
    }
    let mut written = Vec::new();
    for item in &items {
        written.push(match item {
            Selected::All => Item::All { but: Vec::new() },
            Selected::Named(name, expression) => Item::Column(name.clone(), writer.write(expression).map_err(one)?),
        });
    }
    let mut result = dialect.select(&written).map_err(|problem| vec![problem.at(scope.locator.place(PATH))])?;
    if select.distinct.is_some() {
        result.push_str(dialect.either(".drop_duplicates()", ".unique(maintain_order=True)"));
    }
    body.push(result);
    Ok(body)
}

fn same(left: &Expr, right: &Expr) -> bool {
    matches!((left, right), (Expr::Column(left), Expr::Column(right)) if left.name == right.name)
}

fn ordinal(key: &ast::Expr) -> Option<usize> {
    match key {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
