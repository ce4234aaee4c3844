//! Many who watch, each on a connection of its own, and when each was told of each write.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::Request;
use futures::future::try_join_all;
use futures::{AsyncBufRead, AsyncBufReadExt, StreamExt, TryStreamExt, stream};
use kube::Client;

use crate::Outcome;
use crate::writes::{Scene, Written};

/// How many connect at a time.
const AT_A_TIME: usize = 50;
/// How long all may take to be told.
const LONGEST: Duration = Duration::from_secs(300);

/// How writes went that were watched.
pub(crate) struct Told {
    pub(crate) written: Written,
    /// How many watched.
    pub(crate) watchers: usize,
    /// How many events all of them were told.
    pub(crate) events: usize,
    /// From the first write until the last one was told the last.
    pub(crate) time: Duration,
    /// From each write's being sent until the last of those whom it concerns had it.
    pub(crate) latencies: Vec<Duration>,
}

type Events = Pin<Box<dyn AsyncBufRead + Send>>;

/// When each event was told to the last one, in microseconds.
type Seen = Arc<Vec<AtomicU64>>;

/// Writes while so many watch: one object each, or everything.
pub(crate) async fn measure(clients: &[Client], scene: Scene, watchers: usize, one: bool) -> Outcome<Told> {
    let first = clients.first().ok_or("nobody writes")?;
    let from = scene.prepare(first).await?;
    let connect = |number: usize| {
        let client = clients[number % clients.len()].clone();
        let selector =
            if one { format!("&fieldSelector=metadata.name%3D{}", scene.object(number)) } else { String::new() };
        let path = format!("{}?watch=true&timeoutSeconds=3600&resourceVersion={from}{selector}", scene.path());
        async move {
            let request = Request::get(path).header("accept-encoding", "identity").body(Vec::new())?;
            let events: Events = Box::pin(client.request_stream(request).await?);
            Outcome::Ok((number, events))
        }
    };
    let connected: Vec<(usize, Events)> =
        stream::iter((0..watchers).map(connect)).buffer_unordered(AT_A_TIME).try_collect().await?;

    let (begun, seen) = (Instant::now(), Seen::new((0..scene.writes()).map(|_| AtomicU64::new(0)).collect()));
    let wanted = if one { scene.rounds } else { scene.writes() };
    let told = connected.into_iter().map(|(number, events)| {
        let first = if one { number * scene.rounds } else { 0 };
        tokio::spawn(follow(events, Arc::clone(&seen), first..first + wanted, begun))
    });
    let told: Vec<_> = told.collect();
    let written = scene.write(clients).await?;
    let all = async {
        for done in try_join_all(told).await? {
            done?;
        }
        Outcome::Ok(())
    };
    tokio::time::timeout(LONGEST, all).await.map_err(|_| "not everybody was told everything")??;
    let latencies = latencies(&written, scene, &seen, begun, one);
    let sent = written.0.iter().map(|write| write.sent).min().unwrap_or(begun);
    let last = seen.iter().map(|at| at.load(Ordering::Relaxed)).max().unwrap_or(0);
    let time = (begun + Duration::from_micros(last)).duration_since(sent);
    Ok(Told { written, watchers, events: watchers * wanted, time, latencies })
}

/// Reads until each of those events was told. Each is a line.
async fn follow(mut events: Events, seen: Seen, wanted: std::ops::Range<usize>, begun: Instant) -> Outcome<()> {
    let mut line = Vec::new();
    for event in wanted {
        line.clear();
        if events.read_until(b'\n', &mut line).await? == 0 {
            return Err("a watch has ended".into());
        }
        if line.starts_with(br#"{"type":"ERROR""#) {
            return Err(String::from_utf8_lossy(&line).into_owned().into());
        }
        let now = u64::try_from(begun.elapsed().as_micros())?;
        seen[event].fetch_max(now, Ordering::Relaxed);
    }
    Ok(())
}

/// Who watches everything is told in the order of versions; who watches one object, in that of its writes.
fn latencies(written: &Written, scene: Scene, seen: &Seen, begun: Instant, one: bool) -> Vec<Duration> {
    let mut writes: Vec<_> = written.0.iter().collect();
    writes.sort_by_key(|write| if one { (write.object * scene.rounds + write.round) as u64 } else { write.version });
    let at = seen.iter().map(|at| begun + Duration::from_micros(at.load(Ordering::Relaxed)));
    writes.iter().zip(at).map(|(write, at)| at.saturating_duration_since(write.sent)).collect()
}
