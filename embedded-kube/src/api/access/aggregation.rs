//! ClusterRoles that gather the rules of others.

use serde_json::{Map, Value};

use super::Rule;

/// The rules that a ClusterRole should have, given all of them; nothing for one that gathers none. Each selector finds roles
/// in the order of their names, and no rule is taken twice.
#[must_use]
pub fn aggregated(role: &Value, all: &[&Value]) -> Option<Vec<Value>> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let name = |role: &Value| role["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let own = name(role);
    let mut sorted: Vec<(String, &Value)> = all.iter().map(|role| (name(role), *role)).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut rules: Vec<Rule> = Vec::new();
    for selector in selectors {
        let found = sorted.iter().filter(|(name, role)| *name != own && selects(selector, &role["metadata"]["labels"]));
        for rule in found.flat_map(|(_, role)| Rule::all(role)) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    Some(rules.iter().map(Rule::object).collect())
}

/// Whether a label selector finds something with these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let empty = Map::new();
    let equal = selector["matchLabels"].as_object().unwrap_or(&empty);
    let more = selector["matchExpressions"].as_array().map(Vec::as_slice).unwrap_or_default();
    equal.iter().all(|(key, value)| labels[key] == *value)
        && more.iter().all(|term| {
            let label = &labels[term["key"].as_str().unwrap_or_default()];
            let among = term["values"].as_array().is_some_and(|values| values.contains(label));
            match term["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => !label.is_null(),
                Some("DoesNotExist") => label.is_null(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_gathered_by_labels() {
        let rule = |verb: &str| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]});
        let role = |name: &str, labels: Value, verbs: &[&str]| {
            let rules: Vec<Value> = verbs.iter().map(|verb| rule(verb)).collect();
            json!({"metadata": {"name": name, "labels": labels}, "rules": rules})
        };
        let mut sum = role("sum", json!({"to": "x"}), &["own"]);
        sum["aggregationRule"] = json!({"clusterRoleSelectors": [
            {"matchLabels": {"to": "x"}},
            {"matchExpressions": [{"key": "to", "operator": "In", "values": ["y"]}]},
        ]});
        let (b, a) = (role("b", json!({"to": "x"}), &["get", "list"]), role("a", json!({"to": "x"}), &["get"]));
        let (c, d) = (role("c", json!({"to": "y"}), &["list", "watch"]), role("d", json!({}), &["delete"]));
        let all = [&sum, &d, &c, &b, &a];
        assert_eq!(aggregated(&sum, &all), Some(vec![rule("get"), rule("list"), rule("watch")]));
        assert_eq!(aggregated(&a, &all), None);
    }
}
