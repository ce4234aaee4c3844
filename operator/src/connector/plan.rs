//! What is to be done for a Connector now: a pure decision.

use aggregator_crds::Validate;
use aggregator_crds::connector::{ConnectorStatus, LastCheck, ProbeOutcome, ProbeStep};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::due::{Due, due, requested};
use super::probe::{DEADLINE, job_name, job_of, plan_of};
use super::status::{Why, found, pending, refused, status};
use super::view::View;
use crate::action::{Action, Kind, Plan, Target};
use crate::conditions::{Said, seconds};
use crate::identity::{self, Who};
use crate::settings::Settings;
use crate::worker::{self, Mounts};

/// When a Connector that somebody only tries goes away, in RFC 3339.
pub(super) const EXPIRES: &str = "aggregator.dev/expires-at";

/// What is to be done for a Connector now.
#[must_use]
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let connector = &view.connector;
    if connector.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let expires = connector.annotations().get(EXPIRES).map(|text| text.parse::<Timestamp>());
    if let Some(Ok(expires)) = expires
        && expires <= now
    {
        let target = Target::of(Kind::Connector, &connector.metadata).any_version();
        return Plan::nothing().then(Action::Delete { target, foreground: false });
    }
    let plan = match &expires {
        Some(Err(error)) => {
            let message = format!("the annotation {EXPIRES} is no time: {error}; write it as 2026-11-29T10:00:00Z");
            view.says(refused(ProbeStep::Config, &Why { reason: "Invalid", message }), now)
        }
        _ => checked(view, settings, now),
    };
    match expires {
        Some(Ok(expires)) => {
            plan.again_in(std::time::Duration::try_from(expires.duration_since(now)).unwrap_or_default())
        }
        _ => plan,
    }
}

fn checked(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let connector = &view.connector;
    if let Some(violation) = connector.validate().first() {
        let why = Why { reason: "Invalid", message: violation.to_string() };
        return view.clean(None).and(view.says(refused(ProbeStep::Config, &why), now));
    }
    let mut mounts = Mounts::default();
    let spec = match mounts.add(&connector.name_any(), &connector.spec, settings) {
        Ok(spec) => spec,
        Err(error) => {
            let why = Why { reason: "VolumeMissing", message: error.to_string() };
            return view.clean(None).and(view.says(refused(ProbeStep::Config, &why), now));
        }
    };
    let wanted = job_name(connector);
    let job = view.jobs.iter().find(|job| job.name_any() == wanted);
    match (due(connector, now), job) {
        (Due::Never, None) => view.clean(None),
        (Due::In(time), None) => view.clean(None).again_in(time),
        (_, Some(job)) => view.clean(Some(&wanted)).and(view.follow(job, now)),
        (Due::Now, None) => {
            let begin = match (view.identity, view.plans.iter().find(|plan| plan.name_any() == wanted)) {
                (false, _) => identity::all(&connector.namespace().unwrap_or_default(), Who::Probe, settings),
                (true, Some(_)) => vec![Action::create(Kind::Job, &job_of(connector, &mounts, settings))],
                (true, None) => match plan_of(connector, spec) {
                    Some(plan) => vec![Action::create(Kind::ConfigMap, &plan)],
                    None => Vec::new(),
                },
            };
            view.clean(Some(&wanted)).and(Plan { actions: begin, again: None }).and(view.waits(now))
        }
    }
}

impl View {
    /// The checks whose results are known, or wanted no more, go.
    fn clean(&self, wanted: Option<&str>) -> Plan {
        let old = self.jobs.iter().filter(|job| Some(job.name_any().as_str()) != wanted);
        let old = old.filter(|job| job.metadata.deletion_timestamp.is_none());
        let jobs = old.map(|job| Action::Delete {
            target: Target::of(Kind::Job, &job.metadata).any_version(),
            foreground: false,
        });
        let plans = self.plans.iter().filter(|plan| Some(plan.name_any().as_str()) != wanted);
        let plans = plans.map(|plan| Action::Delete {
            target: Target::of(Kind::ConfigMap, &plan.metadata).any_version(),
            foreground: false,
        });
        Plan { actions: jobs.chain(plans).collect(), again: None }
    }

    /// Nothing was found out about this version yet.
    fn waits(&self, now: Timestamp) -> Plan {
        let last = self.connector.status.as_ref().and_then(|status| status.last_check.as_ref());
        if last.is_some_and(|last| last.generation == self.connector.metadata.generation) {
            // What was found out stands until the next answer.
            return Plan::nothing();
        }
        self.says(pending(&Why { reason: "Checking", message: "it is about to be checked".into() }), now)
    }

    /// How the check goes on, or has ended.
    fn follow(&self, job: &Job, now: Timestamp) -> Plan {
        let ended = job.status.as_ref().and_then(|status| {
            let over = |it: &&k8s_openapi::api::batch::v1::JobCondition| {
                matches!(it.type_.as_str(), "Complete" | "Failed") && it.status == "True"
            };
            status.conditions.iter().flatten().find(over)
        });
        let said = self.pods.iter().find_map(|pod| serde_json::from_str::<ProbeOutcome>(worker::message(pod)?).ok());
        let (conditions, outcome) = match (said, ended) {
            (Some(outcome), _) => (found(&outcome), Some(outcome)),
            (None, Some(condition)) => {
                let why = if condition.reason.as_deref() == Some("DeadlineExceeded") {
                    Why { reason: "TimedOut", message: format!("the check took longer than {DEADLINE} seconds") }
                } else {
                    match self.pods.iter().find(|pod| worker::has_ended(pod)).map(|pod| worker::death(pod)) {
                        Some(death) => Why { reason: death.reason, message: death.message },
                        None => Why {
                            reason: "OutcomeLost",
                            message: format!("the check ended: {}", condition.message.clone().unwrap_or_default()),
                        },
                    }
                };
                (refused(ProbeStep::Reach, &why), None)
            }
            (None, None) => {
                let waiting = self.pods.iter().find_map(|pod| worker::waiting(pod));
                return match waiting.filter(|waiting| waiting.reason != "PodStarting") {
                    Some(waiting) => {
                        let why = Why { reason: waiting.reason, message: waiting.message };
                        self.says(refused(ProbeStep::Reach, &why), now)
                    }
                    None => self.waits(now),
                };
            }
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

    fn status(&self, said: Vec<Said>, now: Timestamp) -> ConnectorStatus {
        let connector = &self.connector;
        let kind = connector.spec.connector_type.key();
        status(connector.status.as_ref(), kind, said, connector.metadata.generation, now)
    }

    fn says(&self, said: Vec<Said>, now: Timestamp) -> Plan {
        let status = self.status(said, now);
        if self.connector.status.as_ref() == Some(&status) {
            return Plan::nothing();
        }
        Plan::nothing().then(Action::status(Target::of(Kind::Connector, &self.connector.metadata), &status))
    }
}
