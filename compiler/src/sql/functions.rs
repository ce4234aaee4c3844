//! The functions that SQL and expressions may call.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use datafusion_expr::planner::ExprPlanner;
use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

/// Functions by name; an alias is a name.
pub(crate) struct FunctionRegistry {
    pub(super) scalar: BTreeMap<String, Arc<ScalarUDF>>,
    pub(super) higher_order: BTreeMap<String, Arc<HigherOrderUDF>>,
    pub(super) aggregate: BTreeMap<String, Arc<AggregateUDF>>,
    pub(super) window: BTreeMap<String, Arc<WindowUDF>>,
    pub(super) planners: Vec<Arc<dyn ExprPlanner>>,
}

impl FunctionRegistry {
    /// Whether some function has that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.scalar.contains_key(name)
            || self.higher_order.contains_key(name)
            || self.aggregate.contains_key(name)
            || self.window.contains_key(name)
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let scalar = self.scalar.keys().chain(self.higher_order.keys());
        scalar.chain(self.aggregate.keys()).chain(self.window.keys()).map(String::as_str)
    }
}

/// The functions, built once.
pub(crate) fn function_registry() -> &'static FunctionRegistry {
    static REGISTRY: OnceLock<FunctionRegistry> = OnceLock::new();
    REGISTRY.get_or_init(|| FunctionRegistry {
        scalar: crate::functions::scalar_udfs()
            .into_iter()
            .flat_map(|function| named(function.name(), function.aliases(), &function))
            .collect(),
        higher_order: crate::functions::higher_order_udfs()
            .into_iter()
            .flat_map(|function| named(function.name(), function.aliases(), &function))
            .collect(),
        aggregate: crate::functions::aggregate_udfs()
            .into_iter()
            .flat_map(|function| named(function.name(), function.aliases(), &function))
            .collect(),
        window: crate::functions::window_udfs()
            .into_iter()
            .flat_map(|function| named(function.name(), function.aliases(), &function))
            .collect(),
        planners: vec![
            Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
            Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
            Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
            Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
            Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
            Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
            Arc::new(datafusion_functions_window::planner::WindowFunctionPlanner),
        ],
    })
}

fn named<F>(name: &str, aliases: &[String], function: &Arc<F>) -> Vec<(String, Arc<F>)> {
    std::iter::once(name)
        .chain(aliases.iter().map(String::as_str))
        .map(|name| (name.to_owned(), Arc::clone(function)))
        .collect()
}
