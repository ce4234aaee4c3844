//! From a node's logical plan to a running stream: table scans become edges, sieves become sieves.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::sieve::Sieve;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::counters::NodeCounters;
use super::edge::EdgeExec;
use super::output::NodeOutput;
use super::sieve::{PhysicalRule, SieveExec};
use crate::rejects::RejectLane;

/// Plans one node.
#[derive(Debug)]
pub struct NodePlanner {
    /// The node's counters.
    pub counters: Arc<NodeCounters>,
    /// The outputs of the nodes it reads, by name.
    pub inputs: BTreeMap<String, Arc<NodeOutput>>,
    /// Where its rejected rows go.
    pub lane: RejectLane,
}

impl NodePlanner {
    /// Makes an optimised plan executable. Registers a reader for every table scan.
    ///
    /// # Errors
    /// Those of DataFusion's planner; a scan of a node that is not an input.
    pub async fn plan(self, state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(self)]);
        planner.create_physical_plan(plan, state).await
    }
}

#[async_trait]
impl ExtensionPlanner for NodePlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(sieve) = node.as_any().downcast_ref::<Sieve>() else { return Ok(None) };
        let ([logical], [physical]) = (logical_inputs, physical_inputs) else {
            return Err(DataFusionError::Internal("a sieve has exactly one input".into()));
        };
        let rules = sieve
            .rules
            .iter()
            .map(|rule| {
                let catches = planner.create_physical_expr(&rule.catches, logical.schema(), session, context)?;
                Ok(PhysicalRule { catches, outcome: rule.outcome.clone() })
            })
            .collect::<Result<Vec<_>>>()?;
        let exec = SieveExec::new(Arc::clone(physical), rules.into(), Arc::clone(&self.counters), self.lane.clone());
        Ok(Some(Arc::new(exec)))
    }

    async fn plan_table_scan(
        &self,
        _: &dyn PhysicalPlanner,
        scan: &TableScan,
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let name = scan.table_name.table();
        if !scan.filters.is_empty() {
            // An edge hands on every row; a filter that the optimiser left to it would be lost.
            return Err(DataFusionError::Internal(format!(
                "the scan of `{name}` was given filters: {:?}",
                scan.filters
            )));
        }
        let input = self.inputs.get(name).ok_or_else(|| {
            DataFusionError::Internal(format!("node `{}` reads `{name}`, which is not an input", self.counters.name))
        })?;
        let reader = input.reader(&self.counters.name);
        // By name: the source may have left out columns that nobody reads.
        let names: Vec<&str> = scan.projected_schema.fields().iter().map(|field| field.name().as_str()).collect();
        Ok(Some(Arc::new(EdgeExec::new(reader, &names)?)))
    }
}
