//! Webhooks: who knows the token of a Schedule makes it fire. Plain HTTP, to stand behind an Ingress.
//!
//! A request is answered when it stands in the status of its Schedule: whoever dies then, its fire is decided on. Any operator
//! writes it there, also one that waits for its turn; the one that acts sees it as any other change.

use std::collections::BTreeMap;
use std::time::Duration;

use aggregator_crds::Schedule;
use aggregator_crds::schedule::{FireRequest, Trigger, WebhookTrigger};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::action::{Action, Kind, Target};
use crate::execute::{ExecuteError, execute, words};
use crate::metrics::Metrics;
use crate::schedule::{Asked, Refused, ask, run_of};
use crate::world::{Cache, World};

/// The most bytes of a request's body.
const BODY: usize = 64 * 1024;
/// The most bytes of the values that are taken from it: they wait in the Schedule's status.
const VALUES: usize = 4 * 1024;
/// How long a body may take to come, and the API server to say how a Schedule stands.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is tried to write a request down while others write as well.
const TRIES: usize = 20;
/// The header with the event, if the Schedule names no other.
const KEY: &str = "idempotency-key";
/// After how many seconds it is worth asking again.
const AGAIN: &str = "5";
/// What the hash of a token is compared with where there is no Schedule: no token has it.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What answers requests to Schedules.
#[derive(Clone)]
pub(crate) struct Webhooks {
    client: Client,
    schedules: Cache<Schedule>,
    metrics: Metrics,
}

/// Why a request makes nothing fire.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    why: String,
}

fn refusal(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into() }
}

/// Said of a wrong token and of a Schedule that is not there alike: nobody is told which there are.
fn unauthorized() -> Refusal {
    refusal(StatusCode::UNAUTHORIZED, "there is no such Schedule, or this is not its token")
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Invalid(_) | Refused::Suspended => StatusCode::CONFLICT,
            Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        refusal(status, refused.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(json!({"error": self.why}))).into_response();
        let header = match self.status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, AGAIN)),
            _ => None,
        };
        if let Some((name, value)) = header {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

impl Webhooks {
    /// For the Schedules of caches that are filled.
    pub(crate) fn new(client: Client, world: &World, metrics: Metrics) -> Self {
        Self { client, schedules: world.schedules.clone(), metrics }
    }

    /// Serves until it is asked to stop; who has asked before is answered.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let served = axum::serve(listener, self.routes()).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "requests to Schedules are not listened for any more");
        }
    }

    fn routes(self) -> Router {
        Router::new().route("/webhooks/{namespace}/{schedule}", post(fire)).with_state(self)
    }

    /// Makes a Schedule fire.
    async fn take(&self, namespace: &str, name: &str, headers: &HeaderMap, body: Body) -> Result<Value, Refusal> {
        let hash = hash_of(token(headers).ok_or_else(unauthorized)?);
        // The cache is asked first: who has no token makes the API server no work.
        let known = self.schedules.get(namespace, name);
        let trigger = opened(known.as_deref(), &hash).ok_or_else(unauthorized)?;
        let body = match tokio::time::timeout(PATIENCE, to_bytes(body, BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let why = format!("the body has more than {BODY} bytes, or did not come whole");
                return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
            }
            Err(_) => {
                let why = format!("the body did not come within {} s", PATIENCE.as_secs());
                return Err(refusal(StatusCode::REQUEST_TIMEOUT, why));
            }
        };
        let key = key(headers, trigger)?;
        let params = params(trigger, &body)?;
        for _ in 0..TRIES {
            let schedule = self.read(namespace, name).await?;
            // Its token may be another one by now.
            let schedule = schedule.filter(|schedule| opened(Some(schedule), &hash).is_some());
            let schedule = schedule.ok_or_else(unauthorized)?;
            let (request, status) = match ask(&schedule, key, params.clone(), Timestamp::now())? {
                Asked::Known(request) => return Ok(taken(&schedule, &request)),
                Asked::New(request, status) => (request, status),
            };
            // As who acts writes it: all of the status, of the version that was read.
            let action = Action::status(Target::of(Kind::Schedule, &schedule.metadata), &status);
            let written = execute(&self.client, &action).await;
            let (kind, verb) = action.what();
            self.metrics.wrote(kind, verb, written.as_ref().map_or_else(ExecuteError::category, |_| "ok"));
            match written {
                Ok(_) => {
                    tracing::info!(namespace, name, fire = request.id, "a request was taken");
                    return Ok(taken(&schedule, &request));
                }
                Err(ExecuteError::Conflict(_)) => {}
                Err(error) => {
                    tracing::warn!(namespace, name, %error, "a request could not be taken");
                    let why = "it is not known whether it was taken; send it again, with the same key if it has one";
                    return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, why));
                }
            }
        }
        Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests come at once"))
    }

    /// A Schedule as it stands, by the right to list them, which the operator has.
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Schedule>, Refusal> {
        let schedules: Api<Schedule> = Api::namespaced(self.client.clone(), namespace);
        let named = ListParams::default().fields(&format!("metadata.name={name}"));
        let error = match tokio::time::timeout(PATIENCE, schedules.list(&named)).await {
            Ok(Ok(list)) => return Ok(list.items.into_iter().next()),
            Ok(Err(error)) => words(&error),
            Err(_) => "the API server does not answer".to_owned(),
        };
        tracing::warn!(namespace, name, error, "a Schedule could not be read");
        Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "the Kubernetes API does not say how the Schedule stands"))
    }
}

async fn fire(
    State(webhooks): State<Webhooks>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = match webhooks.take(&namespace, &name, &headers, body).await {
        Ok(taken) => (StatusCode::ACCEPTED, Json(taken)).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    webhooks.metrics.webhook_answered(answer.status().as_str());
    answer
}

/// What is said of a request that was taken.
fn taken(schedule: &Schedule, request: &FireRequest) -> Value {
    json!({"fire": request.id, "time": request.time, "run": run_of(schedule, request)})
}

/// The token that a request carries.
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// The SHA-256 of a token, in hexadecimal digits.
fn hash_of(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a Schedule says of requests, if the token of that hash is its own. It takes as long for each hash, and where there is
/// no Schedule.
fn opened<'a>(schedule: Option<&'a Schedule>, hash: &str) -> Option<&'a WebhookTrigger> {
    let there = schedule.filter(|schedule| schedule.metadata.deletion_timestamp.is_none());
    let webhook = there.and_then(|schedule| match &schedule.spec.trigger {
        Trigger::Webhook(webhook) => Some(webhook),
        _ => None,
    });
    let own = webhook.map_or(NOBODYS, |webhook| &webhook.token_sha256);
    let is_own = bool::from(own.as_bytes().ct_eq(hash.as_bytes()));
    webhook.filter(|_| is_own)
}

/// What names the event of a request.
fn key<'a>(headers: &'a HeaderMap, trigger: &WebhookTrigger) -> Result<Option<&'a str>, Refusal> {
    let name = trigger.event_id_header.as_deref().unwrap_or(KEY);
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    let value = value.map_err(|_| refusal(StatusCode::BAD_REQUEST, format!("the header `{name}` is no plain text")))?;
    Ok(value.filter(|value| !value.is_empty()))
}

/// The values that a Schedule takes from a body.
fn params(trigger: &WebhookTrigger, body: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut values = BTreeMap::new();
    if trigger.params.is_empty() {
        return Ok(values);
    }
    let bad = |why: String| refusal(StatusCode::BAD_REQUEST, why);
    let body: Value = serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    for (name, path) in &trigger.params {
        let query =
            JsonPath::parse(path).map_err(|_| refusal(StatusCode::CONFLICT, format!("`{path}` is no JSONPath")))?;
        let value = match query.query(&body).exactly_one() {
            Ok(Value::String(text)) => text.clone(),
            Ok(Value::Number(number)) => number.to_string(),
            Ok(Value::Bool(truth)) => truth.to_string(),
            _ => return Err(bad(format!("the body has not one value at `{path}`, of which `{name}` is taken"))),
        };
        values.insert(name.clone(), value);
    }
    if values.values().map(String::len).sum::<usize>() > VALUES {
        let why = format!("the values that are taken from the body have more than {VALUES} bytes");
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex, PoisonError};

    use http::{Method, Request};
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
        let of_client = Arc::clone(&server);
        let answers = tower::service_fn(move |request: Request<kube::client::Body>| {
            let server = Arc::clone(&of_client);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.expect("a body");
                let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                let (code, said) = server.answer(&head.method, &body);
                let answer = http::Response::builder().status(code).body(Body::from(said.to_string()));
                Ok::<_, Infallible>(answer.expect("an answer"))
            }
        });
        let webhooks = Webhooks {
            client: client_of(answers, &metrics),
            schedules: Cache::of([Arc::new(cached)]),
            metrics: metrics.clone(),
        };
        Place { server, webhooks, metrics }
    }

    impl Place {
        /// What is answered to a request with these headers and this body.
        async fn asked(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, Value) {
            let mut request = Request::post(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(body.into()).expect("a request");
            let answer = self.webhooks.clone().routes().oneshot(request).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            (head.status.as_u16(), serde_json::from_slice(&body).expect("JSON"))
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

    #[tokio::test]
    async fn who_has_no_token_is_not_told_which_schedules_there_are() {
        let place = place(&json!({}));
        let other = self::place(&json!({"interval": {"every": "1h"}}));
        let path = "/webhooks/demo/ordered";
        let bearer = format!("bearer  {TOKEN} ");
        let right = [("authorization", bearer.as_str())];
        let (status, none) = place.asked(path, &[], "").await;
        assert_eq!((status, &none["error"]), (401, &json!("there is no such Schedule, or this is not its token")));
        for wrong in [TOKEN, "Bearer", "Bearer ", "Bearer another", "Basic YTpi"] {
            assert_eq!(place.asked(path, &[("authorization", wrong)], "").await, (401, none.clone()), "{wrong}");
        }
        for unknown in ["/webhooks/demo/nobody", "/webhooks/other/ordered"] {
            assert_eq!(place.asked(unknown, &right, "").await, (401, none.clone()), "{unknown}");
        }
        assert_eq!(other.asked(path, &right, "").await, (401, none.clone()), "it waits for no requests");
        // It was given another token, which the cache does not know.
        place.server().schedule["spec"]["webhook"]["tokenSha256"] = hash_of("another").into();
        assert_eq!(place.asked(path, &right, "").await, (401, none));
        assert_eq!(place.requests(), []);
        let calls = "aggregator_operator_api_calls_total{resource=\"schedules\",status=\"2xx\",verb=\"list\"} 1\n";
        let text = place.metrics.text().expect("text");
        assert!(text.contains(calls), "who has no token makes the API server no work: {text}");
        assert!(text.contains("webhook_requests_total{status=\"401\"} 9\n"), "{text}");
    }

    #[tokio::test]
    async fn a_request_stands_in_the_status_before_it_is_answered() {
        let place = place(&json!({}));
        place.server().schedule["status"] = json!({"counts": {"started": 3, "skipped": 0, "missed": 0}});
        // Somebody else writes twice in between.
        place.server().rivals = 2;
        let (status, said) = place.posted("", "").await;
        assert_eq!(status, 202, "{said}");
        let requests = place.requests();
        let [request] = &requests[..] else { panic!("{requests:?}") };
        assert_eq!(said["fire"], request.id);
        assert_eq!(said["time"], json!(request.time));
        let run = said["run"].as_str().expect("a name");
        assert!(run.starts_with(&format!("ordered-{}-", request.time.strftime("%Y%m%d-%H%M%S"))), "{run}");
        assert!(!request.decided && request.params.is_empty());
        assert_eq!(place.server().schedule["status"]["counts"]["started"], 3, "the rest of it stays");
        let text = place.metrics.text().expect("text");
        let conflicts = "writes_total{kind=\"Schedule\",outcome=\"conflict\",verb=\"status\"} 2\n";
        assert!(text.contains(conflicts) && text.contains("webhook_requests_total{status=\"202\"} 1\n"), "{text}");
    }

    #[tokio::test]
    async fn the_same_key_is_the_same_fire() {
        let place = place(&json!({}));
        let first = place.posted("order 7", "").await;
        assert_eq!((first.0, place.posted("order 7", "otherwise").await), (202, first.clone()));
        let other = place.posted("order 8", "").await;
        assert_eq!(other.0, 202);
        assert_ne!((&other.1["fire"], &other.1["run"]), (&first.1["fire"], &first.1["run"]));
        // Each without one is a fire of its own.
        let (one, two) = (place.posted("", "").await, place.posted("", "").await);
        assert_ne!(one.1["fire"], two.1["fire"]);
        assert_eq!(place.requests().len(), 4);
        // It is known after it was decided on, and while nothing new is taken.
        place.server().schedule["status"]["requests"][0]["decided"] = true.into();
        place.server().schedule["spec"]["suspend"] = true.into();
        assert_eq!(place.posted("order 7", "").await, first);

        let named = self::place(&json!({"eventIdHeader": "X-Order"}));
        let bearer = format!("Bearer {TOKEN}");
        let asked = |order: &'static str| {
            let headers = [("authorization", bearer.as_str()), ("x-order", order), ("Idempotency-Key", "k")];
            let named = &named;
            async move { named.asked("/webhooks/demo/ordered", &headers, "").await.1["fire"].clone() }
        };
        assert_eq!(asked("7").await, asked("7").await);
        assert_ne!(asked("7").await, asked("8").await);
    }

    #[tokio::test]
    async fn no_more_is_taken_than_can_be_decided_on() {
        let place = place(&json!({}));
        for number in 0..16 {
            assert_eq!(place.posted(&number.to_string(), "").await.0, 202, "{number}");
        }
        let (status, said) = place.posted("16", "").await;
        assert_eq!((status, said["error"].as_str()), (429, Some("16 requests wait to be decided on")));
        assert_eq!(place.posted("3", "").await.0, 202, "it was taken before");
        let times: std::collections::BTreeSet<Timestamp> = place.requests().iter().map(|it| it.time).collect();
        assert_eq!(times.len(), 16, "each has a time of its own");
        place.server().schedule["status"]["requests"][0]["decided"] = true.into();
        assert_eq!(place.posted("16", "").await.0, 202);

        let suspended = self::place(&json!({"suspend": true}));
        let (status, said) = suspended.posted("", "").await;
        assert_eq!((status, said["error"].as_str()), (409, Some("the Schedule is suspended")));
        let wrong = self::place(&json!({"pipelineRef": {"name": "No Name"}}));
        let (status, said) = wrong.posted("", "").await;
        assert_eq!(status, 409);
        assert!(said["error"].as_str().is_some_and(|error| error.contains("spec.pipelineRef.name")), "{said}");
        let failing = self::place(&json!({}));
        failing.server().fails = true;
        assert_eq!(failing.posted("", "").await.0, 503);
    }

    #[tokio::test]
    async fn values_are_taken_from_the_body_and_large_ones_are_refused() {
        let place = place(&json!({"params": {"least": "$.order.sum", "what": "$.what", "new": "$.new"}}));
        let body = r#"{"order": {"sum": 12.50, "more": [1]}, "what": "a \"word\"", "new": true}"#;
        assert_eq!(place.posted("", body).await.0, 202);
        let requests = place.requests();
        let taken = ["least", "what", "new"].map(|name| requests[0].params[name].as_str());
        assert_eq!(taken, ["12.5", "a \"word\"", "true"]);
        for (wrong, why) in [
            ("what", "the body is not JSON: "),
            ("{}", "the body has not one value at `$.order.sum`, of which `least` is taken"),
            (r#"{"order": {"sum": null}, "what": "", "new": 1}"#, "not one value at `$.order.sum`"),
            (r#"{"order": {"sum": [1]}, "what": "", "new": 1}"#, "not one value at `$.order.sum`"),
        ] {
            let (status, said) = place.posted("", wrong).await;
            assert!(status == 400 && said["error"].as_str().is_some_and(|it| it.contains(why)), "{wrong}: {said}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        let long = json!({"order": {"sum": 1}, "what": "x".repeat(VALUES), "new": 1}).to_string();
        let (status, said) = place.asked("/webhooks/demo/ordered", &headers, long).await;
        assert_eq!((status, said["error"].as_str().map(|it| it.contains("4096 bytes"))), (413, Some(true)), "{said}");
        let plain = self::place(&json!({}));
        assert_eq!(plain.asked("/webhooks/demo/ordered", &headers, "x".repeat(BODY)).await.0, 202);
        let (status, said) = plain.asked("/webhooks/demo/ordered", &headers, "x".repeat(BODY + 1)).await;
        assert_eq!((status, said["error"].as_str().map(|it| it.contains("65536 bytes"))), (413, Some(true)), "{said}");
        // Who has no token is not asked how long it is.
        assert_eq!(plain.asked("/webhooks/demo/ordered", &[], "x".repeat(BODY + 1)).await.0, 401);
    }
}
