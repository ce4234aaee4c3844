//! Operations of transform nodes: from a manifest's words to a plan.

mod aggregate;
mod deduplicate;
mod filter;
mod join;
mod mapping;
mod mask;
mod query;
mod union;
mod unnest;
mod validate;

use std::sync::Arc;

use aggregator_crds::pipeline::Operation;
use arrow::datatypes::SchemaRef;
use datafusion_common::{Column, DFSchema, DataFusionError};
use datafusion_expr::{Expr, Extension, LogicalPlan};

pub(crate) use aggregate::select;
pub(crate) use mapping::mapping;
pub(crate) use query::{query, stands_alone};

use crate::diagnostic::Diagnostic;
use crate::graph::Grain;
use crate::sieve::{Sieve, SieveRule};
use crate::sql::{Scope, Table, Text, settle};
use crate::suggest;

/// One node's operation, about to be planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The inputs, the parameters, and where the node was written.
    pub(crate) scope: Scope<'a>,
    /// The operation's field, as `spec.transforms[2].filter`.
    pub(crate) path: &'a str,
    /// The field that names the inputs, as `spec.transforms[2].from`.
    pub(crate) from: &'a str,
}

/// A planned operation.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The plan, with final types.
    pub(crate) plan: LogicalPlan,
    /// Whether rows go through one by one.
    pub(crate) grain: Grain,
    /// The schema of the rows it gives.
    pub(crate) schema: SchemaRef,
}

/// None: nothing is wrong as far as can be told, but the columns of an input are not known.
pub(crate) type Outcome = Result<Option<Built>, Vec<Diagnostic>>;

/// Plans an operation. A `transformation` is resolved by the caller.
pub(crate) fn build(operation: &Operation, step: &Step<'_>) -> Outcome {
    match operation {
        Operation::Sql(sql) => query(sql, step),
        Operation::Mapping(fields) => mapping(fields, step),
        Operation::Filter(filter) => filter::filter(filter, step),
        Operation::Deduplicate(deduplicate) => deduplicate::deduplicate(deduplicate, step),
        Operation::Union(union) => union::union(union, step),
        Operation::Join(join) => join::join(join, step),
        Operation::Aggregate(aggregate) => aggregate::aggregate(aggregate, step),
        Operation::Unnest(unnest) => unnest::unnest(unnest, step),
        Operation::Mask(mask) => mask::mask(mask, step),
        Operation::Validate(validate) => validate::validate(validate, step),
        Operation::Transformation(_) => Ok(None),
    }
}

impl Step<'_> {
    /// The path of a field of the operation.
    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// The only input.
    pub(crate) fn single(&self) -> Result<&Table, Vec<Diagnostic>> {
        match self.scope.tables {
            [table] => Ok(table),
            tables => {
                let operation = self.path.rsplit('.').next().unwrap_or_default();
                let message = format!("`{operation}` reads one input; this node has {}", tables.len());
                let problem = Diagnostic::error("InputCount", message)
                    .help("name one node in `from`; put a `union` or `join` node in front to bring several together")
                    .at(self.scope.locator.place(self.from));
                Err(vec![problem])
            }
        }
    }

    /// The column of an input that a field names, letter for letter.
    fn column(&self, name: &str, schema: &DFSchema, path: &str) -> Result<Expr, Vec<Diagnostic>> {
        match schema.iter().find(|(_, field)| field.name() == name) {
            Some((qualifier, field)) => Ok(Expr::Column(Column::new(qualifier.cloned(), field.name()))),
            None => {
                Err(vec![self.unknown_column(name, schema.fields().iter().map(|field| field.name().as_str()), path)])
            }
        }
    }

    fn unknown_column<'b>(&self, name: &str, known: impl Iterator<Item = &'b str> + Clone, path: &str) -> Diagnostic {
        Diagnostic::error("UnknownColumn", format!("there is no column `{name}`"))
            .help(suggest::advice(name, "columns", known))
            .at(self.scope.locator.place(path))
    }

    /// The finished plan.
    fn finish(&self, plan: Result<LogicalPlan, DataFusionError>, grain: Grain) -> Outcome {
        let explained = |error: DataFusionError| self.scope.explain(Text { sql: "", path: self.path }, &error);
        let (plan, schema) = plan.and_then(settle).map_err(explained)?;
        Ok(Some(Built { plan, grain, schema }))
    }

    /// Diagnostics for an error of a plan that the operation itself made.
    fn explain(&self, error: &DataFusionError) -> Vec<Diagnostic> {
        self.scope.explain(Text { sql: "", path: self.path }, error)
    }
}

/// A plan that takes rows out.
fn sieve(input: LogicalPlan, rules: Vec<SieveRule>) -> LogicalPlan {
    if rules.is_empty() {
        return input;
    }
    LogicalPlan::Extension(Extension { node: Arc::new(Sieve { input, rules }) })
}

/// All columns of a plan, as they are.
fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}
