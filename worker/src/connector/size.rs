//! About how large a stream is: a guess, good enough to choose how to join it.

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// About how large a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rows, where somebody has counted.
    pub rows: Option<u64>,
    /// Bytes of its rows.
    pub bytes: Option<u64>,
}

impl Size {
    /// What a plan is thought to give.
    #[must_use]
    pub fn of(plan: &dyn ExecutionPlan) -> Self {
        let Ok(guess) = StatisticsContext::new().compute(plan, &StatisticsArgs::new()) else { return Self::default() };
        let figure = |precision: &Precision<usize>| precision.get_value().map(|value| *value as u64);
        Self { rows: figure(&guess.num_rows), bytes: figure(&guess.total_byte_size) }
    }

    /// Of some of its columns, taken to be equally large.
    #[must_use]
    pub fn of_columns(self, some: usize, all: usize) -> Self {
        let bytes = self.bytes.map(|bytes| bytes / (all.max(1) as u64) * (some as u64));
        Self { bytes, ..self }
    }

    /// As the optimiser takes it.
    #[must_use]
    pub fn statistics(self, schema: &SchemaRef) -> Statistics {
        let guess = |value: Option<u64>| match value.and_then(|value| usize::try_from(value).ok()) {
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        Statistics { num_rows: guess(self.rows), total_byte_size: guess(self.bytes), ..Statistics::new_unknown(schema) }
    }
}
