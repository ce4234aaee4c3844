//! The streams between nodes: every reader gets every row, nobody waits for ever, memory stays bounded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::reject::RejectReason;
use aggregator_compiler::sieve::{Outcome, Sieve, SieveRule};
use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Extension, LogicalPlan, TableSource, col, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};

use super::*;
use crate::connector::{Buffers, Size};
use crate::ledger::EntryKind;
use crate::rejects::RejectLane;

mod joins;

const BATCHES: i64 = 100;
const ROWS: i64 = 500;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, false)]))
}

/// 50 000 rows, about 6 MB.
fn numbers() -> SendableRecordBatchStream {
    rows(BATCHES, |_| 100)
}

/// So many batches, whose texts are so long.
fn rows(batches: i64, length: fn(i64) -> usize) -> SendableRecordBatchStream {
    let batches = (0..batches).map(move |number| Ok(batch(number * ROWS..(number + 1) * ROWS, length(number))));
    Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::iter(batches)))
}

/// Rows of these ids, whose texts are so long.
fn batch(ids: Range<i64>, length: usize) -> RecordBatch {
    let ids: Int64Array = ids.collect();
    let texts = StringArray::from_iter_values(
        ids.values().iter().map(|id| format!("{}{id}", "0".repeat(length.saturating_sub(id.to_string().len())))),
    );
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(texts)]).expect("a batch")
}

fn state(memory: usize) -> SessionState {
    let env = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)))
        .build_arc()
        .expect("an environment");
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_round_robin_repartition(false)
        .with_sort_spill_reservation_bytes(64 * 1024);
    SessionStateBuilder::new().with_config(config).with_runtime_env(env).build()
}

#[derive(Debug)]
struct Bare;

impl TableSource for Bare {
    fn schema(&self) -> SchemaRef {
        schema()
    }
}

/// The plan of a query over nodes of the schema above.
async fn plan(query: &str, nodes: &[&str]) -> LogicalPlan {
    let context = SessionContext::new();
    for node in nodes {
        context.register_table(*node, Arc::new(EmptyTable::new(schema()))).expect("registered");
    }
    let plan = context.sql(query).await.expect(query).into_unoptimized_plan();
    // Compiled plans scan sources that only have a schema; DataFusion would execute its own tables by itself.
    let bare = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(mut scan) if nodes.contains(&scan.table_name.table()) => {
            scan.source = Arc::new(Bare);
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::no(other)),
    });
    bare.expect("rewritten").data
}

struct Bench {
    output: Arc<NodeOutput>,
    counters: Arc<NodeCounters>,
    state: SessionState,
}

impl Bench {
    fn new(memory: usize) -> Self {
        let counters = NodeCounters::new("numbers", EntryKind::Source);
        Self {
            output: NodeOutput::new(Arc::clone(&counters), schema(), Size::default()),
            counters,
            state: state(memory),
        }
    }

    async fn plan(&self, query: &str) -> Arc<dyn ExecutionPlan> {
        let planner = NodePlanner {
            counters: NodeCounters::new("query", EntryKind::GrainTransform),
            inputs: BTreeMap::from([("numbers".to_owned(), Arc::clone(&self.output))]),
            lane: RejectLane::Strict,
        };
        let plan = self.state.optimize(&plan(query, &["numbers"]).await).expect("optimised");
        planner.plan(&self.state, &plan).await.expect("planned")
    }

    fn connect(&self, upstream: SendableRecordBatchStream) {
        self.output.connect(upstream, self.state.runtime_env());
    }

    /// All rows of a plan; fails when the plan waits for ever.
    async fn run(&self, plan: Arc<dyn ExecutionPlan>) -> Vec<RecordBatch> {
        let collected = datafusion::physical_plan::collect(plan, self.state.task_ctx());
        tokio::time::timeout(Duration::from_secs(60), collected)
            .await
            .expect("the branches wait for each other")
            .expect("rows")
    }
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test]
async fn a_reader_that_lags_gets_every_row_from_disk_when_memory_is_short() {
    let bench = Bench::new(256 * 1024);
    let (fast, slow) = (bench.output.reader("fast"), bench.output.reader("slow"));
    bench.connect(numbers());
    let first: Vec<RecordBatch> = fast.stream().expect("connected").try_collect().await.expect("rows");
    let spilled = bench.state.runtime_env().disk_manager.spilling_progress();
    assert!(spilled.active_files_count > 50, "most batches wait on disk: {spilled:?}");
    assert!(bench.state.runtime_env().memory_pool.reserved() <= 256 * 1024);
    let second: Vec<RecordBatch> = slow.stream().expect("connected").try_collect().await.expect("rows");
    assert_eq!(first, second);
    assert!(ids(&first).into_iter().eq(0..BATCHES * ROWS));
    assert_eq!(bench.counters.out.get(), 50_000);
    assert_eq!(bench.output.edges().iter().map(|edge| edge.rows.get()).collect::<Vec<_>>(), [50_000, 50_000]);
    let left = bench.state.runtime_env().disk_manager.spilling_progress();
    assert_eq!((left.active_files_count, bench.state.runtime_env().memory_pool.reserved()), (0, 0), "all is freed");
}

#[tokio::test]
async fn a_self_join_computes_its_node_once_under_a_small_memory_budget() {
    let bench = Bench::new(24 * 1024 * 1024);
    let plan = bench.plan("SELECT a.id, b.text FROM numbers a JOIN numbers b ON a.id = b.id ORDER BY a.id").await;
    assert_eq!(bench.output.readers(), 2);
    bench.connect(numbers());
    let rows = bench.run(plan).await;
    assert!(ids(&rows).into_iter().eq(0..BATCHES * ROWS));
    assert_eq!(bench.counters.out.get(), 50_000, "the source was read once");
}

#[tokio::test]
async fn what_waits_for_a_slower_reader_leaves_the_join_its_memory() {
    // The ids of every tenth row are built into a table of less than 1 MB, while 6 MB wait for the other reader.
    let bench = Bench::new(4 * 1024 * 1024);
    let query =
        "SELECT b.id FROM (SELECT id FROM numbers WHERE id % 10 = 0) a JOIN numbers b ON a.id = b.id ORDER BY b.id";
    let plan = bench.plan(query).await;
    assert_eq!(bench.output.readers(), 2);
    bench.connect(numbers());
    let rows = bench.run(plan).await;
    assert!(ids(&rows).into_iter().eq((0..BATCHES * ROWS).step_by(10)));
}

#[tokio::test]
async fn a_diamond_meets_again_without_waiting_for_itself() {
    let bench = Bench::new(24 * 1024 * 1024);
    let query = "SELECT e.id FROM (SELECT id FROM numbers WHERE id % 2 = 0) e
                 JOIN (SELECT id, count(*) AS n FROM numbers GROUP BY id) c ON e.id = c.id ORDER BY e.id";
    let plan = bench.plan(query).await;
    assert_eq!(bench.output.readers(), 2);
    bench.connect(numbers());
    let rows = bench.run(plan).await;
    assert!(ids(&rows).into_iter().eq((0..BATCHES * ROWS).step_by(2)));
}

#[tokio::test]
async fn rows_that_a_reader_did_not_want_are_still_read_and_counted() {
    for readers in [1, 2] {
        let bench = Bench::new(24 * 1024 * 1024);
        let plan = bench.plan("SELECT id FROM numbers LIMIT 7").await;
        let other = (readers == 2).then(|| bench.output.reader("other"));
        bench.connect(numbers());
        assert_eq!(ids(&bench.run(plan).await).len(), 7);
        drop(other);
        bench.output.finish().await.expect("finished");
        assert_eq!(bench.counters.out.get(), 50_000);
        assert_eq!(bench.output.edges().iter().map(|edge| edge.rows.get()).collect::<Vec<_>>(), vec![50_000; readers]);
    }
}

#[tokio::test]
async fn rows_that_turn_out_wide_are_gathered_by_their_bytes() {
    let most = Buffers::default().batch();
    let bench = Bench::new(256 * 1024 * 1024);
    let plan = bench.plan("SELECT id, text FROM numbers WHERE id % 10 <> 0").await;
    // A batch of 8192 rows would have 32 MB. The last batch alone has more than one may have.
    bench.connect(rows(30, |batch| match batch {
        0..2 => 100,
        29 => 20_000,
        _ => 4_000,
    }));
    let batches: Vec<RecordBatch> = start(plan, &bench.state).try_collect().await.expect("rows");
    assert!(ids(&batches).into_iter().eq((0..30 * ROWS).filter(|id| id % 10 != 0)));
    let bytes: Vec<u64> = batches.iter().map(|batch| width::bytes(batch) as u64).collect();
    assert!(bytes.iter().all(|bytes| *bytes <= most), "{bytes:?}");
    assert!(bytes.iter().filter(|bytes| **bytes > most / 4).count() > 10, "they are gathered all the same: {bytes:?}");
}

#[tokio::test]
async fn all_partitions_of_a_plan_are_started() {
    let bench = Bench::new(24 * 1024 * 1024);
    let plan = bench.plan("SELECT id, max(text) AS text FROM numbers GROUP BY id").await;
    assert_eq!(plan.output_partitioning().partition_count(), 2, "rows are dealt out");
    bench.connect(numbers());
    let batches: Vec<RecordBatch> = start(plan, &bench.state).try_collect().await.expect("rows");
    let mut ids = ids(&batches);
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..BATCHES * ROWS));
}

#[tokio::test]
async fn an_error_and_a_panic_reach_every_reader() {
    for panics in [false, true] {
        let bench = Bench::new(24 * 1024 * 1024);
        let readers = [bench.output.reader("one"), bench.output.reader("two")];
        let broken = numbers().enumerate().map(move |(index, batch)| match index {
            3 if panics => panic!("a plan with a bug"),
            3 => Err(DataFusionError::Execution("the disk is gone".into())),
            _ => batch,
        });
        bench.connect(Box::pin(RecordBatchStreamAdapter::new(schema(), broken)));
        for reader in readers {
            let read: Result<Vec<RecordBatch>, _> = reader.stream().expect("connected").try_collect().await;
            let said = read.expect_err("broken").to_string();
            assert!(said.contains(if panics { "panicked" } else { "the disk is gone" }), "{said}");
        }
    }
}

#[tokio::test]
async fn a_recursive_query_over_a_node_is_refused_not_wrong() {
    let bench = Bench::new(24 * 1024 * 1024);
    let query = "WITH RECURSIVE up AS (SELECT 0::BIGINT AS id UNION ALL
                 SELECT up.id + 1 FROM up JOIN numbers ON numbers.id = up.id WHERE up.id < 5) SELECT id FROM up";
    let plan = bench.plan(query).await;
    bench.connect(numbers());
    let refused = datafusion::physical_plan::collect(plan, bench.state.task_ctx()).await.expect_err("read twice");
    assert!(refused.to_string().contains("would have to be read a second time"), "{refused}");
}

#[tokio::test]
async fn a_sieve_counts_each_row_under_the_first_rule_that_catches_it() {
    let bench = Bench::new(24 * 1024 * 1024);
    let rejected = Outcome::Rejected {
        column: Some("id".into()),
        reason: RejectReason::RuleBroken,
        message: "ids end at 9".into(),
    };
    let sieve = Sieve {
        input: plan("SELECT * FROM numbers", &["numbers"]).await,
        rules: vec![
            SieveRule { catches: col("id").gt_eq(lit(20_i64)), outcome: Outcome::Filtered },
            SieveRule { catches: col("id").gt(lit(9_i64)), outcome: rejected },
            SieveRule { catches: col("id").eq(lit(3_i64)), outcome: Outcome::Deduplicated },
        ],
    };
    let counters = NodeCounters::new("sieve", EntryKind::RowTransform);
    let (lane, mut received) = RejectLane::open();
    let planner = NodePlanner {
        counters: Arc::clone(&counters),
        inputs: BTreeMap::from([("numbers".to_owned(), Arc::clone(&bench.output))]),
        lane,
    };
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(sieve) });
    let plan = bench.state.optimize(&plan).expect("optimised");
    let plan = planner.plan(&bench.state, &plan).await.expect("planned");
    bench.connect(numbers());
    assert_eq!(ids(&bench.run(plan).await), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!((counters.filtered.get(), counters.rejected.get(), counters.deduplicated.get()), (49_980, 10, 1));
    let group = received.recv().await.expect("rejects");
    let raw: serde_json::Value = serde_json::from_str(&group.rejects[0].raw).expect("JSON");
    assert_eq!((group.node.as_str(), raw["id"].as_i64(), group.rejects.len()), ("sieve", Some(10), 10));
}

#[tokio::test]
async fn a_strict_lane_fails_at_the_first_reject_and_says_what_to_do() {
    let counters = NodeCounters::new("sieve", EntryKind::RowTransform);
    let reject = crate::connector::Reject {
        location: "a.csv".into(),
        line: Some(7),
        offset: None,
        column: Some("at".into()),
        reason: RejectReason::CastFailed,
        message: "`soon` is not a time".into(),
        raw: "1,soon".into(),
    };
    let error = RejectLane::Strict.send(&counters, vec![reject]).await.expect_err("strict");
    assert_eq!(error.to_string(), "node `sieve`: a.csv:7, column `at`: CastFailed: `soon` is not a time in 1,soon");
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("rejects:")));
}
