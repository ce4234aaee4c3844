//! Plans over the inputs of one node, with final types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, DFSchema, DataFusionError, Result, plan_datafusion_err};
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion_optimizer::Analyzer;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast;

use super::tables::Tables;
use super::{Scope, Table, Text};
use crate::diagnostic::Diagnostic;

/// The settings under which plans are made; the same wherever the compiler runs.
pub(super) fn options() -> ConfigOptions {
    let mut options = ConfigOptions::new();
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options
}

impl Scope<'_> {
    /// The plan of a query that was read. Its types are not final yet: see [`settle`].
    pub(crate) fn plan_query(&self, statement: ast::Statement) -> Result<LogicalPlan> {
        let tables = Tables::new(self.tables);
        let planner = SqlToRel::new_with_options(&tables, ParserOptions::from(&options().sql_parser));
        let plan = planner.sql_statement_to_plan_with_context(statement, &mut self.context())?;
        self.rename(plan.with_param_values(self.params.values())?)
    }

    /// The expression over the columns of one input.
    pub(crate) fn plan_expression(&self, expression: ast::Expr, schema: &DFSchema) -> Result<Expr> {
        let expression = self.plan_unbound(expression, schema)?;
        let values = self.params.values();
        let bound = expression.transform_up(|expression| match &expression {
            Expr::Placeholder(placeholder) => {
                let (value, metadata) = values.get_placeholders_with_values(&placeholder.id)?.into_inner();
                Ok(Transformed::yes(Expr::Literal(value, metadata)))
            }
            _ => Ok(Transformed::no(expression)),
        })?;
        Ok(bound.data)
    }

    /// As [`Self::plan_expression`], with the parameters still open: placeholders whose field names the parameter.
    pub(crate) fn plan_unbound(&self, expression: ast::Expr, schema: &DFSchema) -> Result<Expr> {
        let tables = Tables::new(self.tables);
        let planner = SqlToRel::new_with_options(&tables, ParserOptions::from(&options().sql_parser));
        planner.sql_to_expr(expression, schema, &mut self.context())
    }

    /// An expression over the rows of `input` that was written in `text`, with its final type.
    pub(crate) fn row_expression(
        &self,
        text: Text<'_>,
        input: &LogicalPlan,
    ) -> std::result::Result<(Expr, DataType), Vec<Diagnostic>> {
        let expression = self.expression(text, false)?;
        let explained = |error: DataFusionError| self.explain(text, &error);
        let expression = self.plan_expression(expression, input.schema()).map_err(explained)?;
        let data_type = final_type(&expression, input).map_err(explained)?;
        Ok((expression, data_type))
    }

    /// As [`Self::row_expression`], for an expression that is true or false.
    pub(crate) fn row_condition(
        &self,
        text: Text<'_>,
        input: &LogicalPlan,
    ) -> std::result::Result<Expr, Vec<Diagnostic>> {
        let (expression, data_type) = self.row_expression(text, input)?;
        match data_type {
            DataType::Boolean | DataType::Null => Ok(expression),
            other => Err(vec![self.not_boolean(text, &other)]),
        }
    }

    /// What is said of an expression that had to be true or false.
    pub(crate) fn not_boolean(&self, text: Text<'_>, found: &DataType) -> Diagnostic {
        let found = crate::types::name(found);
        Diagnostic::error("NotBoolean", format!("this gives {found}; it must be true or false"))
            .help("compare it with something, as `x > 0` or `x IS NOT NULL`")
            .at(self.locator.place(text.path))
    }

    fn context(&self) -> PlannerContext {
        let fields = self.params.fields().into_iter().map(Some).collect();
        PlannerContext::new().with_prepare_param_data_types(fields)
    }

    /// Scans get the names of nodes, where SQL knows them under other ones.
    fn rename(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let names: HashMap<&str, &Table> = self
            .tables
            .iter()
            .filter(|table| table.name != table.node)
            .map(|table| (table.name.as_str(), table))
            .collect();
        if names.is_empty() {
            return Ok(plan);
        }
        let renamed = plan.transform_up_with_subqueries(|plan| match &plan {
            LogicalPlan::TableScan(scan) => match names.get(scan.table_name.table()) {
                Some(table) => {
                    let builder = LogicalPlanBuilder::scan(quoted(&table.node), Arc::clone(&scan.source), None)?;
                    Ok(Transformed::yes(builder.alias(quoted(&table.name))?.build()?))
                }
                None => Ok(Transformed::no(plan)),
            },
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(renamed.data)
    }
}

/// A table name that is taken as it stands.
pub(crate) fn quoted(name: &str) -> datafusion_common::TableReference {
    datafusion_common::TableReference::bare(name)
}

/// The type an expression has once every implicit cast is made explicit.
pub(crate) fn final_type(expression: &Expr, input: &LogicalPlan) -> Result<DataType> {
    let plan = LogicalPlanBuilder::from(input.clone()).project([expression.clone().alias("value")])?.build()?;
    Ok(analyze(plan)?.schema().field(0).data_type().clone())
}

/// Makes every implicit cast explicit.
fn analyze(plan: LogicalPlan) -> Result<LogicalPlan> {
    Analyzer::new().execute_and_check(plan, &options(), |_, _| {})
}

/// The plan with every cast explicit and a schema that every sink can take: each name once, times in microseconds,
/// text and bytes in their plain layouts, and text for columns that are null throughout.
pub(crate) fn settle(plan: LogicalPlan) -> Result<(LogicalPlan, SchemaRef)> {
    let plan = analyze(plan)?;
    let schema = Arc::clone(plan.schema());
    let mut seen = std::collections::HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            let column = Column::new_unqualified(field.name());
            return Err(DataFusionError::SchemaError(
                Box::new(datafusion_common::SchemaError::DuplicateUnqualifiedField { name: column.name }),
                Box::new(None),
            ));
        }
    }
    let wanted: Vec<DataType> = schema.fields().iter().map(|field| plain(field.data_type())).collect();
    let plan = if std::iter::zip(&wanted, schema.fields()).all(|(wanted, field)| wanted == field.data_type()) {
        plan
    } else {
        let columns = std::iter::zip(&wanted, schema.iter()).map(|(wanted, (qualifier, field))| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if wanted == field.data_type() { column } else { cast(column, wanted.clone()).alias(field.name()) }
        });
        LogicalPlanBuilder::from(plan.clone()).project(columns.collect::<Vec<_>>())?.build()?
    };
    let schema = Arc::new(plan.schema().as_arrow().clone());
    Ok((plan, schema))
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Dictionary(_, value) => plain(value),
        other => other.clone(),
    }
}

impl Table {
    /// A plan that reads the whole table, under its node's name.
    pub(crate) fn scan(&self) -> Result<LogicalPlan> {
        let schema =
            self.schema.as_ref().ok_or_else(|| plan_datafusion_err!("the columns of `{}` are not known", self.name))?;
        let scan = LogicalPlanBuilder::scan(quoted(&self.node), Self::source(schema), None)?;
        if self.name == self.node { scan.build() } else { scan.alias(quoted(&self.name))?.build() }
    }
}
