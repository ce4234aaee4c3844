//! Who writes objects, one after the other, and remembers what was acknowledged.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

/// How many objects a writer has at most.
const OBJECTS: u64 = 8;
/// Every so many writes, one is a deletion.
const DELETED: u64 = 9;

/// What an object is: its value and its version, or that it is not there.
type Kept = Option<(u64, u64)>;

/// Who writes.
pub(crate) struct Writer {
    name: String,
    written: u64,
    kept: BTreeMap<String, Kept>,
    /// What was asked for and not answered: of which object, and the value, or that it goes.
    waiting: Option<(String, Option<u64>)>,
    /// How many writes were acknowledged.
    pub(crate) acknowledged: u64,
}

/// The value of an object, and its version.
fn of(object: &ConfigMap) -> (u64, u64) {
    let value = object.data.as_ref().and_then(|data| data.get("value")).and_then(|value| value.parse().ok());
    (value.expect("a value"), version(object))
}

pub(crate) fn version(object: &ConfigMap) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).expect("a version, which is a number")
}

impl Writer {
    pub(crate) fn new(number: usize) -> Self {
        let name = format!("writer-{number}");
        Self { name, written: 0, kept: BTreeMap::new(), waiting: None, acknowledged: 0 }
    }

    /// Whether it waits for an answer that will not come.
    pub(crate) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// The newest version that it was told.
    pub(crate) fn newest(&self) -> u64 {
        self.kept.values().flatten().map(|(_, version)| *version).max().unwrap_or(0)
    }

    /// Writes until nobody answers any more.
    pub(crate) async fn write(mut self, client: Client, namespace: &'static str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        loop {
            self.written += 1;
            let value = self.written;
            let name = format!("{}-{}", self.name, value % OBJECTS);
            let there = self.kept.get(&name).copied().flatten().is_some();
            let goes = there && value.is_multiple_of(DELETED);
            self.waiting = Some((name.clone(), (!goes).then_some(value)));
            let data = json!({"data": {"value": value.to_string()}});
            let answer = if goes {
                api.delete(&name, &DeleteParams::default()).await.map(|_| None)
            } else if there {
                api.patch(&name, &PatchParams::default(), &Patch::Merge(data)).await.map(Some)
            } else {
                let mut object = data;
                object["metadata"] = json!({"name": name});
                let object = serde_json::from_value(object).expect("an object");
                api.create(&PostParams::default(), &object).await.map(Some)
            };
            match answer {
                Ok(object) => {
                    self.kept.insert(name, object.as_ref().map(of));
                    self.waiting = None;
                    self.acknowledged += 1;
                }
                Err(kube::Error::Api(status)) => unreachable!("{name} is this writer's alone: {status:?}"),
                Err(_) => return self,
            }
        }
    }

    /// Compares with what there is after a restart; says whether what was not answered has been done.
    pub(crate) fn check(&mut self, there: &BTreeMap<String, ConfigMap>) -> bool {
        let own = there.iter().filter(|(name, _)| name.starts_with(&format!("{}-", self.name)));
        let found: BTreeMap<String, (u64, u64)> = own.map(|(name, object)| (name.clone(), of(object))).collect();
        let waiting = self.waiting.take();
        let mut done = false;
        let names: Vec<String> =
            self.kept.keys().chain(found.keys()).chain(waiting.iter().map(|(name, _)| name)).cloned().collect();
        for name in names {
            let (now, before) = (found.get(&name).copied(), self.kept.get(&name).copied().flatten());
            if now != before {
                let wanted = waiting.as_ref().filter(|(waiting, _)| *waiting == name).map(|(_, value)| *value);
                assert_eq!(
                    Some(now.map(|(value, _)| value)),
                    wanted,
                    "{name}: {before:?} was acknowledged, and there is {now:?}"
                );
                let versions = (before.map(|(_, version)| version), now.map(|(_, version)| version));
                assert!(versions.1.is_none_or(|now| Some(now) > versions.0), "{name}: {versions:?}");
                done = true;
            }
            self.kept.insert(name, now);
        }
        done
    }
}
