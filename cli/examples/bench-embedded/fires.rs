//! How long it takes from a fire to its rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aggregator_crds::run::RunPhase;
use aggregator_crds::{ConditionStatus, Connector, PipelineRun, Schedule};
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::Outcome;
use crate::up_kills::prepare;

const NAMESPACE: &str = "fires";
const FIRE: &str = "aggregator.dev/fire";
/// The time between two fires: a run is over by then.
const EVERY: SignedDuration = SignedDuration::from_secs(2);
/// How long everything may take, beside the fires' own times.
const LONGEST: Duration = Duration::from_secs(60);

/// How long it took, of each fire: all from its time on.
#[derive(Default)]
pub(crate) struct Fires {
    /// Until somebody who watches saw its run.
    pub(crate) seen: Vec<Duration>,
    /// Until its rows were in the sink's file.
    pub(crate) rows: Vec<Duration>,
    /// Until somebody who watches saw its end.
    pub(crate) ended: Vec<Duration>,
}

/// What was seen of a run.
struct Run {
    fire: Timestamp,
    seen: Timestamp,
    ended: Option<Timestamp>,
}

/// Lets a Schedule fire so many times, and once more, first, which is not counted.
pub(crate) async fn measure(client: &Client, out: &Path, count: usize) -> Outcome<Fires> {
    prepare(client, NAMESPACE, out).await;
    checked(client).await?;
    let api: Api<PipelineRun> = Api::namespaced(client.clone(), NAMESPACE);
    let version = api.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let mut events = api.watch(&WatchParams::default(), &version).await?.boxed();
    let first = Timestamp::from_second(Timestamp::now().as_second())? + SignedDuration::from_secs(3);
    let schedule: Schedule = serde_json::from_value(json!({
        "apiVersion": aggregator_crds::API_VERSION,
        "kind": "Schedule",
        "metadata": {"name": "often"},
        "spec": {
            "pipelineRef": {"name": "move"},
            "interval": {"every": format!("{}s", EVERY.as_secs()), "start": first},
            "successfulRunsHistoryLimit": 1000,
        },
    }))?;
    let schedules: Api<Schedule> = Api::namespaced(client.clone(), NAMESPACE);
    schedules.create(&PostParams::default(), &schedule).await?;
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    let all = async {
        while runs.values().filter(|run| run.ended.is_some()).count() <= count {
            match events.try_next().await?.ok_or("a watch has ended")? {
                WatchEvent::Added(run) | WatchEvent::Modified(run) => take(&mut runs, &run)?,
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(format!("a watch has failed: {}", status.message).into()),
            }
        }
        Outcome::Ok(())
    };
    let time = Duration::from_secs(u64::try_from(EVERY.as_secs())?) * u32::try_from(count)?;
    tokio::time::timeout(time + LONGEST, all).await.map_err(|_| "not every fire had a run that ended")??;
    told(runs.into_values().collect(), count, &written(out)?)
}

/// Waits until what runs use was looked at, which takes Jobs of its own.
async fn checked(client: &Client) -> Outcome<()> {
    let api: Api<Connector> = Api::namespaced(client.clone(), NAMESPACE);
    let ready = async {
        loop {
            let all = api.list(&ListParams::default()).await?.items;
            let ready = all.iter().filter(|connector| {
                let mut conditions = connector.status.iter().flat_map(|status| &status.conditions);
                conditions.any(|it| it.condition_type == "Ready" && it.status == ConditionStatus::True)
            });
            if ready.count() == all.len() {
                return Outcome::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LONGEST, ready).await.map_err(|_| "the Connectors are not Ready")?
}

/// Notes what is seen of a run.
fn take(runs: &mut BTreeMap<String, Run>, run: &PipelineRun) -> Outcome<()> {
    let now = Timestamp::now();
    let fire = run.annotations().get(FIRE).ok_or("a run of no fire")?.parse()?;
    let known = runs.entry(run.name_any()).or_insert(Run { fire, seen: now, ended: None });
    match run.status.as_ref().and_then(|status| status.phase) {
        Some(RunPhase::Succeeded) if known.ended.is_none() => known.ended = Some(now),
        Some(RunPhase::Failed | RunPhase::Cancelled) => return Err(format!("{} has failed", run.name_any()).into()),
        _ => {}
    }
    Ok(())
}

/// When each file of rows was last written to, sorted.
fn written(out: &Path) -> Outcome<Vec<Timestamp>> {
    let mut times = Vec::new();
    for file in std::fs::read_dir(out.join("rows"))? {
        times.push(Timestamp::try_from(file?.metadata()?.modified()?)?);
    }
    times.sort();
    Ok(times)
}

/// Each fire's rows are in the file that was written before the next fire.
fn told(mut runs: Vec<Run>, count: usize, written: &[Timestamp]) -> Outcome<Fires> {
    runs.sort_by_key(|run| run.fire);
    let mut fires = Fires::default();
    for Run { fire, seen, ended } in runs.into_iter().skip(1).take(count) {
        let rows = written.iter().find(|at| **at >= fire && **at < fire + EVERY);
        let rows = rows.ok_or_else(|| format!("no rows came between the fire of {fire} and the next"))?;
        let after = |at: Timestamp| Duration::try_from(at.duration_since(fire)).unwrap_or_default();
        fires.seen.push(after(seen));
        fires.rows.push(after(*rows));
        fires.ended.push(after(ended.ok_or("a run without an end")?));
    }
    Ok(fires)
}
