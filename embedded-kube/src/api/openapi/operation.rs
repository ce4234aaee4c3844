//! What can be done at a place.

use serde_json::{Value, json};

use super::super::Kind;
use super::model::identity;

/// Something that can be done.
pub(super) struct Operation<'a> {
    pub(super) kind: &'a Kind,
    /// `get`, `list`, `post`, `put`, `patch`, `delete`, `deletecollection`.
    pub(super) action: &'static str,
    /// What sets it apart from others of the same action.
    pub(super) suffix: &'static str,
    /// The schema of the answer; empty for text.
    pub(super) answer: &'a str,
    /// The schema of what is sent.
    pub(super) body: Option<&'a str>,
}

const DRY_RUN: (&str, &str, &str) = ("dryRun", "string", "All: nothing is kept of what the request does.");
const MANAGER: (&str, &str, &str) = ("fieldManager", "string", "Who makes the change; applying needs one.");
// Clients that find it leave the check for unknown fields to the server.
const VALIDATION: (&str, &str, &str) =
    ("fieldValidation", "string", "Strict: unknown and repeated fields are refused. Warn: warned of. Ignore: dropped.");
const FORCE: (&str, &str, &str) = ("force", "boolean", "Takes fields from other managers; for applying only.");

impl Operation<'_> {
    /// The HTTP method.
    pub(super) fn method(&self) -> &'static str {
        match self.action {
            "list" => "get",
            "deletecollection" => "delete",
            action => action,
        }
    }

    pub(super) fn described(&self) -> Value {
        let parameters: Vec<Value> = self
            .parameters()
            .iter()
            .map(|(name, value, description)| parameter("query", name, value, description))
            .collect();
        let schema = if self.answer.is_empty() { json!({"type": "string"}) } else { reference(self.answer) };
        let form = if self.answer.is_empty() { "text/plain" } else { "application/json" };
        let content = json!({form: {"schema": schema}});
        let mut responses = json!({"200": {"description": "OK", "content": content}});
        if self.action == "post" {
            responses["201"] = json!({"description": "Created", "content": content});
        }
        let mut operation = json!({
            "description": format!("{} {}{}", self.action, self.kind.kind, self.suffix),
            "operationId": self.id(),
            "parameters": parameters,
            "responses": responses,
            "x-kubernetes-action": self.action,
            "x-kubernetes-group-version-kind": identity(self.kind, ""),
        });
        if let Some(content) = self.content() {
            operation["requestBody"] = json!({"content": content});
        }
        operation
    }

    fn content(&self) -> Option<Value> {
        let body = self.body?;
        if self.action != "patch" {
            return Some(json!({"*/*": {"schema": reference(body)}}));
        }
        // Not the strategic one of built-in kinds, which the server takes: with no word of it here, kubectl makes such a
        // patch by its own types, and needs no word of how lists are merged either.
        let schema = json!({"schema": {"type": "object"}});
        Some(json!({
            "application/json-patch+json": schema,
            "application/merge-patch+json": schema,
            "application/apply-patch+yaml": schema,
        }))
    }

    fn id(&self) -> String {
        let group: String = self.kind.group.split(['.', '-']).map(capitalised).collect();
        let version = capitalised(&self.kind.version);
        format!("{}{group}{version}{}{}", self.action, self.kind.kind, self.suffix)
    }

    fn parameters(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        const DELETION: [(&str, &str, &str); 2] = [
            ("gracePeriodSeconds", "integer", "How long the object may take to end."),
            ("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
        ];
        const SELECTION: [(&str, &str, &str); 6] = [
            ("continue", "string", "Where the page before has ended."),
            ("fieldSelector", "string", "By fields."),
            ("labelSelector", "string", "By labels."),
            ("limit", "integer", "How many at most."),
            ("resourceVersion", "string", "As of when."),
            ("resourceVersionMatch", "string", "Exact or NotOlderThan."),
        ];
        const WATCHING: [(&str, &str, &str); 4] = [
            ("allowWatchBookmarks", "boolean", "Whether marks of progress may come."),
            ("sendInitialEvents", "boolean", "Whether what there is comes first."),
            ("timeoutSeconds", "integer", "How long at most."),
            ("watch", "boolean", "Whether changes are told as they come."),
        ];
        match self.action {
            "list" => [&SELECTION[..], &WATCHING].concat(),
            "post" | "put" => vec![DRY_RUN, MANAGER, VALIDATION],
            "patch" => vec![DRY_RUN, MANAGER, VALIDATION, FORCE],
            "delete" => [&[DRY_RUN][..], &DELETION].concat(),
            "deletecollection" => [&[DRY_RUN][..], &DELETION, &SELECTION].concat(),
            _ => Vec::new(),
        }
    }
}

/// A parameter of a request; one that is part of the path is always there.
pub(super) fn parameter(place: &str, name: &str, value: &str, description: &str) -> Value {
    let schema = json!({"type": value, "uniqueItems": true});
    let mut parameter = json!({"name": name, "in": place, "description": description, "schema": schema});
    if place == "path" {
        parameter["required"] = true.into();
    }
    parameter
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::path::paths;
    use crate::api::discovery::sample::kind;

    #[test]
    fn clients_find_that_the_server_checks_fields() {
        let mut shirts = kind("example.com", "v1", "Shirt", "shirts");
        shirts.custom = true;
        shirts.status = true;
        let paths = paths(&shirts, "com.example.v1.Shirt");
        let expected = [
            "/apis/example.com/v1/shirts",
            "/apis/example.com/v1/namespaces/{namespace}/shirts",
            "/apis/example.com/v1/namespaces/{namespace}/shirts/{name}",
            "/apis/example.com/v1/namespaces/{namespace}/shirts/{name}/status",
        ];
        assert_eq!(paths.keys().collect::<Vec<_>>(), expected);
        for (place, methods) in
            [(expected[1], &["post"][..]), (expected[2], &["put", "patch"]), (expected[3], &["patch"])]
        {
            for method in methods {
                let operation = &paths[place][method];
                let names = operation["parameters"].as_array().unwrap().iter().map(|parameter| &parameter["name"]);
                let names: Vec<&Value> = names.collect();
                let mut wanted = vec!["dryRun", "fieldManager", "fieldValidation"];
                if *method == "patch" {
                    wanted.push("force");
                }
                assert_eq!(names, wanted, "{method} {place}");
                assert_eq!(operation["x-kubernetes-group-version-kind"]["kind"], "Shirt");
            }
        }
        let ids: Vec<&str> = paths
            .values()
            .flat_map(|place| place.as_object().unwrap().values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        assert_eq!(ids.len(), 11);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn what_is_not_kept_can_only_be_created() {
        let reviews = kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews");
        let paths = paths(&reviews, "x");
        assert_eq!(paths.len(), 1);
        let place = paths.values().next().unwrap().as_object().unwrap();
        assert_eq!(place.keys().collect::<Vec<_>>(), ["post", "parameters"]);
    }
}
