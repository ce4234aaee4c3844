//! How long it takes from a fire to its Job.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aggregator_crds::Schedule;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::objects::Objects;
use crate::ready::{events, told};
use crate::{Options, Outcome};

/// How long after the last fire its Job may come.
const LONGEST: Duration = Duration::from_secs(180);
/// How long before the first fire all Schedules know of theirs.
const BEFORE: SignedDuration = SignedDuration::from_secs(30);
const FIRE: &str = "aggregator.dev/fire";

/// What was measured.
pub(crate) struct Fires {
    /// From each fire's time to when somebody who watches sees its Job.
    pub(crate) latencies: Vec<Duration>,
    /// The runs, as `namespace/name`.
    pub(crate) runs: Vec<String>,
    /// From the first fire to the last one's Job.
    pub(crate) seconds: f64,
}

/// Lets that many Schedules fire, each once, so many in a second.
pub(crate) async fn measure(client: &Client, objects: &Objects, options: &Options) -> Outcome<Fires> {
    let (fires, rate) = (options.fires.min(options.schedules), options.rate.max(1));
    // Each edit takes some milliseconds, and is looked at.
    let lead = BEFORE + SignedDuration::from_secs(i64::try_from(fires / 100)?);
    let first = Timestamp::from_second(Timestamp::now().as_second())? + lead;
    let runs = events(client, aggregator_crds::GROUP, "v1alpha1", "PipelineRun").await?;
    let jobs = events(client, "batch", "v1", "Job").await?;
    let edit = |number: usize| {
        let api = objects.api::<Schedule>(client, number);
        let at = first + SignedDuration::from_nanos(1_000_000_000 * i64::try_from(number).unwrap_or(0) / rate as i64);
        async move {
            let spec = json!({"spec": {"cron": null, "interval": {"every": "24h", "start": at}}});
            let (name, patch) = (format!("schedule-{number}"), Patch::Merge(spec));
            api.patch(&name, &PatchParams::default(), &patch).await?;
            Outcome::Ok(())
        }
    };
    stream::iter((0..fires).map(edit)).buffer_unordered(8).try_collect::<()>().await?;
    if Timestamp::now() > first {
        return Err("the edits took longer than was left before the first fire".into());
    }
    let (mut due, mut made) = (HashMap::new(), HashMap::new());
    let mut both = stream::select(runs, jobs);
    let seen = async {
        while due.len() < fires || made.len() < fires {
            let Some(object) = told(both.next().await.ok_or("a watch has ended")?)? else { continue };
            let now = Timestamp::now();
            let key = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
            match object.types.as_ref().map(|types| types.kind.as_str()) {
                Some("Job") => {
                    made.entry(key).or_insert(now);
                }
                _ => {
                    let at: Timestamp = object.annotations().get(FIRE).ok_or("a run of no fire")?.parse()?;
                    due.insert(key, at);
                }
            }
        }
        Outcome::Ok(())
    };
    let left = Duration::try_from(first.duration_since(Timestamp::now())).unwrap_or_default();
    let all = left + Duration::from_secs((fires / rate) as u64) + LONGEST;
    let begun = Instant::now();
    if let Ok(seen) = tokio::time::timeout(all, seen).await {
        seen?;
    } else {
        return Err(format!("of {fires} fires there were {} runs and {} Jobs", due.len(), made.len()).into());
    }
    let seconds = begun.elapsed().saturating_sub(left).as_secs_f64();
    let latency = |(run, at): (&String, &Timestamp)| -> Outcome<Duration> {
        let made = made.get(run).ok_or("a run without a Job")?;
        Ok(Duration::try_from(made.duration_since(*at)).unwrap_or_default())
    };
    let latencies = due.iter().map(latency).collect::<Outcome<_>>()?;
    Ok(Fires { latencies, runs: due.into_keys().collect(), seconds })
}
