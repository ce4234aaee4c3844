//! Namespaces: what each has, and how one ends.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::planes::Scenario;
use super::stage::Stage;

/// What is left of the namespace, and what was said of it.
fn whole(stage: Stage) -> LocalBoxFuture<'static, Value> {
    async move {
        let namespace = stage.get("Namespace", &stage.namespace).await;
        let there = namespace.as_ref().map(|it| json!([it["status"]["phase"], it["spec"]["finalizers"]]));
        json!({"namespace": there, "conditions": last(&stage.sequence("Namespace", &stage.namespace))})
    }
    .boxed_local()
}

/// The last that was said. What was said before depends on how fast each looks again.
fn last(sequence: &Value) -> Value {
    sequence.as_array().and_then(|all| all.last().cloned()).unwrap_or_default()
}

macro_rules! scenario {
    ($name:literal, |$stage:ident| $drive:expr, $outcome:expr) => {
        Scenario { name: $name, drive: |$stage| async move { $drive }.boxed_local(), outcome: $outcome }
    };
}

async fn delete(stage: &Stage) {
    stage.delete("Namespace", &stage.namespace, &DeleteParams::default()).await;
}

async fn gone(stage: &Stage) {
    let name = stage.namespace.as_str();
    stage.until("no namespace", async || stage.get("Namespace", name).await.is_none().then_some(())).await;
}

/// The condition of that type has that status.
async fn says(stage: &Stage, condition: &str, status: &str) {
    stage
        .until(condition, async || {
            let namespace = stage.get("Namespace", &stage.namespace).await?;
            let mut all = namespace["status"]["conditions"].as_array()?.iter();
            all.any(|it| it["type"] == condition && it["status"] == status).then_some(())
        })
        .await;
}

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let there: fn(Stage) -> LocalBoxFuture<'static, Value> = |stage| {
        async move {
            let account =
                stage.get("ServiceAccount", "default").await.map(|account| account["metadata"]["labels"].clone());
            let map = stage.get("ConfigMap", "kube-root-ca.crt").await.map(|map| {
                let data = map["data"].as_object().unwrap();
                let certificate = data["ca.crt"].as_str().unwrap();
                assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
                json!([map["metadata"]["annotations"], data.len()])
            });
            json!([account, map])
        }
        .boxed_local()
    };
    vec![
        scenario!("namespace-new", |stage| drop(stage), there),
        scenario!(
            "namespace-restored",
            |stage| {
                stage.until("the ConfigMap", async || stage.get("ConfigMap", "kube-root-ca.crt").await).await;
                let patch = json!({"data": {"ca.crt": "wrong", "more": "x"}, "metadata": {"annotations": null}});
                stage.merge("ConfigMap", "kube-root-ca.crt", patch).await;
                stage.delete("ServiceAccount", "default", &DeleteParams::default()).await;
                stage
                    .until("the certificate", async || {
                        let map = stage.get("ConfigMap", "kube-root-ca.crt").await?;
                        (map["data"]["ca.crt"] != "wrong").then_some(())
                    })
                    .await;
                stage.until("the account", async || stage.get("ServiceAccount", "default").await).await;
                stage.delete("ConfigMap", "kube-root-ca.crt", &DeleteParams::default()).await;
                stage.until("the ConfigMap", async || stage.get("ConfigMap", "kube-root-ca.crt").await).await;
            },
            there
        ),
        scenario!(
            "namespace-empty-goes",
            |stage| {
                delete(&stage).await;
                gone(&stage).await;
            },
            whole
        ),
        scenario!(
            "namespace-goes-with-everything",
            |stage| {
                stage.create("ConfigMap", json!({"metadata": {"name": "a"}})).await;
                stage.job("j", "exec sleep 600", json!({"parallelism": 2, "completions": 2})).await;
                stage.pods_that("Running", 2).await;
                delete(&stage).await;
                gone(&stage).await;
                assert_eq!(stage.list("Event").await, [] as [Value; 0]);
            },
            whole
        ),
        scenario!(
            "namespace-is-held",
            |stage| {
                for (name, finalizers) in [("a", json!(["x.dev/one"])), ("b", json!(["x.dev/one", "x.dev/two"]))] {
                    stage.create("ConfigMap", json!({"metadata": {"name": name, "finalizers": finalizers}})).await;
                }
                stage.create("ServiceAccount", json!({"metadata": {"name": "c", "finalizers": ["x.dev/one"]}})).await;
                delete(&stage).await;
                says(&stage, "NamespaceFinalizersRemaining", "True").await;
            },
            whole
        ),
        scenario!(
            "namespace-is-held-by-a-pod",
            |stage| {
                stage.create("ConfigMap", json!({"metadata": {"name": "a"}})).await;
                let pod = json!({
                    "metadata": {"name": "p", "finalizers": ["x.dev/one"]},
                    "spec": {
                        "nodeSelector": {"none": "such"},
                        "containers": [{"name": "main", "image": "tests/shell"}],
                    },
                });
                stage.create("Pod", pod).await;
                delete(&stage).await;
                says(&stage, "NamespaceContentRemaining", "False").await;
                // Nothing else goes before.
                assert!(stage.get("ConfigMap", "a").await.is_some());
            },
            whole
        ),
        scenario!(
            "namespace-is-held-and-let-go",
            |stage| {
                stage.create("ConfigMap", json!({"metadata": {"name": "a", "finalizers": ["x.dev/one"]}})).await;
                delete(&stage).await;
                says(&stage, "NamespaceContentRemaining", "True").await;
                stage.merge("ConfigMap", "a", json!({"metadata": {"finalizers": []}})).await;
                gone(&stage).await;
            },
            whole
        ),
    ]
}
