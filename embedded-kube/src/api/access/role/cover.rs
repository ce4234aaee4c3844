//! Whether rules that somebody has cover rules that they want to grant.

use std::collections::BTreeSet;

use super::Rule;
use super::rule::{has, reaches};

/// The rules that are wanted and not had, in lines, each group and resource in one; empty when all are.
pub(crate) fn missing(had: &[&Rule], wanted: &[Rule]) -> Vec<String> {
    let atoms = wanted.iter().flat_map(atoms).filter(|atom| !had.iter().any(|rule| covers(rule, atom)));
    let mut compact: Vec<Rule> = Vec::new();
    for atom in atoms {
        // Atoms that differ by their verb only are one line.
        let same = compact.iter_mut().find(|rule| {
            atom.paths.is_empty()
                && rule.groups == atom.groups
                && rule.resources == atom.resources
                && rule.names == atom.names
                && rule.paths.is_empty()
        });
        match same {
            Some(rule) => rule.verbs.extend(atom.verbs),
            None => compact.push(atom),
        }
    }
    let lines: BTreeSet<String> = compact.iter().map(Rule::line).collect();
    lines.into_iter().collect()
}

/// A rule in rules of one verb, and one resource, name or path, each.
fn atoms(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let names: Vec<Vec<String>> =
        if rule.names.is_empty() { vec![Vec::new()] } else { rule.names.iter().map(one).collect() };
    let mut atoms = Vec::new();
    for group in &rule.groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                for names in &names {
                    atoms.push(Rule {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        names: names.clone(),
                        paths: Vec::new(),
                    });
                }
            }
        }
    }
    for path in &rule.paths {
        for verb in &rule.verbs {
            atoms.push(Rule { verbs: one(verb), paths: one(path), ..Rule::default() });
        }
    }
    atoms
}

/// Whether a rule covers another that has one of each at most.
fn covers(rule: &Rule, atom: &Rule) -> bool {
    atom.verbs.iter().all(|verb| has(&rule.verbs, verb))
        && atom.groups.iter().all(|group| has(&rule.groups, group))
        && atom.resources.iter().all(|resource| has_resource(&rule.resources, resource))
        && atom.paths.iter().all(|path| rule.paths.iter().any(|own| reaches(own, path)))
        && (rule.names.is_empty()
            || (!atom.names.is_empty() && atom.names.iter().all(|name| rule.names.contains(name))))
}

fn has_resource(own: &[String], resource: &str) -> bool {
    has(own, resource)
        || resource
            .split_once('/')
            .is_some_and(|(_, part)| own.iter().any(|own| own.strip_prefix("*/").is_some_and(|own| own == part)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lines(had: &Value, wanted: &Value) -> Vec<String> {
        let rules = |rules: &Value| Rule::all(&json!({"rules": rules}));
        let had = rules(had);
        missing(&had.iter().collect::<Vec<_>>(), &rules(wanted))
    }

    #[test]
    fn what_is_missing_is_told_in_few_lines() {
        let had = json!([{"apiGroups": [""], "resources": ["pods", "*/status"], "verbs": ["get", "list"]}]);
        let wanted = json!([
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "watch", "delete"]},
            {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"], "verbs": ["get", "update"]},
            {"nonResourceURLs": ["/x", "/y"], "verbs": ["get"]},
        ]);
        assert_eq!(
            lines(&had, &wanted),
            [
                r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["update"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["update"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}"#,
                r#"{APIGroups:[""], Resources:["pods/log"], Verbs:["get" "watch" "delete"]}"#,
                r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
                r#"{NonResourceURLs:["/y"], Verbs:["get"]}"#,
            ]
        );
    }

    #[test]
    fn a_star_is_covered_by_a_star_only() {
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]);
        assert_eq!(lines(&all, &all), [""; 0]);
        let some = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]);
        assert_eq!(lines(&some, &all).len(), 2);
        let named = json!([{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]}]);
        assert_eq!(lines(&named, &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])).len(), 1);
        assert_eq!(lines(&named, &named), [""; 0]);
    }
}
