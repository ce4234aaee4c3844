//! The end of the rejects lane: rows go to the rejects sink, are counted, and are held against the budget.

use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::pipeline::RejectBudget;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::error::RunError;
use super::report::RejectsReport;
use super::sinks::NamedSink;
use super::traced::{self, TRACE};
use crate::engine::NodeCounters;
use crate::rejects::{self, NodeRejects};

/// What came off the lane.
pub(super) struct Collected {
    pub(super) sink: NamedSink,
    pub(super) report: RejectsReport,
    pub(super) result: Result<(), RunError>,
}

/// What takes rejected rows.
pub(super) struct Collector {
    pub(super) sink: NamedSink,
    pub(super) lane: mpsc::Receiver<NodeRejects>,
    pub(super) counters: Arc<NodeCounters>,
    pub(super) budget: Option<RejectBudget>,
    /// The run's identity.
    pub(super) run: String,
    /// What was rejected before.
    pub(super) report: RejectsReport,
    /// Says that no more will come.
    pub(super) closed: CancellationToken,
    pub(super) cancel: CancellationToken,
    /// Whether the sink stages what it has at the end.
    pub(super) stage: bool,
}

/// Takes rejected rows until no more will come.
pub(super) async fn collect(mut collector: Collector) -> Collected {
    let cancel = collector.cancel.clone();
    let span = info_span!(
        target: TRACE, "write sink", aggregator.sink = collector.sink.node, aggregator.staged = collector.stage,
        aggregator.rows.taken = Empty, "error.type" = Empty
    );
    let before = collector.counters.taken.get();
    let taking = collector.take().instrument(span.clone());
    let result = cancel.run_until_cancelled(taking).await.unwrap_or(Err(RunError::Interrupted));
    span.record("aggregator.rows.taken", collector.counters.taken.get() - before);
    if let Err(error) = &result {
        traced::failed(&span, error);
        cancel.cancel();
    }
    collector.counters.end();
    Collected { sink: collector.sink, report: collector.report, result }
}

impl Collector {
    async fn take(&mut self) -> Result<(), RunError> {
        loop {
            let group = tokio::select! {
                biased;
                group = self.lane.recv() => group,
                () = self.closed.cancelled() => {
                    // Nobody sends any more; what is on the lane is still to be taken.
                    self.lane.close();
                    self.lane.recv().await
                }
            };
            let Some(group) = group else { break };
            self.report.add(&group);
            within_rows(self.budget.as_ref(), self.report.total)?;
            let batch = rejects::to_batch(&self.run, &group)
                .map_err(|error| RunError::Query { node: self.sink.node.clone(), detail: error.to_string() })?;
            self.counters.taken.add(batch.num_rows() as u64);
            // It was opened so that a row it refuses is an error, not one more reject.
            self.sink.sink.write(batch).await.map_err(|error| self.sink.failed(error))?;
        }
        self.sink.sink.flush().await.map_err(|error| self.sink.failed(error))?;
        if self.stage {
            let staged = self.sink.sink.stage().await.map_err(|error| self.sink.failed(error))?;
            self.counters.written.add(staged.written);
            self.counters.bytes.add(staged.bytes);
        }
        Ok(())
    }
}

/// Whether the rejected rows of the whole run are within the budget: those that others have saved are among them.
pub(super) fn within(budget: Option<&RejectBudget>, rejected: u64, read: u64) -> Result<(), RunError> {
    within_rows(budget, rejected)?;
    let Some(text) = budget.and_then(|budget| budget.percent.as_deref()) else { return Ok(()) };
    // Validation has seen that it is a number.
    let Ok(percent) = text.parse::<f64>() else { return Ok(()) };
    #[expect(clippy::cast_precision_loss, reason = "a share; counts beyond 2^53 rows do not happen")]
    let share = if read == 0 { 0.0 } else { rejected as f64 * 100.0 / read as f64 };
    if share > percent {
        return Err(RunError::RejectBudget { rejected, budget: format!("{text} % of {} read", counted(read, "row")) });
    }
    Ok(())
}

fn within_rows(budget: Option<&RejectBudget>, rejected: u64) -> Result<(), RunError> {
    match budget.and_then(|budget| budget.rows) {
        Some(most) if rejected > most => Err(RunError::RejectBudget { rejected, budget: counted(most, "row") }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_rejects_is_held_against_the_rows_read() {
        let budget = RejectBudget { rows: None, percent: Some("0.5".into()) };
        assert!(within(Some(&budget), 5, 1000).is_ok());
        let error = within(Some(&budget), 6, 1000).expect_err("0.6 %");
        assert_eq!(error.to_string(), "6 rejected rows are over the budget of 0.5 % of 1000 rows read");
        assert!(within(Some(&budget), 0, 0).is_ok());
        assert!(within(None, 1000, 1000).is_ok());
        let budget = RejectBudget { rows: Some(7), percent: None };
        assert!(within(Some(&budget), 7, 10).is_ok());
        let error = within(Some(&budget), 8, 10).expect_err("one more");
        assert_eq!(error.to_string(), "8 rejected rows are over the budget of 7 rows");
    }
}
