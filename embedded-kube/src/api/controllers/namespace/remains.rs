//! What is said of a namespace that goes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::NamespaceCondition;

use super::View;
use crate::api::controllers::owner::finalizers;
use crate::api::controllers::time;

/// The conditions, what is said when nothing is in the way, and why.
const FINE: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];

/// What is left, as each condition has it that does not say that all is fine.
fn left(view: &View) -> BTreeMap<&'static str, (&'static str, String)> {
    let mut said = BTreeMap::new();
    // While Pods are left, nobody looks at anything else, and nothing is said of them.
    if view.content.is_empty() || view.content.contains_key(super::plan::PODS) {
        return said;
    }
    let content = view.content.iter().map(|(name, items)| format!("{name} has {} resource instances", items.len()));
    let content = content.collect::<Vec<String>>().join(", ");
    said.insert(
        "NamespaceContentRemaining",
        ("SomeResourcesRemain", format!("Some resources are remaining: {content}")),
    );
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finalizer in view.content.values().flatten().flat_map(|item| finalizers(&item.metadata)) {
        *counts.entry(finalizer).or_default() += 1;
    }
    if !counts.is_empty() {
        let counts = counts.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"));
        let counts = counts.collect::<Vec<String>>().join(", ");
        let message = format!("Some content in the namespace has finalizers remaining: {counts}");
        said.insert("NamespaceFinalizersRemaining", ("SomeFinalizersRemain", message));
    }
    said
}

/// The conditions of a namespace that goes; one whose status is what it was keeps its time.
pub(super) fn conditions(view: &View, now: Timestamp) -> Vec<NamespaceCondition> {
    let status = view.namespace.status.as_ref();
    let mut all = status.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let mut left = left(view);
    for (condition_type, reason, message) in FINE {
        let found = left.remove(condition_type);
        let status = if found.is_some() { "True" } else { "False" };
        let (reason, message) = found.unwrap_or_else(|| (reason, message.to_owned()));
        let old = all.iter_mut().find(|old| old.type_ == condition_type);
        let since = old.as_ref().filter(|old| old.status == status).and_then(|old| old.last_transition_time.clone());
        let new = NamespaceCondition {
            type_: condition_type.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(since.unwrap_or_else(|| time(now))),
        };
        match old {
            Some(old) => *old = new,
            None => all.push(new),
        }
    }
    all
}
