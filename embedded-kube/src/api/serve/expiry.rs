//! Events are forgotten an hour after they were last written, as the real one has it (`--event-ttl`), whose database lets go
//! of them: whoever watches is told that they are deleted, and nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::super::store::{Change, Expected, NotWritten, Stored, TOGETHER};
use super::Api;
use super::event::events;

/// How long an Event is kept after it was last written.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How often those are looked for whose time is over. The real one is no more exact: what was written within a minute goes
/// together.
const EVERY: Duration = Duration::from_secs(60);

impl Api {
    /// Forgets Events now and from now on, until the API is closed, or nobody has it any more.
    pub(super) fn expire_events(&self) {
        let (api, closed) = (Arc::downgrade(&self.0), self.0.closed.clone());
        tokio::spawn(async move {
            let mut times = interval(EVERY);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let expiring = async {
                loop {
                    times.tick().await;
                    let Some(api) = api.upgrade().map(Api) else { return };
                    if let Err(error) = api.forget_events(Timestamp::now()).await {
                        tracing::warn!(%error, "old events stay for now");
                    }
                }
            };
            tokio::select! {
                () = closed.cancelled() => {}
                () = expiring => {}
            }
        });
    }

    /// Forgets the Events whose time is over.
    async fn forget_events(&self, now: Timestamp) -> Result<(), NotWritten> {
        let mut old = self.0.store.list(&events(), None).items;
        old.retain(|stored| is_over(&stored.object, now));
        // As many at once as the store writes in one transaction.
        for together in old.chunks(TOGETHER) {
            let mut going = Vec::with_capacity(together.len());
            for stored in together {
                let Stored { key, version, object } = stored.as_ref();
                let change = Change::Remove(object.clone());
                going.push(self.0.store.write(key.clone(), Expected::Version(*version), change));
            }
            for gone in join_all(going).await {
                match gone {
                    // One that has just been written again has its time before it.
                    Ok(_) | Err(NotWritten::Unexpected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Whether the time of an Event is over.
fn is_over(event: &Value, now: Timestamp) -> bool {
    last_written(event).is_some_and(|written| now.duration_since(written) >= LIFE)
}

/// When an Event was last written: by what the API has noted itself, and not by what clients say of when something happened.
fn last_written(event: &Value) -> Option<Timestamp> {
    let metadata = &event["metadata"];
    let managers = metadata["managedFields"].as_array().into_iter().flatten();
    let times = managers.map(|manager| &manager["time"]).chain([&metadata["creationTimestamp"]]);
    times.filter_map(|time| time.as_str()?.parse::<Timestamp>().ok()).max()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Method;
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::super::Parts;
    use super::super::testing::{answer, api, ask, root};
    use super::*;
    use crate::api::store::{EventKind, Key, Scope, Store};

    const EVENTS: &str = "/api/v1/namespaces/n/events";

    fn event(name: &str, created: Timestamp, written: &[Timestamp]) -> Value {
        let manager = |time: &Timestamp| json!({"manager": "m", "time": time.to_string()});
        let managers: Vec<Value> = written.iter().map(manager).collect();
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {
                "name": name, "namespace": "n", "creationTimestamp": created.to_string(), "managedFields": managers,
            },
            // When it is said to have happened is of no account.
            "lastTimestamp": "2999-01-01T00:00:00Z",
        })
    }

    async fn put(store: &Store, event: Value) {
        let name = event["metadata"]["name"].as_str().expect("a name").to_owned();
        let key = Key { resource: events(), namespace: "n".into(), name };
        store.write(key, Expected::Absent, Change::Put(event)).await.expect("it is new");
    }

    fn names(store: &Store) -> Vec<String> {
        store.list(&events(), None).items.iter().map(|stored| stored.key.name.clone()).collect()
    }

    #[test]
    fn an_event_is_as_old_as_its_last_write() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let at = |minutes: i64| start + SignedDuration::from_mins(minutes);
        for (written, minutes) in [(vec![], 60), (vec![at(0)], 60), (vec![at(30), at(10)], 90)] {
            let event = event("e", start, &written);
            assert!(!is_over(&event, at(minutes) - SignedDuration::from_secs(1)), "{event}");
            assert!(is_over(&event, at(minutes)), "{event}");
        }
        assert!(!is_over(&event("e", start, &[]), at(-90)), "the clock was set back");
        assert!(!is_over(&json!({"metadata": {"name": "e"}}), at(90)), "nothing is known of it");
    }

    #[tokio::test]
    async fn those_of_both_groups_go_when_their_time_is_over() {
        let api = api(Vec::new()).await;
        let older = json!({"metadata": {"name": "older"}, "involvedObject": {"kind": "Pod", "namespace": "n"}});
        let newer = json!({
            "metadata": {"name": "newer"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "action": "Start",
            "reason": "Started", "reportingController": "example.com/c", "reportingInstance": "i", "note": "it starts",
            "regarding": {"kind": "Pod", "namespace": "n"},
        });
        let in_new_group = "/apis/events.k8s.io/v1/namespaces/n/events";
        for (path, event) in [(EVENTS, older), (in_new_group, newer)] {
            let (status, told) = ask(&api, Method::POST, path, &event).await;
            assert_eq!(status, 201, "{told}");
        }
        let now = Timestamp::now();
        put(&api.0.store, event("changed", now, &[now + SignedDuration::from_mins(30)])).await;
        let last = api.0.store.version();

        let watch = format!("{in_new_group}?watch=true&resourceVersion={last}");
        let told = answer(&api, root(), (Method::GET, "application/json"), &watch, &Value::Null).await;
        let mut lines = told.into_body();
        api.forget_events(now + SignedDuration::from_mins(59)).await.expect("it is written");
        assert_eq!((names(&api.0.store).len(), api.0.store.version()), (3, last), "nothing is old enough");
        api.forget_events(now + SignedDuration::from_mins(61)).await.expect("it is written");
        assert_eq!(names(&api.0.store), ["changed"]);
        for (name, version) in [("newer", last + 1), ("older", last + 2)] {
            let line = line(&mut lines).await;
            let object = &line["object"];
            assert_eq!((&line["type"], &object["apiVersion"]), (&json!("DELETED"), &json!("events.k8s.io/v1")));
            assert_eq!(object["metadata"]["name"], name);
            assert_eq!(object["metadata"]["resourceVersion"], version.to_string());
            assert_eq!(object["regarding"]["kind"], "Pod", "it is told of as it was");
        }
        api.forget_events(now + SignedDuration::from_mins(91)).await.expect("it is written");
        assert!(names(&api.0.store).is_empty());
    }

    async fn line(lines: &mut Body) -> Value {
        let frame = lines.frame().await.expect("a line").expect("a line");
        serde_json::from_slice(&frame.into_data().expect("a line")).expect("JSON")
    }

    #[tokio::test]
    async fn what_is_old_by_the_next_start_goes_then_also_from_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("objects.sqlite");
        let store = Store::open(Some(&file)).expect("a store");
        let now = Timestamp::now();
        let long_ago = now - SignedDuration::from_hours(24);
        // More than go at once.
        for number in 0..300 {
            put(&store, event(&format!("old-{number}"), long_ago, &[])).await;
        }
        put(&store, event("new", now, &[])).await;
        let (listed, mut watch) = store.list_and_watch(&events(), &Scope::default());
        assert_eq!(listed.items.len(), 301);
        let api = Api::open(Parts::over(store.clone()).expect("a key")).await.expect("an API");
        let mut gone = 0;
        while gone < 300 {
            let events = watch.next().await.expect("in time").expect("the store is open");
            assert!(events.iter().all(|event| event.kind == EventKind::Deleted));
            gone += events.len();
        }
        assert_eq!(names(&store), ["new"]);
        api.close();
        drop((api, store));
        let store = Store::open(Some(&file)).expect("a store");
        assert_eq!(names(&store), ["new"]);
    }
}
