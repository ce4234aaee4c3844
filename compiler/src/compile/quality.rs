//! Quality rules: what must hold over all rows of a node.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, Ident, SelectItem, UnaryOperator, Value};

use super::Compiler;
use crate::graph::{NodeKind, QualityCheck};
use crate::operation::select;
use crate::sql::{Scope, Table, Text, settle};
use crate::suggest;

impl Compiler<'_> {
    pub(super) fn quality(&mut self) -> Vec<QualityCheck> {
        let pipeline = self.pipeline;
        let rules = &pipeline.object.spec.quality;
        let mut checks = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let path = format!("spec.quality[{index}]");
            if pipeline.is_damaged(&path) {
                continue;
            }
            let spec = &pipeline.object.spec;
            let nodes: Vec<&str> = spec
                .sources
                .iter()
                .map(|node| node.name.as_str())
                .chain(spec.transforms.iter().map(|node| node.name.as_str()))
                .chain(spec.sinks.iter().map(|node| node.name.as_str()))
                .collect();
            if !nodes.contains(&rule.node.as_str()) {
                let help = suggest::advice(&rule.node, "nodes", nodes.iter().copied());
                self.fail("UnknownInput", format!("there is no node `{}`", rule.node), help, &format!("{path}.node"));
                continue;
            }
            // A sink's rows are those of the node it reads.
            let read = spec.sinks.iter().find(|sink| sink.name == rule.node).map_or(&rule.node, |sink| &sink.from);
            let known = self.known(read).filter(|known| !matches!(known.node.kind, NodeKind::Sink(_)));
            let schema = known.map(|known| Arc::clone(&known.node.schema));
            let tables = [Table { name: read.clone(), node: read.clone(), schema }];
            let field = format!("{path}.expression");
            let text = Text { sql: &rule.expression, path: &field };
            let scope = Scope { tables: &tables, params: &self.params, locator: &pipeline.locator };
            let planned = scope.expression(text, true).and_then(|expr| {
                if tables[0].schema.is_none() {
                    return Ok(None);
                }
                let sides: Vec<Expr> = sides(&expr).into_iter().filter(|side| !literal(side)).cloned().collect();
                let texts = sides.iter().map(ToString::to_string).collect();
                let named = |(index, expr)| {
                    // Numbered, because two sides may read the same.
                    let name = if index == 0 { "holds".to_owned() } else { format!("side {index}") };
                    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
                };
                let items = std::iter::once(expr).chain(sides).enumerate().map(named).collect();
                let statement = select(&scope, items, Vec::new())?;
                let (plan, schema) =
                    scope.plan_query(statement).and_then(settle).map_err(|error| scope.explain(text, &error))?;
                match schema.field(0).data_type() {
                    DataType::Boolean => Ok(Some((plan, texts))),
                    other => Err(vec![scope.not_boolean(text, other)]),
                }
            });
            match planned {
                Ok(Some((plan, sides))) => checks.push(QualityCheck {
                    name: rule.name.clone(),
                    node: read.clone(),
                    expression: rule.expression.clone(),
                    severity: rule.severity,
                    sides,
                    plan,
                }),
                Ok(None) => {}
                Err(problems) => self.diagnostics.extend(problems),
            }
        }
        checks
    }
}

/// What a rule compares, when it is one comparison. Of a rule with several, a part may be there to keep another from
/// being computed (`count(*) = 0 OR sum(a) / count(*) < 5`), so that its sides must not be computed by themselves.
fn sides(rule: &Expr) -> Vec<&Expr> {
    match rule {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => sides(inner),
        Expr::BinaryOp { left, op, right } if compares(op) => vec![left, right],
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => vec![left, right],
        Expr::Between { expr, .. } | Expr::InList { expr, .. } => vec![expr],
        _ => Vec::new(),
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Whether a side says its value by itself.
fn literal(side: &Expr) -> bool {
    match side {
        // A parameter is written down elsewhere.
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        Expr::TypedString(_) | Expr::Interval(_) => true,
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => {
            literal(inner)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use datafusion_sql::sqlparser::dialect::GenericDialect;
    use datafusion_sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn what_one_comparison_compares_is_shown_and_no_part_of_several() {
        for (rule, expected) in [
            ("count(*) > 0", vec!["count(*)"]),
            ("NOT (600 <= coalesce(max(delay), -1))", vec!["coalesce(max(delay), -1)"]),
            ("sum(a) = sum(b)", vec!["sum(a)", "sum(b)"]),
            ("min(day) >= date '2001-01-01'", vec!["min(day)"]),
            ("max(a) < -(5)", vec!["max(a)"]),
            ("count(*) >= $least", vec!["count(*)", "$least"]),
            ("avg(a) BETWEEN 1 AND sum(b)", vec!["avg(a)"]),
            ("count(*) IN (1, 2)", vec!["count(*)"]),
            ("max(a) IS DISTINCT FROM min(a)", vec!["max(a)", "min(a)"]),
            ("count(*) = 0 OR sum(a) / count(*) < 5", vec![]),
            ("bool_and(ok)", vec![]),
        ] {
            let mut parser = Parser::new(&GenericDialect {}).try_with_sql(rule).expect("tokens");
            let rule = parser.parse_expr().expect("an expression");
            let found: Vec<String> =
                sides(&rule).into_iter().filter(|side| !literal(side)).map(ToString::to_string).collect();
            assert_eq!(found, expected, "{rule}");
        }
    }
}
