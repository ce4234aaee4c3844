//! A namespace of a real API server.

use std::sync::Arc;

use aggregator_embedded_kube::api::Refusal;
use aggregator_tests::control_plane::{ControlPlane, Namespace};
use axum::http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

pub(crate) struct Server {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) namespace: Namespace,
    client: kube::Client,
    runtime: tokio::runtime::Runtime,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Server {
    pub(crate) fn start() -> Self {
        let plane = ControlPlane::shared();
        let namespace = plane.namespace();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            kube::Client::try_from(config).unwrap()
        });
        Self { plane, namespace, client, runtime }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let request = request.body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let answer = self.client.send(request).await.unwrap();
            let code = answer.status().as_u16();
            let body = answer.into_body().collect_bytes().await.unwrap();
            Answer { code, body: serde_json::from_slice(&body).unwrap() }
        })
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "application/json", &Value::Null);
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        answer.body
    }
}

/// An object without what only the API server sets, and with its managers in an order that times have no part in.
pub(crate) fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["uid", "creationTimestamp", "resourceVersion", "generation", "selfLink"] {
            metadata.remove(name);
        }
        let managers = metadata.get_mut("managedFields").and_then(Value::as_array_mut);
        for entry in managers.into_iter().flatten().filter_map(Value::as_object_mut) {
            let time = entry.remove("time").is_some();
            entry.insert("hasTime".into(), time.into());
        }
        if let Some(Value::Array(managers)) = metadata.get_mut("managedFields") {
            managers.sort_by_key(|entry| {
                ["operation", "manager", "apiVersion", "subresource"].map(|name| entry[name].to_string())
            });
        }
    }
    object
}

/// A refusal without the order of its causes and of the managers in its message, which is another each time.
pub(crate) fn of_refusal(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(causes) = status.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
        causes.sort_by_key(ToString::to_string);
    }
    let mut lines: Vec<&str> = status["message"].as_str().unwrap().split('\n').collect();
    lines.sort_unstable();
    let message = lines.join("\n");
    json!({
        "code": status["code"],
        "reason": status.get("reason"),
        "message": message,
        "details": status.get("details"),
    })
}

/// Panics when the outcomes differ. The object that is there now, if there was no refusal.
pub(crate) fn same(what: &str, ours: Result<Value, Refusal>, real: &Answer) -> Option<Value> {
    compared(what, ours, real).unwrap_or_else(|difference| panic!("{difference}"))
}

/// The object that is there now, if there was no refusal; or how the outcomes differ.
pub(crate) fn compared(what: &str, ours: Result<Value, Refusal>, real: &Answer) -> Result<Option<Value>, String> {
    let (ours, theirs, object) = match ours {
        Ok(ours) if real.code < 300 => (comparable(&ours), comparable(&real.body), Some(real.body.clone())),
        Err(ours) if real.code >= 300 => (of_refusal(&ours.status()), of_refusal(&real.body), None),
        ours => return Err(format!("{what}\nours: {ours:#?}\ntheirs: {} {:#}", real.code, real.body)),
    };
    if ours == theirs { Ok(object) } else { Err(format!("{what}\nours: {ours:#}\ntheirs: {theirs:#}")) }
}

/// Panics when steps of a random test differed.
pub(crate) fn none(differences: &[String]) {
    let shown = differences.iter().take(4).cloned().collect::<Vec<_>>().join("\n----\n");
    assert!(differences.is_empty(), "{} steps differ:\n{shown}", differences.len());
}
