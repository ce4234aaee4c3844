//! How many objects a namespace may have: of a ResourceQuota, what it says of numbers of objects is kept to, and nothing else
//! (<https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-on-object-count>).

use serde_json::{Map, Value, json};

use super::super::store::Resource;
use super::super::{Kind, Refusal, RefusalReason};
use super::write::Asking;
use super::{Api, event};

/// Resources whose number is also called by their plain name.
const PLAIN: [&str; 4] = ["configmaps", "pods", "resourcequotas", "secrets"];

/// A number of objects that there is no room for.
#[derive(Debug, PartialEq, Eq)]
struct Full {
    /// What the quota calls it.
    name: String,
    used: usize,
    hard: usize,
}

fn resource(plural: &str, group: &str) -> Resource {
    Resource { group: group.to_owned(), plural: plural.to_owned() }
}

/// Whether it is a ResourceQuota.
pub(super) fn is_quota(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "resourcequotas"
}

/// The resource whose objects are counted under that name, as `pods` or `count/jobs.batch`; None when it is of something else.
fn counted(name: &str) -> Option<Resource> {
    let Some(rest) = name.strip_prefix("count/") else {
        return PLAIN.contains(&name).then(|| resource(name, ""));
    };
    let (plural, group) = rest.split_once('.').unwrap_or((rest, ""));
    Some(resource(plural, group))
}

/// Whether an object counts under a name. By their plain name, Pods count that are not over.
fn counts(name: &str, object: &Value) -> bool {
    name != "pods" || !matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The numbers of a quota under which objects of a resource count, and how many there may be.
fn limits(quota: &Value, of: &Resource) -> Vec<(String, usize)> {
    let hard = quota["spec"]["hard"].as_object().into_iter().flatten();
    let own = hard.filter(|(name, _)| counted(name).as_ref() == Some(of));
    let mut limits: Vec<(String, usize)> =
        own.filter_map(|(name, most)| Some((name.clone(), most.as_str()?.parse().ok()?))).collect();
    limits.sort_unstable();
    limits
}

/// Why there is no room, in the words of the API server.
fn exceeded(quota: &str, full: &[Full]) -> String {
    let list = |value: &dyn Fn(&Full) -> usize| -> String {
        let all: Vec<String> = full.iter().map(|one| format!("{}={}", one.name, value(one))).collect();
        all.join(",")
    };
    let (requested, used, limited) = (list(&|_| 1), list(&|one| one.used), list(&|one| one.hard));
    format!("exceeded quota: {quota}, requested: {requested}, used: {used}, limited: {limited}")
}

impl Api {
    /// How many objects of a namespace count under a name.
    fn count(&self, namespace: &str, name: &str, of: &Resource) -> usize {
        let listed = self.0.store.list(of, Some(namespace)).items;
        listed.iter().filter(|stored| counts(name, &stored.object)).count()
    }

    /// Refuses a new object that a quota of its namespace has no room for.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn check_quotas(&self, asking: &Asking<'_>, object: &Value) -> Result<(), Refusal> {
        let Some(namespace) = asking.path.namespace.as_deref() else { return Ok(()) };
        let of = event::resource(asking.kind);
        for quota in self.0.store.list(&resource("resourcequotas", ""), Some(namespace)).items {
            let limits = limits(&quota.object, &of).into_iter();
            let limits = limits.filter(|(name, _)| counts(name, object));
            let full = limits.filter_map(|(name, hard)| {
                let used = self.count(namespace, &name, &of);
                (used >= hard).then_some(Full { name, used, hard })
            });
            let full: Vec<Full> = full.collect();
            if !full.is_empty() {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let why = exceeded(&quota.key.name, &full);
                let message = format!("{} \"{name}\" is forbidden: {why}", asking.kind.resource());
                return Err(Refusal::about(RefusalReason::Forbidden, asking.kind, name, message));
            }
        }
        Ok(())
    }

    /// What is said of a quota when it is written: what it limits, and how much of that there is now.
    pub(super) fn quota_status(&self, quota: &Value) -> Value {
        let namespace = quota["metadata"]["namespace"].as_str().unwrap_or_default();
        let hard = quota["spec"]["hard"].as_object().cloned().unwrap_or_default();
        let used = hard.keys().filter_map(|name| {
            let used = self.count(namespace, name, &counted(name)?);
            Some((name.clone(), Value::from(used.to_string())))
        });
        let used: Map<String, Value> = used.collect();
        json!({"hard": hard, "used": used})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_objects_are_of_a_resource() {
        for (name, of) in [
            ("pods", Some(resource("pods", ""))),
            ("count/pods", Some(resource("pods", ""))),
            ("count/jobs.batch", Some(resource("jobs", "batch"))),
            ("count/widgets.example.com", Some(resource("widgets", "example.com"))),
            ("requests.cpu", None),
            ("limits.memory", None),
        ] {
            assert_eq!(counted(name), of, "{name}");
        }
        let over = json!({"status": {"phase": "Failed"}});
        assert!(!counts("pods", &over) && counts("count/pods", &over));
    }

    #[test]
    fn what_is_full_is_told_in_the_order_of_its_names() {
        let quota =
            json!({"spec": {"hard": {"pods": "3", "count/pods": "2", "requests.cpu": "1", "count/jobs.batch": "0"}}});
        let limits = limits(&quota, &resource("pods", ""));
        assert_eq!(limits, [("count/pods".to_owned(), 2), ("pods".to_owned(), 3)]);
        let full = limits.into_iter().map(|(name, hard)| Full { name, used: hard, hard });
        assert_eq!(
            exceeded("none", &full.collect::<Vec<_>>()),
            "exceeded quota: none, requested: count/pods=1,pods=1, used: count/pods=2,pods=3, limited: count/pods=2,pods=3"
        );
    }
}
