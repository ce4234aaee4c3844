//! When every object is Ready, as somebody sees who watches them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::Outcome;

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a watch is open: the API server's limit for a client.
const WATCH_SECONDS: u32 = 290;

type Events = BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>;

/// What happens to the objects of that kind from now on, in all namespaces.
pub(crate) async fn events(client: &Client, group: &str, version: &str, kind: &str) -> Outcome<Events> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    // A list of nothing but its version.
    let list = api.list_metadata(&kube::api::ListParams::default().limit(1)).await?;
    let version = list.metadata.resource_version.unwrap_or_default();
    Ok(api.watch(&WatchParams::default().timeout(WATCH_SECONDS), &version).await?.boxed())
}

/// The object of an event that tells of it.
pub(crate) fn told(event: kube::Result<WatchEvent<DynamicObject>>) -> Outcome<Option<DynamicObject>> {
    match event? {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Ok(Some(object)),
        WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => Ok(None),
        WatchEvent::Error(error) => Err(refused(&error)),
    }
}

fn refused(error: &Status) -> Box<dyn std::error::Error + Send + Sync> {
    format!("a watch has failed: {}", error.message).into()
}

/// Whether a condition of an object holds.
pub(crate) fn holds(object: &DynamicObject, condition: &str, status: &str) -> bool {
    let conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
    let mut own = conditions.filter(|it| it["type"] == condition);
    own.any(|it| it["status"] == status && it["observedGeneration"] == Value::from(object.metadata.generation))
}

/// A watch on all that has to become Ready.
pub(crate) struct Watch {
    events: Events,
    ready: HashSet<(String, String)>,
}

impl Watch {
    pub(crate) async fn begin(client: &Client) -> Outcome<Self> {
        let mut all = Vec::new();
        for kind in ["Pipeline", "Schedule"] {
            all.push(events(client, aggregator_crds::GROUP, "v1alpha1", kind).await?);
        }
        Ok(Self { events: stream::select_all(all).boxed(), ready: HashSet::new() })
    }

    /// How long it takes from now until so many Pipelines and Schedules are Ready. Connectors are so from the start.
    pub(crate) async fn all_ready(mut self, count: usize) -> Outcome<Duration> {
        let begun = Instant::now();
        let counted = async {
            while self.ready.len() < count {
                let event = self.events.next().await.ok_or("a watch has ended")?;
                let Some(object) = told(event)? else { continue };
                if holds(&object, "Ready", "True") {
                    let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
                    self.ready.insert((kind.to_owned(), object.name_any()));
                }
            }
            Outcome::Ok(begun.elapsed())
        };
        let counted = tokio::time::timeout(LONGEST, counted).await;
        counted.unwrap_or_else(|_| Err(format!("only {} of {count} objects are Ready", self.ready.len()).into()))
    }
}
