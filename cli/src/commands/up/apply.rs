//! Makes objects of any kind what a manifest says, and takes them away again.

use std::fmt;

use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions, TypeMeta,
};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::diff;

/// Who writes.
const FIELD_MANAGER: &str = "aggregator-up";
/// The namespace of objects that name none, as that of the kubeconfigs.
pub(super) const NAMESPACE: &str = "default";
/// On objects that come from a folder of manifests.
const WATCHED: &str = "aggregator.dev/watched";
/// The folder: an annotation, as a path is no value of a label.
const FOLDER: &str = "aggregator.dev/watched-folder";
/// What is in objects of these kinds goes with them, whoever made it.
const HOLD_OTHERS: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

/// An object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) api_version: String,
    pub(super) kind: String,
    /// Empty, when its kind has no namespaces.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        match namespace.as_str() {
            "" => write!(formatter, "{kind} {name}"),
            namespace => write!(formatter, "{kind} {namespace}/{name}"),
        }
    }
}

/// What was done to an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Created,
    /// The fields that differ now, a line each.
    Changed(Vec<String>),
    Unchanged,
}

/// What became of an object whose manifest is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    Deleted,
    /// It stays, and why.
    Kept(&'static str),
    /// Somebody else was faster.
    Gone,
}

/// Why an object is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// It cannot be told from others.
    #[error("it has no `{0}`")]
    Lacks(&'static str),
    /// There is no such kind.
    #[error("the cluster has no kind {kind} of {api_version}")]
    NoKind {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// The API says no.
    #[error("{0}")]
    Refused(String),
    /// The API cannot be asked, or its answer makes no sense.
    #[error(transparent)]
    Client(Box<kube::Error>),
    /// What the API answers is no object.
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
}

impl ApplyError {
    /// A stable word for it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Lacks(_) => "NotAnObject",
            Self::NoKind { .. } => "UnknownKind",
            Self::Refused(_) => "Refused",
            Self::Client(_) | Self::Shape(_) => "InternalError",
        }
    }
}

impl From<kube::Error> for ApplyError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if !status.message.is_empty() => Self::Refused(status.message),
            error => Self::Client(Box::new(error)),
        }
    }
}

/// Writes objects, as whoever the client is.
pub(super) struct Applier {
    client: Client,
    kinds: Discovery,
    /// The folder that objects are marked with, when they come from one.
    folder: Option<String>,
}

impl Applier {
    /// For objects that come from a folder, or from nowhere.
    pub(super) async fn new(client: Client, folder: Option<String>) -> Result<Self, ApplyError> {
        let kinds = Discovery::new(client.clone()).run_aggregated().await?;
        Ok(Self { client, kinds, folder })
    }

    /// Which object a manifest is about. A kind that is not known may be new: it is looked for once more.
    pub(super) async fn named(&mut self, object: &Value) -> Result<Named, ApplyError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        for (field, value) in [("apiVersion", &api_version), ("kind", &kind), ("metadata.name", &name)] {
            if value.is_empty() {
                return Err(ApplyError::Lacks(field));
            }
        }
        let mut found = self.kind(&api_version, &kind);
        if found.is_none() {
            self.kinds = Discovery::new(self.client.clone()).run_aggregated().await?;
            found = self.kind(&api_version, &kind);
        }
        let Some((_, scope)) = found else { return Err(ApplyError::NoKind { kind, api_version }) };
        let namespace = match scope {
            Scope::Cluster => String::new(),
            Scope::Namespaced if namespace.is_empty() => NAMESPACE.to_owned(),
            Scope::Namespaced => namespace,
        };
        Ok(Named { api_version, kind, namespace, name })
    }

    /// Makes an object what its manifest says. Fields that others own and the manifest names become its own.
    pub(super) async fn apply(&self, named: &Named, object: &Value) -> Result<Applied, ApplyError> {
        let api = self.api(named)?;
        let before = api.get_opt(&named.name).await?;
        let mut object = object.clone();
        if let Some(folder) = &self.folder {
            mark(&mut object, folder);
        }
        let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        let after = api.patch(&named.name, &params, &Patch::Apply(&object)).await?;
        let Some(before) = before else { return Ok(Applied::Created) };
        let lines = diff::lines(&serde_json::to_value(before)?, &serde_json::to_value(after)?);
        Ok(if lines.is_empty() { Applied::Unchanged } else { Applied::Changed(lines) })
    }

    /// Deletes an object that comes from the folder, and nothing that anybody else has made.
    pub(super) async fn remove(&self, named: &Named) -> Result<Removed, ApplyError> {
        let api = self.api(named)?;
        let Some(object) = api.get_opt(&named.name).await? else { return Ok(Removed::Gone) };
        if self.folder.is_none() || object.annotations().get(FOLDER) != self.folder.as_ref() {
            return Ok(Removed::Kept("it is not, or no longer, marked as one of this folder"));
        }
        if HOLD_OTHERS.contains(&named.kind.as_str()) {
            return Ok(Removed::Kept("all that is in it would go, too: delete it by hand"));
        }
        let same = Preconditions { uid: object.uid(), resource_version: None };
        match api.delete(&named.name, &DeleteParams::background().preconditions(same)).await {
            Ok(_) => Ok(Removed::Deleted),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Removed::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// All objects that come from the folder.
    pub(super) async fn marked(&self) -> Result<Vec<Named>, ApplyError> {
        let mut marked = Vec::new();
        let kinds: Vec<_> = self.kinds.groups().flat_map(ApiGroup::recommended_resources).collect();
        for (resource, abilities) in kinds {
            if ![verbs::LIST, verbs::DELETE, verbs::PATCH].iter().all(|verb| abilities.supports_operation(verb)) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let found = api.list(&ListParams::default().labels(&format!("{WATCHED}=true"))).await?;
            let of_this = |object: &DynamicObject| object.annotations().get(FOLDER) == self.folder.as_ref();
            let ours = found.items.into_iter().filter(of_this);
            marked.extend(ours.map(|object| Named {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
                namespace: object.namespace().unwrap_or_default(),
                name: object.name_any(),
            }));
        }
        Ok(marked)
    }

    fn kind(&self, api_version: &str, kind: &str) -> Option<(ApiResource, Scope)> {
        let types = TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() };
        self.kinds.resolve_typemeta(&types).map(|(resource, abilities)| (resource, abilities.scope))
    }

    fn api(&self, named: &Named) -> Result<Api<DynamicObject>, ApplyError> {
        let Some((resource, _)) = self.kind(&named.api_version, &named.kind) else {
            return Err(ApplyError::NoKind { kind: named.kind.clone(), api_version: named.api_version.clone() });
        };
        let client = self.client.clone();
        Ok(match named.namespace.as_str() {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        })
    }
}

/// Says on an object which folder it comes from.
fn mark(object: &mut Value, folder: &str) {
    for (field, name, value) in [("labels", WATCHED, "true"), ("annotations", FOLDER, folder)] {
        let kept = &mut object["metadata"][field];
        // An empty `labels:` is one.
        if kept.is_null() {
            *kept = Value::Object(serde_json::Map::new());
        }
        // Whatever else it may be is for the API to refuse.
        if let Some(map) = kept.as_object_mut() {
            map.insert(name.to_owned(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_marked_beside_what_they_say_of_themselves() {
        let mut object = json!({"kind": "Connector", "metadata": {"name": "c", "labels": {"team": "shop"}}});
        mark(&mut object, "/srv/pipelines");
        let metadata = json!({
            "name": "c",
            "labels": {"team": "shop", WATCHED: "true"},
            "annotations": {FOLDER: "/srv/pipelines"},
        });
        assert_eq!(object["metadata"], metadata);
        let mut odd = json!({"metadata": {"name": "c", "labels": "none", "annotations": null}});
        mark(&mut odd, "/d");
        assert_eq!(odd["metadata"], json!({"name": "c", "labels": "none", "annotations": {FOLDER: "/d"}}));
    }

    #[test]
    fn an_object_is_called_by_its_kind_and_name() {
        let named = |namespace: &str| Named {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: namespace.into(),
            name: "c".into(),
        };
        assert_eq!(named("demo").to_string(), "ConfigMap demo/c");
        assert_eq!(named("").to_string(), "ConfigMap c");
    }
}
