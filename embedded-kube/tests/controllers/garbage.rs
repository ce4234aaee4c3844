//! What goes with its owner, before it, or stays without it; and what comes of ClusterRoles.

use futures::FutureExt;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, PropagationPolicy};
use serde_json::{Value, json};

use super::planes::Scenario;
use super::stage::Stage;

/// What is left of the namespace's ConfigMaps: owners, finalizers, and whether they are to go.
async fn left(stage: Stage) -> Value {
    let all = stage.list("ConfigMap").await;
    let left = all.iter().filter(|map| map["metadata"]["name"] != "kube-root-ca.crt").map(|map| {
        let metadata = &map["metadata"];
        let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        let owners: Vec<Value> = owners.map(|owner| json!([owner["name"], owner["blockOwnerDeletion"]])).collect();
        json!([metadata["name"], owners, metadata["finalizers"], metadata["deletionTimestamp"].is_string()])
    });
    left.collect()
}

macro_rules! scenario {
    ($name:literal, |$stage:ident| $drive:expr) => {
        Scenario {
            name: $name,
            drive: |$stage| async move { $drive }.boxed_local(),
            outcome: |stage| left(stage).boxed_local(),
        }
    };
}

fn reference(owner: &DynamicObject, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": owner.name_any(), "uid": owner.uid().unwrap(), "blockOwnerDeletion": true,
    })
}

fn of(owner: &DynamicObject) -> Value {
    reference(owner, "v1", "ConfigMap")
}

async fn map(stage: &Stage, name: &str, owners: Vec<Value>, finalizers: &[&str]) -> DynamicObject {
    let metadata = json!({"name": name, "ownerReferences": owners, "finalizers": finalizers});
    stage.create("ConfigMap", json!({ "metadata": metadata })).await
}

async fn delete(stage: &Stage, kind: &str, name: &str, policy: PropagationPolicy) {
    let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
    stage.delete(kind, name, &params).await;
}

async fn gone(stage: &Stage, name: &str) {
    stage.until(&format!("{name} gone"), async || stage.get("ConfigMap", name).await.is_none().then_some(())).await;
}

async fn chain(stage: &Stage) {
    let a = map(stage, "a", vec![], &[]).await;
    let b = map(stage, "b", vec![of(&a)], &[]).await;
    map(stage, "c", vec![of(&b)], &[]).await;
    map(stage, "d", vec![], &[]).await;
}

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario!("garbage-background", |stage| {
            chain(&stage).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Background).await;
            gone(&stage, "c").await;
        }),
        scenario!("garbage-foreground", |stage| {
            let a = map(&stage, "a", vec![], &[]).await;
            let b = map(&stage, "b", vec![of(&a)], &[]).await;
            map(&stage, "c", vec![of(&b)], &["x.dev/hold"]).await;
            let mut free = of(&a);
            free["blockOwnerDeletion"] = false.into();
            map(&stage, "d", vec![free], &["x.dev/hold"]).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Foreground).await;
            // The last of the chain is held, and holds the others.
            for name in ["b", "c", "d"] {
                stage
                    .until(&format!("{name} to go"), async || {
                        let map = stage.get("ConfigMap", name).await?;
                        map["metadata"]["deletionTimestamp"].is_string().then_some(())
                    })
                    .await;
            }
            assert_eq!(
                stage.get("ConfigMap", "a").await.unwrap()["metadata"]["finalizers"],
                json!(["foregroundDeletion"])
            );
            stage.merge("ConfigMap", "c", json!({"metadata": {"finalizers": []}})).await;
            // The one that does not block stays until it is let go.
            gone(&stage, "a").await;
        }),
        scenario!("garbage-orphan", |stage| {
            chain(&stage).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Orphan).await;
            gone(&stage, "a").await;
        }),
        scenario!("garbage-absent-owner", |stage| {
            let a = map(&stage, "a", vec![], &[]).await;
            let mut other = of(&a);
            other["uid"] = "00000000-0000-0000-0000-000000000000".into();
            map(&stage, "b", vec![other.clone()], &[]).await;
            let mut never = other;
            never["name"] = "never".into();
            map(&stage, "c", vec![never.clone()], &[]).await;
            map(&stage, "d", vec![never, of(&a)], &[]).await;
            gone(&stage, "b").await;
            gone(&stage, "c").await;
        }),
        scenario!("garbage-two-owners", |stage| {
            let (a, b) = (map(&stage, "a", vec![], &[]).await, map(&stage, "b", vec![], &[]).await);
            map(&stage, "c", vec![of(&a), of(&b)], &[]).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Background).await;
            gone(&stage, "a").await;
        }),
        scenario!("garbage-two-owners-foreground", |stage| {
            let (a, b) = (map(&stage, "a", vec![], &[]).await, map(&stage, "b", vec![], &[]).await);
            map(&stage, "c", vec![of(&a), of(&b)], &[]).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Foreground).await;
            gone(&stage, "a").await;
        }),
        scenario!("garbage-cycle", |stage| {
            let a = map(&stage, "a", vec![], &[]).await;
            let b = map(&stage, "b", vec![of(&a)], &[]).await;
            stage.merge("ConfigMap", "a", json!({"metadata": {"ownerReferences": [of(&b)]}})).await;
            delete(&stage, "ConfigMap", "a", PropagationPolicy::Foreground).await;
            gone(&stage, "a").await;
            gone(&stage, "b").await;
        }),
        scenario!("garbage-unknown-kind", |stage| {
            let mut owner = of(&map(&stage, "a", vec![], &[]).await);
            owner["apiVersion"] = "none.dev/v1".into();
            map(&stage, "b", vec![owner], &[]).await;
            map(&stage, "c", vec![of(&map(&stage, "d", vec![], &[]).await)], &[]).await;
            delete(&stage, "ConfigMap", "d", PropagationPolicy::Background).await;
            // What comes later is done: so the other one was looked at.
            gone(&stage, "c").await;
        }),
        scenario!("garbage-owner-in-no-namespace", |stage| {
            let role = stage.create("ClusterRole", json!({"metadata": {"name": "garbage-owner"}})).await;
            map(&stage, "a", vec![reference(&role, "rbac.authorization.k8s.io/v1", "ClusterRole")], &[]).await;
            delete(&stage, "ClusterRole", "garbage-owner", PropagationPolicy::Background).await;
            gone(&stage, "a").await;
        }),
        scenario!("garbage-custom-kind", |stage| {
            let schema = json!({"openAPIV3Schema": {"type": "object"}});
            let definition = json!({
                "metadata": {"name": "things.x.dev"},
                "spec": {
                    "group": "x.dev", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
                },
            });
            stage.create("CustomResourceDefinition", definition).await;
            stage
                .until("an established definition", async || {
                    let all = stage.get("CustomResourceDefinition", "things.x.dev").await?;
                    let mut conditions = all["status"]["conditions"].as_array()?.iter();
                    conditions.any(|it| it["type"] == "Established" && it["status"] == "True").then_some(())
                })
                .await;
            let owner = stage.create("Thing", json!({"metadata": {"name": "a"}})).await;
            map(&stage, "a", vec![reference(&owner, "x.dev/v1", "Thing")], &[]).await;
            let thing =
                json!({"metadata": {"name": "b", "ownerReferences": [of(&map(&stage, "m", vec![], &[]).await)]}});
            stage.create("Thing", thing).await;
            delete(&stage, "Thing", "a", PropagationPolicy::Background).await;
            gone(&stage, "a").await;
            delete(&stage, "ConfigMap", "m", PropagationPolicy::Background).await;
            stage.until("the other Thing gone", async || stage.get("Thing", "b").await.is_none().then_some(())).await;
        }),
        Scenario {
            name: "roles-of-roles",
            drive: |stage| {
                async move {
                    let rule = |verb: &str| json!([{"apiGroups": ["x.dev"], "resources": ["things"], "verbs": [verb]}]);
                    let part = |name: &str, verb: &str, label: &str| {
                        json!({"metadata": {"name": name, "labels": {label: "true"}}, "rules": rule(verb)})
                    };
                    let to_view = "rbac.authorization.k8s.io/aggregate-to-view";
                    stage.create("ClusterRole", part("part-b", "list", "x.dev/part")).await;
                    stage.create("ClusterRole", part("part-a", "get", "x.dev/part")).await;
                    stage.create("ClusterRole", part("part-c", "watch", to_view)).await;
                    let selectors = json!([{"matchLabels": {"x.dev/part": "true"}}]);
                    let whole = json!({
                        "metadata": {"name": "whole"}, "rules": rule("delete"), "aggregationRule": {"clusterRoleSelectors": selectors},
                    });
                    stage.create("ClusterRole", whole).await;
                    for (name, verb) in [("whole", "list"), ("admin", "watch")] {
                        stage
                            .until(&format!("{verb} in {name}"), async || {
                                let role = stage.get("ClusterRole", name).await?;
                                let mut rules = role["rules"].as_array()?.iter();
                                rules.any(|rule| rule["apiGroups"][0] == "x.dev" && rule["verbs"][0] == verb).then_some(())
                            })
                            .await;
                    }
                }
                .boxed_local()
            },
            outcome: |stage| {
                async move {
                    let mut rules = Vec::new();
                    for name in ["whole", "view", "edit", "admin"] {
                        rules.push(stage.get("ClusterRole", name).await.unwrap()["rules"].clone());
                    }
                    json!(rules)
                }
                .boxed_local()
            },
        },
    ]
}
