//! Rows that turn out wider than the first ones, which tell operators how many to gather: what these have of them at a time is
//! taken from the pool, as they do not ask for it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream};
use futures::StreamExt;

use super::join::JoinExec;
use super::width;

/// What operators gather at a time, each of its own.
pub(super) struct Gathered {
    /// How many rows.
    rows: usize,
    /// How many bytes of them are reckoned with.
    bytes: usize,
}

impl Gathered {
    /// By so many operators that each gather so many rows, which are thought to have so many bytes.
    pub(super) fn by(operators: usize, rows: usize, bytes: usize) -> Self {
        Self { rows: rows.saturating_mul(operators), bytes: bytes.saturating_mul(operators).saturating_mul(2) }
    }

    /// Watches rows; None when nobody gathers them.
    fn watch(&self, from: &str, context: &TaskContext) -> Option<Watch> {
        (self.rows > 0).then(|| {
            let reservation = MemoryConsumer::new(format!("wider rows of {from}")).register(context.memory_pool());
            Watch { reservation, most: self.rows, reckoned: self.bytes, rows: 0, bytes: 0, before: 0 }
        })
    }
}

/// Rows of a node or of a join, watched on their way to the operators that gather them in this context.
pub(super) fn watched(rows: SendableRecordBatchStream, from: &str, context: &TaskContext) -> SendableRecordBatchStream {
    let gathered = context.session_config().get_extension::<Gathered>();
    let Some(mut watch) = gathered.and_then(|gathered| gathered.watch(from, context)) else { return rows };
    let schema = rows.schema();
    let passed = rows.map(move |batch| {
        let batch = batch?;
        watch.pass(&batch)?;
        Ok(batch)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, passed))
}

/// How many operators gather rows outside of the pool, each part of one by itself, on their way from edges and joins to the
/// plan's output. What these joins gather of their own sides is told to the sides, and not to who reads them.
pub(super) fn gatherers(plan: &Arc<dyn ExecutionPlan>) -> usize {
    if plan.is::<JoinExec>() {
        return 0;
    }
    let gathers = plan.is::<RepartitionExec>() || plan.is::<SortMergeJoinExec>();
    let own = if gathers { plan.output_partitioning().partition_count() } else { 0 };
    plan.children().into_iter().map(gatherers).fold(own, usize::saturating_add)
}

/// Rows on their way into operators that gather them.
struct Watch {
    reservation: MemoryReservation,
    /// So many rows may be gathered at a time.
    most: usize,
    reckoned: usize,
    /// The rows that were passed since the last time that there were so many, and their bytes.
    rows: usize,
    bytes: usize,
    /// The bytes of those before them.
    before: usize,
}

impl Watch {
    /// Takes what is not reckoned with from the pool, before the rows are passed on; gives it back when narrower ones come.
    ///
    /// # Errors
    /// When the pool has no room.
    fn pass(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.bytes += width::bytes(batch);
        self.reservation.try_resize(self.before.max(self.bytes).saturating_sub(self.reckoned))?;
        if self.rows >= self.most {
            self.before = self.bytes;
            (self.rows, self.bytes) = (0, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    use super::*;

    fn rows(count: usize, bytes: usize) -> RecordBatch {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("x".repeat(bytes), count)));
        RecordBatch::try_from_iter([("text", texts)]).expect("a batch")
    }

    #[test]
    fn what_is_not_reckoned_with_is_taken_from_the_pool_and_given_back() {
        let env = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(100_000))).build_arc();
        let env = env.expect("an environment");
        let context = TaskContext::default().with_runtime(Arc::clone(&env));
        let watch = || Gathered { rows: 100, bytes: 10_000 }.watch("numbers", &context).expect("a watch");
        let mut watched = watch();
        let reserved = || env.memory_pool.reserved();
        for _ in 0..10 {
            watched.pass(&rows(50, 90)).expect("room");
        }
        assert_eq!(reserved(), 0, "rows are as wide as the first ones");
        watched.pass(&rows(50, 1000)).expect("room");
        assert!((40_000..41_000).contains(&reserved()), "{}", reserved());
        watched.pass(&rows(49, 1000)).expect("room");
        assert!((89_000..90_000).contains(&reserved()), "{}", reserved());
        let error = watched.pass(&rows(50, 1000)).expect_err("150 rows of 1000 bytes are too many").to_string();
        assert!(error.contains("wider rows of numbers"), "{error}");
        drop(watched);
        assert_eq!(reserved(), 0);

        let mut watched = watch();
        watched.pass(&rows(100, 500)).expect("room");
        assert!(reserved() > 40_000, "{}", reserved());
        watched.pass(&rows(100, 50)).expect("room");
        assert!(reserved() > 40_000, "those before may still be there");
        watched.pass(&rows(1, 50)).expect("room");
        assert_eq!(reserved(), 0, "narrow rows came");

        assert!(Gathered::by(0, 8192, 10_000).watch("numbers", &context).is_none(), "nobody gathers");
        let both = Gathered::by(2, 50, 2500);
        assert_eq!((both.rows, both.bytes), (100, 10_000));
    }
}
