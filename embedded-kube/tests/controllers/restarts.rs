//! Controllers that end anywhere and start again: no Pod is made too many, and each is counted once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggregator_embedded_kube::api::controllers::run;
use aggregator_tests::control_plane::ControlPlane;
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::planes::{client, options, settings};
use super::stage::Stage;

const JOBS: usize = 5;
const COMPLETIONS: usize = 12;
const PARALLELISM: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_makes_no_pod_too_many() {
    let plane = tokio::task::spawn_blocking(|| Arc::new(ControlPlane::bare())).await.unwrap();
    let client = client(&plane).await;
    let options = options(&plane);
    let done = CancellationToken::new();
    let (ended, restarted) = (done.clone(), client.clone());
    let lives = tokio::spawn(async move {
        let mut lives = 0u32;
        while !ended.is_cancelled() {
            // Dropped in the middle of whatever it does.
            let life = run(restarted.clone(), options.clone(), CancellationToken::new());
            let pause = Duration::from_millis(400 + u64::from(lives * 137 % 700));
            tokio::time::timeout(pause, life).await.unwrap_err();
            lives += 1;
        }
        lives
    });
    let (owner, settings) = (Arc::clone(&plane), settings());
    let node = tokio::task::spawn_blocking(move || owner.node("main", &settings)).await.unwrap();
    let shared = node.shared().display().to_string();
    let stage = Stage::open(client, "restarts", "main".to_owned(), shared, "ours").await;

    // How many Pods of each Job there are at a time, and have ever been.
    let seen: Arc<Mutex<BTreeMap<String, BTreeMap<String, bool>>>> = Arc::default();
    let (watched, pods) = (Arc::clone(&seen), stage.api("Pod"));
    let watching = tokio::spawn(async move {
        let mut events = pin!(watcher(pods, Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            let (object, there) = match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => (object, true),
                Ok(Event::Delete(object)) => (object, false),
                _ => continue,
            };
            let over = matches!(object.data["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
            let job = object.labels().get("job-name").cloned().unwrap_or_default();
            let mut seen = watched.lock().unwrap();
            let all = seen.entry(job.clone()).or_default();
            all.insert(object.uid().unwrap(), there && !over);
            let active = all.values().filter(|active| **active).count();
            assert!(active <= PARALLELISM, "{active} Pods of {job} at a time");
        }
    });
    for number in 0..JOBS {
        let mut spec = json!({"completions": COMPLETIONS, "parallelism": PARALLELISM});
        if number % 2 == 1 {
            spec["completionMode"] = "Indexed".into();
        }
        stage.job(&format!("j{number}"), "sleep 0.1", spec).await;
    }
    for number in 0..JOBS {
        let job = stage.over(&format!("j{number}")).await;
        let status = &job["status"];
        assert_eq!((&status["succeeded"], &status["failed"]), (&json!(COMPLETIONS), &json!(null)), "{status}");
    }
    watching.abort();
    // It ends otherwise when it has seen too many.
    assert!(watching.await.unwrap_err().is_cancelled());
    done.cancel();
    let lives = lives.await.unwrap();
    assert!(lives >= 5, "the controllers were started {lives} times only");
    for (job, pods) in seen.lock().unwrap().iter() {
        assert_eq!(pods.len(), COMPLETIONS, "Pods of {job}");
    }
    assert_eq!(seen.lock().unwrap().len(), JOBS);
    tokio::task::spawn_blocking(move || drop((node, plane))).await.unwrap();
}
