//! The Pods that are bound to this node: a runner for each.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch::{Sender, channel};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::pod::{Seen, run};

/// How long a Pod waits whose runner has failed.
const PAUSE: Duration = Duration::from_secs(10);

/// The runners of Pods, by the Pods' uids.
struct Pods {
    context: Arc<Context>,
    stop: CancellationToken,
    seen: HashMap<String, Sender<Seen>>,
    tasks: JoinSet<()>,
    /// Whose task it is.
    uids: HashMap<Id, String>,
    /// Those that were listed since a list began.
    listed: HashSet<String>,
}

/// Runs the node's Pods until the token is cancelled, and ends when their containers have.
pub(super) async fn watch(context: Arc<Context>, stop: &CancellationToken) {
    let api: Api<Pod> = Api::all(context.client.clone());
    let config = Config::default().fields(&format!("spec.nodeName={}", context.options.name));
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut pods = Pods {
        context,
        stop: stop.clone(),
        seen: HashMap::new(),
        tasks: JoinSet::new(),
        uids: HashMap::new(),
        listed: HashSet::new(),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.next() => match event {
                Some(Ok(event)) => pods.take(event),
                // The stream goes on by itself.
                Some(Err(error)) => tracing::warn!(%error, "the Pods cannot be watched"),
                None => break,
            },
            Some(ended) = pods.tasks.join_next_with_id() => pods.ended(ended),
        }
    }
    while let Some(ended) = pods.tasks.join_next_with_id().await {
        pods.ended(ended);
    }
}

impl Pods {
    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.see(pod);
            }
            Event::InitDone => {
                let gone: Vec<String> = self.seen.keys().filter(|uid| !self.listed.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.lose(&uid);
                }
                self.clear();
            }
            Event::Apply(pod) => self.see(pod),
            Event::Delete(pod) => self.lose(pod.metadata.uid.as_deref().unwrap_or_default()),
        }
    }

    fn see(&mut self, pod: Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let pod = Arc::new(pod);
        if let Some(seen) = self.seen.get(&uid) {
            seen.send_replace(Some(pod));
            return;
        }
        self.start(uid, pod, Duration::ZERO);
    }

    /// Starts a runner for the Pod after a while.
    fn start(&mut self, uid: String, pod: Arc<Pod>, delay: Duration) {
        let (sender, seen) = channel(Some(Arc::clone(&pod)));
        let (context, stop) = (Arc::clone(&self.context), self.stop.clone());
        let task = self.tasks.spawn(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            run(context, pod, seen, stop).await;
        });
        self.uids.insert(task.id(), uid.clone());
        self.seen.insert(uid, sender);
    }

    fn lose(&mut self, uid: &str) {
        // Its runner ends, and then it is forgotten.
        if let Some(seen) = self.seen.get(uid) {
            seen.send_replace(None);
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(uid) = self.uids.remove(&id) else { return };
        let seen = self.seen.remove(&uid);
        if let Err(error) = ended {
            // Its containers were killed with it. The next runner finds them lost.
            tracing::error!(%error, uid, "the runner of a Pod has failed");
            let pod = seen.and_then(|seen| seen.borrow().clone());
            if let Some(pod) = pod.filter(|_| !self.stop.is_cancelled()) {
                self.start(uid, pod, PAUSE);
            }
        }
    }

    /// Removes the folders of Pods that went while no runner ran.
    fn clear(&self) {
        for uid in self.context.home.pods().into_iter().filter(|uid| !self.seen.contains_key(uid)) {
            if let Err(error) = self.context.home.remove(&uid) {
                tracing::warn!(%error, uid, "the folder of a Pod is left behind");
            }
        }
    }
}
