//! A namespace in which something is done, and what is seen of it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggregator_tests::wait::PATIENCE;
use futures::StreamExt;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// What was seen of each object, by kind and name: how its conditions were, one after the other.
type Seen = BTreeMap<String, Vec<Value>>;

/// A namespace in which something is done.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The node on which Pods run.
    pub(crate) node: String,
    /// A folder of the node's.
    pub(crate) shared: String,
    whose: &'static str,
    seen: Arc<Mutex<Seen>>,
    /// What Pods' names begin with, by their names.
    names: Arc<Mutex<BTreeMap<String, String>>>,
}

fn resource(kind: &str) -> (ApiResource, bool) {
    let (group, version, plural, namespaced) = match kind {
        "Pod" => ("", "v1", "pods", true),
        "Job" => ("batch", "v1", "jobs", true),
        "ConfigMap" => ("", "v1", "configmaps", true),
        "ServiceAccount" => ("", "v1", "serviceaccounts", true),
        "Event" => ("", "v1", "events", true),
        "LimitRange" => ("", "v1", "limitranges", true),
        "Namespace" => ("", "v1", "namespaces", false),
        "Node" => ("", "v1", "nodes", false),
        "PriorityClass" => ("scheduling.k8s.io", "v1", "priorityclasses", false),
        "ClusterRole" => ("rbac.authorization.k8s.io", "v1", "clusterroles", false),
        "CustomResourceDefinition" => ("apiextensions.k8s.io", "v1", "customresourcedefinitions", false),
        "Thing" => ("x.dev", "v1", "things", true),
        other => panic!("{other} is no kind of the tests"),
    };
    (ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural), namespaced)
}

impl Stage {
    /// Makes a namespace.
    pub(crate) async fn open(client: Client, name: &str, node: String, shared: String, whose: &'static str) -> Self {
        let stage = Self {
            client,
            namespace: name.to_owned(),
            node,
            shared,
            whose,
            seen: Arc::default(),
            names: Arc::default(),
        };
        stage.create("Namespace", json!({"metadata": {"name": name}})).await;
        stage.until("the default ServiceAccount", async || stage.get("ServiceAccount", "default").await).await;
        for kind in ["Pod", "Job"] {
            tokio::spawn(stage.clone().record(kind, stage.api(kind)));
        }
        let only = Config::default().fields(&format!("metadata.name={name}"));
        tokio::spawn(stage.clone().record_with("Namespace", stage.api("Namespace"), only));
        stage
    }

    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (resource, namespaced) = resource(kind);
        if namespaced {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    async fn record(self, kind: &'static str, api: Api<DynamicObject>) {
        self.record_with(kind, api, Config::default()).await;
    }

    async fn record_with(self, kind: &'static str, api: Api<DynamicObject>, config: Config) {
        let mut events = pin!(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            let Ok(Event::Apply(object) | Event::InitApply(object)) = event else { continue };
            if let (Some(prefix), "Pod") = (&object.metadata.generate_name, kind) {
                self.names.lock().unwrap().insert(object.name_any(), format!("{prefix}*"));
            }
            let conditions = bare(object.data["status"]["conditions"].clone());
            let mut seen = self.seen.lock().unwrap();
            let all = seen.entry(format!("{kind} {}", object.name_any())).or_default();
            if all.last() != Some(&conditions) && !conditions.is_null() {
                all.push(conditions);
            }
        }
    }

    /// How an object's conditions were, one after the other.
    pub(crate) fn sequence(&self, kind: &str, name: &str) -> Value {
        let seen = self.seen.lock().unwrap();
        self.nameless(json!(seen.get(&format!("{kind} {name}"))))
    }

    /// A value in which the names of Pods are only what they begin with.
    pub(crate) fn nameless(&self, value: Value) -> Value {
        let names = self.names.lock().unwrap();
        let text = names.iter().fold(value.to_string(), |text, (name, prefix)| text.replace(name, prefix));
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn create(&self, kind: &str, mut object: Value) -> DynamicObject {
        let (resource, _) = resource(kind);
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = resource.kind.into();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        self.api(kind).create(&PostParams::default(), &object).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a Job of a shell.
    pub(crate) async fn job(&self, name: &str, script: &str, spec: Value) -> DynamicObject {
        let mut job = json!({
            "metadata": {"name": name},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 2,
                "nodeSelector": {"kubernetes.io/hostname": self.node},
                "containers": [{"name": "main", "image": "tests/shell", "command": ["sh", "-c", script]}],
            }}},
        });
        merge(&mut job["spec"], &spec);
        self.create("Job", job).await
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await.unwrap();
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        let mut all = self.api(kind).list(&ListParams::default()).await.unwrap().items;
        all.sort_by_key(ResourceExt::name_any);
        all.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    pub(crate) async fn merge(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn merge_status(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind).patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str, params: &DeleteParams) {
        self.api(kind).delete(name, params).await.unwrap();
    }

    /// Asks again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
        let started = tokio::time::Instant::now();
        loop {
            if let Some(answer) = answer().await {
                return answer;
            }
            if started.elapsed() > PATIENCE {
                let (jobs, pods) = (self.list("Job").await, self.list("Pod").await);
                let (namespace, whose) = (&self.namespace, self.whose);
                panic!("{namespace}, {whose}: there was not: {what}\n{}\n{}", json!(jobs), json!(pods));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The Job, once that holds of it.
    pub(crate) async fn job_that(&self, what: &str, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until(what, async || self.get("Job", name).await.filter(&holds)).await
    }

    /// The Job, once it is over.
    pub(crate) async fn over(&self, name: &str) -> Value {
        let over = |condition: &Value| matches!(condition["type"].as_str(), Some("Complete" | "Failed"));
        self.job_that("the end of the Job", name, |job| {
            job["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(over))
        })
        .await
    }

    /// The Pods that have that phase and are not being deleted, once there are so many.
    pub(crate) async fn pods_that(&self, phase: &str, count: usize) -> Vec<Value> {
        self.until(&format!("{count} Pods that are {phase}"), async || {
            let pods = self.list("Pod").await;
            let pods: Vec<Value> = pods
                .into_iter()
                .filter(|pod| pod["status"]["phase"] == phase && pod["metadata"]["deletionTimestamp"].is_null())
                .collect();
            (pods.len() == count).then_some(pods)
        })
        .await
    }

    /// Everything of a Job that is to be the same.
    pub(crate) async fn outcome(&self, name: &str) -> Value {
        let job = self.get("Job", name).await.map(|mut job| {
            let mut status = job["status"].take();
            status["conditions"] = bare(status["conditions"].take());
            for time in ["startTime", "completionTime"] {
                status[time] = status[time].is_string().into();
            }
            status
        });
        let pods: Vec<Value> = self.list("Pod").await.iter().map(looks).collect();
        let mut pods: Vec<String> = pods.iter().map(|pod| self.nameless(pod.clone()).to_string()).collect();
        pods.sort();
        let pods: Vec<Value> = pods.iter().map(|pod| serde_json::from_str(pod).unwrap()).collect();
        json!({
            "status": self.nameless(json!(job)),
            "conditions": self.sequence("Job", name),
            "pods": pods,
            "events": self.told("Job", name).await,
        })
    }

    /// What was told of an object, and how often.
    pub(crate) async fn told(&self, kind: &str, name: &str) -> Value {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in self.list("Event").await {
            let about = &event["involvedObject"];
            if about["kind"] == kind && about["name"] == name {
                let text = json!([event["type"], event["reason"], event["message"], event["source"]["component"]]);
                let text = self.nameless(text).to_string();
                *counts.entry(text).or_default() += event["count"].as_u64().unwrap_or(1).max(1);
            }
        }
        json!(counts)
    }
}

/// Conditions without their times.
pub(crate) fn bare(mut conditions: Value) -> Value {
    for condition in conditions.as_array_mut().into_iter().flatten() {
        for time in ["lastProbeTime", "lastTransitionTime", "lastHeartbeatTime"] {
            condition.as_object_mut().unwrap().remove(time);
        }
    }
    conditions
}

/// What of a Pod is to be the same.
fn looks(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    let mut labels = metadata["labels"].clone();
    for label in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        if !labels[label].is_null() {
            labels[label] = "uid".into();
        }
    }
    let mut owners = metadata["ownerReferences"].clone();
    for owner in owners.as_array_mut().into_iter().flatten() {
        owner["uid"] = "uid".into();
    }
    let end = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
    let disrupted = pod["status"]["conditions"].as_array().into_iter().flatten();
    let disrupted: Vec<&Value> = disrupted.filter(|condition| condition["type"] == "DisruptionTarget").collect();
    json!({
        "prefix": metadata["generateName"],
        "labels": labels,
        "annotations": metadata["annotations"],
        "finalizers": metadata["finalizers"],
        "owners": owners,
        "deleted": metadata["deletionTimestamp"].is_string(),
        "hostname": pod["spec"]["hostname"],
        "node": pod["spec"]["nodeName"],
        "env": pod["spec"]["containers"][0]["env"],
        "phase": pod["status"]["phase"],
        "code": end,
        "disrupted": bare(json!(disrupted)),
    })
}

/// Puts what is in one value into another; lists by their places.
pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for (place, value) in from.iter().enumerate() {
                match into.get_mut(place) {
                    Some(old) => merge(old, value),
                    None => into.push(value.clone()),
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}
