//! GROUP BY: keys and aggregates become columns first, then expressions are computed over those.

use datafusion_common::Column;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::utils::find_aggregate_exprs;

use super::code::{Code, string};
use super::dialect::Dialect;
use super::expression::Writer;
use super::query::Selected;
use crate::diagnostic::Diagnostic;

/// What a query groups by and computes of each group.
pub(super) struct Groups {
    keys: Vec<Expr>,
    aggregates: Vec<Expr>,
}

impl Groups {
    /// The groups of a query; None when it does not group.
    pub(super) fn of(keys: Vec<Expr>, items: &[Selected], having: Option<&Expr>) -> Option<Self> {
        let named = items.iter().filter_map(|item| match item {
            Selected::Named(_, expression) => Some(expression),
            Selected::All => None,
        });
        let aggregates = find_aggregate_exprs(named.chain(having));
        (!keys.is_empty() || !aggregates.is_empty()).then_some(Self { keys, aggregates })
    }

    /// The statement that makes the groups.
    pub(super) fn statement(&self, writer: &Writer<'_>) -> Result<String, Diagnostic> {
        let keys = self.keys.iter().map(|key| writer.column(key)).collect::<Result<Vec<_>, _>>()?;
        match writer.dialect {
            Dialect::Pandas => self.pandas(writer, &keys),
            Dialect::Polars => self.polars(writer, &keys),
        }
    }

    fn pandas(&self, writer: &Writer<'_>, keys: &[Code]) -> Result<String, Diagnostic> {
        let (mut columns, mut aggregates) = (String::new(), String::new());
        for (index, key) in keys.iter().enumerate() {
            columns.push_str(&format!("            {}: {},\n", string(&key_name(index)), key.text));
        }
        for (index, expression) in self.aggregates.iter().enumerate() {
            let (function, argument) = aggregate(writer, expression)?;
            let argument = argument.unwrap_or_else(|| Code::value("1"));
            let from = string(&format!("_value{index}"));
            let function = match function {
                "avg" => "mean",
                other => other,
            };
            columns.push_str(&format!("            {from}: {},\n", argument.text));
            aggregates.push_str(&format!(
                "        ({}, {from}, {}),\n",
                string(&aggregate_name(index)),
                string(function)
            ));
        }
        let names: Vec<String> = (0..keys.len()).map(|index| string(&key_name(index))).collect();
        Ok(format!(
            "df = _group(\n    pd.DataFrame(\n        {{\n{columns}        }},\n        index=df.index,\n    ),\n    [{}],\n    [\n{aggregates}    ],\n)",
            names.join(", ")
        ))
    }

    fn polars(&self, writer: &Writer<'_>, keys: &[Code]) -> Result<String, Diagnostic> {
        let mut lines = String::new();
        for (index, expression) in self.aggregates.iter().enumerate() {
            let (function, argument) = aggregate(writer, expression)?;
            let value = match (function, argument.map(|argument| writer.dialect.lifted(&argument))) {
                ("count", None) => Code::column("pl.len().cast(pl.Int64)"),
                ("count", Some(of)) => of.method("count().cast(pl.Int64)"),
                ("count_distinct", Some(of)) => of.method("drop_nulls().n_unique().cast(pl.Int64)"),
                ("avg", Some(of)) => of.method("mean()"),
                ("sum", Some(of)) => writer.dialect.call("_sum", &[of], &[]),
                (other, Some(of)) => of.method(&format!("{other}()")),
                (_, None) => return Err(writer.refuse(expression)),
            };
            lines.push_str(&format!("    {}.alias({}),\n", value.operand(), string(&aggregate_name(index))));
        }
        if keys.is_empty() {
            return Ok(format!("df = df.select(\n{lines})"));
        }
        let keys: String = keys
            .iter()
            .enumerate()
            .map(|(index, key)| format!("    {}.alias({}),\n", key.operand(), string(&key_name(index))))
            .collect();
        Ok(format!("df = df.group_by(\n{keys}    maintain_order=True,\n).agg(\n{lines})"))
    }

    /// Items and condition over the columns that the groups have; None when an item needs the rows themselves.
    pub(super) fn over(&self, items: Vec<Selected>, having: Option<Expr>) -> Option<(Vec<Selected>, Option<Expr>)> {
        let mut over = Vec::new();
        for item in items {
            let Selected::Named(name, expression) = item else { return None };
            over.push(Selected::Named(name, self.replace(expression)?));
        }
        let having = match having {
            Some(condition) => Some(self.replace(condition)?),
            None => None,
        };
        Some((over, having))
    }

    fn replace(&self, expression: Expr) -> Option<Expr> {
        let replaced = expression.transform_down(|part| {
            let find = |list: &[Expr]| list.iter().position(|known| *known == part);
            let name = find(&self.keys).map(key_name).or_else(|| find(&self.aggregates).map(aggregate_name));
            Ok(match name {
                Some(name) => {
                    Transformed::new(Expr::Column(Column::new_unqualified(name)), true, TreeNodeRecursion::Jump)
                }
                None => Transformed::no(part),
            })
        });
        let replaced = replaced.ok()?.data;
        replaced.column_refs().iter().all(|column| column.relation.is_none()).then_some(replaced)
    }
}

fn key_name(index: usize) -> String {
    format!("_key{index}")
}

fn aggregate_name(index: usize) -> String {
    format!("_aggregate{index}")
}

/// The function and the argument of an aggregate; no argument for `count(*)`.
fn aggregate(writer: &Writer<'_>, expression: &Expr) -> Result<(&'static str, Option<Code>), Diagnostic> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expression else {
        return Err(writer.refuse(expression));
    };
    if params.filter.is_some() || !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Err(writer.refuse(expression));
    }
    let [argument] = params.args.as_slice() else {
        let rows = func.name() == "count" && params.args.is_empty() && !params.distinct;
        return if rows { Ok(("count", None)) } else { Err(writer.refuse(expression)) };
    };
    let function = match (func.name(), params.distinct) {
        ("count", false) if matches!(argument, Expr::Literal(value, _) if !value.is_null()) => {
            return Ok(("count", None));
        }
        ("count", false) => "count",
        ("count", true) => "count_distinct",
        ("sum", false) => "sum",
        ("avg", false) => "avg",
        ("min", _) => "min",
        ("max", _) => "max",
        _ => return Err(writer.refuse(expression)),
    };
    #[expect(deprecated, reason = "the planner still writes count(*) with it")]
    if matches!(argument, Expr::Wildcard { .. }) {
        return Ok(("count", None));
    }
    Ok((function, Some(writer.write(argument)?)))
}
