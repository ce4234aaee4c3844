//! Events: what the controllers tell of objects.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource};
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use super::action::Note;
use super::time;

/// How many Events are remembered, which are counted when they come again.
const REMEMBERED: usize = 4096;

/// Tells of objects. What is said again is counted.
pub(super) struct Events {
    client: Client,
    told: Mutex<HashMap<String, (String, i32)>>,
}

impl Events {
    pub(super) fn new(client: Client) -> Self {
        Self { client, told: Mutex::default() }
    }

    /// Tells something. That it cannot be told is no failure.
    pub(super) async fn tell(&self, note: &Note) {
        if let Err(error) = self.write(note).await {
            tracing::warn!(%error, reason = note.reason, about = %note.about, "an Event could not be made");
        }
    }

    async fn write(&self, note: &Note) -> Result<(), kube::Error> {
        let now = Timestamp::now();
        let namespace = if note.about.namespace.is_empty() { "default" } else { &note.about.namespace };
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let key = format!("{}\n{}\n{}", note.about.uid, note.reason, note.message);
        let (name, count) = self.count(key, &note.about.name, now);
        if count > 1 {
            let patch = json!({"count": count, "lastTimestamp": time(now)});
            match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
                // Nobody keeps Events for long.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => return other.map(drop),
            }
        }
        let event = Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
            involved_object: note.about.reference(),
            type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(note.reason.to_owned()),
            message: Some(note.message.clone()),
            source: Some(EventSource { component: Some(note.by.to_owned()), host: None }),
            reporting_component: Some(note.by.to_owned()),
            first_timestamp: Some(time(now)),
            last_timestamp: Some(time(now)),
            count: Some(count),
            ..Event::default()
        };
        api.create(&PostParams::default(), &event).await.map(drop)
    }

    /// The name of an Event, and how often it has come.
    fn count(&self, key: String, about: &str, now: Timestamp) -> (String, i32) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.clear();
        }
        let new = || (format!("{about}.{:x}", now.as_nanosecond()), 0);
        let (name, count) = told.entry(key).or_insert_with(new);
        *count += 1;
        (name.clone(), *count)
    }
}
