//! Joins whose build side turns out wide: the same rows as ever, few at a time.

use arrow::util::display::array_value_to_string;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::displayable;

use super::*;
use crate::engine::build_side::{BuildSideExec, Needs};
use crate::engine::edge::EdgeExec;
use crate::engine::probe_side::ProbeSideExec;

const MEMORY: usize = 256 << 20;
const NARROW: usize = 100;
const WIDE: usize = 10_000;
/// So few that all partitions of a join share what is built from them; where nobody knows, each has a part of its own.
const FEW: Option<u64> = Some(1000);

/// A query over two nodes: `small`, from which the join is built, and `large`.
struct Joined {
    small: Arc<NodeOutput>,
    large: Arc<NodeOutput>,
    plan: Arc<dyn ExecutionPlan>,
    state: SessionState,
}

impl Joined {
    /// Planned for a `small` that is thought to have so many bytes.
    async fn new(query: &str, bytes: Option<u64>, memory: usize) -> Self {
        let state = state(memory);
        let node = |name: &str, size| NodeOutput::new(NodeCounters::new(name, EntryKind::Source), schema(), size);
        let (small, large) = (node("small", Size { rows: None, bytes }), node("large", Size::default()));
        let planner = NodePlanner {
            counters: NodeCounters::new("query", EntryKind::GrainTransform),
            inputs: BTreeMap::from([
                ("small".to_owned(), Arc::clone(&small)),
                ("large".to_owned(), Arc::clone(&large)),
            ]),
            lane: RejectLane::Strict,
        };
        let logical = state.optimize(&plan(query, &["small", "large"]).await).expect("optimised");
        let plan = planner.plan(&state, &logical).await.expect("planned");
        Self { small, large, plan, state }
    }

    fn connect(&self, small: SendableRecordBatchStream, large: SendableRecordBatchStream) {
        self.small.connect(small, self.state.runtime_env());
        self.large.connect(large, self.state.runtime_env());
    }

    fn is(&self, operator: &str) -> bool {
        displayable(self.plan.as_ref()).indent(false).to_string().contains(operator)
    }

    /// All batches, as a run has them.
    async fn started(self) -> Result<Vec<RecordBatch>, DataFusionError> {
        let rows = start(self.plan, &self.state).try_collect::<Vec<_>>();
        tokio::time::timeout(Duration::from_secs(60), rows).await.expect("it waits for itself")
    }

    /// All rows, as DataFusion's own join gives them.
    async fn plain(self) -> Vec<RecordBatch> {
        datafusion::physical_plan::collect(self.plan, self.state.task_ctx()).await.expect("rows")
    }
}

/// Narrow rows first, and wide ones later: 2000 in all.
fn widening() -> SendableRecordBatchStream {
    rows(4, |batch| if batch < 2 { NARROW } else { WIDE })
}

fn of(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::iter(batches.into_iter().map(Ok))))
}

/// Rows as text, sorted.
fn told(batches: &[RecordBatch]) -> Vec<String> {
    let mut told = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| array_value_to_string(column, row).expect("text"));
            told.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    told.sort_unstable();
    told
}

/// Fails unless no batch has more than a batch may have, and what an array has beside its values.
fn bounded(of: &str, batches: &[RecordBatch]) {
    let most = usize::try_from(Buffers::default().batch()).expect("a number") + 16 * 1024;
    let bytes: Vec<usize> = batches.iter().map(width::bytes).collect();
    assert!(bytes.iter().all(|bytes| *bytes <= most), "{of}: {bytes:?}");
}

fn alike(of: &str, ours: &[RecordBatch], theirs: &[RecordBatch]) {
    let (ours, theirs) = (told(ours), told(theirs));
    assert_eq!(ours.len(), theirs.len(), "{of}");
    // Their texts have 20 MB.
    assert!(ours == theirs, "{of}: other rows");
}

#[tokio::test]
async fn hash_joins_of_rows_that_turn_out_wide_give_the_same_rows_within_bounds() {
    let both = "l.id, s.id AS small, s.text";
    let kinds = [
        ("JOIN", both),
        ("LEFT JOIN", both),
        ("RIGHT JOIN", both),
        ("FULL JOIN", both),
        ("LEFT SEMI JOIN", "s.id, s.text"),
        ("LEFT ANTI JOIN", "s.id, s.text"),
        ("RIGHT SEMI JOIN", "l.id, l.text"),
        ("RIGHT ANTI JOIN", "l.id, l.text"),
    ];
    let groups = "(SELECT id, max(text) AS text FROM large GROUP BY id)";
    for (bytes, large, mode) in [(None, "large", "mode=Partitioned"), (FEW, groups, "mode=CollectLeft")] {
        for (kind, columns) in kinds {
            // Every second row of `small` meets two of `large`, of which some meet none.
            let query = format!("SELECT {columns} FROM small s {kind} {large} l ON s.id = l.id % 4000 * 2");
            let of = format!("{kind}, {mode}");
            let joined = Joined::new(&query, bytes, MEMORY).await;
            assert!(joined.is(mode), "{of}: {}", displayable(joined.plan.as_ref()).indent(false));
            assert_eq!(joined.plan.output_partitioning().partition_count(), 2, "{of}");
            joined.connect(widening(), rows(10, |_| 20));
            let ours = joined.started().await.expect("rows");
            bounded(&of, &ours);
            let plain = Joined::new(&query, bytes, MEMORY).await;
            plain.connect(widening(), rows(10, |_| 20));
            alike(&of, &ours, &plain.plain().await);
        }
    }
}

#[tokio::test]
async fn hash_joins_by_texts_give_the_same_rows() {
    for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
        // Some rows of both sides meet none.
        let query = format!(
            "SELECT l.id, s.id AS small, s.text FROM small s {kind} (SELECT id, id::VARCHAR AS name FROM large) l
             ON (s.id * 3)::VARCHAR = l.name"
        );
        let joined = Joined::new(&query, None, MEMORY).await;
        assert!(joined.is("HashJoinExec"), "{kind}");
        joined.connect(widening(), rows(10, |_| 20));
        let ours = joined.started().await.expect("rows");
        bounded(kind, &ours);
        let plain = Joined::new(&query, None, MEMORY).await;
        plain.connect(widening(), rows(10, |_| 20));
        alike(kind, &ours, &plain.plain().await);
    }
}

#[tokio::test]
async fn what_a_join_does_not_ask_for_is_taken_until_it_is_done() {
    let joined = Joined::new("SELECT l.id FROM small s JOIN large l ON s.id = l.id", FEW, MEMORY).await;
    joined.connect(numbers(), rows(10, |_| 20));
    let (pool, mut rows) = (joined.state.runtime_env().memory_pool.clone(), start(joined.plan, &joined.state));
    rows.next().await.expect("rows").expect("rows");
    // 50 000 ids have 400 kB, and the table of them, which the join asks for, no more than that: with twelve bytes for each row.
    assert!(pool.reserved() > 1_000_000, "{}", pool.reserved());
    drop(rows);
    assert_eq!(pool.reserved(), 0);
}

#[tokio::test]
async fn joins_without_keys_give_the_same_rows_within_bounds() {
    let kinds = [
        ("JOIN large l ON s.id - l.id < 500", "NestedLoopJoinExec"),
        ("LEFT JOIN large l ON s.id - l.id < 500", "NestedLoopJoinExec"),
        ("RIGHT JOIN large l ON s.id - l.id < 500", "NestedLoopJoinExec"),
        ("FULL JOIN large l ON s.id - l.id < 500", "NestedLoopJoinExec"),
        ("CROSS JOIN (SELECT id FROM large WHERE id < 600) l", "CrossJoinExec"),
    ];
    // The last ones meet none but in the cross join.
    let small = || of(vec![batch(990..1010, NARROW), batch(1010..1014, 2 * WIDE), batch(1600..1602, 2 * WIDE)]);
    for (kind, operator) in kinds {
        let query = format!("SELECT l.id, s.id AS small, s.text FROM small s {kind}");
        let joined = Joined::new(&query, None, MEMORY).await;
        assert!(joined.is(operator), "{kind}: {}", displayable(joined.plan.as_ref()).indent(false));
        joined.connect(small(), rows(2, |_| 20));
        let ours = joined.started().await.expect("rows");
        bounded(kind, &ours);
        let plain = Joined::new(&query, None, MEMORY).await;
        plain.connect(small(), rows(2, |_| 20));
        alike(kind, &ours, &plain.plain().await);
    }
}

#[tokio::test]
async fn narrow_rows_are_joined_in_full_batches() {
    for bytes in [None, FEW] {
        let query = "SELECT l.id, s.text FROM small s JOIN large l ON s.id = l.id % 2000";
        let joined = Joined::new(query, bytes, MEMORY).await;
        joined.connect(rows(4, |_| NARROW), numbers());
        let batches = joined.started().await.expect("rows");
        let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 50_000);
        assert_eq!(sizes.iter().max(), Some(&8192));
        assert!(sizes.iter().filter(|rows| **rows == 8192).count() >= 4, "{sizes:?}");
    }
}

#[tokio::test]
async fn a_wide_row_that_many_others_meet_is_given_few_times_at_once() {
    for bytes in [None, FEW] {
        let query = "SELECT l.id, s.text FROM small s JOIN large l ON s.id = l.id / 10000";
        let joined = Joined::new(query, bytes, MEMORY).await;
        joined.connect(of(vec![batch(1..500, NARROW), batch(0..1, 1 << 20)]), rows(20, |_| 20));
        let (pool, mut rows) = (joined.state.runtime_env().memory_pool.clone(), start(joined.plan, &joined.state));
        for _ in 0..10 {
            let batch = rows.next().await.expect("10 000 rows").expect("rows");
            bounded("a wide row", std::slice::from_ref(&batch));
            assert_eq!(batch.num_rows(), 3);
        }
        assert!(pool.reserved() > 1 << 20, "the row is held");
        drop(rows);
        if bytes.is_some() {
            assert_eq!(pool.reserved(), 0, "nobody wants the others: all is freed");
        }
    }
}

#[tokio::test]
async fn a_build_side_that_has_no_room_is_told_so() {
    for bytes in [None, FEW] {
        let query = "SELECT l.id, s.text FROM small s JOIN large l ON s.id = l.id";
        let joined = Joined::new(query, bytes, 4 << 20).await;
        joined.connect(rows(4, |_| WIDE), rows(1, |_| 20));
        let error = joined.started().await.expect_err("20 MB");
        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
        if bytes.is_some() {
            assert!(error.to_string().contains("build side of a join"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_was_read_is_given_once_and_its_room_with_it() {
    let bench = Bench::new(MEMORY);
    let edge = EdgeExec::new(bench.output.reader("join"), &["id", "text"]).expect("an edge");
    bench.connect(widening());
    let edge: Arc<dyn ExecutionPlan> = Arc::new(edge);
    let side = BuildSideExec::of(&edge, Needs { gathered: vec![0, 1], beside: 8, again: false });
    let reserved = || bench.state.runtime_env().memory_pool.reserved();
    let widest = side.read(&edge, 0, bench.state.task_ctx()).await.expect("read");
    assert!((WIDE..WIDE + 20).contains(&widest), "{widest}");
    let all = reserved();
    assert!(all > 1000 * WIDE, "{all}");
    let given: Vec<RecordBatch> =
        side.execute(0, bench.state.task_ctx()).expect("given").try_collect().await.expect("rows");
    assert_eq!(reserved(), 4 * 500 * 8, "the join takes it from the pool by itself");
    assert_eq!(given.len(), 1, "many would be there twice when the join makes them one");
    assert!(ids(&given).into_iter().eq(0..4 * ROWS));
    // So does a nested loop join that had no room for its copy.
    let again = side.execute(0, bench.state.task_ctx()).err().expect("they are gone");
    assert!(matches!(again.find_root(), DataFusionError::ResourcesExhausted(_)), "{again}");
}

#[tokio::test]
async fn joins_without_keys_are_given_few_rows_at_a_time() {
    let bench = Bench::new(MEMORY);
    let edge = EdgeExec::new(bench.output.reader("join"), &["id", "text"]).expect("an edge");
    bench.connect(numbers());
    let config = bench.state.config().clone().with_batch_size(7);
    let context = TaskContext::from(&bench.state).with_session_config(config);
    let side = ProbeSideExec::new(Arc::new(edge), 8192, true);
    let rows = side.execute(0, Arc::new(context)).expect("started");
    let batches: Vec<RecordBatch> = rows.try_collect().await.expect("rows");
    assert!(batches.iter().all(|batch| batch.num_rows() <= 7));
    assert!(ids(&batches).into_iter().eq(0..BATCHES * ROWS));
}

#[tokio::test]
async fn a_diamond_that_is_started_does_not_wait_for_itself() {
    let bench = Bench::new(MEMORY);
    let query = "SELECT e.id FROM (SELECT id FROM numbers WHERE id % 2 = 0) e
                 JOIN (SELECT id, count(*) AS n FROM numbers GROUP BY id) c ON e.id = c.id ORDER BY e.id";
    let plan = bench.plan(query).await;
    assert_eq!(bench.output.readers(), 2);
    bench.connect(numbers());
    let rows = start(plan, &bench.state).try_collect::<Vec<_>>();
    let rows = tokio::time::timeout(Duration::from_secs(60), rows).await.expect("the branches wait for each other");
    assert!(ids(&rows.expect("rows")).into_iter().eq((0..BATCHES * ROWS).step_by(2)));
}

#[tokio::test]
async fn a_recursive_query_builds_its_join_anew_each_time() {
    let bench = Bench::new(MEMORY);
    let query = "WITH RECURSIVE up AS (SELECT id FROM numbers WHERE id < 3 UNION ALL
                 SELECT up.id + 10 FROM up JOIN (VALUES (0), (1)) v(n) ON up.id % 2 = v.n WHERE up.id < 50)
                 SELECT id FROM up";
    let plan = bench.plan(query).await;
    bench.connect(numbers());
    let rows: Vec<RecordBatch> = start(plan, &bench.state).try_collect().await.expect("rows");
    let mut ids = ids(&rows);
    ids.sort_unstable();
    assert!(ids.into_iter().eq((0..6).flat_map(|tens| (0..3).map(move |id| tens * 10 + id))));
}
