//! What is wrong with limits of containers, and with quotas of namespaces.

use rust_decimal::Decimal;
use serde_json::Value;

use super::{items, quantity};
use crate::api::Cause;
use crate::api::schema::mistake::{duplicate, forbidden, invalid};
use crate::api::schema::path::Path;

/// What may not be greater than what, each with what it is called; and at which field which of them is shown.
type Order = ((&'static str, &'static str), (&'static str, &'static str), &'static str, &'static str);

const ORDERS: [Order; 6] = [
    (("min", "min value"), ("max", "max value"), "min", "min"),
    (("min", "min value"), ("defaultRequest", "default request value"), "defaultRequest", "defaultRequest"),
    (("defaultRequest", "default request value"), ("max", "max value"), "defaultRequest", "defaultRequest"),
    (
        ("defaultRequest", "default request value"),
        ("default", "default limit value"),
        "defaultRequest",
        "defaultRequest",
    ),
    (("min", "min value"), ("default", "default value"), "default", "min"),
    (("default", "default value"), ("max", "max value"), "default", "max"),
];
/// Amounts that are numbers of objects.
const WHOLE: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

fn amount(value: &Value) -> Option<Decimal> {
    quantity::parse(value.as_str()?).ok()
}

/// Limits that go against each other.
pub(super) fn check_limit_range(object: &Value) -> Vec<Cause> {
    let limits = items(&object["spec"], "limits");
    let mut causes = Vec::new();
    for (place, limit) in limits.iter().enumerate() {
        let path = Path::of("spec.limits").index(place);
        if limits[..place].iter().any(|other| other["type"] == limit["type"]) {
            causes.push(duplicate(&path.child("type"), &limit["type"]));
        }
        if limit["type"] == "Pod" {
            for name in ["default", "defaultRequest"] {
                if limit[name].as_object().is_some_and(|amounts| !amounts.is_empty()) {
                    causes.push(forbidden(&path.child(name), "may not be specified when `type` is 'Pod'"));
                }
            }
        }
        causes.extend(contradictions(limit, &path));
    }
    causes
}

fn contradictions(limit: &Value, path: &Path) -> Vec<Cause> {
    let lists = ["max", "min", "default", "defaultRequest"];
    let mut names: Vec<&String> =
        lists.iter().filter_map(|list| limit[*list].as_object()).flat_map(|amounts| amounts.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut causes = Vec::new();
    for name in names {
        for ((low, low_words), (high, high_words), at, shown) in ORDERS {
            let (lower, higher) = (&limit[low][name], &limit[high][name]);
            let (Some(less), Some(more)) = (amount(lower), amount(higher)) else { continue };
            if less > more {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let why = format!("{low_words} {} is greater than {high_words} {}", text(lower), text(higher));
                causes.push(invalid(&path.child(at).key(name), &limit[shown][name], &why));
            }
        }
    }
    causes
}

/// Amounts that no quota can have.
pub(super) fn check_quota(object: &Value) -> Vec<Cause> {
    check_amounts(&object["spec"]["hard"], &Path::of("spec.hard"))
}

/// Amounts that cannot be said of a quota.
pub(super) fn check_quota_status(object: &Value) -> Vec<Cause> {
    let status = &object["status"];
    let mut causes = check_amounts(&status["hard"], &Path::of("status.hard"));
    causes.extend(check_amounts(&status["used"], &Path::of("status.used")));
    causes
}

fn check_amounts(amounts: &Value, path: &Path) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (name, value) in amounts.as_object().into_iter().flatten() {
        let Some(amount) = amount(value) else { continue };
        let path = path.key(name);
        if amount.is_sign_negative() && !amount.is_zero() {
            causes.push(invalid(&path, value, "must be greater than or equal to 0"));
        }
        let is_extended = name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.");
        if (is_extended || WHOLE.contains(&name.as_str())) && !amount.fract().is_zero() {
            causes.push(invalid(&path, value, "must be an integer"));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn limits_are_in_order() {
        let of = |limit: Value| told(check_limit_range(&json!({"spec": {"limits": [limit]}})));
        assert!(of(json!({"type": "Container", "min": {"cpu": "500m"}, "max": {"cpu": "1"}})).is_empty());
        let wrong = json!({"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "1"},
                           "defaultRequest": {"cpu": "1"}});
        assert_eq!(
            of(wrong),
            [
                "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
                "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request value 1",
                "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1",
            ]
        );
    }

    #[test]
    fn numbers_of_objects_are_whole() {
        let of = |hard: Value| told(check_quota(&json!({"spec": {"hard": hard}})));
        assert!(of(json!({"pods": "3", "requests.cpu": "1500m"})).is_empty());
        assert_eq!(of(json!({"pods": "1500m"})), ["spec.hard[pods]: Invalid value: \"1500m\": must be an integer"]);
        let negative = of(json!({"count/jobs.batch": "-1"}));
        assert_eq!(
            negative,
            ["spec.hard[count/jobs.batch]: Invalid value: \"-1\": must be greater than or equal to 0"]
        );
    }
}
