//! Requests: each that was taken becomes one run, or a reason.

use std::collections::BTreeMap;

use aggregator_crds::schedule::{FireRequest, Trigger};
use kube::ResourceExt;

use super::*;
use crate::labels;
use crate::schedule::{Asked, Refused, ask, run_of};

/// What makes a Schedule wait for requests, with more of its spec.
pub(super) fn waits(more: &Value) -> Value {
    let mut spec = json!({"webhook": {"tokenSha256": "0".repeat(64)}});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    spec
}

/// One that was looked at when it was made.
fn waiting(more: &Value) -> View {
    view(&waits(more)).then(at("09:50:01"))
}

impl View {
    /// A request comes, with a key if that is not empty, and with values.
    fn brings(&mut self, key: &str, params: &[(&str, &str)], now: Timestamp) -> Result<FireRequest, Refused> {
        let key = Some(key).filter(|key| !key.is_empty());
        let params: BTreeMap<String, String> =
            params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match ask(&self.schedule, key, params, now)? {
            Asked::Known(request) => Ok(request),
            Asked::New(request, status) => {
                let schedule = Arc::make_mut(&mut self.schedule);
                let version = schedule.resource_version().and_then(|version| version.parse::<u32>().ok());
                schedule.metadata.resource_version = version.map(|version| (version + 1).to_string());
                schedule.status = Some(*status);
                Ok(request)
            }
        }
    }

    /// One comes that must be taken.
    fn taken(&mut self, key: &str, now: Timestamp) -> FireRequest {
        self.brings(key, &[], now).unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn names(&self) -> Vec<String> {
        self.runs.iter().map(|run| run.name_any()).collect()
    }
}

#[test]
fn each_request_is_one_run_whatever_is_lost_in_between() {
    let mut view = waiting(&json!({"concurrencyPolicy": "Allow"}));
    assert_eq!(view.ready(), ("Waiting", "it waits for a request"));
    let first = view.taken("order 7", at("10:00:00"));
    let second = view.taken("", at("10:00:00"));
    assert_eq!((first.time, second.time), (at("10:00:00"), at("10:00:00.001")), "each has a time of its own");
    assert_eq!(view.taken("order 7", at("10:00:01")), first);
    let runs = [&first, &second].map(|request| run_of(&view.schedule, request));
    let due = planned(&view, at("10:00:01"));
    assert_eq!(due.actions.len(), 3, "{due}");
    for lost in 0..3 {
        let again = view.clone().after(&due, lost).then(at("10:00:02"));
        assert_eq!((again.names(), again.counts()), (runs.to_vec(), (2, 0, 0)), "{lost} writes were lost");
        assert_eq!(again.runs[1].annotations()[labels::FIRE], second.time.to_string());
        let requests = &again.noted().requests;
        assert!(requests.len() == 2 && requests.iter().all(|request| request.decided), "{requests:?}");
        assert_eq!(planned(&again, at("10:00:03")).actions, [], "{lost} writes were lost");
        // It is the same fire still.
        let mut again = again;
        assert_eq!(again.taken("order 7", at("10:05:00")).time, first.time);
        assert_eq!(planned(&again, at("10:05:01")).actions, []);
    }
}

#[test]
fn requests_meet_the_policy_in_their_order() {
    let cases = [
        ("Forbid", 1, (1, 1, 0), (Decision::Skipped, Some("RunActive"))),
        ("Allow", 2, (2, 0, 0), (Decision::Started, None)),
        ("Queue", 2, (2, 0, 0), (Decision::Queued, None)),
        // One that the next one would cancel at once is not begun.
        ("Replace", 1, (1, 0, 1), (Decision::Started, None)),
    ];
    for (policy, runs, counts, (decision, reason)) in cases {
        let mut view = waiting(&json!({"concurrencyPolicy": policy}));
        view.taken("a", at("10:00:00.251"));
        view.taken("b", at("10:00:00.752"));
        let view = view.then(at("10:00:01"));
        assert_eq!((view.runs.len(), view.counts()), (runs, counts), "{policy}");
        assert_eq!(view.last(), ("2026-11-23T10:00:00.752Z", decision, reason), "{policy}");
        assert_eq!(planned(&view, at("10:00:02")).actions, [], "{policy}");
    }
}

#[test]
fn values_of_a_request_go_before_those_of_the_schedule() {
    let mut view = waiting(&json!({"params": {"least": "1", "word": "w"}}));
    view.brings("", &[("least", "2")], at("10:00:00")).expect("it is taken");
    let view = view.then(at("10:00:01"));
    let params: Vec<(&str, &str)> =
        view.runs[0].spec.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(params, [("least", "2"), ("word", "w")]);
    assert!(view.noted().requests[0].params.is_empty(), "the run has them now");
}

#[test]
fn what_cannot_be_decided_on_is_refused_and_old_keys_are_forgotten() {
    let mut view = waiting(&json!({}));
    for number in 0..16 {
        view.taken(&number.to_string(), at("10:00:00"));
    }
    assert_eq!(view.brings("16", &[], at("10:00:00")), Err(Refused::TooMany));
    let mut view = view.then(at("10:00:01"));
    for number in 16..150 {
        view.taken(&number.to_string(), at("10:00:02"));
        view = view.then(at("10:00:03"));
    }
    assert_eq!((view.counts(), view.noted().requests.len()), ((1, 149, 0), 100));
    let last = view.noted().requests[99].clone();
    assert_eq!(view.taken("149", at("10:10:00")), last);
    let first = view.noted().requests[0].clone();
    assert_eq!(view.taken("50", at("10:10:00")), first);
    assert!(!view.taken("49", at("10:10:00")).decided, "nobody remembers it");

    let mut asleep = waiting(&json!({"suspend": true}));
    assert_eq!(asleep.brings("", &[], at("10:00:00")), Err(Refused::Suspended));
    let mut wrong = waiting(&json!({"jitter": "5m"}));
    assert!(matches!(wrong.brings("", &[], at("10:00:00")), Err(Refused::Invalid(why)) if why.contains("spec.jitter")));
}

#[test]
fn a_request_is_decided_on_whatever_the_schedule_is_edited_to_be() {
    let taken = || {
        let mut view = waiting(&json!({}));
        view.taken("a", at("10:00:00"));
        view
    };
    let hourly: Trigger = object(json!({"interval": {"every": "1h"}}));
    let view = taken().edited(|spec| spec.suspend = true).then(at("10:00:05"));
    assert_eq!((view.counts(), view.last().2), ((0, 1, 0), Some("Suspended")));
    let view = taken().edited(|spec| spec.trigger = hourly.clone()).then(at("10:00:05"));
    assert_eq!((view.counts(), view.last().2, view.noted().requests.len()), ((0, 0, 1), Some("TooLate"), 0));
    // Its run was made, and noting that was cut short.
    let view = taken();
    let due = planned(&view, at("10:00:01"));
    let view = view.after(&due, 1).edited(|spec| spec.trigger = hourly.clone()).then(at("10:00:05"));
    assert_eq!((view.runs.len(), view.counts(), view.last().1), (1, (1, 0, 0), Decision::Started));
    assert_eq!(planned(&view, at("10:00:06")).actions, []);
    // One that cannot be followed is decided on when it is mended.
    let view = taken().edited(|spec| spec.jitter = Some("5m".into())).then(at("10:00:05"));
    assert_eq!((view.counts(), view.ready().0), ((0, 0, 0), "Invalid"));
    let view = view.edited(|spec| spec.jitter = None).then(at("10:01:00"));
    assert_eq!((view.runs.len(), view.counts()), (1, (1, 0, 0)));
}

/// The clock of who takes a request may be behind that of who decides.
#[test]
fn the_run_of_a_request_stays_until_that_is_noted() {
    let mut view = waiting(&json!({"concurrencyPolicy": "Allow", "successfulRunsHistoryLimit": 0}));
    view.taken("a", at("10:00:00"));
    let mut view = view.then(at("10:00:05"));
    let second = view.taken("b", at("10:00:01"));
    let due = planned(&view, at("10:00:06"));
    let view = view.after(&due, 1).all_end("True");
    let note = planned(&view, at("10:02:00"));
    let view = view.after(&note, 1);
    assert_eq!(view.names(), [run_of(&view.schedule, &second)], "the first one is let go");
    let view = view.then(at("10:02:01"));
    assert_eq!((view.runs.len(), view.counts()), (1, (2, 0, 0)));
    assert_eq!(view.then(at("10:02:02")).runs.len(), 0);
}

/// A write that nobody waited for any more arrives when the next look has decided otherwise, and before that is noted.
#[test]
fn a_request_that_a_late_write_has_skipped_is_noted_as_started() {
    let mut view = waiting(&json!({}));
    view.taken("a", at("10:00:00"));
    let mut view = view.then(at("10:00:01"));
    view.taken("b", at("10:00:02"));
    let skips = planned(&view, at("10:00:03"));
    let view = view.all_end("True");
    let starts = planned(&view, at("10:00:04"));
    let belied = view.after(&starts, 1).after(&skips, 0);
    assert_eq!((belied.runs.len(), belied.counts(), belied.noted().decisions.len()), (2, (1, 1, 0), 1));
    let view = belied.then(at("10:00:10"));
    assert_eq!(view.last(), ("2026-11-23T10:00:02Z", Decision::Started, None));
    assert_eq!((view.counts(), view.noted().decisions.len()), ((2, 0, 0), 0));
    assert_eq!(planned(&view, at("10:00:11")).actions, []);
}

#[test]
fn a_schedule_to_which_nobody_listens_says_so() {
    let view = view(&waits(&json!({})));
    let deaf = Settings { webhooks: false, ..Settings::of_tests() };
    let view = view.clone().after(&plan(&view, &deaf, at("09:50:01")), 0);
    let said = "the operator listens for no requests: start it with `--webhook-address`";
    assert_eq!(view.ready(), ("NoListener", said));
    assert_eq!(view.then(at("09:51:00")).ready().0, "Waiting");
}
