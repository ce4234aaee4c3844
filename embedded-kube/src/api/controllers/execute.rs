//! Carries a plan out: one write at a time, each with a timeout; the first that fails ends it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use kube::api::{
    Api, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::action::{Action, Propagation, Target};
use super::cache::{Place, place};
use super::events::Events;
use super::expectations::Written;
use super::owner;
use super::resource::Resource;

/// Who writes: the owner of the fields.
const MANAGER: &str = "kube-controller-manager";
/// How long the API server may take for one write.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExecuteError {
    /// It has changed since it was looked at, or is gone.
    #[error("{0}: it has changed since it was looked at")]
    Changed(String),
    /// An object of that name is there, and is another's.
    #[error("{0}: the name is taken by an object of somebody else; delete that, or give this one another name")]
    Taken(String),
    /// Its namespace goes, and it with it.
    #[error("{0}: its namespace goes")]
    Leaving(String),
    /// The API server did not answer in time.
    #[error("{0}: the API server did not answer within {seconds} s", seconds = PATIENCE.as_secs())]
    Timeout(String),
    /// The API server refused, or could not be reached.
    #[error("{action}: {}", words(.source))]
    Api {
        action: String,
        #[source]
        source: Box<kube::Error>,
    },
}

/// What the API server said, without how that is written in a program.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

impl ExecuteError {
    fn of(action: &Action, source: kube::Error) -> Self {
        let leaving = |status: &Status| {
            let mut causes = status.details.iter().flat_map(|details| &details.causes);
            causes.any(|cause| cause.reason == "NamespaceTerminating")
        };
        match &source {
            kube::Error::Api(status) if leaving(status) => Self::Leaving(action.to_string()),
            kube::Error::Api(status) if status.code == 409 => Self::Changed(action.to_string()),
            kube::Error::Api(status) if status.code == 404 && !matches!(action, Action::Create { .. }) => {
                Self::Changed(action.to_string())
            }
            _ => Self::Api { action: action.to_string(), source: Box::new(source) },
        }
    }
}

/// Does one write. What the cache must have seen of it is given back.
pub(super) async fn execute(
    client: &Client,
    events: &Events,
    action: &Action,
) -> Result<Option<Written>, ExecuteError> {
    if let Action::Tell(note) = action {
        // An Event that is late is as good as none.
        tokio::time::timeout(PATIENCE, events.tell(note)).await.unwrap_or_default();
        return Ok(None);
    }
    let done = tokio::time::timeout(PATIENCE, write(client, action)).await;
    let done = done.unwrap_or_else(|_| Err(ExecuteError::Timeout(action.to_string())));
    if let (Action::Create { refused: Some(note), .. }, Err(ExecuteError::Api { source, .. })) = (action, &done) {
        let mut note = note.as_ref().clone();
        note.message.push_str(&words(source));
        tokio::time::timeout(PATIENCE, events.tell(&note)).await.unwrap_or_default();
    }
    done
}

async fn write(client: &Client, action: &Action) -> Result<Option<Written>, ExecuteError> {
    let failed = |source| ExecuteError::of(action, source);
    let post = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let patch = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match action {
        Action::Create { resource, object, .. } => create(client, resource, object, &post, action).await,
        Action::Replace { target, part, object } => {
            let api = api(client, &target.resource, &target.namespace);
            let written = api.replace_subresource(part, &target.name, &post, object).await.map_err(failed)?;
            Ok(changed(target, &written))
        }
        Action::Merge { target, part, patch: fields } => {
            let api = api(client, &target.resource, &target.namespace);
            let fields = Patch::Merge(exactly(target, fields));
            let written = match part {
                Some(part) => api.patch_subresource(part, &target.name, &patch, &fields).await,
                None => api.patch(&target.name, &patch, &fields).await,
            };
            Ok(changed(target, &written.map_err(failed)?))
        }
        Action::Apply { target, fields, manager } => {
            let mut body = exactly(target, fields);
            body["apiVersion"] = target.resource.api_version().into();
            body["kind"] = target.resource.kind.to_string().into();
            body["metadata"]["name"] = target.name.clone().into();
            let api = api(client, &target.resource, &target.namespace);
            let params = PatchParams::apply(manager).force();
            let written = api.patch(&target.name, &params, &Patch::Apply(body)).await.map_err(failed)?;
            Ok(changed(target, &written))
        }
        Action::Delete { target, propagation, grace } => {
            let params = DeleteParams {
                grace_period_seconds: *grace,
                propagation_policy: propagation.map(|propagation| match propagation {
                    Propagation::Orphan => PropagationPolicy::Orphan,
                    Propagation::Background => PropagationPolicy::Background,
                    Propagation::Foreground => PropagationPolicy::Foreground,
                }),
                preconditions: Some(Preconditions {
                    uid: Some(target.uid.clone()),
                    resource_version: target.resource_version.clone(),
                }),
                ..DeleteParams::default()
            };
            match api(client, &target.resource, &target.namespace).delete(&target.name, &params).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(failed(error)),
            }
            Ok(Some(Written::Deleted { place: at(target), uid: target.uid.clone() }))
        }
        Action::Bind { target, node } => {
            let binding = Binding {
                metadata: ObjectMeta {
                    name: Some(target.name.clone()),
                    namespace: Some(target.namespace.clone()),
                    uid: Some(target.uid.clone()),
                    ..ObjectMeta::default()
                },
                target: ObjectReference {
                    kind: Some("Node".to_owned()),
                    name: Some(node.clone()),
                    ..ObjectReference::default()
                },
            };
            let api = api(client, &target.resource, &target.namespace);
            let post = PostParams { field_manager: Some("kube-scheduler".to_owned()), ..PostParams::default() };
            let bound = api.create_subresource::<Binding, Value>("binding", &target.name, &post, &binding).await;
            bound.map_err(failed)?;
            Ok(Some(Written::Bound { place: at(target), uid: target.uid.clone() }))
        }
        Action::Tell(_) => Ok(None),
    }
}

async fn create(
    client: &Client,
    resource: &Resource,
    object: &Value,
    post: &PostParams,
    action: &Action,
) -> Result<Option<Written>, ExecuteError> {
    let failed = |source| ExecuteError::of(action, source);
    let object: DynamicObject =
        serde_json::from_value(object.clone()).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = api(client, resource, &namespace);
    let there = match api.create(post, &object).await {
        Ok(made) => made,
        // An earlier attempt may have arrived, whose answer was lost; and gone again, which the next plan sees.
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
            let there = api.get_opt(&name).await.map_err(failed)?;
            let there = there.ok_or_else(|| ExecuteError::Changed(action.to_string()))?;
            let uid = |object: &DynamicObject| owner::controller(&object.metadata).map(|owner| owner.uid.clone());
            if uid(&there) != uid(&object) {
                return Err(ExecuteError::Taken(action.to_string()));
            }
            there
        }
        Err(error) => return Err(failed(error)),
    };
    let (uid, version) = (there.uid().unwrap_or_default(), there.resource_version().unwrap_or_default());
    Ok(Some(Written::Made { place: place(resource, Some(&namespace), Some(&name)), uid, version }))
}

/// The objects of a kind, in their namespace.
pub(super) fn api(client: &Client, resource: &Resource, namespace: &str) -> Api<DynamicObject> {
    if resource.namespaced && !namespace.is_empty() {
        Api::namespaced_with(client.clone(), namespace, &resource.api())
    } else {
        Api::all_with(client.clone(), &resource.api())
    }
}

fn at(target: &Target) -> Place {
    (target.resource.clone(), target.namespace.clone(), target.name.clone())
}

fn changed(target: &Target, written: &DynamicObject) -> Option<Written> {
    let version = written.resource_version().unwrap_or_default();
    Some(Written::Changed { place: at(target), uid: target.uid.clone(), version })
}

/// Fields with the preconditions.
fn exactly(target: &Target, fields: &Value) -> Value {
    let mut fields = fields.clone();
    if !fields["metadata"].is_object() {
        fields["metadata"] = json!({});
    }
    fields["metadata"]["uid"] = target.uid.clone().into();
    if let Some(version) = &target.resource_version {
        fields["metadata"]["resourceVersion"] = version.clone().into();
    }
    fields
}
