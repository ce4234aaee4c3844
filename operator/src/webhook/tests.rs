//! Requests to Schedules of an API server that has one, by hand and over connections.

mod connections;
mod requests;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use http::header::RETRY_AFTER;
use http::{Method, Request};
use tokio::sync::{Notify, watch};
use tower::ServiceExt;

use super::*;
use crate::calls::client_of;
use crate::fixture::object;

const TOKEN: &str = "a token of the tests";

/// An API server that has one Schedule.
struct Server {
    schedule: Value,
    version: u64,
    /// How often somebody else writes between a read and a write.
    rivals: u32,
    /// Whether it takes nothing.
    fails: bool,
}

impl Server {
    /// Answers a request with a code, and what is said.
    fn answer(&mut self, method: &Method, body: &[u8]) -> (u16, Value) {
        if self.fails {
            return (500, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500}));
        }
        if *method == Method::GET {
            let list = json!({
                "apiVersion": aggregator_crds::API_VERSION, "kind": "ScheduleList", "metadata": {},
                "items": [self.schedule],
            });
            if self.rivals > 0 {
                self.rivals -= 1;
                self.next_version();
            }
            return (200, list);
        }
        let asked: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(asked["metadata"]["uid"], "uid", "{asked}");
        if asked["metadata"]["resourceVersion"] != self.schedule["metadata"]["resourceVersion"] {
            return (409, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409}));
        }
        self.schedule["status"] = asked["status"].clone();
        self.next_version();
        (200, self.schedule.clone())
    }

    fn next_version(&mut self) {
        self.version += 1;
        self.schedule["metadata"]["resourceVersion"] = self.version.to_string().into();
    }
}

/// What is asked, and of whom.
struct Place {
    server: Arc<Mutex<Server>>,
    /// Told when the API server is asked.
    asked: Arc<Notify>,
    /// Whether it answers.
    answers: watch::Sender<bool>,
    webhooks: Webhooks,
    metrics: Metrics,
}

/// Where there is a Schedule with this in its spec.
fn place(more: &Value) -> Place {
    let mut webhook = json!({"tokenSha256": hash_of(TOKEN)});
    let mut spec = json!({"pipelineRef": {"name": "move"}});
    for (name, value) in more.as_object().expect("fields") {
        let of = if ["params", "eventIdHeader"].contains(&name.as_str()) { &mut webhook } else { &mut spec };
        of[name.as_str()] = value.clone();
    }
    if spec["interval"].is_null() {
        spec["webhook"] = webhook;
    }
    let schedule = json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule",
        "metadata": {"name": "ordered", "namespace": "demo", "uid": "uid", "resourceVersion": "7", "generation": 1},
        "spec": spec,
    });
    let cached: Schedule = object(schedule.clone());
    let server = Arc::new(Mutex::new(Server { schedule, version: 7, rivals: 0, fails: false }));
    let metrics = Metrics::new().expect("names");
    let (asked, (answers, answering)) = (Arc::new(Notify::new()), watch::channel(true));
    let of_client = (Arc::clone(&server), Arc::clone(&asked));
    let api = tower::service_fn(move |request: Request<kube::client::Body>| {
        let ((server, asked), mut answering) = (of_client.clone(), answering.clone());
        async move {
            asked.notify_one();
            drop(answering.wait_for(|answers| *answers).await);
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.expect("a body");
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            let (code, said) = server.answer(&head.method, &body);
            let answer = http::Response::builder().status(code).body(Body::from(said.to_string()));
            Ok::<_, Infallible>(answer.expect("an answer"))
        }
    });
    let webhooks = Webhooks {
        client: client_of(api, &metrics),
        schedules: Cache::of([Arc::new(cached)]),
        metrics: metrics.clone(),
        limits: Limits::default(),
        over: CancellationToken::new(),
    };
    Place { server, asked, answers, webhooks, metrics }
}

impl Place {
    /// What is answered to a request with these headers and this body, and after which time to ask again.
    async fn advised(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> ((u16, Value), Option<String>) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let answer = self.webhooks.clone().routes().oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let again = head.headers.get(RETRY_AFTER).map(|value| value.to_str().expect("text").to_owned());
        ((head.status.as_u16(), serde_json::from_slice(&body).expect("JSON")), again)
    }

    /// What is answered to such a request.
    async fn asked(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, Value) {
        self.advised(path, headers, body).await.0
    }

    /// What is answered to one that has the token.
    async fn posted(&self, key: &str, body: &'static str) -> (u16, Value) {
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if !key.is_empty() {
            headers.push(("Idempotency-Key", key));
        }
        self.asked("/webhooks/demo/ordered", &headers, body).await
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> Vec<FireRequest> {
        let requests = self.server().schedule["status"]["requests"].clone();
        if requests.is_null() { Vec::new() } else { object(requests) }
    }
}
