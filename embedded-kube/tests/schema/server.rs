//! A real API server, asked by requests as they go over the wire.

use std::sync::Arc;

use aggregator_tests::control_plane::ControlPlane;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A control plane, and a client of it.
pub(crate) struct Server {
    pub(crate) plane: Arc<ControlPlane>,
    client: Client,
    runtime: Runtime,
}

/// What it answers: the status code, the object or what is wrong, and what it warns of.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

impl Server {
    pub(crate) fn shared() -> Self {
        let plane = ControlPlane::shared();
        let runtime = Runtime::new().expect("a runtime");
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { plane, client, runtime }
    }

    /// Asks.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(kube::client::Body::from(body.as_bytes().to_vec()))
            .expect("a request");
        self.runtime.block_on(async {
            let answer = self.client.send(request).await.expect("an answer");
            let code = answer.status().as_u16();
            let warnings = answer.headers().get_all("warning").iter();
            let warnings = warnings.map(|warning| text_of(&String::from_utf8_lossy(warning.as_bytes()))).collect();
            let body = answer.into_body().collect_bytes().await.expect("a body");
            Answer { code, body: serde_json::from_slice(&body).unwrap_or_else(|_| json!({})), warnings }
        })
    }

    /// Makes a definition known, and waits until its kind is served.
    pub(crate) fn define(&self, definition: &Value) {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let answer = self.ask("POST", path, &definition.to_string());
        assert!(matches!(answer.code, 201 | 409), "{answer:?}");
        let name = format!("crd/{}", definition["metadata"]["name"].as_str().expect("a name"));
        self.plane.kubectl(["wait", name.as_str(), "--for=condition=Established", "--timeout=60s"]);
    }
}

/// `299 - "text"`.
fn text_of(warning: &str) -> String {
    let text = warning.split_once('"').map_or(warning, |(_, text)| text);
    text.strip_suffix('"').unwrap_or(text).replace("\\\"", "\"").replace("\\\\", "\\")
}
