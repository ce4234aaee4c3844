//! Tables: the rows of objects, with the columns of their kind.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::Kind;
use super::column::{Head, defined};
use super::custom::Cells;
use super::metadata::metadata;
use super::options::{Include, Options};
use super::{binding, event, job, node, pod, quota, simple};

/// Makes tables of a kind's objects.
#[derive(Debug)]
pub struct Printer {
    heads: Heads,
    row: Row,
    /// Whether a table without rows has null instead of an empty list of them: so it is for the kinds whose tables the API
    /// server makes without its printers.
    bare: bool,
}

#[derive(Debug)]
enum Heads {
    BuiltIn(&'static [Head]),
    Custom(Vec<Value>),
}

/// How a row is made.
#[derive(Debug)]
enum Row {
    /// Whose rows have conditions as well.
    Pod,
    BuiltIn(fn(&Value, Timestamp) -> Vec<Value>),
    Custom(Cells),
}

impl Printer {
    /// Makes tables of the kind's objects.
    #[must_use]
    pub fn new(kind: &Kind) -> Self {
        if kind.custom {
            let heads = std::iter::once(Head::NAME.defined());
            let heads = if kind.columns.is_empty() {
                heads.chain([Head::AGE.holding("date").defined()]).collect()
            } else {
                heads.chain(kind.columns.iter().map(defined)).collect()
            };
            return Self { heads: Heads::Custom(heads), row: Row::Custom(Cells::new(&kind.columns)), bare: false };
        }
        let of = |heads, row| Self { heads: Heads::BuiltIn(heads), row: Row::BuiltIn(row), bare: false };
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Pod") => Self { heads: Heads::BuiltIn(&pod::HEADS), row: Row::Pod, bare: false },
            ("batch", "Job") => of(&job::HEADS, job::cells),
            ("", "Node") => of(&node::HEADS, node::cells),
            ("", "Event") => of(&event::HEADS, event::cells),
            ("events.k8s.io", "Event") => of(&event::HEADS, event::regarding_cells),
            ("", "Namespace") => of(&simple::NAMESPACE, simple::namespace),
            ("", "Secret") => of(&simple::SECRET, simple::secret),
            ("", "ConfigMap") => of(&simple::CONFIG_MAP, simple::config_map),
            ("", "ServiceAccount") => of(&simple::SERVICE_ACCOUNT, simple::service_account),
            ("", "ResourceQuota") => of(&quota::HEADS, quota::cells),
            ("apps", "ControllerRevision") => of(&simple::REVISION, simple::revision),
            ("coordination.k8s.io", "Lease") => of(&simple::LEASE, simple::lease),
            ("networking.k8s.io", "NetworkPolicy") => of(&simple::NETWORK_POLICY, simple::network_policy),
            ("rbac.authorization.k8s.io", "RoleBinding") => of(&binding::ROLE, binding::cells),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding") => of(&binding::CLUSTER_ROLE, binding::cells),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                Self { bare: true, ..of(&simple::DEFINITION, simple::definition) }
            }
            _ => Self { bare: true, ..of(&simple::DEFAULT, simple::default) },
        }
    }

    /// The table of one object, or of one event of a watch. A `Status`, which an event may have, stays as it is.
    #[must_use]
    pub fn object(&self, object: &Value, options: Options, now: Timestamp) -> Value {
        if object["kind"] == "Status" && object["apiVersion"] == "v1" {
            return object.clone();
        }
        self.table(meta(object, &["resourceVersion"]), std::iter::once(object), options, now)
    }

    /// The table of a list of objects.
    #[must_use]
    pub fn list(&self, list: &Value, options: Options, now: Timestamp) -> Value {
        let meta = meta(list, &["resourceVersion", "continue", "remainingItemCount"]);
        self.table(meta, list["items"].as_array().into_iter().flatten(), options, now)
    }

    fn table<'a>(
        &self,
        meta: Value,
        objects: impl Iterator<Item = &'a Value>,
        options: Options,
        now: Timestamp,
    ) -> Value {
        let heads = options.headers.then(|| match &self.heads {
            Heads::BuiltIn(heads) => heads.iter().map(Head::defined).collect(),
            Heads::Custom(heads) => heads.clone(),
        });
        let rows: Vec<Value> = objects.map(|object| self.row(object, options, now)).collect();
        json!({
            "kind": "Table",
            "apiVersion": options.version.api_version(),
            "metadata": meta,
            "columnDefinitions": heads,
            "rows": if rows.is_empty() && self.bare { Value::Null } else { rows.into() },
        })
    }

    fn row(&self, object: &Value, options: Options, now: Timestamp) -> Value {
        let (cells, conditions) = match &self.row {
            Row::Pod => (pod::cells(object, now), pod::conditions(object)),
            Row::BuiltIn(cells) => (cells(object, now), None),
            Row::Custom(cells) => (cells.of(object, now), None),
        };
        let mut row = json!({"cells": cells});
        if let Some(conditions) = conditions {
            row["conditions"] = conditions;
        }
        // The mark behind what there was at first is on the metadata, which comes with it in any case.
        let mark = object.pointer("/metadata/annotations/k8s.io~1initial-events-end").is_some();
        row["object"] = match options.include {
            Include::Object => object.clone(),
            Include::Nothing if !mark => Value::Null,
            Include::Metadata | Include::Nothing => metadata(object, options.version),
        };
        row
    }
}

/// What of its metadata the table has.
fn meta(object: &Value, fields: &[&str]) -> Value {
    let mut meta = Map::new();
    for field in fields {
        if let Some(value) = object["metadata"].get(field).filter(|value| !value.is_null() && *value != "") {
            meta.insert((*field).to_owned(), value.clone());
        }
    }
    meta.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::discovery::MetaVersion;
    use crate::api::discovery::sample::kind;

    const NOW: &str = "2026-01-01T00:01:00Z";

    fn options(include: Include) -> Options {
        Options { include, headers: true, version: MetaVersion::V1 }
    }

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    #[test]
    fn a_row_has_as_much_of_its_object_as_is_wanted() {
        let printer = Printer::new(&kind("", "v1", "Namespace", "namespaces"));
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "n", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Active"},
        });
        let table = printer.object(&object, options(Include::Metadata), now());
        assert_eq!(table["metadata"], json!({"resourceVersion": "7"}));
        assert_eq!(table["rows"][0]["cells"], json!(["n", "Active", "60s"]));
        let own = json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        });
        assert_eq!(table["rows"][0]["object"], own);
        assert_eq!(table["columnDefinitions"][0]["format"], "name");
        let about = table["columnDefinitions"][2]["description"].as_str().unwrap();
        assert!(about.starts_with("CreationTimestamp is a timestamp representing the server time"), "{about}");
        assert_eq!(printer.object(&object, options(Include::Object), now())["rows"][0]["object"], object);
        let bare = Options { headers: false, ..options(Include::Nothing) };
        let table = printer.object(&object, bare, now());
        assert_eq!((&table["rows"][0]["object"], &table["columnDefinitions"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn a_list_tells_where_it_goes_on() {
        let list = json!({"metadata": {"resourceVersion": "9", "continue": "c", "remainingItemCount": 2}, "items": []});
        let table = Printer::new(&kind("", "v1", "Pod", "pods")).list(&list, options(Include::Metadata), now());
        assert_eq!((&table["metadata"], &table["rows"]), (&list["metadata"], &json!([])));
        let roles = Printer::new(&kind("rbac.authorization.k8s.io", "v1", "Role", "roles"));
        assert_eq!(roles.list(&list, options(Include::Metadata), now())["rows"], Value::Null);
    }

    #[test]
    fn the_end_of_what_there_was_is_told_in_any_case() {
        let mark = json!({
            "kind": "Pod",
            "metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}},
        });
        let printer = Printer::new(&kind("", "v1", "Pod", "pods"));
        let table = printer.object(&mark, options(Include::Nothing), now());
        assert_eq!(table["rows"][0]["object"]["metadata"], mark["metadata"]);
        let status = json!({"kind": "Status", "apiVersion": "v1", "code": 410});
        assert_eq!(printer.object(&status, options(Include::Nothing), now()), status);
    }

    #[test]
    fn a_definition_without_columns_shows_ages() {
        let mut shirts = kind("example.com", "v1", "Shirt", "shirts");
        shirts.custom = true;
        let object = json!({"metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        let table = Printer::new(&shirts).object(&object, options(Include::Nothing), now());
        assert_eq!(table["rows"][0]["cells"], json!(["s", "60s"]));
        assert_eq!(table["columnDefinitions"][1]["type"], "date");
    }
}
