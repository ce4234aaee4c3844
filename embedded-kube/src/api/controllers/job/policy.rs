//! What a Job's policies say: of a Pod that failed, and of indexes that succeeded.

use k8s_openapi::api::batch::v1::{
    Job, PodFailurePolicyOnExitCodesRequirement as OnExitCodes, PodFailurePolicyRule, SuccessPolicy,
};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::indexes::Indexes;
use crate::api::controllers::pod;

/// What a failed Pod means for its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It counts; no rule says otherwise.
    Counts,
    /// It does not count.
    Ignored,
    /// Its index has failed for good.
    FailsIndex,
    /// The whole Job has failed: why, for people.
    FailsJob(String),
}

impl Failure {
    /// Whether it counts towards the limit.
    pub(super) fn counts(&self) -> bool {
        *self != Self::Ignored
    }
}

/// What a failed Pod means for its Job: the first rule that matches says it.
pub(super) fn failure(job: &Job, failed: &Pod) -> Failure {
    let rules = job.spec.as_ref().and_then(|spec| spec.pod_failure_policy.as_ref());
    let rules = rules.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    let matched = rules.iter().enumerate().find_map(|(place, rule)| Some((place, rule, matches(rule, failed)?)));
    let Some((place, rule, what)) = matched else { return Failure::Counts };
    match rule.action.as_str() {
        "Ignore" => Failure::Ignored,
        "FailIndex" => Failure::FailsIndex,
        "FailJob" => Failure::FailsJob(format!("{what} matching FailJob rule at index {place}")),
        _ => Failure::Counts,
    }
}

/// What of a Pod a rule is about, for people.
fn matches(rule: &PodFailurePolicyRule, failed: &Pod) -> Option<String> {
    let metadata = &failed.metadata;
    let name = format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    );
    if let Some(codes) = &rule.on_exit_codes {
        let (container, code) =
            exit(pod::containers(failed), codes).or_else(|| exit(pod::init_containers(failed), codes))?;
        return Some(format!("Container {container} for pod {name} failed with exit code {code}"));
    }
    let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
    let condition = pod::conditions(failed).iter().find(|condition| {
        patterns.iter().any(|pattern| {
            pattern.type_ == condition.type_ && pattern.status.as_deref().unwrap_or("True") == condition.status
        })
    })?;
    Some(format!("Pod {name} has condition {}", condition.type_))
}

/// The first container that failed with a code of those.
fn exit<'a>(containers: &'a [ContainerStatus], codes: &OnExitCodes) -> Option<(&'a str, i32)> {
    containers.iter().find_map(|container| {
        let code = container.state.as_ref()?.terminated.as_ref()?.exit_code;
        let named = codes.container_name.as_ref().is_none_or(|name| *name == container.name);
        let listed = match codes.operator.as_str() {
            "In" => codes.values.contains(&code),
            "NotIn" => !codes.values.contains(&code),
            _ => false,
        };
        (named && code != 0 && listed).then_some((container.name.as_str(), code))
    })
}

/// Which rule of a success policy these indexes fulfil, for people.
pub(super) fn success(policy: Option<&SuccessPolicy>, completions: i32, succeeded: &Indexes) -> Option<String> {
    if succeeded.is_empty() {
        return None;
    }
    let place = policy?.rules.iter().position(|rule| match &rule.succeeded_indexes {
        Some(text) => {
            let wanted = Indexes::parse(text, completions);
            let there = wanted.common(succeeded);
            let enough = rule.succeeded_count.is_some_and(|count| there >= count);
            !wanted.is_empty() && (there == wanted.total() || enough)
        }
        None => rule.succeeded_count.is_some_and(|count| succeeded.total() >= count),
    })?;
    Some(format!("Matched rules at index {place}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(rules: Value) -> Job {
        let template = json!({"spec": {"containers": []}});
        serde_json::from_value(json!({"spec": {"template": template, "podFailurePolicy": {"rules": rules}}})).unwrap()
    }

    fn failed(codes: &[(&str, i32)], init: &[(&str, i32)], conditions: Value) -> Pod {
        let status = |(name, code): &(&str, i32)| {
            json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code}}})
        };
        let (codes, init): (Vec<_>, Vec<_>) = (codes.iter().map(status).collect(), init.iter().map(status).collect());
        serde_json::from_value(json!({"metadata": {"namespace": "ns", "name": "p"}, "status": {
            "phase": "Failed", "containerStatuses": codes, "initContainerStatuses": init, "conditions": conditions,
        }}))
        .unwrap()
    }

    fn on(operator: &str, values: &[i32], container: Option<&str>, action: &str) -> Value {
        json!({"action": action, "onExitCodes": {"operator": operator, "values": values, "containerName": container}})
    }

    #[test]
    fn the_first_rule_that_matches_an_exit_code_says_what_a_failure_means() {
        let pod = failed(&[("a", 0), ("b", 7)], &[("c", 9)], json!([]));
        let fails = |rules: Value| failure(&job(rules), &pod);
        assert_eq!(fails(json!([])), Failure::Counts);
        assert_eq!(fails(json!([on("In", &[7], None, "Ignore")])), Failure::Ignored);
        assert_eq!(fails(json!([on("In", &[7], None, "Count"), on("In", &[7], None, "Ignore")])), Failure::Counts);
        assert_eq!(fails(json!([on("In", &[7], Some("a"), "Ignore")])), Failure::Counts);
        assert_eq!(fails(json!([on("In", &[9], None, "FailIndex")])), Failure::FailsIndex);
        assert_eq!(fails(json!([on("In", &[8], None, "Ignore")])), Failure::Counts);
        // A code of zero is no failure, whatever the rule says.
        assert_eq!(fails(json!([on("NotIn", &[7], Some("a"), "Ignore")])), Failure::Counts);
        assert_eq!(
            fails(json!([on("In", &[1], None, "Ignore"), on("NotIn", &[1], None, "FailJob")])),
            Failure::FailsJob(
                "Container b for pod ns/p failed with exit code 7 matching FailJob rule at index 1".into()
            )
        );
    }

    #[test]
    fn a_rule_on_conditions_matches_type_and_status() {
        let target = json!([{"type": "DisruptionTarget", "status": "True"}]);
        let pod = failed(&[], &[], target.clone());
        let rule = |action: &str, status: Option<&str>| json!([{"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": status}]}]);
        assert_eq!(failure(&job(rule("Ignore", Some("True"))), &pod), Failure::Ignored);
        assert_eq!(failure(&job(rule("Ignore", None)), &pod), Failure::Ignored);
        assert_eq!(failure(&job(rule("Ignore", Some("False"))), &pod), Failure::Counts);
        assert_eq!(
            failure(&job(rule("FailJob", Some("True"))), &pod),
            Failure::FailsJob("Pod ns/p has condition DisruptionTarget matching FailJob rule at index 0".into())
        );
    }

    #[test]
    fn a_success_policy_asks_for_indexes_or_a_number_of_them() {
        let met = |rules: Value, succeeded: &str| {
            let policy = serde_json::from_value(json!({ "rules": rules })).unwrap();
            success(Some(&policy), 10, &Indexes::parse(succeeded, 10))
        };
        let rules = json!([{"succeededIndexes": "0,2-3"}, {"succeededIndexes": "5-8", "succeededCount": 2}, {"succeededCount": 5}]);
        assert_eq!(met(rules.clone(), ""), None);
        assert_eq!(met(rules.clone(), "0,2"), None);
        assert_eq!(met(rules.clone(), "0,2,3"), Some("Matched rules at index 0".into()));
        assert_eq!(met(rules.clone(), "5,8"), Some("Matched rules at index 1".into()));
        assert_eq!(met(rules, "0,1,2,4,5"), Some("Matched rules at index 2".into()));
        assert_eq!(success(None, 10, &Indexes::of([1])), None);
    }
}
