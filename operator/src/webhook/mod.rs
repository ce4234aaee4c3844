//! Webhooks: who knows the token of a Schedule makes it fire. Plain HTTP, to stand behind an Ingress.
//!
//! A request is answered when it stands in the status of its Schedule: whoever dies then, its fire is decided on. Any operator
//! writes it there, also one that waits for its turn, or has lost it; the one that acts sees it as any other change. An
//! operator that ends still answers those that have asked. Where it is not known whether a request was taken, it is safe to
//! send it again with the same key: it is one fire.

mod limits;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use aggregator_crds::Schedule;
use aggregator_crds::schedule::FireRequest;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::action::{Action, Kind, Target};
use crate::backoff::doubled;
use crate::execute::{ExecuteError, execute, words};
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::schedule::{Asked, ask, run_of};
use crate::world::{Cache, World};

use limits::Limits;
use refusal::{Refusal, refusal, unauthorized, unknown};
use request::{hash_of, key, opened, params, token, whole};

/// How long the API server may take to say how a Schedule stands.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pauses between two tries to write a request down: each time somebody else has written meanwhile.
const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// What answers requests to Schedules.
#[derive(Clone)]
pub(crate) struct Webhooks {
    client: Client,
    schedules: Cache<Schedule>,
    metrics: Metrics,
    limits: Limits,
    /// Whether nobody waits any more for the requests that are being answered.
    over: CancellationToken,
}

impl Webhooks {
    /// For the Schedules of caches that are filled.
    pub(crate) fn new(client: Client, world: &World, metrics: Metrics) -> Self {
        let (schedules, over) = (world.schedules.clone(), CancellationToken::new());
        Self { client, schedules, metrics, limits: Limits::default(), over }
    }

    /// Serves until it is asked to stop. It ends soon after that: who has asked before is answered, at worst with the advice to
    /// ask again.
    pub(crate) async fn serve(self, socket: TcpListener, stop: CancellationToken) {
        let (limits, over) = (self.limits.listener, self.over.clone());
        Listener { name: "webhooks", socket, limits }.serve(self.routes(), stop, over).await;
    }

    fn routes(self) -> Router {
        Router::new().route("/webhooks/{namespace}/{schedule}", post(fire)).with_state(self)
    }

    /// Makes a Schedule fire.
    async fn take(&self, namespace: &str, name: &str, headers: &HeaderMap, body: Body) -> Result<Value, Refusal> {
        let hash = hash_of(token(headers).ok_or_else(unauthorized)?);
        // The cache is asked first: who has no token makes the API server no work, and nobody waits for the body.
        opened(self.schedules.get(namespace, name).as_deref(), &hash).ok_or_else(unauthorized)?;
        let body = whole(body, self.limits.body).await?;
        let begun = Instant::now();
        for tries in 1.. {
            let there = self.read(namespace, name).await?;
            // It may have another token by now, and take other values: all is told by the one that was read.
            let (schedule, trigger) = opened(there.as_ref(), &hash).ok_or_else(unauthorized)?;
            let (key, params) = (key(headers, trigger)?, params(trigger, &body)?);
            let (request, status) = match ask(schedule, key, params, Timestamp::now())? {
                Asked::Known(request) => return Ok(taken(schedule, &request)),
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
                    return Ok(taken(schedule, &request));
                }
                Err(ExecuteError::Conflict(_)) => {}
                Err(error) => {
                    tracing::warn!(namespace, name, %error, "a request could not be taken");
                    return Err(unknown(StatusCode::SERVICE_UNAVAILABLE, "the Kubernetes API did not confirm it"));
                }
            }
            let pause = doubled(FIRST, tries).min(LONGEST);
            if begun.elapsed() + pause >= self.limits.tries {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        tracing::warn!(namespace, name, "a request was not taken: others have written to the Schedule all the time");
        let why = "others write to the Schedule all the time, and the request was not taken: send it again, with the same key \
                   if it has one";
        Err(refusal(StatusCode::SERVICE_UNAVAILABLE, why))
    }

    /// A Schedule as it stands, by the right to list them, which the operator has.
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Schedule>, Refusal> {
        let schedules: Api<Schedule> = Api::namespaced(self.client.clone(), namespace);
        let named = ListParams::default().fields(&format!("metadata.name={name}"));
        let error = match timeout(PATIENCE, schedules.list(&named)).await {
            Ok(Ok(list)) => return Ok(list.items.into_iter().next()),
            Ok(Err(error)) => words(&error),
            Err(_) => "the API server does not answer".to_owned(),
        };
        tracing::warn!(namespace, name, error, "a Schedule could not be read");
        let why =
            "the Kubernetes API does not say how the Schedule stands, and the request was not taken: send it again";
        Err(refusal(StatusCode::SERVICE_UNAVAILABLE, why))
    }
}

async fn fire(
    State(webhooks): State<Webhooks>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let time = webhooks.limits.listener.request;
    let taken = tokio::select! {
        taken = timeout(time, webhooks.take(&namespace, &name, &headers, body)) => taken.unwrap_or_else(|_| {
            tracing::warn!(namespace, name, "a request was not answered in time");
            Err(unknown(StatusCode::GATEWAY_TIMEOUT, &format!("there was no answer within {time:?}")))
        }),
        () = webhooks.over.cancelled() => {
            tracing::warn!(namespace, name, "a request was not answered before the operator's end");
            Err(unknown(StatusCode::SERVICE_UNAVAILABLE, "the operator ends"))
        }
    };
    let answer = match taken {
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
