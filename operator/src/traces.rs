//! The spans of a run that have ended with a status: a pure function of the run, of its status before and now, and of its Jobs.
//!
//! ```text
//! fire ─► run ─► attempt ─► (what the worker tells)
//! ```
//! Each is told once, by the operator that writes the status it ends with. The trace is the run's UID and a span's identity
//! is told from it, so no operator and no worker has to know what another one has told.

use std::sync::Arc;
use std::time::SystemTime;

use aggregator_crds::PipelineRun;
use aggregator_crds::condition::ConditionType;
use aggregator_crds::run::{PipelineRunStatus, RunPhase};
use aggregator_telemetry::{Attributes, Span, SpanId, TraceId};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use crate::conditions::find;
use crate::errand;
use crate::labels;

/// Whether that phase is an end.
fn is_end(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Succeeded | RunPhase::Failed | RunPhase::Cancelled)
}

/// How many attempts have ended.
fn over(status: &PipelineRunStatus) -> u32 {
    let last = status.attempt.unwrap_or(0);
    if status.phase.is_some_and(is_end) {
        return last;
    }
    // One that failed is the last until the next one begins.
    let failed = status.retry.as_ref().map_or(0, |retry| retry.attempt);
    failed.max(last.saturating_sub(1))
}

/// The spans that have ended with this status. A run's `status` is the one before; its Jobs are found by the attempt.
#[must_use]
pub(crate) fn ended(
    run: &PipelineRun,
    status: &PipelineRunStatus,
    job: impl Fn(u32) -> Option<Arc<Job>>,
    now: Timestamp,
) -> Vec<Span> {
    let before = run.status.clone().unwrap_or_default();
    if before.phase.is_some_and(is_end) {
        return Vec::new();
    }
    let Some(uid) = run.uid() else { return Vec::new() };
    let fire = fire(run);
    // Times of the Kubernetes API are cut to seconds: what was made by a fire was not there before it.
    let made = run.creation_timestamp().map_or(now, |time| time.0);
    let made = fire.map_or(made, |at| at.max(made));
    let span = |name: &'static str, id, parent, begun: Timestamp, ended: Timestamp, attributes| Span {
        trace: Some(TraceId::of_run(&uid)),
        id,
        parent,
        name: name.into(),
        begun: SystemTime::from(begun),
        ended: SystemTime::from(ended.max(begun)),
        attributes,
    };
    let mut spans = Vec::new();
    if let Some(at) = fire.filter(|_| before.phase.is_none()) {
        spans.push(span("fire", SpanId::of_fire(&uid), None, at, made, about(run)));
    }
    for attempt in over(&before) + 1..=over(status) {
        let job = job(attempt);
        let begun = job.as_ref().and_then(|job| job.creation_timestamp()).map(|time| time.0);
        let begun = begun.or(before.start_time).or(status.start_time).unwrap_or(now).max(made);
        let ended = job.as_ref().and_then(|job| errand::ended(job));
        let ended = ended.and_then(|time| time.saturating_add(SignedDuration::from_secs(1)).ok());
        let mut attributes = about(run);
        attributes.push(("aggregator.attempt".into(), attempt.into()));
        attributes.extend(job.map(|job| ("k8s.job.name".into(), job.name_any().into())));
        attributes.extend(outcome(attempt, status));
        let (id, parent) = (SpanId::of_attempt(&uid, attempt), Some(SpanId::of_run(&uid)));
        spans.push(span("attempt", id, parent, begun, ended.map_or(now, |time| time.min(now)), attributes));
    }
    if status.phase.is_some_and(is_end) {
        let mut attributes = about(run);
        attributes.extend(status.attempt.map(|attempt| ("aggregator.attempts".into(), attempt.into())));
        attributes.extend(outcome(status.attempt.unwrap_or(0), status));
        if let Some(totals) = &status.totals {
            let rows = [
                ("aggregator.rows.read", totals.read),
                ("aggregator.rows.written", totals.written),
                ("aggregator.rows.rejected", totals.rejected),
            ];
            attributes.extend(rows.map(|(name, rows)| (name.into(), rows.into())));
        }
        if let Some(cost) = &status.cost {
            let bytes = [("aggregator.bytes.read", cost.bytes_read), ("aggregator.bytes.written", cost.bytes_written)];
            attributes.extend(bytes.into_iter().filter_map(|(name, bytes)| Some((name.into(), bytes?.into()))));
        }
        spans.push(span("run", SpanId::of_run(&uid), fire.map(|_| SpanId::of_fire(&uid)), made, now, attributes));
    }
    spans
}

/// The time of the fire that has made a run.
fn fire(run: &PipelineRun) -> Option<Timestamp> {
    run.annotations().get(labels::FIRE)?.parse().ok()
}

/// What every span of a run says.
fn about(run: &PipelineRun) -> Attributes {
    let mut attributes: Attributes = vec![
        ("k8s.namespace.name".into(), run.namespace().unwrap_or_default().into()),
        ("aggregator.pipeline".into(), run.spec.pipeline_ref.name.clone().into()),
        ("aggregator.run".into(), run.name_any().into()),
    ];
    if let Some(owner) = labels::controller(run).filter(|owner| owner.kind == "Schedule") {
        attributes.push(("aggregator.schedule".into(), owner.name.clone().into()));
    }
    attributes
}

/// How an attempt ended, or the run with it.
fn outcome(attempt: u32, status: &PipelineRunStatus) -> Attributes {
    let retried = status.retry.as_ref().filter(|retry| retry.attempt == attempt);
    let (outcome, reason) = match (retried, status.phase.filter(|phase| is_end(*phase))) {
        (Some(retry), _) => ("Failed".to_owned(), Some(retry.reason.clone())),
        (None, Some(phase)) if status.attempt.unwrap_or(0) == attempt => {
            let condition = find(&status.conditions, ConditionType::Succeeded);
            (format!("{phase:?}"), condition.map(|condition| condition.reason.clone()))
        }
        // It was followed by another one, and nothing else is known.
        (None, _) => ("Failed".to_owned(), None),
    };
    let failed = outcome == "Failed";
    let mut attributes: Attributes = vec![("aggregator.outcome".into(), outcome.into())];
    let name = if failed { Span::ERROR } else { "aggregator.reason" };
    match reason {
        Some(reason) => attributes.push((name.into(), reason.into())),
        // Of what OpenTelemetry has no word for, it says so.
        None if failed => attributes.push((name.into(), "_OTHER".into())),
        None => {}
    }
    attributes
}

#[cfg(test)]
mod tests {
    use aggregator_telemetry::Value;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    const UID: &str = "0b8f3a52-6c1d-4e7f-9a20-5d1c8e4b7f63";

    fn run(fire: Option<&str>, status: &serde_json::Value) -> PipelineRun {
        let owner = json!({"apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule", "name": "nightly", "uid": "s",
                           "controller": true});
        let mut run = json!({
            "apiVersion": aggregator_crds::API_VERSION,
            "kind": "PipelineRun",
            "metadata": {"name": "r", "namespace": "shop", "uid": UID, "creationTimestamp": "2026-11-29T10:00:02Z"},
            "spec": {"pipelineRef": {"name": "orders"}},
            "status": status,
        });
        if let Some(fire) = fire {
            run["metadata"]["annotations"] = json!({labels::FIRE: fire});
            run["metadata"]["ownerReferences"] = json!([owner]);
        }
        object(run)
    }

    fn job(attempt: u32) -> Option<Arc<Job>> {
        let ended = format!("2026-11-29T10:0{attempt}:30Z");
        let job = object(json!({
            "metadata": {"name": format!("r-{attempt}"), "creationTimestamp": format!("2026-11-29T10:0{attempt}:00Z")},
            "status": {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": ended}]},
        }));
        Some(Arc::new(job))
    }

    fn now() -> Timestamp {
        "2026-11-29T10:30:00.25Z".parse().expect("a time")
    }

    fn spans(fire: Option<&str>, before: &serde_json::Value, status: serde_json::Value) -> Vec<Span> {
        ended(&run(fire, before), &serde_json::from_value(status).expect("a status"), job, now())
    }

    fn names(spans: &[Span]) -> Vec<String> {
        let told = |span: &Span| {
            let of =
                |name: &str| span.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            match of("aggregator.attempt") {
                Some(Value::Number(attempt)) => format!("{} {attempt}", span.name),
                _ => span.name.to_string(),
            }
        };
        spans.iter().map(told).collect()
    }

    fn attribute(span: &Span, name: &str) -> Option<Value> {
        span.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn each_span_ends_with_one_status() {
        let fire = Some("2026-11-29T10:00:00Z");
        let retry = |attempt: u32| json!({"attempt": attempt, "failures": 1, "next": "2026-11-29T10:02:00Z", "reason": "Unreachable"});
        let condition = |reason: &str| {
            json!([{"type": "Succeeded", "status": "True", "reason": reason, "message": "",
                    "lastTransitionTime": "2026-11-29T10:00:00Z"}])
        };
        let course = [
            (json!(null), vec![]),
            (json!({"phase": "Pending"}), vec!["fire"]),
            (json!({"phase": "Pending", "attempt": 1}), vec![]),
            (json!({"phase": "Running", "attempt": 1}), vec![]),
            (json!({"phase": "Pending", "attempt": 1, "retry": retry(1)}), vec!["attempt 1"]),
            // What is known of the first stays.
            (json!({"phase": "Pending", "attempt": 2, "retry": retry(1)}), vec![]),
            // Nobody looked while the second one failed and the third began.
            (json!({"phase": "Running", "attempt": 3, "retry": retry(2)}), vec!["attempt 2"]),
            (
                json!({"phase": "Succeeded", "attempt": 3, "conditions": condition("LedgerBalanced")}),
                vec!["attempt 3", "run"],
            ),
            (json!({"phase": "Succeeded", "attempt": 3, "observedGeneration": 2}), vec![]),
        ];
        for window in course.windows(2) {
            let (before, (now, told)) = (&window[0].0, &window[1]);
            assert_eq!(names(&spans(fire, before, now.clone())), *told, "{before} → {now}");
        }
        // A run that ends before an attempt was made.
        let failed = json!({"phase": "Failed", "conditions": condition("PipelineMissing")});
        assert_eq!(names(&spans(None, &json!(null), failed)), ["run"]);
    }

    #[test]
    fn spans_say_what_they_are_of_and_hang_together() {
        let before = json!({"phase": "Running", "attempt": 1, "startTime": "2026-11-29T10:00:03Z"});
        let status = json!({
            "phase": "Failed", "attempt": 1,
            "totals": {"read": 10, "written": 0, "rejected": 1}, "cost": {"bytesRead": 500},
            "conditions": [{"type": "Succeeded", "status": "False", "reason": "Refused", "message": "a secret",
                            "lastTransitionTime": "2026-11-29T10:00:00Z"}],
        });
        let told = spans(Some("2026-11-29T10:00:00Z"), &before, status);
        let [attempt, run] = &told[..] else { panic!("{told:?}") };
        let at = |text: &str| SystemTime::from(text.parse::<Timestamp>().expect("a time"));
        assert_eq!(attempt.trace, Some(TraceId::of_run(UID)));
        assert_eq!((attempt.id, attempt.parent), (SpanId::of_attempt(UID, 1), Some(SpanId::of_run(UID))));
        assert_eq!((attempt.begun, attempt.ended), (at("2026-11-29T10:01:00Z"), at("2026-11-29T10:01:31Z")));
        assert_eq!(attribute(attempt, "k8s.job.name"), Some("r-1".into()));
        assert_eq!((run.id, run.parent), (SpanId::of_run(UID), Some(SpanId::of_fire(UID))));
        assert_eq!((run.begun, run.ended), (at("2026-11-29T10:00:02Z"), at("2026-11-29T10:30:00.25Z")));
        for span in [attempt, run] {
            assert!(span.failed(), "{span:?}");
            for (name, value) in [
                ("k8s.namespace.name", "shop"),
                ("aggregator.pipeline", "orders"),
                ("aggregator.run", "r"),
                ("aggregator.schedule", "nightly"),
                ("aggregator.outcome", "Failed"),
                (Span::ERROR, "Refused"),
            ] {
                assert_eq!(attribute(span, name), Some(value.into()), "{name} of {span:?}");
            }
        }
        assert_eq!(attribute(run, "aggregator.rows.read"), Some(10_u64.into()));
        assert_eq!(attribute(run, "aggregator.bytes.read"), Some(500_u64.into()));
        assert_eq!(attribute(run, "aggregator.bytes.written"), None);
        // Messages may hold values of rows.
        assert!(!format!("{told:?}").contains("a secret"));
    }

    #[test]
    fn a_run_that_nobody_fired_is_the_first_of_its_trace() {
        let told = spans(None, &json!({"phase": "Running", "attempt": 1}), json!({"phase": "Cancelled", "attempt": 1}));
        let [attempt, run] = &told[..] else { panic!("{told:?}") };
        assert_eq!(run.parent, None);
        assert_eq!(attribute(attempt, "aggregator.schedule"), None);
        // That was somebody's wish.
        assert!(!attempt.failed() && !run.failed(), "{told:?}");
        assert_eq!(attribute(run, "aggregator.outcome"), Some("Cancelled".into()));
    }
}
