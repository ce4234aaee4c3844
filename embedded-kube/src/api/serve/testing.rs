//! An API for tests of what it answers.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{Admission, Api, Asked, Parts};
use crate::api::access::User;
use crate::api::store::Store;

/// An API over a store in memory, with a namespace `n`.
pub(super) async fn api(admission: Vec<Arc<dyn Admission>>) -> Api {
    let parts = Parts::over(Store::open(None).expect("a store")).expect("a key");
    let api = Api::open(Parts { admission, ..parts }).await.expect("an API");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    assert_eq!(ask(&api, Method::POST, "/api/v1/namespaces", &namespace).await.0, 201);
    api
}

/// Somebody who may do everything.
pub(super) fn root() -> User {
    User { name: "root".into(), groups: vec!["system:masters".into()], ..User::default() }
}

/// Sends an object, or nothing, as somebody who may do everything; gives the status and what is answered.
pub(super) async fn ask(api: &Api, method: Method, path: &str, object: &Value) -> (u16, Value) {
    ask_as(api, root(), (method, "application/json"), path, object).await
}

/// The same as somebody, with a content type.
pub(super) async fn ask_as(
    api: &Api,
    user: User,
    (method, content): (Method, &'static str),
    path: &str,
    object: &Value,
) -> (u16, Value) {
    let answer = answer(api, user, (method, content), path, object).await;
    let status = answer.status().as_u16();
    let told = answer.into_body().collect().await.expect("an answer").to_bytes();
    (status, serde_json::from_slice(&told).expect("JSON"))
}

/// The same, whose answer may not end.
pub(super) async fn answer(
    api: &Api,
    user: User,
    (method, content): (Method, &'static str),
    path: &str,
    object: &Value,
) -> Response<Body> {
    let uri = path.parse().expect("a path");
    let body = if object.is_null() { Bytes::new() } else { Bytes::from(object.to_string()) };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content))]);
    api.answer(Asked { method, uri, headers, body, certified: Some(user), warned: Mutex::default() }).await
}
