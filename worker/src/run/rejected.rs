//! The end of the rejects lane: rows go to the rejects sink, are counted, and are held against the budget.

use std::sync::Arc;

use aggregator_crds::pipeline::RejectBudget;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::report::RejectsReport;
use super::sinks::NamedSink;
use crate::engine::NodeCounters;
use crate::rejects::{self, NodeRejects};

/// What came off the lane.
pub(super) struct Collected {
    pub(super) sink: NamedSink,
    pub(super) report: RejectsReport,
    pub(super) result: Result<(), RunError>,
}

/// Takes rejected rows until `closed` says that no more will come, then stages the sink.
pub(super) async fn collect(
    mut sink: NamedSink,
    mut lane: mpsc::Receiver<NodeRejects>,
    counters: Arc<NodeCounters>,
    budget: Option<RejectBudget>,
    run: String,
    closed: CancellationToken,
    cancel: CancellationToken,
) -> Collected {
    let mut report = RejectsReport::default();
    let most = budget.and_then(|budget| budget.rows);
    let taking = take(&mut sink, &mut lane, &counters, most, &run, &closed, &mut report);
    let result = cancel.run_until_cancelled(taking).await.unwrap_or(Err(RunError::Interrupted));
    if result.is_err() {
        cancel.cancel();
    }
    counters.end();
    Collected { sink, report, result }
}

async fn take(
    named: &mut NamedSink,
    lane: &mut mpsc::Receiver<NodeRejects>,
    counters: &NodeCounters,
    most: Option<u64>,
    run: &str,
    closed: &CancellationToken,
    report: &mut RejectsReport,
) -> Result<(), RunError> {
    loop {
        let group = tokio::select! {
            biased;
            group = lane.recv() => group,
            () = closed.cancelled() => {
                // Nobody sends any more; what is on the lane is still to be taken.
                lane.close();
                lane.recv().await
            }
        };
        let Some(group) = group else { break };
        report.add(&group);
        if let Some(most) = most
            && report.total > most
        {
            return Err(RunError::RejectBudget { rejected: report.total, budget: format!("{most} rows") });
        }
        let batch = rejects::to_batch(run, &group)
            .map_err(|error| RunError::Query { node: named.node.clone(), detail: error.to_string() })?;
        counters.taken.add(batch.num_rows() as u64);
        named.sink.write(batch).await.map_err(|error| named.failed(error))?;
    }
    let staged = named.sink.stage().await.map_err(|error| named.failed(error))?;
    counters.written.add(staged.written);
    counters.bytes.add(staged.bytes);
    Ok(())
}

/// Whether the share of rejected rows is within the budget.
pub(super) fn within_percent(budget: Option<&RejectBudget>, rejected: u64, read: u64) -> Result<(), RunError> {
    let Some(text) = budget.and_then(|budget| budget.percent.as_deref()) else { return Ok(()) };
    // Validation has seen that it is a number.
    let Ok(percent) = text.parse::<f64>() else { return Ok(()) };
    #[expect(clippy::cast_precision_loss, reason = "a share; counts beyond 2^53 rows do not happen")]
    let share = if read == 0 { 0.0 } else { rejected as f64 * 100.0 / read as f64 };
    if share > percent {
        return Err(RunError::RejectBudget { rejected, budget: format!("{text} % of {read} rows read") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_rejects_is_held_against_the_rows_read() {
        let budget = RejectBudget { rows: None, percent: Some("0.5".into()) };
        assert!(within_percent(Some(&budget), 5, 1000).is_ok());
        let error = within_percent(Some(&budget), 6, 1000).expect_err("0.6 %");
        assert_eq!(error.to_string(), "6 rejected rows are over the budget of 0.5 % of 1000 rows read");
        assert!(within_percent(Some(&budget), 0, 0).is_ok());
        assert!(within_percent(None, 1000, 1000).is_ok());
    }
}
