//! A real API server, and what it answers.

use std::sync::Arc;

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::wait::eventually;
use axum::http::{Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use crate::kinds;

/// A real API server that has the definitions of [`kinds::definitions`].
pub(crate) struct Real {
    pub(crate) plane: Arc<ControlPlane>,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) content_type: String,
    pub(crate) etag: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Real {
    pub(crate) fn start() -> Self {
        let plane = ControlPlane::shared();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        let real = Self { plane, client, runtime };
        for definition in kinds::definitions() {
            let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
            let place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let answer = real.send(Method::POST, place, &definition);
            // Another test may have been first.
            assert!(matches!(answer.code, 201 | 409), "{answer:?}");
            let established = |definition: &Value| {
                let conditions = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
                conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
            };
            eventually("the definition", || established(&real.get(&format!("{place}/{name}")).json()).then_some(()));
            let group = definition["spec"]["group"].as_str().unwrap();
            for version in definition["spec"]["versions"].as_array().unwrap() {
                let version = version["name"].as_str().unwrap();
                eventually("its schema", || {
                    let answer = real.get(&format!("/openapi/v3/apis/{group}/{version}"));
                    answer.body.contains("x-kubernetes-group-version-kind").then_some(())
                });
            }
        }
        real
    }

    pub(crate) fn get(&self, place: &str) -> Answer {
        self.accepting(place, "application/json")
    }

    pub(crate) fn accepting(&self, place: &str, accept: &str) -> Answer {
        let request = Request::get(place).header("Accept", accept).body(Body::empty()).unwrap();
        self.answer(request)
    }

    pub(crate) fn send(&self, method: Method, place: &str, body: &Value) -> Answer {
        let form = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(place).header("Content-Type", form);
        self.answer(request.body(Body::from(body.to_string().into_bytes())).unwrap())
    }

    /// Creates an object, and gives it the status.
    pub(crate) fn create(&self, place: &str, object: &Value) -> Value {
        let answer = self.send(Method::POST, place, object);
        assert_eq!(answer.code, 201, "{} for {object}", answer.body);
        let Some(status) = object.get("status") else { return answer.json() };
        let name = answer.json()["metadata"]["name"].as_str().unwrap().to_owned();
        let place = format!("{place}/{name}/status");
        let answer = self.send(Method::PATCH, &place, &serde_json::json!({"status": status}));
        assert_eq!(answer.code, 200, "{} for {status}", answer.body);
        answer.json()
    }

    fn answer(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let response = self.client.send(request).await.unwrap();
            let header =
                |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
            let (content_type, etag) = (header("content-type").unwrap_or_default(), header("etag"));
            let code = response.status().as_u16();
            let body = axum::body::Body::new(response.into_body());
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            Answer { code, content_type, etag, body: String::from_utf8_lossy(&body).into_owned() }
        })
    }
}
