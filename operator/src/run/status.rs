//! What a run's status says.

use std::collections::BTreeMap;

use aggregator_compiler::plural::counted;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{LedgerVerdict, NodeCounters, PipelineRunStatus, RetryState, RunCost, RunPhase, RunTotals};
use aggregator_crds::{PipelineRun, Reason};
use jiff::{SignedDuration, Timestamp};

use super::ended::Ended;
use crate::conditions::{Said, kstatus, renew, seconds};

/// How a run stands, before it is written down.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phase {
    phase: RunPhase,
    reason: Reason,
    message: String,
    attempt: Option<u32>,
    job: Option<String>,
    retry: Option<RetryState>,
    ended: Option<Ended>,
}

impl Phase {
    fn new(phase: RunPhase, reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { phase, reason, message, attempt: None, job: None, retry: None, ended: None }
    }

    /// It waits.
    pub(super) fn waits(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(RunPhase::Pending, reason, message)
    }

    /// It goes on.
    pub(super) fn runs(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(RunPhase::Running, reason, message)
    }

    /// It ended badly.
    pub(super) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(RunPhase::Failed, reason, message)
    }

    /// It was ended before its time.
    pub(super) fn cancelled(message: impl Into<String>) -> Self {
        Self::new(RunPhase::Cancelled, Reason::Cancelled, message)
    }

    /// It ended well.
    #[must_use]
    pub(super) fn succeeded(ended: &Ended) -> Self {
        let message = match &ended.outcome {
            // Not every success moves rows.
            Some(outcome) if outcome.reason.is_some() => ended.message.clone(),
            Some(outcome) => format!(
                "{} read, {} written, {} rejected: all accounted for",
                counted(outcome.totals.read, "row"),
                outcome.totals.written,
                outcome.totals.rejected
            ),
            None => ended.message.clone(),
        };
        Self::new(RunPhase::Succeeded, ended.reason, message).of(ended)
    }

    /// With the attempt that goes on, or the last one, and its Job.
    #[must_use]
    pub(super) fn at(self, attempt: u32, job: Option<String>) -> Self {
        Self { attempt: Some(attempt), job, ..self }
    }

    /// With what is known of attempts that failed.
    #[must_use]
    pub(super) fn again(self, retry: RetryState) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// With the figures of the attempt that ended so.
    #[must_use]
    pub(super) fn of(self, ended: &Ended) -> Self {
        Self { ended: Some(ended.clone()), ..self }
    }

    /// With a doubt behind what is said, if it is an end without success.
    #[must_use]
    pub(super) fn doubted(self, doubt: &str) -> Self {
        match self.phase {
            RunPhase::Failed | RunPhase::Cancelled => Self { message: format!("{}{doubt}", self.message), ..self },
            RunPhase::Pending | RunPhase::Running | RunPhase::Succeeded => self,
        }
    }

    fn is_end(&self) -> bool {
        matches!(self.phase, RunPhase::Succeeded | RunPhase::Failed | RunPhase::Cancelled)
    }
}

/// What a run's status says.
#[must_use]
pub(super) fn status(run: &PipelineRun, phase: Phase, revision: Option<i64>, now: Timestamp) -> PipelineRunStatus {
    let before = run.status.clone().unwrap_or_default();
    let end = phase.is_end();
    let holds = match phase.phase {
        RunPhase::Succeeded => ConditionStatus::True,
        RunPhase::Failed | RunPhase::Cancelled => ConditionStatus::False,
        RunPhase::Pending | RunPhase::Running => ConditionStatus::Unknown,
    };
    let generation = run.metadata.generation;
    let said = Said::new(ConditionType::Succeeded, holds, phase.reason, phase.message);
    // An end is for ever: nobody works on it any more, and no edit mends it.
    let beside = if end { None } else { kstatus(&said) };
    let said = std::iter::once(said).chain(beside).collect();
    let attempt = phase.attempt.or(before.attempt);
    let start_time = before.start_time.or_else(|| attempt.map(|_| seconds(now)));
    let outcome = phase.ended.and_then(|ended| ended.outcome);
    let figures = outcome.map(|outcome| Figures {
        nodes: outcome.nodes,
        nodes_omitted: outcome.nodes_omitted,
        totals: Some(outcome.totals),
        // One that was not closed, because the run failed first, says nothing.
        ledger: Some(outcome.ledger).filter(|ledger| ledger.balanced || !ledger.mismatches.is_empty()),
        cost: Some(outcome.cost),
    });
    let figures = figures.unwrap_or_default();
    let took = start_time
        .filter(|_| end)
        .map(|start| format!("{:#}", (seconds(now).duration_since(start)).max(SignedDuration::ZERO)));
    PipelineRunStatus {
        observed_generation: generation,
        phase: Some(phase.phase),
        revision: revision.or(before.revision),
        attempt,
        retry: if end { None } else { phase.retry.or(before.retry) },
        start_time,
        completion_time: end.then(|| seconds(now)),
        conditions: renew(&before.conditions, said, generation, now),
        nodes: figures.nodes,
        nodes_omitted: figures.nodes_omitted,
        totals: figures.totals,
        ledger: figures.ledger,
        cost: figures
            .cost
            .map(|cost| RunCost { duration: took.clone(), ..cost })
            .or(took.map(|took| RunCost { duration: Some(took), ..RunCost::default() })),
        progress: None,
        shards: Vec::new(),
        commits: BTreeMap::new(),
        job: phase.job.or(before.job),
    }
}

#[derive(Default)]
struct Figures {
    nodes: Vec<NodeCounters>,
    nodes_omitted: Option<u64>,
    totals: Option<RunTotals>,
    ledger: Option<LedgerVerdict>,
    cost: Option<RunCost>,
}
