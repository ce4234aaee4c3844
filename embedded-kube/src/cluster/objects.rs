//! What is there from the beginning.

use std::sync::Mutex;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::ClusterError;
use crate::api::access::User;
use crate::api::serve::{Api, Asked};

/// Who applies them.
const MANAGER: &str = "embedded-kube";
const APPLY: HeaderValue = HeaderValue::from_static("application/apply-patch+yaml");

/// The namespaces that each cluster has.
pub(super) fn first() -> Vec<Value> {
    let namespace = |name: &&str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    ["default", "kube-system", "kube-public", "kube-node-lease"].iter().map(namespace).collect()
}

/// Makes an object what it should be.
pub(super) async fn apply(api: &Api, object: &Value) -> Result<(), ClusterError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let refused = |why: String| ClusterError::Object { object: format!("{kind} {name}"), why };
    let Some(served) = api.kind(version, kind) else {
        return Err(refused(format!("no kind {kind} of {version} is served")));
    };
    let group = if served.group.is_empty() { "api".to_owned() } else { format!("apis/{}", served.group) };
    let namespace = match (served.namespaced, text("/metadata/namespace")) {
        (false, _) => String::new(),
        (true, "") => "namespaces/default/".to_owned(),
        (true, namespace) => format!("namespaces/{namespace}/"),
    };
    let path = format!(
        "/{group}/{}/{namespace}{}/{name}?fieldManager={MANAGER}&force=true&fieldValidation=Strict",
        served.version, served.plural,
    );
    let uri: Uri = path.parse().map_err(|error: http::uri::InvalidUri| refused(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, APPLY);
    let body = Bytes::from(object.to_string());
    let (certified, warned) = (Some(owner()), Mutex::default());
    let answer = api.answer(Asked { method: Method::PATCH, uri, headers, body, certified, warned }).await;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(refused(message(answer).await))
}

/// Who owns the cluster.
fn owner() -> User {
    User { name: "system:embedded".into(), groups: vec!["system:masters".into()], ..User::default() }
}

/// What a refusal says.
async fn message(answer: Response<Body>) -> String {
    let status = answer.status().to_string();
    let Ok(body) = answer.into_body().collect().await else { return status };
    let told: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    told["message"].as_str().map_or(status, str::to_owned)
}
