//! What a worker does once for an object: a ConfigMap with what it is about, a Job, and the worker's last words.
//!
//! Its name is told from what asks for it, so that it is made once; what was done, or is wanted no more, goes away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::Reason;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::action::{Action, Kind, Plan, Target};
use crate::index::Tie;
use crate::labels;
use crate::settings::Settings;
use crate::worker::{self, MANIFESTS, Worker};
use crate::world::World;

/// How long the worker may take to stop, in seconds.
pub const GRACE: i64 = 5;
/// How long after a Job's end it is taken for what is not seen yet that none of its Pods is seen: each kind has a watch of its
/// own. Otherwise somebody has deleted it.
const UNSEEN: Duration = Duration::from_secs(10);
/// How long the end of a Pod may be unseen whose Job has ended: a watch that has died in silence is noticed after 235 s.
const UNHEARD: Duration = Duration::from_secs(5 * 60);

/// Why something is not known, or does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// In a word.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// How an errand goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress<T> {
    /// The worker is about to begin, or at work.
    Going,
    /// The worker cannot begin.
    Stuck(Why),
    /// It has ended, and nobody has heard how: that is waited for, for so long.
    Unheard(Duration),
    /// It said this.
    Said(T),
    /// It ended without a word.
    Lost(Why),
}

/// The errands that were made for an object.
#[derive(Clone, Debug, Default)]
pub struct Errands {
    /// Their Jobs.
    pub jobs: Vec<Arc<Job>>,
    /// Their Pods.
    pub pods: Vec<Arc<Pod>>,
    /// What they are about.
    pub plans: Vec<Arc<ConfigMap>>,
}

impl Errands {
    /// Those of an object.
    #[must_use]
    pub fn of<K: Resource>(world: &World, owner: &K) -> Self {
        let namespace = owner.namespace().unwrap_or_default();
        let tie = Tie::Owner(owner.uid().unwrap_or_default());
        let jobs = world.jobs.tied(&namespace, &tie);
        let owners = jobs.iter().filter_map(|job| job.uid());
        let pods = owners.flat_map(|job| world.pods.tied(&namespace, &Tie::Owner(job))).collect();
        let mut plans = world.config_maps.tied(&namespace, &tie);
        plans.retain(|config| config.data.as_ref().is_some_and(|data| data.contains_key(MANIFESTS)));
        Self { jobs, pods, plans }
    }

    /// The Job of that name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name_any() == name).map(AsRef::as_ref)
    }

    /// Those that are done, or wanted no more, go.
    #[must_use]
    pub fn clean(&self, wanted: Option<&str>) -> Plan {
        let old = |name: &str| Some(name) != wanted;
        let jobs = self.jobs.iter().filter(|job| old(&job.name_any()) && job.metadata.deletion_timestamp.is_none());
        let jobs = jobs.map(|job| (Kind::Job, &job.metadata));
        let plans = self.plans.iter().filter(|plan| old(&plan.name_any()));
        let plans = plans.map(|plan| (Kind::ConfigMap, &plan.metadata));
        let actions = jobs.chain(plans).map(|(kind, metadata)| Action::Delete {
            target: Target::of(kind, metadata).any_version(),
            foreground: false,
        });
        Plan { actions: actions.collect(), again: None }
    }

    /// The next write that has an errand done: first what it is about, then its Job.
    #[must_use]
    pub fn begin<K: Resource<DynamicType = ()>>(
        &self,
        owner: &K,
        about: &impl Serialize,
        errand: Errand<'_>,
        settings: &Settings,
    ) -> Plan {
        let Errand { name, labels, worker, deadline } = errand;
        let metadata = labels::child_of(owner, name.to_owned(), labels.clone());
        if self.plans.iter().any(|plan| plan.name_any() == name) {
            let job = Job { metadata, spec: Some(worker.job(labels, Some(deadline), settings)), status: None };
            return Plan::nothing().then(Action::create(Kind::Job, &job));
        }
        let Ok(text) = serde_saphyr::to_string(about) else { return Plan::nothing() };
        let plan = ConfigMap {
            metadata,
            data: Some([(MANIFESTS.to_owned(), text)].into()),
            immutable: Some(true),
            ..ConfigMap::default()
        };
        Plan::nothing().then(Action::create(Kind::ConfigMap, &plan))
    }

    /// How an errand goes; its worker's last words are JSON of that type.
    #[must_use]
    pub fn progress<T: DeserializeOwned>(&self, job: &Job, deadline: i64, now: Timestamp) -> Progress<T> {
        let of_job = || self.pods.iter().filter(|pod| labels::is_owned(pod.as_ref(), &job.uid().unwrap_or_default()));
        if let Some(said) = of_job().find_map(|pod| serde_json::from_str::<T>(worker::message(pod)?).ok()) {
            return Progress::Said(said);
        }
        if let Some(condition) = over(job) {
            if condition.reason.as_deref() == Some("DeadlineExceeded") {
                return lost(Reason::TimedOut, &format!("it took longer than {deadline} seconds"));
            }
            let death = of_job().find(|pod| worker::has_ended(pod)).map(|pod| worker::death(pod));
            let patience = if of_job().next().is_some() { UNHEARD } else { UNSEEN };
            if let Some(left) = left(job, patience, now).filter(|_| death.is_none()) {
                return Progress::Unheard(left);
            }
            return match death {
                Some(death) => lost(death.reason, &death.message),
                None => {
                    let why = condition.message.clone().unwrap_or_default();
                    lost(Reason::OutcomeLost, format!("it ended: {why}").trim_end_matches([':', ' ']))
                }
            };
        }
        let waiting =
            of_job().find_map(|pod| worker::waiting(pod)).filter(|waiting| waiting.reason != Reason::PodStarting);
        match waiting {
            Some(waiting) => Progress::Stuck(Why { reason: waiting.reason, message: waiting.message }),
            None => Progress::Going,
        }
    }
}

/// It ended without a word. Whoever asks for an errand asks again.
fn lost<T>(reason: Reason, message: &str) -> Progress<T> {
    Progress::Lost(Why { reason, message: format!("{message}; it is tried again by itself") })
}

/// How much is left of a time since a Job ended; None when nothing is.
#[must_use]
pub fn left(job: &Job, time: Duration, now: Timestamp) -> Option<Duration> {
    let since = Duration::try_from(now.duration_since(ended(job)?)).unwrap_or_default();
    time.checked_sub(since).filter(|left| !left.is_zero())
}

/// When a Job ended; None while it goes on.
#[must_use]
pub fn ended(job: &Job) -> Option<Timestamp> {
    Some(over(job)?.last_transition_time.as_ref()?.0)
}

/// The condition with which a Job ended.
fn over(job: &Job) -> Option<&JobCondition> {
    let mut conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|it| matches!(it.type_.as_str(), "Complete" | "Failed") && it.status == "True")
}

/// An errand that is to be done.
#[derive(Clone, Debug)]
pub struct Errand<'a> {
    /// The name of its Job, and of the ConfigMap with what it is about.
    pub name: &'a str,
    /// The labels of both.
    pub labels: BTreeMap<String, String>,
    /// Who does it.
    pub worker: Worker<'a>,
    /// The longest it may take, in seconds.
    pub deadline: i64,
}

#[cfg(test)]
mod tests {
    use aggregator_crds::transformation::TestsOutcome;
    use jiff::ToSpan;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn end() -> Timestamp {
        "2026-11-29T10:00:00Z".parse().expect("a time")
    }

    /// A Job that has ended.
    fn job() -> Job {
        let ended = json!({"type": "Complete", "status": "True", "lastTransitionTime": end()});
        object(json!({"metadata": {"name": "j", "uid": "uid-job"}, "status": {"conditions": [ended]}}))
    }

    fn seconds_left(errands: &Errands, now: Timestamp) -> Option<u64> {
        match errands.progress::<TestsOutcome>(&job(), 300, now) {
            Progress::Unheard(left) => Some(left.as_secs()),
            Progress::Lost(why) => {
                assert_eq!(why.reason, Reason::OutcomeLost);
                None
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_end_of_a_job_may_be_seen_before_that_of_its_pod() {
        let mut errands = Errands::default();
        let seen = [0, 9, 10, 20].map(|late| seconds_left(&errands, end() + late.seconds()));
        assert_eq!(seen, [Some(10), Some(1), None, None], "without a Pod");
        errands.pod_is(json!({"phase": "Running"}));
        let seen = [0, 236, 300].map(|late| seconds_left(&errands, end() + late.seconds()));
        assert_eq!(seen, [Some(300), Some(64), None], "with one of which something is not seen yet");
        errands.worker_said(&json!({"passed": 1, "failed": 0}));
        let said = TestsOutcome { passed: 1, failed: 0, first: None };
        assert_eq!(errands.progress(&job(), 300, end()), Progress::Said(said));
        errands.pod_is(json!({"phase": "Failed"}));
        assert_eq!(seconds_left(&errands, end()), None, "it has nothing to say any more");
    }
}
