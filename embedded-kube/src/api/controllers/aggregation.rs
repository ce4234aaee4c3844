//! ClusterRoles that have the rules of others: `aggregationRule`.

use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::core::{Selector, SelectorExt};
use serde_json::json;

use super::action::{Action, Plan, Target};
use super::resource::CLUSTER_ROLE;

/// Who owns the rules.
const MANAGER: &str = "clusterrole-aggregation-controller";

/// What is to be done about a ClusterRole now, of all that there are.
#[must_use]
pub fn plan(role: &ClusterRole, all: &[Arc<ClusterRole>]) -> Plan {
    let Some(aggregation) = &role.aggregation_rule else { return Plan::nothing() };
    let mut others: Vec<&Arc<ClusterRole>> = all.iter().filter(|it| it.metadata.name != role.metadata.name).collect();
    others.sort_by_key(|other| other.metadata.name.clone());
    let mut rules: Vec<&PolicyRule> = Vec::new();
    for selector in aggregation.cluster_role_selectors.iter().flatten() {
        // One that says nothing that can be understood selects nothing.
        let Ok(selector) = Selector::try_from(selector.clone()) else { return Plan::nothing() };
        let labels = |role: &ClusterRole| role.metadata.labels.clone().unwrap_or_default();
        for rule in
            others.iter().filter(|other| selector.matches(&labels(other))).flat_map(|it| it.rules.iter().flatten())
        {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    if rules.iter().copied().eq(role.rules.iter().flatten()) {
        return Plan::nothing();
    }
    let target = Target::of(&CLUSTER_ROLE, &role.metadata).any_version();
    Plan::nothing().then(Action::Apply { target, fields: json!({ "rules": rules }), manager: MANAGER })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn role(name: &str, labels: Value, verbs: &[&str]) -> Arc<ClusterRole> {
        let rules: Vec<Value> = verbs.iter().map(|verb| json!({"verbs": [verb], "resources": ["pods"]})).collect();
        let role = json!({"metadata": {"name": name, "uid": name, "labels": labels}, "rules": rules});
        Arc::new(serde_json::from_value(role).unwrap())
    }

    fn aggregated(rules: &[&str], selectors: Value) -> Arc<ClusterRole> {
        let mut whole = role("whole", json!({"to": "whole"}), rules);
        Arc::make_mut(&mut whole).aggregation_rule =
            serde_json::from_value(json!({ "clusterRoleSelectors": selectors })).unwrap();
        whole
    }

    fn verbs(whole: &Arc<ClusterRole>, others: &[Arc<ClusterRole>]) -> Option<Vec<String>> {
        let all: Vec<_> = others.iter().cloned().chain([Arc::clone(whole)]).collect();
        let plan = plan(whole, &all);
        let [Action::Apply { fields, manager: MANAGER, .. }] = plan.actions.as_slice() else {
            assert_eq!(plan, Plan::nothing());
            return None;
        };
        let rules = fields["rules"].as_array().unwrap().iter();
        Some(rules.map(|rule| rule["verbs"][0].as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_role_has_the_rules_of_those_that_it_selects_by_name_each_once() {
        let others = [
            role("b", json!({"to": "whole"}), &["list", "get"]),
            role("a", json!({"to": "whole"}), &["get"]),
            role("c", json!({"to": "other"}), &["delete"]),
        ];
        let selectors = json!([{"matchLabels": {"to": "whole"}}]);
        let wanted = Some(vec!["get".to_owned(), "list".to_owned()]);
        assert_eq!(verbs(&aggregated(&["watch"], selectors.clone()), &others), wanted);
        assert_eq!(verbs(&aggregated(&["get", "list"], selectors.clone()), &others), None);
        assert_eq!(verbs(&aggregated(&["get"], selectors), &[]), Some(vec![]));
        let both = json!([{"matchLabels": {"to": "other"}}, {"matchExpressions": [{"key": "to", "operator": "In", "values": ["whole"]}]}]);
        let wanted = Some(["delete", "get", "list"].map(str::to_owned).to_vec());
        assert_eq!(verbs(&aggregated(&[], both), &others), wanted);
        assert_eq!(verbs(&role("plain", json!({}), &["get"]), &others), None);
    }
}
