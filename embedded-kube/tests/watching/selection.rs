//! What a watcher wants to see: as the API is asked for it, and as it is decided here.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, WatchParams};
use kube::{Client, ResourceExt};

/// What a watcher wants to see.
#[derive(Clone, Copy)]
pub(crate) struct Selection {
    /// The namespace; all of them, when there is none.
    namespace: Option<&'static str>,
    labels: &'static str,
    fields: &'static str,
    takes: fn(&ConfigMap) -> bool,
}

fn of(
    namespace: Option<&'static str>,
    labels: &'static str,
    fields: &'static str,
    takes: fn(&ConfigMap) -> bool,
) -> Selection {
    Selection { namespace, labels, fields, takes }
}

/// Of every sort.
pub(crate) fn all() -> Vec<Selection> {
    vec![
        of(None, "", "", |_| true),
        of(Some("demo"), "", "", |_| true),
        of(None, "color=red", "", |it| label(it, "color") == Some("red")),
        of(Some("other"), "color in (red,blue),size!=2", "", |it| {
            matches!(label(it, "color"), Some("red" | "blue")) && label(it, "size") != Some("2")
        }),
        of(None, "!color", "", |it| label(it, "color").is_none()),
        of(None, "size>1", "", |it| matches!(label(it, "size"), Some("2" | "3"))),
        of(None, "", "metadata.name=b", |it| it.name_any() == "b"),
        of(None, "", "metadata.namespace=other,metadata.name!=c", |it| {
            it.namespace().as_deref() == Some("other") && it.name_any() != "c"
        }),
        of(Some("demo"), "color", "metadata.name!=a", |it| label(it, "color").is_some() && it.name_any() != "a"),
    ]
}

fn label<'a>(object: &'a ConfigMap, key: &str) -> Option<&'a str> {
    object.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

impl Selection {
    pub(crate) fn takes(&self, object: &ConfigMap) -> bool {
        self.namespace.is_none_or(|namespace| object.namespace().as_deref() == Some(namespace)) && (self.takes)(object)
    }

    pub(crate) fn api(&self, client: &Client) -> Api<ConfigMap> {
        match self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    pub(crate) fn list(&self) -> ListParams {
        let all = ListParams::default();
        let labelled = if self.labels.is_empty() { all } else { all.labels(self.labels) };
        if self.fields.is_empty() { labelled } else { labelled.fields(self.fields) }
    }

    pub(crate) fn watch(&self) -> WatchParams {
        let all = WatchParams::default();
        let labelled = if self.labels.is_empty() { all } else { all.labels(self.labels) };
        if self.fields.is_empty() { labelled } else { labelled.fields(self.fields) }
    }

    pub(crate) fn words(&self) -> String {
        format!("in {} with labels `{}` and fields `{}`", self.namespace.unwrap_or("all"), self.labels, self.fields)
    }
}
