//! What a watch tells whoever has selected some.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::store::{Change, Expected, Key, Resource, Scope, Store};
use super::{Follow, Told};

fn pods() -> Resource {
    Resource { group: String::new(), plural: "pods".into() }
}

async fn put(store: &Store, name: &str, expected: Expected, color: &str) -> u64 {
    let key = Key { resource: pods(), namespace: "demo".into(), name: name.into() };
    let object = json!({"metadata": {"name": name, "labels": {"color": color}}});
    store.write(key, expected, Change::Put(object)).await.expect("it is written").version
}

fn reds(store: &Store, start: bool, time: Duration) -> Follow {
    let (listed, watch) = store.list_and_watch(&pods(), &Scope::default());
    let selects = |stored: &super::super::store::Stored| stored.object["metadata"]["labels"]["color"] == "red";
    Follow::new((watch, start.then_some(listed)), None, Box::new(selects), (true, start), time)
}

fn told(told: Option<Told>) -> Value {
    let line = told.expect("a line").line("v1", "Pod", &|stored| stored.object.clone());
    let (metadata, word) = (&line["object"]["metadata"], &line["type"]);
    json!([word, metadata["name"], metadata["labels"]["color"], metadata["resourceVersion"]])
}

#[tokio::test]
async fn objects_come_among_those_selected_and_leave_them() {
    let store = Store::open(None).expect("a store");
    put(&store, "a", Expected::Absent, "red").await;
    put(&store, "b", Expected::Absent, "blue").await;
    let mut follow = reds(&store, true, Duration::from_secs(5));
    assert_eq!(told(follow.next().await), json!(["ADDED", "a", "red", "1"]));
    let end = follow.next().await.expect("a line").line("v1", "Pod", &|stored| stored.object.clone());
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(end["object"]["metadata"]["resourceVersion"], "2");
    put(&store, "b", Expected::Version(2), "red").await;
    put(&store, "a", Expected::Version(1), "blue").await;
    put(&store, "a", Expected::Version(4), "green").await;
    put(&store, "b", Expected::Version(3), "red").await;
    assert_eq!(told(follow.next().await), json!(["ADDED", "b", "red", "3"]));
    assert_eq!(told(follow.next().await), json!(["DELETED", "a", "red", "4"]), "as it was when it was selected");
    assert_eq!(told(follow.next().await), json!(["MODIFIED", "b", "red", "6"]));
}

#[tokio::test]
async fn the_version_is_told_while_nothing_happens_and_at_the_end() {
    let store = Store::open(None).expect("a store");
    put(&store, "a", Expected::Absent, "red").await;
    let mut follow = reds(&store, false, Duration::from_millis(300));
    follow.every = Duration::from_millis(100);
    follow.next_bookmark = tokio::time::Instant::now() + follow.every;
    let mut bookmarks = 0;
    while let Some(told) = follow.next().await {
        assert_eq!(told, Told::Bookmark(1, false));
        bookmarks += 1;
    }
    // One is the last word of all; a slow machine leaves others out.
    assert!((1..=4).contains(&bookmarks), "{bookmarks}");
}
