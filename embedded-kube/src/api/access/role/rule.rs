//! A rule of a role.

use serde_json::{Map, Value, json};

use super::super::name::quoted_all;
use super::super::{Attributes, Resource, Target};
use super::texts;

/// A rule of a role: what it says may be done with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// As `get`; `*` is each.
    pub verbs: Vec<String>,
    /// The API groups; `*` is each.
    pub groups: Vec<String>,
    /// As `pods`, `pods/log`, `*/log`, `*`.
    pub resources: Vec<String>,
    /// Which objects; none is all.
    pub names: Vec<String>,
    /// Paths that have no objects, as `/healthz`, `/api/*`, `*`.
    pub paths: Vec<String>,
}

impl Rule {
    /// The rules of a Role or ClusterRole.
    #[must_use]
    pub fn all(role: &Value) -> Vec<Self> {
        role["rules"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(Self::of).collect()
    }

    fn of(rule: &Value) -> Self {
        Self {
            verbs: texts(&rule["verbs"]),
            groups: texts(&rule["apiGroups"]),
            resources: texts(&rule["resources"]),
            names: texts(&rule["resourceNames"]),
            paths: texts(&rule["nonResourceURLs"]),
        }
    }

    /// The rule as it is in a role.
    #[must_use]
    pub fn object(&self) -> Value {
        let mut object = Map::new();
        for (key, texts) in [
            ("apiGroups", &self.groups),
            ("nonResourceURLs", &self.paths),
            ("resourceNames", &self.names),
            ("resources", &self.resources),
            ("verbs", &self.verbs),
        ] {
            if !texts.is_empty() {
                object.insert(key.to_owned(), json!(texts));
            }
        }
        Value::Object(object)
    }

    /// Whether it allows what somebody asks for.
    #[must_use]
    pub fn allows(&self, attributes: &Attributes) -> bool {
        has(&self.verbs, &attributes.verb)
            && match &attributes.target {
                Target::Resource(resource) => self.has(resource),
                Target::Path(path) => self.paths.iter().any(|own| reaches(own, path)),
            }
    }

    fn has(&self, resource: &Resource) -> bool {
        has(&self.groups, &resource.group)
            && self.has_path(resource)
            && (self.names.is_empty() || self.names.contains(&resource.name))
    }

    fn has_path(&self, resource: &Resource) -> bool {
        let is = |own: &str| match (own, own.split_once('/')) {
            ("*", _) => true,
            (_, None) => resource.subresource.is_empty() && own == resource.resource,
            (_, Some((kind, part))) => {
                !resource.subresource.is_empty()
                    && part == resource.subresource
                    && (kind == "*" || kind == resource.resource)
            }
        };
        self.resources.iter().any(|own| is(own))
    }

    /// The rule in one line, as refusals name it.
    #[must_use]
    pub fn line(&self) -> String {
        let parts = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts = parts.into_iter().filter(|(_, texts)| !texts.is_empty());
        let parts: Vec<String> = parts.map(|(name, texts)| format!("{name}:{}", quoted_all(texts))).collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// Whether a list has a text, or the star that is all of them.
pub(super) fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|own| own == "*" || own == text)
}

/// Whether a path of a rule is a path, or begins it.
pub(super) fn reaches(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::super::super::User;
    use super::*;

    fn rule(verbs: &str, groups: &str, resources: &str, names: &str, paths: &str) -> Rule {
        let list = |text: &str| text.split_terminator(',').map(str::to_owned).collect();
        // `core` stands for the group without a name.
        let groups = groups.split_terminator(',').map(|group| group.replace("core", "")).collect();
        Rule { verbs: list(verbs), groups, resources: list(resources), names: list(names), paths: list(paths) }
    }

    fn asks(verb: &str, target: Target) -> Attributes {
        Attributes { user: User::default(), verb: verb.to_owned(), target }
    }

    fn resource(group: &str, resource: &str, subresource: &str, name: &str) -> Target {
        Target::Resource(Resource {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Resource::default()
        })
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        for (rule, verb, target, allows) in [
            (rule("get", "core", "pods", "", ""), "get", resource("", "pods", "", "x"), true),
            (rule("get", "core", "pods", "", ""), "list", resource("", "pods", "", ""), false),
            (rule("get", "core", "pods", "", ""), "get", resource("apps", "pods", "", "x"), false),
            (rule("get", "core", "pods", "", ""), "get", resource("", "pods", "log", "x"), false),
            (rule("get", "core", "pods/log", "", ""), "get", resource("", "pods", "log", "x"), true),
            (rule("get", "core", "pods/log", "", ""), "get", resource("", "pods", "", "x"), false),
            (rule("get", "core", "*/log", "", ""), "get", resource("", "pods", "log", "x"), true),
            (rule("get", "core", "*/log", "", ""), "get", resource("", "pods", "status", "x"), false),
            (rule("get", "core", "*/log", "", ""), "get", resource("", "pods", "", "x"), false),
            (rule("get", "core", "pods/*", "", ""), "get", resource("", "pods", "log", "x"), false),
            (rule("*", "*", "*", "", ""), "get", resource("a", "b", "c", "x"), true),
            (rule("get", "core", "pods", "x,y", ""), "get", resource("", "pods", "", "y"), true),
            (rule("get", "core", "pods", "x,y", ""), "get", resource("", "pods", "", "z"), false),
            (rule("get", "core", "pods", "x,y", ""), "get", resource("", "pods", "", ""), false),
            (rule("get", "", "", "", "/a,/b/*"), "get", Target::Path("/a".to_owned()), true),
            (rule("get", "", "", "", "/a,/b/*"), "get", Target::Path("/b/c/d".to_owned()), true),
            (rule("get", "", "", "", "/a,/b/*"), "get", Target::Path("/b".to_owned()), false),
            (rule("get", "", "", "", "/a,/b/*"), "get", Target::Path("/ab".to_owned()), false),
            (rule("*", "", "", "", "*"), "put", Target::Path("/x".to_owned()), true),
            (rule("*", "*", "*", "", ""), "get", Target::Path("/x".to_owned()), false),
            (rule("*", "", "", "", "*"), "get", resource("", "pods", "", "x"), false),
        ] {
            assert_eq!(rule.allows(&asks(verb, target.clone())), allows, "{} {verb} {target:?}", rule.line());
        }
    }

    #[test]
    fn a_rule_is_read_and_written_back() {
        let object =
            json!({"apiGroups": [""], "resourceNames": ["x"], "resources": ["pods"], "verbs": ["get", "list"]});
        let role = json!({"rules": [object, {"nonResourceURLs": ["/x"], "verbs": ["get"]}]});
        let rules = Rule::all(&role);
        assert_eq!(rules[0].object(), object);
        assert_eq!(
            rules[0].line(),
            r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["x"], Verbs:["get" "list"]}"#
        );
        assert_eq!(rules[1].line(), r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#);
        assert!(Rule::all(&json!({"rules": null})).is_empty());
    }
}
