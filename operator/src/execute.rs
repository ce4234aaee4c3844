//! Carries a plan out: one write at a time, each with a timeout; the first that fails ends it.

use std::time::Duration;

use aggregator_crds::Reason;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::action::{Action, Kind, Target};
use crate::errand::Why;
use crate::labels;

/// Who writes: the owner of fields that are applied.
pub const FIELD_MANAGER: &str = "aggregator-operator";

/// How long the API server may take for one write.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say whether something is there that was to be made, and of which nobody has heard.
const ANSWER: Duration = Duration::from_secs(5);

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// An object of that name is there, and is not ours.
    #[error("there is a {kind:?} `{name}` that was not made for this object")]
    NameConflict {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The object has changed since it was looked at.
    #[error("{0} has changed since it was looked at")]
    Conflict(String),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s: {action}", PATIENCE.as_secs())]
    Timeout {
        /// What was tried.
        action: String,
    },
    /// The API server refused, or could not be reached.
    #[error("{action}: {}", words(.source))]
    Api {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
}

impl ExecuteError {
    /// What is to be said of the object when it lasts; None when it comes right by itself, or nothing can be said.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        let why = |reason| Some(Why { reason, message: self.to_string() });
        match self {
            Self::NameConflict { .. } => Some(Why {
                reason: Reason::NameConflict,
                message: format!("{self}: delete that, or give this object another name"),
            }),
            Self::Api { source, .. } => match source.as_ref() {
                // Everything goes with its namespace, and nobody has to do anything about that.
                kube::Error::Api(status) if ends_with_its_namespace(status) => None,
                kube::Error::Api(status) if (400..500).contains(&status.code) && !matches!(status.code, 404 | 429) => {
                    why(Reason::WriteRefused)
                }
                _ => None,
            },
            Self::Conflict(_) | Self::Timeout { .. } => None,
        }
    }

    /// Whether what was to be written may have been, all the same.
    fn leaves_open(&self) -> bool {
        match self {
            Self::NameConflict { .. } | Self::Conflict(_) => false,
            Self::Timeout { .. } => true,
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code >= 500,
                _ => true,
            },
        }
    }

    /// A word for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NameConflict { .. } => "name_conflict",
            Self::Conflict(_) => "conflict",
            Self::Timeout { .. } => "timeout",
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 403 => "forbidden",
                kube::Error::Api(status) if status.code == 429 => "throttled",
                kube::Error::Api(status) if status.code < 500 => "refused",
                kube::Error::Api(_) => "server",
                _ => "unreachable",
            },
        }
    }
}

/// What the API server said, without how that is written in a program.
pub(crate) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

/// Whether a patch was for another object of that name: its UID is a field that may not be changed.
fn is_another(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 422 && causes.any(|cause| cause.field == "metadata.uid")
}

fn ends_with_its_namespace(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
}

/// What a write has done to an object: what the cache must have seen before the object is planned again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has this version now, or a later one.
    Version {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// The version.
        resource_version: String,
        /// Whether it was to be made, and was there already.
        found: bool,
    },
    /// It goes.
    Gone {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Which it was.
        uid: String,
    },
}

impl Written {
    fn found(self) -> Self {
        match self {
            Self::Version { kind, name, resource_version, .. } => {
                Self::Version { kind, name, resource_version, found: true }
            }
            gone @ Self::Gone { .. } => gone,
        }
    }

    /// Whether the writes that come next were planned from something else than what is there.
    ///
    /// A run's Job is made from its plan. One that was there already, and not seen when the run was looked at, may be of
    /// another version of the Pipeline: the Job is planned anew when that plan is seen. So may a revision of a Pipeline, of
    /// which the status would say that it is kept.
    #[must_use]
    pub fn belies_the_plan(&self) -> bool {
        matches!(self, Self::Version { kind: Kind::ConfigMap | Kind::ControllerRevision, found: true, .. })
    }
}

/// Does one write.
///
/// # Errors
/// [`ExecuteError`]; whether the write arrived is unknown after a timeout.
pub async fn execute(client: &Client, action: &Action) -> Result<Written, ExecuteError> {
    let done = tokio::time::timeout(PATIENCE, write(client, action)).await;
    let done = done.unwrap_or_else(|_| Err(ExecuteError::Timeout { action: action.to_string() }));
    match (action, done) {
        (Action::Create { kind, object }, Err(error)) if error.leaves_open() => {
            // Where that is not answered either, the first error is told.
            let made = tokio::time::timeout(ANSWER, made(client, *kind, object)).await;
            made.ok().flatten().ok_or(error)
        }
        (_, done) => done,
    }
}

/// What was to be made, if it is there although nobody has heard of it. It would be made again otherwise, and no harm done; but
/// a watch that is behind does not show it, and a plan of a later time would say of a fire that it has no run.
async fn made(client: &Client, kind: Kind, object: &Value) -> Option<Written> {
    let object: DynamicObject = serde_json::from_value(object.clone()).ok()?;
    let api = api(client, kind, &object.namespace().unwrap_or_default());
    let there = api.get_opt(&object.name_any()).await.ok()??;
    let is_it = labels::is_owned(&there, owner_of(&object)) && has_labels(&there, &object);
    is_it.then(|| version(kind, &there).found())
}

/// The UID of who controls an object; empty where nobody does.
fn owner_of(object: &DynamicObject) -> &str {
    labels::controller(object).map_or("", |reference| reference.uid.as_str())
}

/// Whether an object has the labels of another one.
fn has_labels(there: &DynamicObject, wanted: &DynamicObject) -> bool {
    wanted.labels().iter().all(|(key, value)| there.labels().get(key) == Some(value))
}

async fn write(client: &Client, action: &Action) -> Result<Written, ExecuteError> {
    let failed = |source: kube::Error| match &source {
        kube::Error::Api(status) if status.code == 409 || is_another(status) => {
            ExecuteError::Conflict(action.to_string())
        }
        _ => ExecuteError::Api { action: action.to_string(), source: Box::new(source) },
    };
    match action {
        Action::Create { kind, object } => create(client, *kind, object, failed).await,
        Action::Apply { kind, object } => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let written =
                api(client, *kind, namespace).patch(name, &params, &Patch::Apply(object)).await.map_err(failed)?;
            Ok(version(*kind, &written))
        }
        Action::Status { target, status } => {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let written = api(client, target.kind, &target.namespace)
                .patch_status(&target.name, &params, &Patch::Apply(body(target, &json!({ "status": status }))))
                .await
                .map_err(failed)?;
            Ok(version(target.kind, &written))
        }
        Action::Merge { target, patch } => {
            let written = api(client, target.kind, &target.namespace)
                .patch(
                    &target.name,
                    &PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() },
                    &Patch::Merge(merged(target, patch)),
                )
                .await
                .map_err(failed)?;
            Ok(version(target.kind, &written))
        }
        Action::Delete { target, foreground } => delete(client, target, *foreground, failed).await,
    }
}

async fn create(
    client: &Client,
    kind: Kind,
    object: &Value,
    failed: impl Fn(kube::Error) -> ExecuteError,
) -> Result<Written, ExecuteError> {
    let object: DynamicObject =
        serde_json::from_value(object.clone()).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = api(client, kind, &namespace);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let there = match api.create(&params, &object).await {
        Ok(created) => return Ok(version(kind, &created)),
        Err(kube::Error::Api(status)) if status.code == 409 => api.get_opt(&name).await.map_err(&failed)?,
        Err(error) => return Err(failed(error)),
    };
    // Gone again in between: the next plan sees that.
    let there = there.ok_or_else(|| ExecuteError::Conflict(format!("{kind:?} {name}")))?;
    if !labels::is_owned(&there, owner_of(&object)) {
        return Err(ExecuteError::NameConflict { kind, name });
    }
    if has_labels(&there, &object) {
        // An earlier attempt to make it has arrived, and its answer was lost.
        return Ok(version(kind, &there).found());
    }
    // Somebody has taken its labels away, without which the caches do not see it.
    let target = Target::of(kind, &there.metadata).any_version();
    let patch = Patch::Merge(merged(&target, &json!({"metadata": {"labels": object.labels()}})));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    Ok(version(kind, &api.patch(&name, &params, &patch).await.map_err(failed)?).found())
}

async fn delete(
    client: &Client,
    target: &Target,
    foreground: bool,
    failed: impl Fn(kube::Error) -> ExecuteError,
) -> Result<Written, ExecuteError> {
    let policy = if foreground { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
    let params = DeleteParams {
        propagation_policy: Some(policy),
        preconditions: Some(Preconditions {
            uid: Some(target.uid.clone()),
            resource_version: target.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match api(client, target.kind, &target.namespace).delete(&target.name, &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(Written::Gone { kind: target.kind, name: target.name.clone(), uid: target.uid.clone() })
}

fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.resource())
}

fn version(kind: Kind, object: &DynamicObject) -> Written {
    let resource_version = object.resource_version().unwrap_or_default();
    Written::Version { kind, name: object.name_any(), resource_version, found: false }
}

/// An object for server-side apply, which refuses it when the one that is there is another one or a later version.
fn body(target: &Target, fields: &Value) -> Value {
    let resource = target.kind.resource();
    let mut body = merged(target, fields);
    body["apiVersion"] = resource.api_version.into();
    body["kind"] = resource.kind.into();
    body["metadata"]["name"] = target.name.clone().into();
    body
}

/// Fields with the preconditions.
fn merged(target: &Target, fields: &Value) -> Value {
    let mut merged = fields.clone();
    merged["metadata"]["uid"] = target.uid.clone().into();
    if let Some(version) = &target.resource_version {
        merged["metadata"]["resourceVersion"] = version.clone().into();
    }
    merged
}

#[cfg(test)]
mod tests {
    use axum::body::Body as Answered;
    use http::{Method, Request, Response};
    use kube::client::Body;

    use super::*;

    fn run(owner: &str, version: Option<&str>) -> Value {
        let owner = json!([{
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule", "name": "hourly", "uid": owner, "controller": true,
        }]);
        let own = labels::labels([(labels::SCHEDULE, "hourly")]);
        json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": "hourly-1", "namespace": "demo", "labels": own, "ownerReferences": owner,
                         "resourceVersion": version},
            "spec": {"pipelineRef": {"name": "move"}},
        })
    }

    /// A run is made, and the API server answers with that code, or not at all (0). What is there when it is asked again?
    async fn made_by(code: u16, there: Option<Value>) -> Result<Written, ExecuteError> {
        let status = |code: u16| json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code});
        let answers = tower::service_fn(move |request: Request<Body>| {
            let (code, body) = match (request.method(), &there) {
                (&Method::POST, _) => (code, status(code)),
                (_, Some(there)) => (200, there.clone()),
                (_, None) => (404, status(404)),
            };
            std::future::ready(match code {
                0 => Err("the answer is lost"),
                code => Ok(Response::builder().status(code).body(Answered::from(body.to_string())).expect("an answer")),
            })
        });
        let client = Client::new(answers, "demo");
        execute(&client, &Action::Create { kind: Kind::PipelineRun, object: run("uid", None) }).await
    }

    #[tokio::test]
    async fn what_was_made_and_whose_answer_was_lost_is_found() {
        let found = |version: &str| {
            let (kind, name, resource_version) = (Kind::PipelineRun, "hourly-1".to_owned(), version.to_owned());
            Written::Version { kind, name, resource_version, found: true }
        };
        for code in [0, 500, 504] {
            let made = made_by(code, Some(run("uid", Some("7")))).await;
            assert_eq!(made.expect("it is there"), found("7"), "{code}");
            let category = if code == 0 { "unreachable" } else { "server" };
            let of_another = run("another", Some("7"));
            let mut bare = run("uid", Some("7"));
            bare["metadata"]["labels"] = json!({});
            for there in [None, Some(of_another), Some(bare)] {
                let error = made_by(code, there).await.expect_err("it is not known to be there");
                assert_eq!(error.category(), category, "{code}: {error}");
            }
        }
        // Who is refused has made nothing.
        let refused = made_by(422, Some(run("uid", Some("7")))).await.expect_err("it was refused");
        assert_eq!(refused.category(), "refused");
    }

    #[test]
    fn only_what_was_made_of_a_version_may_be_another_one_than_was_thought() {
        let of = |kind| Written::Version { kind, name: "it".into(), resource_version: "7".into(), found: false };
        assert!(!of(Kind::ConfigMap).belies_the_plan(), "it was made just now");
        assert!(of(Kind::ConfigMap).found().belies_the_plan());
        assert!(of(Kind::ControllerRevision).found().belies_the_plan());
        // These are told from their owner alone, or from a plan that was seen.
        for kind in [Kind::Job, Kind::PipelineRun] {
            assert!(!of(kind).found().belies_the_plan(), "{kind:?}");
        }
        let gone = Written::Gone { kind: Kind::ConfigMap, name: "it".into(), uid: "uid".into() };
        assert_eq!(gone.clone().found(), gone);
        assert!(!gone.belies_the_plan());
    }

    #[test]
    fn a_patch_for_another_object_of_that_name_is_a_conflict() {
        let refused = |field: &str| -> Status {
            let cause = json!({"reason": "FieldValueInvalid", "message": "field is immutable", "field": field});
            let details = json!({"name": "first", "kind": "jobs", "causes": [cause]});
            let status = json!({"status": "Failure", "reason": "Invalid", "code": 422, "details": details});
            serde_json::from_value(status).expect("a status")
        };
        assert!(is_another(&refused("metadata.uid")));
        assert!(!is_another(&refused("spec.template")));
    }
}
