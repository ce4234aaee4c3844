//! What was written is there, in order, for everybody, and after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_tests::random::Random;
use serde_json::{Value, json};

use super::*;

fn pods() -> Resource {
    Resource { group: String::new(), plural: "pods".into() }
}

fn key(name: &str) -> Key {
    Key { resource: pods(), namespace: "demo".into(), name: name.into() }
}

fn object(name: &str, value: u64) -> Value {
    json!({"metadata": {"name": name, "namespace": "demo"}, "value": value})
}

async fn put(store: &Store, name: &str, expected: Expected, value: u64) -> Result<Arc<Stored>, NotWritten> {
    store.write(key(name), expected, Change::Put(object(name, value))).await
}

#[tokio::test]
async fn a_write_takes_what_it_expects_or_nothing() {
    let store = Store::open(None).expect("a store");
    let first = put(&store, "a", Expected::Absent, 1).await.expect("it is new");
    assert_eq!((first.version, first.object["metadata"]["resourceVersion"].as_str()), (1, Some("1")));
    let again = put(&store, "a", Expected::Absent, 2).await.expect_err("it is there");
    assert!(matches!(again, NotWritten::Unexpected(Some(there)) if there.version == 1));
    let second = put(&store, "a", Expected::Version(1), 2).await.expect("it is that version");
    assert!(put(&store, "a", Expected::Version(1), 3).await.is_err(), "it is another version");
    let gone = store.write(key("a"), Expected::Version(second.version), Change::Remove(object("a", 2))).await;
    assert_eq!(gone.expect("it goes").version, 3);
    assert_eq!((store.get(&key("a")), store.version()), (None, 3));
    assert!(put(&store, "a", Expected::Version(2), 3).await.is_err(), "it is gone");
}

#[tokio::test]
async fn versions_go_on_after_a_restart_also_when_the_newest_object_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("objects.sqlite");
    {
        let store = Store::open(Some(&file)).expect("a store");
        put(&store, "a", Expected::Absent, 1).await.expect("it is new");
        put(&store, "b", Expected::Absent, 1).await.expect("it is new");
        store.write(key("b"), Expected::Version(2), Change::Remove(object("b", 1))).await.expect("it goes");
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("a file"));
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    let store = Store::open(Some(&file)).expect("a store");
    assert_eq!((store.version(), store.get(&key("a")).map(|it| it.version)), (3, Some(1)));
    // What was told before this process began is not known any more.
    assert_eq!(store.watch(&pods(), &Scope::default(), 2).expect_err("it is too old"), Expired { asked: 2, oldest: 3 });
    let mut watch = store.watch(&pods(), &Scope::default(), 3).expect("a watch");
    assert_eq!(put(&store, "c", Expected::Absent, 1).await.expect("it is new").version, 4);
    let events = watch.next().await.expect("in time").expect("events");
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].stored.version), (EventKind::Added, 4));
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.sqlite");
    let other = rusqlite::Connection::open(&file).expect("a database");
    other.execute_batch("CREATE TABLE mine (id INTEGER)").expect("a table");
    drop(other);
    assert!(matches!(Store::open(Some(&file)), Err(StoreError::Foreign { .. })));
}

/// A list, and the events after it, are the state at every moment, whoever writes what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_and_its_events_are_the_state() {
    const WRITERS: usize = 8;
    const WRITES: u64 = 400;
    let store = Store::open(None).expect("a store");
    let followers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let (listed, mut watch) = store.list_and_watch(&pods(), &Scope::default());
                let mut state: BTreeMap<String, Value> =
                    listed.items.iter().map(|it| (it.key.name.clone(), it.object.clone())).collect();
                let mut last = listed.version;
                while !state.contains_key("end") {
                    for event in watch.next().await.expect("in time").expect("events") {
                        assert!(event.stored.version > last, "in order, and each once");
                        last = event.stored.version;
                        let name = event.stored.key.name.clone();
                        let there = event.before.as_ref().map(|before| &before.object);
                        assert_eq!(state.get(&name), there, "what was before is what was told before");
                        match event.kind {
                            EventKind::Deleted => state.remove(&name),
                            EventKind::Added | EventKind::Modified => state.insert(name, event.stored.object.clone()),
                        };
                    }
                    // Others begin at another moment.
                    tokio::task::yield_now().await;
                }
                state
            })
        })
        .collect();
    let random = Random::seeded("a_list_and_its_events_are_the_state");
    let writers = (0..WRITERS).map(|writer| {
        let (store, mut random) = (store.clone(), random.of(writer));
        tokio::spawn(async move {
            let mut made = 0;
            while made < WRITES {
                let (name, value) = (format!("p{}", random.below(20)), random.next());
                let there = store.get(&key(&name));
                let written = match there {
                    None => put(&store, &name, Expected::Absent, value).await,
                    Some(there) if random.percent(50) => {
                        let expected = Expected::Version(there.version);
                        store.write(key(&name), expected, Change::Remove(there.object.clone())).await
                    }
                    Some(there) => put(&store, &name, Expected::Version(there.version), value).await,
                };
                // Another one was faster.
                made += u64::from(written.is_ok());
            }
        })
    });
    futures::future::join_all(writers).await.into_iter().for_each(|done| done.expect("no panic"));
    put(&store, "end", Expected::Absent, 0).await.expect("it is new");
    assert_eq!(store.version(), WRITERS as u64 * WRITES + 1);
    let all = store.list(&pods(), None).items;
    let state: BTreeMap<String, Value> = all.iter().map(|it| (it.key.name.clone(), it.object.clone())).collect();
    for follower in followers {
        assert_eq!(follower.await.expect("no panic"), state);
    }
}

#[tokio::test]
async fn whoever_watches_one_name_is_told_of_nothing_else() {
    let store = Store::open(None).expect("a store");
    put(&store, "a", Expected::Absent, 1).await.expect("it is new");
    let one = Scope { namespace: Some("demo".into()), name: Some("a".into()) };
    let (listed, mut watch) = store.list_and_watch(&pods(), &one);
    assert_eq!(listed.items.len(), 1);
    put(&store, "b", Expected::Absent, 1).await.expect("it is new");
    assert_eq!(watch.seen(), 2, "nothing that it wants has happened up to there");
    put(&store, "a", Expected::Version(1), 2).await.expect("it is that version");
    let versions = |events: Vec<Event>| events.iter().map(|event| event.stored.version).collect::<Vec<_>>();
    assert_eq!(versions(watch.next().await.expect("in time").expect("events")), [3]);
    let mut late = store.watch(&pods(), &one, 1).expect("a watch");
    assert_eq!(versions(late.next().await.expect("in time").expect("events")), [3], "of what had happened, too");
    let elsewhere = Scope { namespace: Some("other".into()), name: Some("a".into()) };
    let mut other = store.watch(&pods(), &elsewhere, 1).expect("a watch");
    drop(store);
    assert_eq!(other.next().await, Ok(None), "that is another object, and the store is closed");
}

#[tokio::test]
async fn whoever_is_too_far_behind_has_to_list_again() {
    let store = Store::open(None).expect("a store");
    let (_, mut watch) = store.list_and_watch(&pods(), &Scope::default());
    let mut version = put(&store, "a", Expected::Absent, 0).await.expect("it is new").version;
    for value in 1..=10_000 {
        version = put(&store, "a", Expected::Version(version), value).await.expect("it is that version").version;
    }
    assert_eq!(watch.next().await.expect("what it had in time").expect("events").len(), 10_000);
    assert_eq!(watch.next().await, Err(Expired { asked: 10_000, oldest: 10_001 }));
    assert_eq!(store.watch(&pods(), &Scope::default(), 0).err(), Some(Expired { asked: 0, oldest: 1 }));
}
