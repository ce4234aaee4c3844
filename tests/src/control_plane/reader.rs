//! Reads objects as `kubectl get --output=json` gives them, without a process for each question: tests that wait for something
//! ask thousands of times.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::wait::PATIENCE;

/// A kind, as the API server names it.
#[derive(Clone, Debug)]
struct Served {
    /// The folder of its version, as `/apis/batch/v1`.
    version: String,
    /// Its group and version, as objects say it.
    api_version: String,
    /// Its plural.
    plural: String,
    kind: String,
    namespaced: bool,
}

/// Who reads objects of one control plane.
pub(super) struct Reader {
    runtime: Runtime,
    client: Client,
    /// What was found, by each name that kubectl knows it by.
    kinds: Mutex<BTreeMap<String, Served>>,
}

impl Reader {
    /// One that may do what the kubeconfig says.
    pub(super) fn new(kubeconfig: &Path) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { runtime, client, kinds: Mutex::default() }
    }

    /// An object, or None if there is none of that name.
    pub(super) fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>, String> {
        let served = self.served(kind)?;
        let path = format!("{}/{name}", served.path(namespace));
        match self.read(&path) {
            Ok(object) => Ok(Some(shown(object))),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    /// All objects of a kind, by name.
    pub(super) fn list(&self, namespace: &str, kind: &str) -> Result<Vec<Value>, String> {
        let served = self.served(kind)?;
        let path = served.path(namespace);
        let mut list = self.read(&path).map_err(|error| format!("{path}: {error}"))?;
        let Value::Array(mut items) = list["items"].take() else { return Err(format!("{path}: this is no list")) };
        for item in &mut items {
            // A list says it once.
            item["apiVersion"] = served.api_version.clone().into();
            item["kind"] = served.kind.clone().into();
        }
        Ok(items.into_iter().map(shown).collect())
    }

    fn served(&self, kind: &str) -> Result<Served, String> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if !kinds.contains_key(kind) {
            // One that was not there before may be now.
            *kinds = self.ask(discover(&self.client)).map_err(|error| error.to_string())?;
        }
        kinds.get(kind).cloned().ok_or_else(|| format!("there is no kind `{kind}`"))
    }

    /// What is there. A connection that is kept may be closed just when it is used again: then it is asked once more.
    fn read(&self, path: &str) -> Result<Value, kube::Error> {
        let ask = || self.ask(self.client.request(request(path)));
        ask().or_else(|error| if matches!(error, kube::Error::Api(_)) { Err(error) } else { ask() })
    }

    /// The answer. Must not be called in async code.
    fn ask<T>(&self, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        let answered = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
        answered.unwrap_or_else(|_| panic!("the API server did not answer in {} s", PATIENCE.as_secs()))
    }
}

impl Served {
    fn path(&self, namespace: &str) -> String {
        let Self { version, plural, .. } = self;
        if self.namespaced {
            format!("{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("{version}/{plural}")
        }
    }
}

/// An object without what kubectl leaves out.
fn shown(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

fn request(path: &str) -> Request<Vec<u8>> {
    Request::get(path).body(Vec::new()).unwrap()
}

/// Every kind, by each of its names; of several of one name, the first group has it, as with kubectl.
async fn discover(client: &Client) -> Result<BTreeMap<String, Served>, kube::Error> {
    let mut lists = vec![("/api/v1".to_owned(), client.list_core_api_resources("v1").await?)];
    for group in client.list_api_groups().await?.groups {
        let Some(version) = group.preferred_version.map(|version| version.group_version) else { continue };
        let resources = client.list_api_group_resources(&version).await?;
        lists.push((format!("/apis/{version}"), resources));
    }
    let mut kinds = BTreeMap::new();
    for (version, list) in lists {
        for resource in list.resources.into_iter().filter(|resource| !resource.name.contains('/')) {
            let served = Served {
                version: version.clone(),
                api_version: list.group_version.clone(),
                plural: resource.name.clone(),
                kind: resource.kind.clone(),
                namespaced: resource.namespaced,
            };
            let names = [resource.name, resource.singular_name, resource.kind.to_lowercase()];
            for name in names.into_iter().chain(resource.short_names.into_iter().flatten()) {
                kinds.entry(name).or_insert_with(|| served.clone());
            }
        }
    }
    Ok(kinds)
}
