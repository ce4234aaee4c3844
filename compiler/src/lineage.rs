//! Where the columns of a plan come from.

use std::collections::BTreeSet;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema};
use datafusion_expr::logical_plan::{Distinct, DistinctOn};
use datafusion_expr::{Expr, JoinType, LogicalPlan};

use crate::graph::SourceColumn;

/// Where one column of a plan comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The columns of scanned tables that its values are computed from.
    pub columns: BTreeSet<SourceColumn>,
    /// The column it is a plain copy of, if it is one.
    pub copy: Option<SourceColumn>,
}

impl Origin {
    fn merge(&mut self, other: &Self) {
        self.columns.extend(other.columns.iter().cloned());
        if self.copy != other.copy {
            self.copy = None;
        }
    }

    fn computed<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let columns = parts.into_iter().flat_map(|part| part.columns.iter().cloned()).collect();
        Self { columns, copy: None }
    }
}

/// The origin of each column of the plan, in the order of its schema.
#[must_use]
pub fn origins(plan: &LogicalPlan) -> Vec<Origin> {
    match plan {
        LogicalPlan::TableScan(scan) => scan
            .projected_schema
            .fields()
            .iter()
            .map(|field| {
                let column = SourceColumn { node: scan.table_name.table().to_owned(), column: field.name().clone() };
                Origin { columns: BTreeSet::from([column.clone()]), copy: Some(column) }
            })
            .collect(),
        LogicalPlan::Projection(projection) => of_expressions(&projection.expr, &Inputs::of(&projection.input)),
        LogicalPlan::Aggregate(aggregate) => {
            let inputs = Inputs::of(&aggregate.input);
            let groups = of_expressions(&aggregate.group_expr, &inputs);
            let measures = of_expressions(&aggregate.aggr_expr, &inputs);
            // Grouping sets spread one expression over several columns, with an identifier of the set after them.
            let wanted = plan.schema().fields().len();
            if groups.len() + measures.len() == wanted {
                return groups.into_iter().chain(measures).collect();
            }
            let all = Origin::computed(&groups);
            let spread = wanted.saturating_sub(measures.len());
            std::iter::repeat_n(all, spread).chain(measures).collect()
        }
        LogicalPlan::Window(window) => {
            let inputs = Inputs::of(&window.input);
            let computed = of_expressions(&window.window_expr, &inputs);
            inputs.origins.into_iter().chain(computed).collect()
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => origins(&join.left),
            JoinType::RightSemi | JoinType::RightAnti => origins(&join.right),
            JoinType::LeftMark => origins(&join.left).into_iter().chain([Origin::default()]).collect(),
            JoinType::RightMark => origins(&join.right).into_iter().chain([Origin::default()]).collect(),
            _ => origins(&join.left).into_iter().chain(origins(&join.right)).collect(),
        },
        LogicalPlan::Union(union) => {
            let mut inputs = union.inputs.iter().map(|input| origins(input));
            let mut merged = inputs.next().unwrap_or_default();
            for input in inputs {
                std::iter::zip(&mut merged, &input).for_each(|(merged, input)| merged.merge(input));
            }
            merged
        }
        LogicalPlan::Unnest(unnest) => {
            let inputs = origins(&unnest.input);
            let changed = |index: usize| {
                unnest.list_type_columns.iter().any(|(list, _)| *list == index)
                    || unnest.struct_type_columns.contains(&index)
            };
            let origin = |index: &usize| match inputs.get(*index) {
                Some(origin) if changed(*index) => Origin { copy: None, ..origin.clone() },
                Some(origin) => origin.clone(),
                None => Origin::default(),
            };
            unnest.dependency_indices.iter().map(origin).collect()
        }
        LogicalPlan::Distinct(Distinct::On(DistinctOn { select_expr, input, .. })) => {
            of_expressions(select_expr, &Inputs::of(input))
        }
        // Plans that pass their only input's columns on, in order.
        other => match other.inputs().as_slice() {
            [input] if input.schema().fields().len() == other.schema().fields().len() => origins(input),
            _ => vec![Origin::default(); other.schema().fields().len()],
        },
    }
}

/// The columns an expression may name, each with its origin.
struct Inputs<'a> {
    schema: &'a DFSchema,
    origins: Vec<Origin>,
}

impl<'a> Inputs<'a> {
    fn of(plan: &'a LogicalPlan) -> Self {
        Self { schema: plan.schema(), origins: origins(plan) }
    }

    fn column(&self, column: &Column) -> Option<&Origin> {
        self.schema.maybe_index_of_column(column).and_then(|index| self.origins.get(index))
    }
}

fn of_expressions(expressions: &[Expr], inputs: &Inputs<'_>) -> Vec<Origin> {
    expressions.iter().map(|expression| of_expression(expression, inputs)).collect()
}

fn of_expression(expression: &Expr, inputs: &Inputs<'_>) -> Origin {
    match expression {
        Expr::Alias(alias) => of_expression(&alias.expr, inputs),
        Expr::Column(column) => inputs.column(column).cloned().unwrap_or_default(),
        _ => {
            let mut parts: Vec<Origin> = Vec::new();
            // The closure never fails, so neither does the walk.
            let _walked = expression.apply(|part| {
                match part {
                    Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
                        parts.extend(inputs.column(column).cloned())
                    }
                    Expr::ScalarSubquery(query) => {
                        parts.extend(of_subquery(&query.subquery, &query.outer_ref_columns, inputs))
                    }
                    Expr::InSubquery(query) => {
                        parts.extend(of_subquery(&query.subquery.subquery, &query.subquery.outer_ref_columns, inputs));
                    }
                    Expr::SetComparison(query) => {
                        parts.extend(of_subquery(&query.subquery.subquery, &query.subquery.outer_ref_columns, inputs));
                    }
                    Expr::Exists(query) => {
                        parts.extend(of_subquery(&query.subquery.subquery, &query.subquery.outer_ref_columns, inputs));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            });
            Origin::computed(&parts)
        }
    }
}

/// What a subquery's result and the rows around it contribute.
fn of_subquery(plan: &LogicalPlan, outer: &[Expr], inputs: &Inputs<'_>) -> Vec<Origin> {
    origins(plan).into_iter().chain(of_expressions(outer, inputs)).collect()
}
