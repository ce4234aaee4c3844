//! Which Pod runs where, and what becomes of the Pods of a node that is lost.

use std::sync::Arc;

use aggregator_embedded_kube::api::controllers::{Options, run};
use aggregator_tests::control_plane::ControlPlane;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::planes::{Plane, Planes, Scenario, settings};
use super::stage::{Stage, bare};

/// Where the Pod `p` is, and what is said of it.
fn placed(stage: Stage) -> LocalBoxFuture<'static, Value> {
    async move {
        let Some(pod) = stage.get("Pod", "p").await else { return json!("no Pod") };
        let conditions = bare(pod["status"]["conditions"].clone());
        let all = conditions.as_array().cloned().unwrap_or_default();
        let said: Vec<&Value> =
            all.iter().filter(|it| it["type"] == "PodScheduled" || it["type"] == "DisruptionTarget").collect();
        json!({"node": pod["spec"]["nodeName"], "phase": pod["status"]["phase"], "said": said})
    }
    .boxed_local()
}

macro_rules! scenario {
    ($name:literal, |$stage:ident| $drive:expr) => {
        Scenario { name: $name, drive: |$stage| async move { $drive }.boxed_local(), outcome: placed }
    };
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": "p"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "tests/shell", "command": ["sh", "-c", "exec sleep 600"]}],
        },
    });
    super::stage::merge(&mut pod["spec"], &spec);
    pod
}

async fn waits(stage: &Stage, spec: Value) {
    stage.create("Pod", pod(spec)).await;
    stage
        .until("a reason", async || {
            let pod = stage.get("Pod", "p").await?;
            let mut all = pod["status"]["conditions"].as_array()?.iter();
            all.any(|it| it["type"] == "PodScheduled" && it["status"] == "False").then_some(())
        })
        .await;
}

/// The Pod has no place because of what was just done to the node. The scheduler may not have seen that yet: then it is
/// done once more.
async fn waits_at_last(stage: &Stage) {
    stage
        .until("a Pod without a place", async || {
            stage.create("Pod", pod(json!({}))).await;
            let placed = stage
                .until("a place or none", async || {
                    let pod = stage.get("Pod", "p").await?;
                    let all = pod["status"]["conditions"].as_array()?;
                    all.iter().find(|it| it["type"] == "PodScheduled").map(|it| it["status"] == "True")
                })
                .await;
            if placed {
                stage.delete("Pod", "p", &DeleteParams::default().grace_period(0)).await;
                stage.until("no Pod", async || stage.get("Pod", "p").await.is_none().then_some(())).await;
            }
            (!placed).then_some(())
        })
        .await;
}

async fn runs(stage: &Stage, spec: Value) {
    stage.create("Pod", pod(spec)).await;
    stage.pods_that("Running", 1).await;
}

async fn taints(stage: &Stage, taints: Value) {
    stage.merge("Node", &stage.node, json!({"spec": {"taints": taints}})).await;
}

fn without_room() -> Vec<Scenario> {
    vec![
        scenario!("pod-runs", |stage| runs(&stage, json!({})).await),
        scenario!("pod-wants-another-node", |stage| waits(&stage, json!({"nodeSelector": {"none": "such"}})).await),
        scenario!("pod-wants-too-much", |stage| {
            let resources = json!({"requests": {"cpu": "9", "memory": "90Gi"}});
            waits(&stage, json!({"containers": [{"resources": resources}]})).await;
        }),
        scenario!("pod-wants-what-nobody-has", |stage| {
            let resources = json!({"requests": {"x.dev/gpu": "1"}, "limits": {"x.dev/gpu": "1"}});
            waits(&stage, json!({"containers": [{"resources": resources}]})).await;
        }),
        scenario!("pod-never-preempts", |stage| {
            let class = json!({"metadata": {"name": "modest"}, "value": 5, "preemptionPolicy": "Never"});
            stage.create("PriorityClass", class).await;
            let resources = json!({"requests": {"cpu": "9"}});
            waits(&stage, json!({"priorityClassName": "modest", "containers": [{"resources": resources}]})).await;
        }),
        scenario!("pod-has-a-gate", |stage| {
            stage.create("Pod", pod(json!({"schedulingGates": [{"name": "x.dev/gate"}]}))).await;
        }),
        scenario!("pod-has-affinity", |stage| {
            let expression = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [stage.node]});
            let required = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
            let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
            waits(&stage, json!({ "affinity": affinity })).await;
        }),
        scenario!("pod-deleted-before-it-has-a-node", |stage| {
            waits(&stage, json!({"nodeSelector": {"none": "such"}})).await;
            stage.merge("Pod", "p", json!({"metadata": {"finalizers": ["x.dev/hold"]}})).await;
            stage.delete("Pod", "p", &DeleteParams::default()).await;
            stage
                .until("its failure", async || {
                    stage.get("Pod", "p").await.filter(|pod| pod["status"]["phase"] == "Failed")
                })
                .await;
        }),
    ]
}

/// One after the other: each changes the node.
fn on_a_changed_node() -> Vec<Scenario> {
    vec![
        scenario!("node-cordoned", |stage| {
            stage.merge("Node", &stage.node, json!({"spec": {"unschedulable": true}})).await;
            stage
                .until("its taint", async || {
                    let node = stage.get("Node", &stage.node).await?;
                    let mut all = node["spec"]["taints"].as_array()?.iter();
                    all.any(|it| it["key"] == "node.kubernetes.io/unschedulable" && it["effect"] == "NoSchedule")
                        .then_some(())
                })
                .await;
            waits_at_last(&stage).await;
        }),
        scenario!("node-not-cordoned-any-more", |stage| {
            waits(&stage, json!({})).await;
            stage.merge("Node", &stage.node, json!({"spec": {"unschedulable": null}})).await;
            stage.pods_that("Running", 1).await;
        }),
        scenario!("node-tainted", |stage| {
            taints(&stage, json!([{"key": "x.dev/no", "effect": "NoSchedule"}])).await;
            waits_at_last(&stage).await;
        }),
        scenario!("node-not-tainted-any-more", |stage| {
            waits(&stage, json!({})).await;
            taints(&stage, json!(null)).await;
            stage.pods_that("Running", 1).await;
        }),
        scenario!("node-expels", |stage| {
            let mut pod = pod(json!({}));
            pod["metadata"]["finalizers"] = json!(["x.dev/hold"]);
            stage.create("Pod", pod).await;
            stage.pods_that("Running", 1).await;
            taints(&stage, json!([{"key": "x.dev/no", "effect": "NoExecute"}])).await;
            stage
                .until("its end", async || stage.get("Pod", "p").await.filter(|pod| pod["status"]["phase"] == "Failed"))
                .await;
            taints(&stage, json!(null)).await;
        }),
    ]
}

/// What is said of a node, and of the Pods on it.
async fn told(stage: &Stage, node: &str) -> Value {
    let seen = stage.get("Node", node).await.map(|node| {
        let mut taints: Vec<Value> = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        taints.iter_mut().for_each(|taint| drop(taint.as_object_mut().unwrap().remove("timeAdded")));
        taints.sort_by_key(ToString::to_string);
        let mut conditions = bare(node["status"]["conditions"].clone());
        conditions.as_array_mut().unwrap().sort_by_key(|it| it["type"].to_string());
        json!([taints, conditions])
    });
    let pods = stage.list("Pod").await.into_iter().map(|pod| {
        let conditions = bare(pod["status"]["conditions"].clone());
        let said = conditions.as_array().cloned().unwrap_or_default().into_iter();
        let said: Vec<Value> = said.filter(|it| it["type"] == "Ready" || it["type"] == "DisruptionTarget").collect();
        let deleted = pod["metadata"]["deletionTimestamp"].is_string();
        json!([pod["metadata"]["name"], pod["status"]["phase"], said, deleted])
    });
    json!({"node": seen, "pods": pods.collect::<Vec<Value>>()})
}

/// A node that is killed: it is taken for lost, and its Pods are sent away; then it is removed, and they are gone.
async fn lost(plane: &Plane, whose: &'static str) -> [Value; 2] {
    let (shared, settings) = (plane.node.shared().display().to_string(), settings());
    let owner = Arc::clone(&plane.plane);
    let mut node = tokio::task::spawn_blocking(move || owner.node("doomed", &settings)).await.unwrap();
    let client = super::planes::client(&plane.plane).await;
    let stage = Stage::open(client, "node-lost", "doomed".to_owned(), shared, whose).await;
    let toleration = |seconds: u32| json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]);
    for (name, seconds) in [("leaves", 1), ("stays", 600)] {
        let mut pod = pod(json!({"nodeName": "doomed", "tolerations": toleration(seconds)}));
        pod["metadata"]["name"] = name.into();
        pod["metadata"]["finalizers"] = json!(["x.dev/hold"]);
        stage.create("Pod", pod).await;
    }
    stage.pods_that("Running", 2).await;
    stage
        .until("both ready", async || {
            let pods = stage.list("Pod").await;
            let ready = |pod: &Value| {
                pod["status"]["conditions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|it| it["type"] == "Ready" && it["status"] == "True")
            };
            pods.iter().all(ready).then_some(())
        })
        .await;
    let node = tokio::task::spawn_blocking(move || {
        node.kill();
        node
    })
    .await
    .unwrap();
    stage
        .until("the end of the one", async || {
            let pod = stage.get("Pod", "leaves").await?;
            pod["metadata"]["deletionTimestamp"].is_string().then_some(())
        })
        .await;
    stage
        .until("that the other is not ready", async || {
            let pod = stage.get("Pod", "stays").await?;
            let mut all = pod["status"]["conditions"].as_array()?.iter();
            all.any(|it| it["type"] == "Ready" && it["status"] == "False").then_some(())
        })
        .await;
    let first = told(&stage, "doomed").await;
    stage.delete("Node", "doomed", &DeleteParams::default()).await;
    for name in ["leaves", "stays"] {
        stage
            .until("its failure", async || {
                let pod = stage.get("Pod", name).await?;
                let over = pod["status"]["phase"] == "Failed" && pod["metadata"]["deletionGracePeriodSeconds"] == 0;
                over.then_some(())
            })
            .await;
    }
    let second = told(&stage, "doomed").await;
    tokio::task::spawn_blocking(move || drop(node)).await.unwrap();
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_placed_and_sent_away_alike() {
    let planes = Planes::start().await;
    planes.compare(without_room()).await;
    for scenario in on_a_changed_node() {
        planes.compare(vec![scenario]).await;
    }
    let (real, ours) = futures::future::join(lost(&planes.real, "real"), lost(&planes.ours, "ours")).await;
    assert_eq!(real, ours);
    planes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_one_process_a_lost_node_is_given_up_soon() {
    let plane = tokio::task::spawn_blocking(|| Arc::new(ControlPlane::bare())).await.unwrap();
    let client = super::planes::client(&plane).await;
    let certificate = super::planes::options(&plane).certificate.unwrap();
    let stop = CancellationToken::new();
    let controllers = tokio::spawn(run(client.clone(), Options::in_process(certificate), stop.clone()));
    let start = |name: &'static str| {
        let plane = Arc::clone(&plane);
        tokio::task::spawn_blocking(move || plane.node(name, &settings()))
    };
    let mut first = start("first").await.unwrap();
    let marker = first.shared().join("go-on");
    let stage = Stage::open(client, "given-up", "first".to_owned(), String::new(), "ours").await;
    let script = format!("[ -e {} ] && exit 0; exec sleep 600", marker.display());
    let container = json!({"name": "main", "image": "tests/shell", "command": ["sh", "-c", script]});
    let template =
        json!({"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 3, "containers": [container]}});
    stage.create("Job", json!({"metadata": {"name": "j"}, "spec": {"template": template}})).await;
    stage.pods_that("Running", 1).await;
    let (second, killed) = (start("second").await.unwrap(), std::time::Instant::now());
    std::fs::write(&marker, "").unwrap();
    let first = tokio::task::spawn_blocking(move || {
        first.kill();
        first
    });
    let first = first.await.unwrap();
    let job = stage.over("j").await;
    assert_eq!((&job["status"]["succeeded"], &job["status"]["failed"]), (&json!(1), &json!(1)), "{}", job["status"]);
    // The node is silent for 25 seconds, its Pod has 5 more, and 3 to end.
    assert!(killed.elapsed().as_secs() < 60, "{:?}", killed.elapsed());
    let pods = stage.list("Pod").await;
    let done: Vec<&Value> = pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").collect();
    assert_eq!((done.len(), &done[0]["spec"]["nodeName"]), (1, &json!("second")));
    stop.cancel();
    controllers.await.unwrap().unwrap();
    tokio::task::spawn_blocking(move || drop((first, second, plane))).await.unwrap();
}
