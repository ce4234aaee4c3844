//! A run on its way to its end.

use std::pin::pin;

use aggregator_crds::condition::{Condition, ConditionType};
use aggregator_crds::run::PipelineRunStatus;
use aggregator_crds::{PipelineRun, Reason};
use aggregator_operator::run::is_over;
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;

use super::connection::Connection;
use super::ledger;
use super::patience::Patience;
use crate::args::{Global, Output};
use crate::failure::Failure;
use crate::output::{self, count};

/// Waits for the end of a run, and says on standard error how far it is.
pub(super) async fn of(
    connection: &Connection,
    runs: Api<PipelineRun>,
    made: &PipelineRun,
    global: &Global,
) -> Result<PipelineRun, Failure> {
    let name = made.name_any();
    let stop = crate::commands::run::cancel_on_signals()?;
    let mut told = pin!(watch_object(runs, &name).default_backoff());
    let (mut patience, mut said) = (Patience::default(), String::new());
    loop {
        let next = tokio::select! {
            next = told.next() => next,
            () = stop.cancelled() => return Err(goes_on(&connection.namespace, &name)),
        };
        match next {
            Some(Ok(Some(run))) if run.uid() == made.uid() => {
                patience.answered();
                let words = progress(&run);
                if words != said && global.output == Output::Table {
                    output::error_line(&words);
                    said = words;
                }
                if is_over(&run) {
                    return Ok(run);
                }
            }
            Some(Ok(_)) | None => return Err(gone(&name)),
            Some(Err(error)) => patience.bear(connection.lost(error))?,
        }
    }
}

/// The condition that says whether a run has succeeded.
pub(super) fn succeeded(run: &PipelineRun) -> Option<&Condition> {
    let conditions = &run.status.as_ref()?.conditions;
    conditions.iter().find(|condition| condition.condition_type == ConditionType::Succeeded.as_str())
}

/// How far a run is, in a line.
fn progress(run: &PipelineRun) -> String {
    let status = run.status.clone().unwrap_or_default();
    let phase = status.phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"));
    let attempt = status.attempt.filter(|attempt| *attempt > 1);
    let attempt = attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
    let why = succeeded(run).map(|condition| format!(": {}: {}", condition.reason, condition.message));
    // The reason of a run that moves rows says no more than its phase.
    let why = why.filter(|_| !is_running(run)).unwrap_or_default();
    format!("{phase}{attempt}{why}{}", moved(&status))
}

fn is_running(run: &PipelineRun) -> bool {
    succeeded(run).is_some_and(|condition| condition.reason == Reason::Running.as_str())
}

/// What the counters of a run that goes on say.
fn moved(status: &PipelineRunStatus) -> String {
    if status.progress.is_none() || !status.nodes.is_empty() {
        return String::new();
    }
    let nodes = ledger::nodes(status);
    let read: u64 = nodes.iter().filter_map(|node| node.read).sum();
    let rejected: u64 = nodes.iter().filter_map(|node| node.rejected).sum();
    let rejected = if rejected > 0 { format!(", {} rejected", count(rejected)) } else { String::new() };
    format!(": {} rows read{rejected}", count(read))
}

/// Whoever stops waiting does not stop the run.
fn goes_on(namespace: &str, name: &str) -> Failure {
    Failure {
        reason: Reason::Interrupted.as_str(),
        message: format!("the run {namespace}/{name} goes on without you"),
        remedy: Some(format!(
            "follow it with `aggregator logs -n {namespace} -f {name}`; to end it, delete it with \
             `aggregator delete -n {namespace} pipelinerun {name}`, or keep its record: `kubectl patch pipelinerun -n \
             {namespace} {name} --type=merge --patch '{{\"spec\":{{\"cancel\":\"Immediate\"}}}}'`"
        )),
        place: None,
        diagnostics: Vec::new(),
        exit_code: 130,
    }
}

fn gone(name: &str) -> Failure {
    Failure {
        reason: Reason::Cancelled.as_str(),
        message: format!("the run {name} was deleted before it ended"),
        remedy: Some("start another one".into()),
        place: None,
        diagnostics: Vec::new(),
        exit_code: 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(status: Value) -> PipelineRun {
        serde_json::from_value(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": "a"}, "spec": {"pipelineRef": {"name": "b"}}, "status": status,
        }))
        .expect("a run")
    }

    fn condition(reason: &str) -> Value {
        json!([{"type": "Succeeded", "status": "Unknown", "reason": reason, "message": "so it is"}])
    }

    #[test]
    fn progress_says_what_is_waited_for_or_how_many_rows_have_come() {
        let waits = run(json!({"phase": "Pending", "conditions": condition("PodStarting")}));
        assert_eq!(progress(&waits), "Pending: PodStarting: so it is");
        assert_eq!(progress(&run(json!({}))), "Pending");
        let nodes = json!([{"name": "orders", "read": 1234, "rejected": 5}, {"name": "lines", "in": 3}]);
        let runs = run(json!({
            "phase": "Running", "attempt": 2, "conditions": condition("Running"),
            "progress": {"attempt": 2, "time": "2026-11-29T10:00:00Z", "nodes": nodes},
        }));
        assert_eq!(progress(&runs), "Running, attempt 2: 1 234 rows read, 5 rejected");
    }

    #[test]
    fn whoever_stops_waiting_is_told_how_to_end_the_run() {
        let failure = goes_on("demo", "orders-x");
        assert_eq!(failure.exit_code, 130);
        let remedy = failure.remedy.expect("what to do");
        assert!(remedy.contains("aggregator delete -n demo pipelinerun orders-x"), "{remedy}");
        assert!(remedy.contains(r#"--patch '{"spec":{"cancel":"Immediate"}}'"#), "{remedy}");
    }
}
