//! Joins whose output is bounded by its bytes. DataFusion's are told how many rows to gather when they begin; how wide these
//! get is known when all rows were read that a join is built from.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, JoinType};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
    replace_children_if_necessary,
};
use futures::TryStreamExt;
use futures::future::{BoxFuture, FutureExt, Shared};

use super::build_side::{BuildSideExec, Needs};
use super::edge::{EdgeExec, edges};
use super::gather::gather;
use super::gathered::{Gathered, gatherers, watched};
use super::probe_side::ProbeSideExec;
use super::start::configured;
use super::width::{cut, rows_of};

/// A join that reads its left side wholly before it begins, and gathers as few rows at a time as the widest one of it demands.
///
/// The order is that of the join itself: it asks for a row of its right side when it has all of its left one.
pub(super) struct JoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    /// The join of what was read of the left side and of the right one.
    join: Arc<dyn ExecutionPlan>,
    build: Arc<BuildSideExec>,
    /// One for each partition of the left side: that of a side with a single one is read for all partitions of the join.
    widest: Vec<OnceLock<Widest>>,
    /// About how many bytes a row of the right side has.
    probe: usize,
    /// How many rows operators gather.
    rows: usize,
    /// How many bytes batches have at most.
    bytes: usize,
}

/// Bytes of each row that a hash join does not ask for: while it builds its table the row's hash, and in the table the row that has
/// the same one.
const HASHED: usize = size_of::<u64>() + size_of::<u32>();

/// What a join needs of a left side of so many columns.
fn needs(join: &Arc<dyn ExecutionPlan>, columns: usize) -> Needs {
    let (kind, projection, filter) = if let Some(join) = join.downcast_ref::<HashJoinExec>() {
        (*join.join_type(), join.projection.as_ref(), join.filter())
    } else if let Some(join) = join.downcast_ref::<NestedLoopJoinExec>() {
        (*join.join_type(), join.projection().as_ref(), join.filter())
    } else {
        (JoinType::Inner, None, None)
    };
    let given: Vec<usize> = match kind {
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => Vec::new(),
        _ => projection.map_or_else(|| (0..columns).collect(), |given| given.to_vec()),
    };
    let filtered = filter.into_iter().flat_map(|filter| filter.column_indices());
    let filtered = filtered.filter(|column| column.side == JoinSide::Left).map(|column| column.index);
    let gathered: BTreeSet<usize> = given.into_iter().filter(|column| *column < columns).chain(filtered).collect();
    let hashes = join.is::<HashJoinExec>();
    let gives_left =
        matches!(kind, JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark);
    Needs {
        gathered: gathered.into_iter().collect(),
        beside: if hashes { HASHED } else { 0 },
        again: hashes && gives_left,
    }
}

/// The bytes of the widest row of a part of the left side, when it was read. Whoever waits for it reads.
type Widest = Shared<BoxFuture<'static, Result<usize, Arc<DataFusionError>>>>;

impl JoinExec {
    /// Whether a plan is a join that reads its left side wholly before it begins.
    pub(super) fn is_for(plan: &Arc<dyn ExecutionPlan>) -> bool {
        plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>()
    }

    /// Around such a join, for operators that gather so many rows, or fewer when these have so many bytes. The edges that it
    /// reads know how wide their first rows are.
    pub(super) fn around(join: Arc<dyn ExecutionPlan>, rows: usize, bytes: usize) -> Result<Self> {
        let Ok([left, right]) = <[&Arc<dyn ExecutionPlan>; 2]>::try_from(join.children()) else {
            return Err(DataFusionError::Internal("a join has exactly two sides".into()));
        };
        let (left, right) = (Arc::clone(left), Arc::clone(right));
        Self::of(join, left, right, rows, bytes)
    }

    /// A join of other sides than it has.
    fn of(
        join: Arc<dyn ExecutionPlan>,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        rows: usize,
        bytes: usize,
    ) -> Result<Self> {
        let build = Arc::new(BuildSideExec::of(&left, needs(&join, left.schema().fields().len())));
        let probe = ProbeSideExec::new(Arc::clone(&right), rows, !join.is::<HashJoinExec>());
        let sides: Vec<Arc<dyn ExecutionPlan>> =
            vec![Arc::clone(&build) as Arc<dyn ExecutionPlan>, Arc::new(probe) as Arc<dyn ExecutionPlan>];
        let join = replace_children_if_necessary(join, sides)?;
        let partitions = left.output_partitioning().partition_count();
        let widest = std::iter::repeat_with(OnceLock::new).take(partitions).collect();
        let probe = edges(&right).into_iter().map(EdgeExec::width).sum();
        Ok(Self { left, right, join, build, widest, probe, rows, bytes })
    }

    /// What so many operators gather.
    fn gathered(&self, operators: usize) -> Gathered {
        Gathered::by(operators, self.rows, self.bytes)
    }

    /// The widest row of what a partition of the join is built from.
    fn widest(&self, partition: usize, context: &TaskContext) -> Result<Widest> {
        let part = if self.widest.len() == 1 { 0 } else { partition };
        let widest = self
            .widest
            .get(part)
            .ok_or_else(|| DataFusionError::Internal(format!("the build side of a join has no partition {part}")))?;
        let read = widest.get_or_init(|| {
            // The rows of this side are not gathered by the join: it has all of them, in the pool.
            let context = configured(context, self.rows, self.gathered(gatherers(&self.left)));
            let (left, build) = (Arc::clone(&self.left), Arc::clone(&self.build));
            async move { build.read(&left, part, context).await.map_err(Arc::new) }.boxed().shared()
        });
        Ok(read.clone())
    }
}

impl fmt::Debug for JoinExec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinExec")
            .field("join", &self.join)
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for JoinExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "JoinExec: of={}, rows={}, bytes={}", self.join.name(), self.rows, self.bytes)
    }
}

impl ExecutionPlan for JoinExec {
    fn name(&self) -> &'static str {
        "JoinExec"
    }

    /// Those of the join: what is cut or gathered is the same rows, in the same order.
    fn properties(&self) -> &Arc<PlanProperties> {
        self.join.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.join.maintains_input_order()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(visit)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.join.dynamic_expressions_produced()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else {
            return Err(DataFusionError::Internal("a join has exactly two sides".into()));
        };
        Ok(Arc::new(Self::of(Arc::clone(&self.join), left, right, self.rows, self.bytes)?))
    }

    /// A recursive query does so before it reads the same plan again.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let join = Arc::clone(&self.join).reset_state()?;
        let (left, right) = (Arc::clone(&self.left), Arc::clone(&self.right));
        Ok(Arc::new(Self::of(join, left, right, self.rows, self.bytes)?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let widest = self.widest(partition, &context)?;
        let (join, probe, all, most) = (Arc::clone(&self.join), self.probe, self.rows, self.bytes);
        // Rows of the right side stay in the join until it has gathered enough.
        let own = self.join.output_partitioning().partition_count();
        let gathered = self.gathered(gatherers(&self.right).saturating_add(own));
        let within = Arc::clone(&context);
        let joined = async move {
            let widest = widest.await.map_err(DataFusionError::Shared)?;
            let rows = rows_of(widest.saturating_add(probe), most as u64, all);
            let joined = join.execute(partition, configured(&within, rows, gathered))?;
            // Rows of the left side that have met none of the other come all at once.
            let joined = cut(joined, most as u64);
            // Most of them may be narrow: nobody behind the join should have to do with a few rows at a time.
            Ok::<_, DataFusionError>(if rows < all { gather(joined, all, most) } else { joined })
        };
        // What the join does not ask the pool for is taken until it is done. The plan may go before.
        let build = Arc::clone(&self.build);
        let joined = futures::stream::once(joined).try_flatten().inspect_ok(move |_| {
            let _held = &build;
        });
        let joined = Box::pin(RecordBatchStreamAdapter::new(self.join.schema(), joined));
        Ok(watched(joined, "a join", &context))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.join.metrics()
    }
}
