//! What SQL can see: the inputs of one node, and the functions. Nothing else.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Result, TableReference, plan_err};
use datafusion_expr::planner::{ContextProvider, ExprPlanner};
use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};

use super::functions::{FunctionRegistry, function_registry};

/// A node that SQL may read, under its table name.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The name that SQL uses.
    pub(crate) name: String,
    /// The node's name: what table scans of finished plans are called.
    pub(crate) node: String,
    /// Its columns; None when they are not known.
    pub(crate) schema: Option<SchemaRef>,
}

impl Table {
    /// A source for a scan of this table. Plans are made of schemas only; who runs them puts real sources in.
    pub(crate) fn source(schema: &SchemaRef) -> Arc<dyn TableSource> {
        Arc::new(NodeTable { schema: Arc::clone(schema) })
    }
}

/// The planner's view of a node's inputs.
pub(super) struct Tables<'a> {
    tables: &'a [Table],
    functions: &'static FunctionRegistry,
    options: ConfigOptions,
}

impl<'a> Tables<'a> {
    pub(super) fn new(tables: &'a [Table]) -> Self {
        Self { tables, functions: function_registry(), options: super::plan::options() }
    }
}

impl ContextProvider for Tables<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let TableReference::Bare { table } = &name else {
            return plan_err!("`{name}` is not an input of this node");
        };
        match self.tables.iter().find(|known| known.name == table.as_ref()).and_then(|known| known.schema.as_ref()) {
            Some(schema) => Ok(Table::source(schema)),
            None => plan_err!("`{table}` is not an input of this node"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.functions.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.functions.higher_order.get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.functions.higher_order.keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.functions.aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.functions.window.keys().cloned().collect()
    }
}

/// The rows of a node, of which only the schema is known.
///
/// It takes no filters: what a plan asks for is done by the plan itself, where rows are counted. (DataFusion's own
/// source without data claims to filter exactly, and the optimiser then drops the filter.)
#[derive(Debug)]
struct NodeTable {
    schema: SchemaRef,
}

impl TableSource for NodeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
