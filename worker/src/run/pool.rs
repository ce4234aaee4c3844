//! The memory that all operators of a run share.

use std::fmt;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// What collects the rows of one side of a join. When all are there they are put into one batch, and both are there for a
/// moment: of these two, it asks for one.
const COLLECTING: [&str; 4] = ["HashJoinInput", "NestedLoopJoinLoad", "CrossJoinExec", "PiecewiseMergeJoinInput"];

/// A pool of which everyone that can spill gets a fair part, and in which what counts twice is counted twice.
#[derive(Debug)]
pub(super) struct Pool(FairSpillPool);

impl Pool {
    /// Of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self(FairSpillPool::new(bytes))
    }
}

/// What is taken when so much is asked for.
fn taken(reservation: &MemoryReservation, asked: usize) -> usize {
    let name = reservation.consumer().name();
    if COLLECTING.iter().any(|collecting| name.starts_with(collecting)) { asked.saturating_mul(2) } else { asked }
}

impl fmt::Display for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.0.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.0.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.0.grow(reservation, taken(reservation, additional));
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(reservation, taken(reservation, shrink));
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.0.try_grow(reservation, taken(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.0.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn one_side_of_a_join_counts_twice_and_is_given_back_so() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(100));
        let of = |name: &str| MemoryConsumer::new(name).register(&pool);
        let (join, other) = (of("HashJoinInput[1]"), of("readers of rows"));
        join.try_grow(30).expect("room");
        assert_eq!(pool.reserved(), 60);
        join.try_grow(21).expect_err("two times 21 are more than 40");
        other.try_grow(40).expect("room");
        join.resize(10);
        assert_eq!(pool.reserved(), 60);
        drop((join, other));
        assert_eq!(pool.reserved(), 0);
    }
}
