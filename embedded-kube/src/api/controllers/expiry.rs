//! Jobs that go some time after they were over: `ttlSecondsAfterFinished`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;

use super::action::{Action, Plan, Propagation, Target};
use super::job::finished_at;
use super::resource::JOB;

/// What is to be done about a Job now because of its age.
#[must_use]
pub fn plan(job: &Job, now: Timestamp) -> Plan {
    let seconds = job.spec.as_ref().and_then(|spec| spec.ttl_seconds_after_finished);
    let (Some(seconds), Some(finished), None) = (seconds, finished_at(job), &job.metadata.deletion_timestamp) else {
        return Plan::nothing();
    };
    let left = finished.duration_since(now) + SignedDuration::from_secs(i64::from(seconds));
    match Duration::try_from(left) {
        Ok(left) if !left.is_zero() => Plan::nothing().again_in(left),
        _ => Plan::nothing().then(Action::Delete {
            // In the very version: somebody may have given it more time.
            target: Target::of(&JOB, &job.metadata),
            propagation: Some(Propagation::Foreground),
            grace: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(seconds: Value, condition: &str, more: Value) -> Job {
        let mut job = json!({
            "metadata": {"name": "j", "uid": "u", "resourceVersion": "7"},
            "spec": {"template": {}, "ttlSecondsAfterFinished": seconds},
            "status": {"conditions": [{"type": condition, "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}]},
        });
        for (key, value) in more.as_object().unwrap() {
            job["metadata"][key] = value.clone();
        }
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn a_job_goes_when_its_time_is_over_and_not_before() {
        let at = |second: i64| "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second);
        for condition in ["Complete", "Failed"] {
            let job = job(json!(5), condition, json!({}));
            assert_eq!(plan(&job, at(12)), Plan::nothing().again_in(Duration::from_secs(3)));
            let plan = plan(&job, at(15));
            let [Action::Delete { target, propagation: Some(Propagation::Foreground), .. }] = plan.actions.as_slice()
            else {
                panic!("{plan}")
            };
            assert_eq!((target.uid.as_str(), target.resource_version.as_deref()), ("u", Some("7")));
        }
        assert_eq!(plan(&job(json!(0), "Complete", json!({})), at(10)).actions.len(), 1);
        for other in [
            job(Value::Null, "Complete", json!({})),
            job(json!(5), "FailureTarget", json!({})),
            job(json!(5), "Complete", json!({"deletionTimestamp": "2026-01-01T00:00:11Z"})),
        ] {
            assert_eq!(plan(&other, at(100)), Plan::nothing());
        }
    }
}
