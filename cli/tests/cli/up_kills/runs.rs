//! Runs that go on all the while: made-up rows, into files.

use std::path::Path;
use std::time::{Duration, Instant};

use aggregator_crds::run::RunPhase;
use aggregator_crds::{Connector, Pipeline, PipelineRun};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How many rows each run has.
pub(crate) const ROWS: usize = 200;
/// How many runs go on at a time.
const AT_A_TIME: usize = 2;
/// How long all may take to come to their ends, once nobody is killed any more.
const LONGEST: Duration = Duration::from_secs(180);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

/// Creates what runs need: rows from nowhere, and a folder for them.
pub(crate) async fn prepare(client: &Client, namespace: &'static str, out: &Path) {
    std::fs::create_dir_all(out).expect("a folder");
    let create = PostParams::default();
    let project: Namespace = object(json!({"metadata": {"name": namespace}}));
    Api::all(client.clone()).create(&create, &project).await.expect("it is new");
    let connectors: Api<Connector> = Api::namespaced(client.clone(), namespace);
    let stream = json!({"name": "rows", "rows": ROWS, "columns": [{"name": "id", "sequence": {}}]});
    for (name, spec) in [
        ("made-up", json!({"generator": {"streams": [stream]}})),
        ("out", json!({"file": {"root": out, "format": {"ndjson": {}}}})),
    ] {
        let connector = json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector", "metadata": {"name": name}, "spec": spec,
        });
        connectors.create(&create, &object(connector)).await.expect("it is new");
    }
    let pipeline = json!({
        "apiVersion": aggregator_crds::API_VERSION,
        "kind": "Pipeline",
        "metadata": {"name": "move"},
        "spec": {
            "sources": [{"name": "rows", "connector": "made-up", "stream": "rows"}],
            "sinks": [{"name": "kept", "from": "rows", "connector": "out", "stream": "rows/"}],
            // Each is killed many times.
            "execution": {"retry": {"limit": 100, "backoff": {"initial": "200ms", "factor": "1", "max": "1s"}}},
        },
    });
    let pipelines: Api<Pipeline> = Api::namespaced(client.clone(), namespace);
    pipelines.create(&create, &object(pipeline)).await.expect("it is new");
}

fn is_over(run: &PipelineRun) -> bool {
    let phase = run.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(RunPhase::Succeeded | RunPhase::Failed | RunPhase::Cancelled))
}

/// Asks for one run after the other, until nobody answers any more. Gives their names.
pub(crate) async fn keep_going(client: Client, namespace: &'static str, mut made: Vec<String>) -> Vec<String> {
    let api: Api<PipelineRun> = Api::namespaced(client, namespace);
    loop {
        let Ok(all) = api.list(&ListParams::default()).await else { return made };
        if all.items.iter().filter(|run| !is_over(run)).count() < AT_A_TIME {
            let name = format!("run-{}", made.len());
            let run = json!({
                "apiVersion": aggregator_crds::API_VERSION,
                "kind": "PipelineRun",
                "metadata": {"name": name},
                "spec": {"pipelineRef": {"name": "move"}},
            });
            match api.create(&PostParams::default(), &object(run)).await {
                Ok(_) => made.push(name),
                // It was made before the kill, and nobody was told.
                Err(kube::Error::Api(status)) if status.code == 409 => made.push(name),
                Err(kube::Error::Api(status)) => unreachable!("a run is refused: {status:?}"),
                Err(_) => return made,
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until each run has come to its end, which is a good one, and says how many there are; those whose names are known are
/// among them.
pub(crate) async fn end(client: Client, namespace: &'static str, made: &[String]) -> usize {
    let api: Api<PipelineRun> = Api::namespaced(client, namespace);
    let begun = Instant::now();
    loop {
        let all = api.list(&ListParams::default()).await.expect("runs").items;
        let named = |name: &String| all.iter().find(|run| run.metadata.name.as_ref() == Some(name));
        let lost: Vec<&String> = made.iter().filter(|name| named(name).is_none()).collect();
        assert!(lost.is_empty(), "runs are lost: {lost:?}");
        let open: Vec<&PipelineRun> = all.iter().filter(|run| !is_over(run)).collect();
        if open.is_empty() {
            for run in &all {
                let phase = run.status.as_ref().and_then(|status| status.phase);
                assert_eq!(phase, Some(RunPhase::Succeeded), "{run:?}");
            }
            return all.len();
        }
        assert!(begun.elapsed() < LONGEST, "after {LONGEST:?} these still go on: {open:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// How many rows there are in the files of a folder.
pub(crate) fn rows(out: &Path) -> usize {
    let files = std::fs::read_dir(out.join("rows")).into_iter().flatten().map_while(Result::ok);
    let files = files.filter(|file| !file.file_name().to_string_lossy().starts_with(['.', '_']));
    files.map(|file| std::fs::read_to_string(file.path()).expect("text").lines().count()).sum()
}
