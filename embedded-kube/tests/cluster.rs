//! A cluster in this program, by clients from outside: over TLS, with the kubeconfigs that it writes.

use std::path::Path;
use std::time::Duration;

use aggregator_embedded_kube::api::access::User;
use aggregator_embedded_kube::cluster::{Cluster, ClusterError, Options};
use futures::StreamExt;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Client, Config};
use serde_json::json;

fn options(data: Option<&Path>) -> Options {
    let root = User { name: "root".into(), groups: vec!["system:masters".into()], ..User::default() };
    let guest = User { name: "guest".into(), ..User::default() };
    Options {
        data: data.map(Path::to_owned),
        users: vec![root, guest],
        objects: vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})],
        ..Options::default()
    }
}

async fn config(cluster: &Cluster, user: &str) -> Config {
    let file = cluster.kubeconfig(user).expect("a kubeconfig");
    let read = Kubeconfig::read_from(file).expect("a kubeconfig");
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.expect("a configuration")
}

async fn client(cluster: &Cluster, user: &str) -> Client {
    Client::try_from(config(cluster, user).await).expect("a client")
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": "v"}})).expect("an object")
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => unreachable!("the API answers: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_tokens_and_address_survive() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(options(Some(folder.path()))).await.expect("a cluster");
    let (url, before) = (cluster.url().to_owned(), config(&cluster, "root").await);
    let api: Api<ConfigMap> = Api::namespaced(client(&cluster, "root").await, "demo");
    let made = api.create(&PostParams::default(), &config_map("kept")).await.expect("it is new");
    let refused = Cluster::start(options(Some(folder.path()))).await.err().expect("it is taken");
    assert!(matches!(&refused, ClusterError::Taken(taken) if taken.address == url), "{refused}");
    cluster.stop().await.expect("it ends");

    let cluster = Cluster::start(options(Some(folder.path()))).await.expect("the same cluster");
    assert_eq!(cluster.url(), url);
    // The kubeconfig of before still lets in.
    let api: Api<ConfigMap> = Api::namespaced(Client::try_from(before).expect("a client"), "demo");
    let kept = api.get("kept").await.expect("it is there");
    assert_eq!((kept.metadata.uid, kept.data), (made.metadata.uid, made.data));
    cluster.stop().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_rights_gets_none() {
    let cluster = Cluster::start(options(None)).await.expect("a cluster");
    let guest: Api<ConfigMap> = Api::namespaced(client(&cluster, "guest").await, "demo");
    let refused = guest.list(&ListParams::default()).await.expect_err("a guest may not");
    assert_eq!(code(&refused), 403, "{refused}");
    let mut nobody = config(&cluster, "root").await;
    nobody.auth_info.token = Some("another-token".to_owned().into());
    let nobody: Api<ConfigMap> = Api::namespaced(Client::try_from(nobody).expect("a client"), "demo");
    let unknown = nobody.list(&ListParams::default()).await.expect_err("nobody is known by it");
    assert_eq!(code(&unknown), 401, "{unknown}");
    let home = cluster.home().to_owned();
    cluster.stop().await.expect("it ends");
    assert!(!home.exists(), "{} was temporary", home.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_do_what_namespaces_need() {
    let cluster = Cluster::start(options(None)).await.expect("a cluster");
    let client = client(&cluster, "root").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "demo");
    let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    tokio::time::timeout(Duration::from_secs(20), there).await.expect("in time").expect("it comes");
    let namespaces: Api<Namespace> = Api::all(client);
    let names = namespaces.list(&ListParams::default()).await.expect("a list").items;
    let names: Vec<String> = names.into_iter().filter_map(|namespace| namespace.metadata.name).collect();
    assert_eq!(names, ["default", "demo", "kube-node-lease", "kube-public", "kube-system"]);
    cluster.stop().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_end_with_the_cluster() {
    let cluster = Cluster::start(options(None)).await.expect("a cluster");
    let api: Api<ConfigMap> = Api::namespaced(client(&cluster, "root").await, "demo");
    api.create(&PostParams::default(), &config_map("seen")).await.expect("it is new");
    let mut events =
        api.watch(&WatchParams::default().fields("metadata.name=seen"), "0").await.expect("a watch").boxed();
    let first = events.try_next().await.expect("an event").expect("an event");
    assert!(matches!(&first, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some("seen")), "{first:?}");
    let begun = std::time::Instant::now();
    cluster.stop().await.expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let rest: Vec<_> = tokio::time::timeout(Duration::from_secs(5), events.collect()).await.expect("it is over");
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
}
