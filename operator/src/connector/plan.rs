//! What is to be done for a Connector now: a pure decision.

use std::time::Duration;

use aggregator_crds::condition::ConditionType;
use aggregator_crds::connector::{ConnectorStatus, LastCheck, ProbeOutcome};
use aggregator_crds::{Reason, Validate};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::due::{Due, due, requested, unfit_request};
use super::probe::{DEADLINE, about, arguments, job_name, labels_of};
use super::status::{found, kept, own_words, pending, refused, status, streams, unchecked};
use super::view::View;
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{Said, led_by, seconds};
use crate::errand::{Errand, GRACE, Progress, Why};
use crate::identity::{self, Who};
use crate::settings::Settings;
use crate::worker::{Mounts, Worker};

/// When a Connector that somebody only tries goes away, in RFC 3339.
pub(super) const EXPIRES: &str = "aggregator.dev/expires-at";

/// How soon it is looked again whether a Pipeline still names one whose time has come: Pipelines that change tell nobody.
const STILL_NAMED: Duration = Duration::from_secs(60);

/// What is to be done for a Connector now.
#[must_use]
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let connector = &view.connector;
    if connector.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let expires = view.expires();
    let is_over = matches!(expires, Some(Ok(expires)) if expires <= now);
    if is_over && view.named_by.is_none() {
        // This version of it: somebody may just have asked for it to stay.
        let target = Target::of(Kind::Connector, &connector.metadata);
        return Plan::nothing().then(Action::Delete { target, foreground: false });
    }
    let plan = match &expires {
        Some(Err(error)) => {
            let message = format!("the annotation {EXPIRES} is no time: {error}; write it as 2026-11-29T10:00:00Z");
            view.checks.clean(None).and(view.says(refused(&Why { reason: Reason::Invalid, message }), now))
        }
        _ => checked(view, settings, now),
    };
    match expires {
        Some(Ok(_)) if is_over => plan.again_in(STILL_NAMED),
        Some(Ok(expires)) => plan.again_in(Duration::try_from(expires.duration_since(now)).unwrap_or_default()),
        _ => plan,
    }
}

/// What is said of a Connector when a write that it needs is refused again and again.
#[must_use]
pub fn blocked(view: &View, why: &Why, now: Timestamp) -> Plan {
    let connector = &view.connector;
    let before = connector.status.as_ref();
    let said = Said::holds(ConditionType::Ready, false, why.reason, why.message.clone());
    let generation = connector.metadata.generation;
    let conditions = before.map_or(&[][..], |status| &status.conditions);
    let conditions = led_by(said, conditions.to_vec(), conditions, generation, now);
    let streams = streams(before, generation);
    let before_all = before.cloned().unwrap_or_default();
    let status = ConnectorStatus { observed_generation: generation, conditions, streams, ..before_all };
    if before == Some(&status) {
        return Plan::nothing();
    }
    Plan::nothing().then(Action::status(Target::of(Kind::Connector, &connector.metadata), &status))
}

fn checked(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let connector = &view.connector;
    let mistake = connector.validate().first().map(ToString::to_string);
    if let Some(message) = mistake.or_else(|| unfit_request(connector)) {
        let why = Why { reason: Reason::Invalid, message };
        return view.checks.clean(None).and(view.says(refused(&why), now));
    }
    let mut mounts = Mounts::default();
    let spec = match mounts.add(&connector.name_any(), &connector.spec, settings) {
        Ok(spec) => spec,
        Err(error) => {
            let why = Why { reason: Reason::VolumeMissing, message: error.to_string() };
            return view.checks.clean(None).and(view.says(refused(&why), now));
        }
    };
    let wanted = job_name(connector);
    match (due(connector, view.has_catalogue, now), view.checks.job(&wanted)) {
        (Due::Never, None) => view.checks.clean(None).and(view.stands(now)),
        (Due::In(time), None) => view.checks.clean(None).and(view.stands(now)).again_in(time),
        (_, Some(job)) => view.checks.clean(Some(&wanted)).and(view.follow(job, now)),
        (Due::Now, None) => {
            let begin = if view.identity {
                let service_account = Who::Probe.name(settings);
                let worker = Worker {
                    plan: &wanted,
                    service_account: Some(&service_account),
                    arguments: arguments(connector),
                    mounts: &mounts,
                    resources: None,
                    grace_seconds: GRACE,
                    shards: None,
                };
                let errand = Errand { name: &wanted, labels: labels_of(connector), worker, deadline: DEADLINE };
                view.checks.begin(connector.as_ref(), &about(connector, spec), errand, settings)
            } else {
                let namespace = connector.namespace().unwrap_or_default();
                Plan { actions: identity::all(&namespace, Who::Probe, settings), again: None }
            };
            view.checks.clean(Some(&wanted)).and(begin).and(view.waits(now))
        }
    }
}

impl View {
    /// When it goes away, if somebody only tries it.
    fn expires(&self) -> Option<Result<Timestamp, jiff::Error>> {
        self.connector.annotations().get(EXPIRES).map(|text| text.parse())
    }

    /// The Pipeline that keeps it when its time has come.
    fn kept_by(&self, now: Timestamp) -> Option<&String> {
        let is_over = matches!(self.expires(), Some(Ok(expires)) if expires <= now);
        self.named_by.as_ref().filter(|_| is_over)
    }

    /// What was found out stands, but for what is said of one that is kept.
    fn stands(&self, now: Timestamp) -> Plan {
        let Some(before) = &self.connector.status else { return Plan::nothing() };
        let mut status = before.clone();
        let mut conditions = status.conditions.iter_mut();
        if let Some(ready) = conditions.find(|it| it.condition_type == ConditionType::Ready.as_str()) {
            let own = own_words(&ready.message);
            ready.message = self.kept_by(now).map_or_else(|| own.to_owned(), |pipeline| kept(pipeline, own));
        }
        self.tells(status)
    }

    /// Nothing was found out about this version yet.
    fn waits(&self, now: Timestamp) -> Plan {
        let last = self.connector.status.as_ref().and_then(|status| status.last_check.as_ref());
        if last.is_some_and(|last| last.generation == self.connector.metadata.generation) {
            // Until the next answer.
            return self.stands(now);
        }
        self.says(pending(&Why { reason: Reason::Checking, message: "it is about to be checked".into() }), now)
    }

    /// How the check goes on, or has ended.
    fn follow(&self, job: &Job, now: Timestamp) -> Plan {
        let (conditions, outcome) = match self.checks.progress::<ProbeOutcome>(job, DEADLINE, now) {
            Progress::Going => return self.waits(now),
            Progress::Unheard(left) => return self.waits(now).again_in(left),
            Progress::Stuck(why) => return self.says(unchecked(&why), now),
            Progress::Said(outcome) => (found(&outcome), Some(outcome)),
            Progress::Lost(why) => (unchecked(&why), None),
        };
        let mut status = self.status(conditions, now);
        status.last_check = Some(LastCheck {
            time: seconds(now),
            latency: outcome.as_ref().and_then(|outcome| outcome.latency.clone()),
            generation: self.connector.metadata.generation,
            requested_at: requested(&self.connector).cloned(),
            job: Some(job.name_any()),
        });
        if let Some(streams) = outcome.and_then(|outcome| outcome.streams) {
            status.streams = Some(streams);
        }
        Plan::nothing().then(Action::status(Target::of(Kind::Connector, &self.connector.metadata), &status))
    }

    fn status(&self, mut said: Vec<Said>, now: Timestamp) -> ConnectorStatus {
        let connector = &self.connector;
        if let Some(pipeline) = self.kept_by(now)
            && let Some(ready) = said.iter_mut().find(|said| said.condition_type == ConditionType::Ready)
        {
            *ready = Said::new(ready.condition_type, ready.status, ready.reason, kept(pipeline, &ready.message));
        }
        let kind = connector.spec.connector_type.key();
        status(connector.status.as_ref(), kind, said, connector.metadata.generation, now)
    }

    fn says(&self, said: Vec<Said>, now: Timestamp) -> Plan {
        self.tells(self.status(said, now))
    }

    /// Writes a status that is another one than before.
    fn tells(&self, status: ConnectorStatus) -> Plan {
        if self.connector.status.as_ref() == Some(&status) {
            return Plan::nothing();
        }
        Plan::nothing().then(Action::status(Target::of(Kind::Connector, &self.connector.metadata), &status))
    }
}
