//! Writes of ConfigMaps: each is created, and then patched some times. Requests are texts, so that the client costs little.

use std::time::{Duration, Instant};

use axum::http::Request;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::Outcome;

/// What is written: in a namespace of its own.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// The namespace's name.
    pub(crate) name: &'static str,
    /// How many objects.
    pub(crate) objects: usize,
    /// How often each.
    pub(crate) rounds: usize,
}

/// A write.
pub(crate) struct Write {
    /// Of which object.
    pub(crate) object: usize,
    /// Which write of that object.
    pub(crate) round: usize,
    /// The version that came of it.
    pub(crate) version: u64,
    pub(crate) sent: Instant,
    answered: Instant,
}

/// What was written.
pub(crate) struct Written(pub(crate) Vec<Write>);

impl Written {
    /// Writes a second, from the first request to the last answer.
    pub(crate) fn rate(&self) -> f64 {
        let (first, last) = (self.0.iter().map(|it| it.sent).min(), self.0.iter().map(|it| it.answered).max());
        let time = first.zip(last).map_or(Duration::ZERO, |(first, last)| last.duration_since(first));
        self.0.len() as f64 / time.as_secs_f64()
    }

    /// How long each answer took.
    pub(crate) fn answers(&self) -> Vec<Duration> {
        self.0.iter().map(|write| write.answered.duration_since(write.sent)).collect()
    }
}

impl Scene {
    pub(crate) fn writes(self) -> usize {
        self.objects * self.rounds
    }

    /// The name of an object.
    pub(crate) fn object(self, number: usize) -> String {
        format!("object-{number}")
    }

    /// Where its objects are.
    pub(crate) fn path(self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.name)
    }

    /// Makes its namespace, and waits until nothing else comes there by itself. Gives the version from which on all is its own.
    pub(crate) async fn prepare(self, client: &Client) -> Outcome<String> {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": self.name}}))?;
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), self.name);
        let mut before = None;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let list = api.list(&ListParams::default()).await?;
            let version = list.metadata.resource_version.ok_or("a list without a version")?;
            if before.as_ref() == Some(&version) {
                return Ok(version);
            }
            before = Some(version);
        }
    }

    fn request(self, object: usize, round: usize) -> Outcome<Request<Vec<u8>>> {
        let (path, name) = (self.path(), self.object(object));
        let data = json!({"value": round.to_string(), "more": "some text that is as long as a line of a page"});
        let (request, body) = if round == 0 {
            let head = Request::post(path).header("content-type", "application/json");
            let labels = json!({"bench": self.name});
            (
                head,
                json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}, "data": data}),
            )
        } else {
            let head = Request::patch(format!("{path}/{name}"));
            (head.header("content-type", "application/merge-patch+json"), json!({"data": data}))
        };
        Ok(request.header("user-agent", "bench").body(body.to_string().into_bytes())?)
    }

    /// Writes all of it. Each client has objects of its own.
    pub(crate) async fn write(self, clients: &[Client]) -> Outcome<Written> {
        let count = clients.len().max(1);
        let writers = clients.iter().cloned().enumerate().map(|(number, client)| {
            tokio::spawn(async move {
                let mut writes = Vec::new();
                for object in (number..self.objects).step_by(count) {
                    for round in 0..self.rounds {
                        let request = self.request(object, round)?;
                        let sent = Instant::now();
                        let text = client.request_text(request).await?;
                        let answered = Instant::now();
                        writes.push(Write { object, round, version: version(&text)?, sent, answered });
                    }
                }
                Outcome::Ok(writes)
            })
        });
        let mut all = Vec::with_capacity(self.writes());
        for writes in try_join_all(writers).await? {
            all.extend(writes?);
        }
        Ok(Written(all))
    }
}

/// The version of an object in an answer.
fn version(text: &str) -> Outcome<u64> {
    let (_, rest) = text.split_once("\"resourceVersion\":\"").ok_or("an answer without a version")?;
    let (version, _) = rest.split_once('"').ok_or("an answer that breaks off")?;
    Ok(version.parse()?)
}
