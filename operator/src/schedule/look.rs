//! Looks for files that have arrived, each by a Job: when the next one is due, and what the last one saw.

use std::collections::BTreeMap;
use std::time::Duration;

use aggregator_crds::schedule::{FileArrivalTrigger, LastLook, LookOutcome};
use aggregator_crds::{Reason, parse_duration};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::fires::Fire;
use super::view::View;
use crate::action::Plan;
use crate::conditions::seconds;
use crate::connector::about;
use crate::errand::{self, Errand, GRACE, Progress, Why};
use crate::labels::{self, labels};
use crate::names;
use crate::settings::Settings;
use crate::worker::{self, Mounts, Worker};

/// The longest a look may take, in seconds.
const DEADLINE: i64 = 180;
/// The time between two looks when the Schedule says nothing of it.
const INTERVAL: Duration = Duration::from_secs(60);

/// What is known of files, and what is to be done to know more.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    /// The fires of files that have arrived.
    pub fires: Vec<Fire>,
    /// What goes on with Jobs.
    pub plan: Plan,
    /// The last look; a newer one than the status knows, if it has just ended.
    pub last: Option<LastLook>,
    /// Why nothing can be seen.
    pub why: Option<Why>,
}

/// Looks for files, or sees what a look has found.
#[must_use]
pub(super) fn look(view: &View, arrival: &FileArrivalTrigger, settings: &Settings, now: Timestamp) -> Looked {
    let schedule = &view.schedule;
    let last = schedule.status.as_ref().and_then(|status| status.last_look.clone());
    let rest = |why: Option<Why>| Looked { plan: view.looks.clean(None), last: last.clone(), why, ..Looked::default() };
    if schedule.spec.suspend {
        return rest(None);
    }
    let name = &arrival.connector;
    let Some(connector) = &view.connector else {
        let message = format!("there is no Connector `{name}` in this namespace");
        return rest(Some(Why { reason: Reason::ConnectorMissing, message }));
    };
    let mut mounts = Mounts::default();
    let spec = match mounts.add(name, &connector.spec, settings) {
        Ok(spec) => spec,
        Err(error) => return rest(Some(Why { reason: Reason::VolumeMissing, message: error.to_string() })),
    };
    let wanted = job_name(view, last.as_ref());
    if let Some(job) = view.looks.job(&wanted) {
        let seen = follow(view, job, last, now);
        return Looked { plan: view.looks.clean(Some(&wanted)).and(seen.plan), ..seen };
    }
    let interval = arrival.interval.as_ref().and_then(|text| parse_duration(text).ok()).unwrap_or(INTERVAL);
    if let Some(left) = left(view, last.as_ref(), interval, now) {
        // What the last look met stands in the status until the next one.
        let plan = view.looks.clean(None).again_in(left);
        return Looked { plan, last, ..Looked::default() };
    }
    let worker = Worker {
        plan: &wanted,
        // It has no business with the Kubernetes API.
        service_account: None,
        arguments: arguments(view, arrival),
        mounts: &mounts,
        resources: None,
        grace_seconds: GRACE,
        shards: None,
    };
    let errand = Errand { name: &wanted, labels: labels_of(view), worker, deadline: DEADLINE };
    let begin = view.looks.begin(schedule.as_ref(), &about(connector, spec), errand, settings);
    Looked { plan: view.looks.clean(Some(&wanted)).and(begin), last, ..Looked::default() }
}

/// What a look has come to.
fn follow(view: &View, job: &Job, last: Option<LastLook>, now: Timestamp) -> Looked {
    let before = last.as_ref().and_then(|last| last.found.clone());
    let ended = |found| {
        let job = job.name_any();
        Some(LastLook { time: seconds(now), job, generation: view.schedule.metadata.generation, found })
    };
    match view.looks.progress::<LookOutcome>(job, DEADLINE, now) {
        Progress::Going => Looked { last, ..Looked::default() },
        Progress::Unheard(left) => Looked { last, plan: Plan::nothing().again_in(left), ..Looked::default() },
        Progress::Stuck(why) => Looked { last, why: Some(why), ..Looked::default() },
        Progress::Lost(why) => Looked { last: ended(before), why: Some(why), ..Looked::default() },
        Progress::Said(LookOutcome { found: Some(found), .. }) => {
            // The same fire, whenever it is decided: it is named by its look, and by when that has ended.
            let Some(at) = errand::ended(job) else { return Looked { last, ..Looked::default() } };
            let event = job.name_any();
            let fires = found.arrived_since(before.as_ref()).then_some(Fire { at, event }).into_iter().collect();
            Looked { fires, last: ended(Some(found)), ..Looked::default() }
        }
        Progress::Said(LookOutcome { failure, .. }) => {
            let why = failure.map(|failure| {
                let help = failure.remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default();
                Why { reason: Reason::LookFailed, message: format!("{}{help}", failure.message) }
            });
            Looked { last: ended(before), why, ..Looked::default() }
        }
    }
}

/// How long it is until the next look; None when it is due.
fn left(view: &View, last: Option<&LastLook>, interval: Duration, now: Timestamp) -> Option<Duration> {
    let last = last.filter(|last| last.generation == view.schedule.metadata.generation)?;
    let next = last.time.checked_add(SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX)).ok()?;
    Duration::try_from(next.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// The name of the next look: told from the one before it, so that it is made once.
fn job_name(view: &View, last: Option<&LastLook>) -> String {
    let schedule = &view.schedule;
    let (uid, generation) = (schedule.uid().unwrap_or_default(), schedule.metadata.generation.unwrap_or_default());
    let last = last.map(|last| last.job.as_str()).unwrap_or_default();
    let number = names::hash(&[&uid, &generation.to_string(), last], 8);
    names::child(&schedule.name_any(), &format!("look-{number}"))
}

fn labels_of(view: &View) -> BTreeMap<String, String> {
    labels([(labels::SCHEDULE, &names::label(&view.schedule.name_any()))])
}

fn arguments(view: &View, arrival: &FileArrivalTrigger) -> Vec<String> {
    let mut options = vec![
        ("secrets", worker::SECRETS.to_owned()),
        ("namespace", view.schedule.namespace().unwrap_or_default()),
        ("connector", arrival.connector.clone()),
        ("stream", arrival.stream.clone()),
    ];
    options.extend(arrival.settle.iter().map(|settle| ("settle", settle.clone())));
    worker::arguments("look", options)
}
