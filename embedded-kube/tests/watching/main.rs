//! What is listed and what is told afterwards make up what is there, however many write at the same time.
//!
//! ```text
//! writers: create, replace, patch, apply, delete ─► API ─┬─► witness: everything that ever happened, in order ─► history
//!                                                        └─► watchers: select, list, are told, go away, come again ─► sessions
//! ```
//! Nothing is compared while it happens: when all is over, every session is held against the history, and so is everything that
//! the writers were answered.

#![expect(clippy::print_stdout, reason = "it is said what was tried")]

mod history;
mod selection;
mod session;
mod watcher;
mod writer;

use std::collections::BTreeSet;
use std::path::Path;

use aggregator_embedded_kube::api::serve::{Api as Served, Parts, in_process};
use aggregator_embedded_kube::api::store::{Change as Write, Expected, Key, Resource, Store};
use aggregator_tests::random::Random;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch;

use crate::history::{History, Word, state_of, version_of};
use crate::session::selected;
use crate::watcher::{Counts, Watcher, Witness};
use crate::writer::{Done, NAMESPACES, write};

const WRITERS: usize = 8;
const WRITES: usize = 200;
/// How many watchers there are of each selection.
const ALIKE: usize = 3;
/// The name of what is made last.
const LAST: &str = "last";

async fn served(store: Store) -> Client {
    let parts = Parts::over(store).expect("a key");
    Client::new(in_process(Served::open(parts).await.expect("an API")), "demo")
}

fn named(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).expect("an object")
}

/// What another process has left in the file: nobody remembers how it came about.
async fn earlier(file: &Path, random: Random) {
    let client = served(Store::open(Some(file)).expect("a store")).await;
    for name in NAMESPACES {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).expect("an object");
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("it is new");
    }
    write(client, WRITERS, random, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_and_events_make_up_what_is_there() {
    let random = Random::seeded("lists_and_events_make_up_what_is_there");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("objects.sqlite");
    earlier(&file, random.of(WRITERS)).await;
    let client = served(Store::open(Some(&file)).expect("a store")).await;

    let witness = Witness::begin(&client).await;
    let witness = tokio::spawn(witness.follow(LAST));
    let (end, ended) = watch::channel(None);
    let selections = selection::all().into_iter().flat_map(|selection| [selection; ALIKE]);
    let watchers = selections.enumerate().map(|(number, selection)| {
        let watcher = Watcher::new(&client, selection, random.of(100 + number));
        tokio::spawn(watcher.follow(ended.clone()))
    });
    let watchers: Vec<_> = watchers.collect();
    let writers = (0..WRITERS).map(|number| tokio::spawn(write(client.clone(), number, random.of(number), WRITES)));
    let done: Vec<Done> = join_all(writers).await.into_iter().map(|done| done.expect("no panic")).collect();

    let last = Api::default_namespaced(client.clone()).create(&PostParams::default(), &named(LAST)).await;
    end.send_replace(Some(version_of(&last.expect("it is new"))));
    let history = witness.await.expect("no panic");
    answers_are_of(&history, &done);
    let mut counts = Vec::new();
    for watcher in join_all(watchers).await {
        let watcher = watcher.expect("no panic");
        for session in &watcher.sessions {
            session.check(&history, &watcher.selection);
        }
        let there = watcher.selection.api(&client).list(&watcher.selection.list()).await.expect("a list");
        let words = watcher.selection.words();
        assert!(watcher.state == state_of(&there.items), "{words}: {:?}", watcher.state.keys());
        assert!(watcher.state == selected(&history.at(watcher.until), &watcher.selection), "{words}");
        counts.push(watcher.counts);
    }
    everything_was_met(&history, &done, &counts);
}

/// Each object that a writer was given was there at its version, and whatever is gone has gone once.
fn answers_are_of(history: &History, done: &[Done]) {
    for object in done.iter().flat_map(|done| &done.objects) {
        assert!(history.had(object), "this never was: {object:?}");
    }
    let uid = |object: &ConfigMap| object.uid().expect("a UID");
    let removals = history.changes().iter().filter(|change| change.word == Word::Deleted);
    let removed: Vec<String> = removals.map(|change| uid(&change.object)).collect();
    let once: BTreeSet<&String> = removed.iter().collect();
    assert_eq!(once.len(), removed.len(), "what is gone goes once");
    for gone in done.iter().flat_map(|done| &done.gone) {
        assert!(once.contains(gone), "nobody was told that {gone} is gone");
    }
}

/// What nothing has happened to proves nothing.
fn everything_was_met(history: &History, done: &[Done], counts: &[Counts]) {
    let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>();
    let [paged, streamed, left, ended, expired] =
        [sum(|it| it.paged), sum(|it| it.streamed), sum(|it| it.left), sum(|it| it.ended), sum(|it| it.expired)];
    let stale: usize = done.iter().map(|done| done.stale).sum();
    let held = history.changes().iter().filter(|it| it.object.metadata.deletion_timestamp.is_some()).count();
    let words = [Word::Added, Word::Modified, Word::Deleted]
        .map(|word| history.changes().iter().filter(|change| change.word == word).count());
    println!(
        "{words:?} changes, {held} to what was held; {stale} writers came late; {} watchers: {paged} lists in pages, \
         {streamed} as events, {left} watches left, {ended} ended, {expired} too late",
        counts.len()
    );
    let met = [paged, streamed, left, ended, expired, stale, held];
    assert!(met.iter().chain(&words).all(|met| *met > 0), "{met:?} {words:?}");
}

#[tokio::test]
async fn who_is_too_far_behind_begins_anew() {
    // One more than is remembered.
    const MANY: usize = 10_001;
    let store = Store::open(None).expect("a store");
    let client = served(store.clone()).await;
    let api: Api<ConfigMap> = Api::all(client);
    let version = |list: &kube::core::ObjectList<ConfigMap>| list.metadata.resource_version.clone().expect("a version");
    let begun = version(&api.list(&ListParams::default()).await.expect("a list"));
    let mut slow = api.watch(&WatchParams::default(), &begun).await.expect("a watch").boxed();
    let resource = Resource { group: String::new(), plural: "configmaps".into() };
    let put = |number: usize| {
        let name = format!("c{number}");
        let object = json!({"metadata": {"name": name, "namespace": "demo"}});
        let key = Key { resource: resource.clone(), namespace: "demo".into(), name };
        store.write(key, Expected::Absent, Write::Put(object))
    };
    for written in join_all((0..MANY).map(put)).await {
        written.expect("it is new");
    }
    // What it is told has no gap, and then it is told that more is missing.
    let mut told: u64 = begun.parse().expect("a number");
    loop {
        match slow.try_next().await.expect("an event").expect("an event") {
            WatchEvent::Added(object) => {
                told += 1;
                assert_eq!(object.resource_version(), Some(told.to_string()), "events are missing");
            }
            WatchEvent::Error(status) => {
                assert_eq!((status.code, status.reason.as_str()), (410, "Expired"), "{status:?}");
                break;
            }
            other => unreachable!("nothing but objects has come, and not {other:?}"),
        }
    }
    assert!(told < store.version(), "it was told everything");
    assert!(slow.try_next().await.expect("an end").is_none(), "nothing follows");
    let list = api.list(&ListParams::default()).await.expect("a list");
    assert_eq!(list.items.len(), MANY);
    let mut quick = api.watch(&WatchParams::default(), &version(&list)).await.expect("a watch").boxed();
    put(MANY).await.expect("it is new");
    match quick.try_next().await.expect("an event").expect("an event") {
        WatchEvent::Added(object) => assert_eq!(object.name_any(), format!("c{MANY}")),
        other => unreachable!("only one has come, and not {other:?}"),
    }
}
