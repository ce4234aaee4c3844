//! Kill -9 of `aggregator up` at random moments, over and over, in one folder, while objects are written and watched and runs go on.
//!
//! Nothing that was acknowledged is lost, versions never go back, what was told is still so, no process is left, and every run
//! comes to a good end, with each of its rows once. `make bench-embedded` does the same to the release, and tells the figures.

mod cluster;
mod runs;
mod watcher;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use aggregator_tests::random::Random;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub(crate) use cluster::{Cluster, processes, until_none};
pub(crate) use runs::prepare;

use watcher::Watcher;
use writer::Writer;

const NAMESPACE: &str = "kills";
const WRITERS: usize = 4;
const WATCHERS: usize = 3;
/// The folder of the cluster, below that in which it is started.
const DATA: &str = "data";
/// How many milliseconds a cluster lives at least, once it is there, and how many more at most.
const LIFE: (usize, usize) = (50, 1_200);
/// How long it may take until a process of a run is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kills have hit, and what came of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// How many there were.
    pub(crate) kills: u32,
    /// How many came while somebody waited for the answer to a write.
    pub(crate) unanswered: u32,
    /// After how many of these such a write was there all the same.
    pub(crate) done: u32,
    /// How many came while processes of runs were there.
    pub(crate) busy: u32,
    /// How many writes were acknowledged.
    pub(crate) acknowledged: u64,
    /// How many events watchers were told.
    pub(crate) told: u64,
    /// How many runs there were.
    pub(crate) runs: usize,
    /// How long it took, at most, until no process was left.
    pub(crate) left: Duration,
    /// How long it took, at most, until it was there again.
    pub(crate) ready: Duration,
}

impl Figures {
    pub(crate) fn words(&self) -> String {
        let Self { kills, unanswered, done, busy, acknowledged, told, runs, left, ready } = self;
        format!(
            "{kills} kills, {unanswered} of them while a write was not answered ({done} times it was done all the same), {busy} \
             while runs had processes; {acknowledged} writes acknowledged, {told} events told, {runs} runs; no process was left \
             after {} ms, and it was there again after {} ms, at most",
            left.as_millis(),
            ready.as_millis()
        )
    }
}

/// What is known from before.
struct Known {
    writers: Vec<Writer>,
    watchers: Vec<Watcher>,
    runs: Vec<String>,
    newest: u64,
}

impl Known {
    fn new() -> Self {
        let watchers = (0..WATCHERS).map(|_| Watcher::default()).collect();
        Self { writers: (0..WRITERS).map(Writer::new).collect(), watchers, runs: Vec::new(), newest: 0 }
    }

    /// Compares with what there is now; says whether a write was done that was not answered.
    async fn check(&mut self, client: &Client) -> bool {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
        let list = api.list(&ListParams::default()).await.expect("objects");
        let version = list.metadata.resource_version.and_then(|version| version.parse().ok()).expect("a version");
        assert!(version >= self.newest, "versions go back from {} to {version}", self.newest);
        self.newest = version;
        let there: BTreeMap<String, ConfigMap> = list.items.into_iter().map(|it| (it.name_any(), it)).collect();
        // Each is asked.
        self.writers.iter_mut().filter_map(|writer| writer.check(&there).then_some(())).count() > 0
    }

    /// Lets everybody go on.
    fn go_on(&mut self, runtime: &Runtime, client: &Client) -> Load {
        let writers = std::mem::take(&mut self.writers).into_iter();
        let watchers = std::mem::take(&mut self.watchers).into_iter();
        let runs = std::mem::take(&mut self.runs);
        Load {
            writers: writers.map(|writer| runtime.spawn(writer.write(client.clone(), NAMESPACE))).collect(),
            watchers: watchers.map(|watcher| runtime.spawn(watcher.watch(client.clone(), NAMESPACE))).collect(),
            runs: runtime.spawn(runs::keep_going(client.clone(), NAMESPACE, runs)),
        }
    }
}

/// Everybody who is at work.
struct Load {
    writers: Vec<JoinHandle<Writer>>,
    watchers: Vec<JoinHandle<Watcher>>,
    runs: JoinHandle<Vec<String>>,
}

impl Load {
    /// What is known once nobody answers any more.
    async fn ended(self, newest: u64) -> Known {
        let mut known = Known { writers: Vec::new(), watchers: Vec::new(), runs: Vec::new(), newest };
        for writer in self.writers {
            known.writers.push(writer.await.expect("no panic"));
        }
        for watcher in self.watchers {
            known.watchers.push(watcher.await.expect("no panic"));
        }
        known.runs = self.runs.await.expect("no panic");
        let told = known.writers.iter().map(Writer::newest).chain(known.watchers.iter().map(|it| it.until));
        known.newest = told.max().unwrap_or(0).max(newest);
        known
    }
}

/// Plays so many kills, in a folder of its own.
pub(crate) fn play(program: &Path, kills: u32, random: &mut Random) -> Figures {
    let temporary = tempfile::Builder::new().prefix("aggregator-kills-").tempdir().expect("a folder");
    let folder = temporary.path().canonicalize().expect("a folder");
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    let (data, out) = (folder.join(DATA), folder.join("out"));
    let start = || Cluster::start(program, &folder, &["--data-dir", DATA]);
    let (mut known, mut figures) = (Known::new(), Figures { kills, ..Figures::default() });
    for kill in 0..kills {
        let mut cluster = start();
        let client = runtime.block_on(cluster.client());
        if kill == 0 {
            runtime.block_on(prepare(&client, NAMESPACE, &out));
        } else {
            figures.ready = figures.ready.max(cluster.ready);
        }
        figures.done += u32::from(runtime.block_on(known.check(&client)));
        let newest = known.newest;
        let load = known.go_on(&runtime, &client);
        if kill + 1 == kills {
            wait_for_processes(&data);
        } else {
            std::thread::sleep(Duration::from_millis((LIFE.0 + random.below(LIFE.1)) as u64));
        }
        figures.busy += u32::from(!processes(&data).is_empty());
        cluster.kill();
        figures.left = figures.left.max(until_none(&data));
        known = runtime.block_on(load.ended(newest));
        figures.unanswered += u32::from(known.writers.iter().any(Writer::waits));
    }
    let cluster = start();
    figures.ready = figures.ready.max(cluster.ready);
    let client = runtime.block_on(cluster.client());
    figures.done += u32::from(runtime.block_on(known.check(&client)));
    figures.runs = runtime.block_on(runs::end(client, NAMESPACE, &known.runs));
    assert_eq!(runs::rows(&out), figures.runs * runs::ROWS, "each row of each run is there once");
    figures.acknowledged = known.writers.iter().map(|writer| writer.acknowledged).sum();
    figures.told = known.watchers.iter().map(|watcher| watcher.told).sum();
    assert!(figures.unanswered > 0 && figures.busy > 0, "what was to be hit was not: {}", figures.words());
    figures
}

/// The last kill hits processes for certain.
fn wait_for_processes(data: &Path) {
    let begun = Instant::now();
    while processes(data).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no run has a process");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use aggregator_tests::folder;

    use super::*;

    /// How many kills there are, unless the environment says otherwise.
    const KILLS: u32 = 12;

    #[test]
    fn what_was_acknowledged_outlives_kills() {
        let wanted = std::env::var("AGGREGATOR_KILLS").ok();
        let kills = wanted.map_or(KILLS, |text| text.parse().expect("AGGREGATOR_KILLS is a number"));
        let figures =
            play(&folder::binary("aggregator"), kills, &mut Random::seeded("what_was_acknowledged_outlives_kills"));
        println!("{}", figures.words());
    }
}
