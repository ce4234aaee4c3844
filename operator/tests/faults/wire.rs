//! A watch on its way to the operator, and what goes wrong with it: a stream of lines, each an event.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fault::{WatchFault, status};
use crate::road::Road;

/// What goes wrong does so after the first event, or after so long without one.
const SOON: Duration = Duration::from_secs(2);
/// How long nothing is told but bookmarks, and how often.
const BOOKMARKS: Duration = Duration::from_secs(4);
const BOOKMARK: Duration = Duration::from_millis(300);
/// Of the changes of an object within this time, the last is told.
const WINDOW: Duration = Duration::from_millis(700);
/// What was told is told again after so long without anything new, and how often.
const QUIET: Duration = Duration::from_millis(400);
const REPLAYS: u32 = 3;
/// How much later a kind is told that alone is late.
const ALONE: Duration = Duration::from_millis(900);
/// The pieces of an event, and the time between two.
const PIECE: usize = 256;
const PAUSE: Duration = Duration::from_millis(5);

/// Whose watch it is.
pub(crate) struct Wire {
    pub(crate) road: Arc<Road>,
    /// Of what, as `jobs`.
    pub(crate) resource: String,
    /// The version from which it goes on.
    pub(crate) version: String,
    /// Whether nothing goes wrong with the watches of other kinds.
    pub(crate) alone: bool,
    /// The operator was killed.
    pub(crate) dead: CancellationToken,
}

/// A connection that is open.
pub(crate) struct Open {
    wire: Wire,
    lines: Lines,
    out: UnboundedSender<Result<Bytes, io::Error>>,
}

/// The lines of a body.
struct Lines {
    chunks: BodyDataStream,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line, with its end; None when the connection has ended. What was read stays when nobody waits for it any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(end + 1);
                return Some(Bytes::from(std::mem::replace(&mut self.rest, rest)));
            }
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.rest.extend_from_slice(&chunk),
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// A body that arrives as `how` has it, until that ends, the operator is killed, or it reads no more.
pub(crate) fn disturbed<F>(body: Body, wire: Wire, how: impl FnOnce(Open) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (out, mut arriving) = unbounded_channel();
    let (dead, reader) = (wire.dead.clone(), out.clone());
    let lines = Lines { chunks: body.into_data_stream(), rest: Vec::new() };
    let going = how(Open { wire, lines, out });
    tokio::spawn(async move {
        tokio::select! {
            () = going => {}
            () = dead.cancelled() => {}
            () = reader.closed() => {}
        }
    });
    Body::from_stream(futures::stream::poll_fn(move |context| arriving.poll_recv(context)))
}

/// Which object an event tells of, and which version of it. Bookmarks tell of none.
struct Event {
    bookmark: bool,
    name: String,
    version: String,
}

fn event(line: &[u8]) -> Event {
    let line: Value = serde_json::from_slice(line).unwrap_or_default();
    let metadata = &line["object"]["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Event {
        bookmark: line["type"] == "BOOKMARK",
        name: text(&metadata["name"]),
        version: text(&metadata["resourceVersion"]),
    }
}

impl Open {
    /// Nobody listens any more: that is noticed elsewhere.
    fn send(&self, line: Bytes) {
        self.out.send(Ok(line)).unwrap_or_default();
    }

    fn strikes(&self, times: u64) {
        self.wire.road.strikes(times);
    }

    /// What goes wrong, does so.
    pub(crate) async fn goes_wrong(self, fault: WatchFault) {
        match fault {
            WatchFault::Ends | WatchFault::Gone | WatchFault::GoneInside | WatchFault::HalfOpen => {
                self.ends(fault).await;
            }
            WatchFault::Bookmarks => self.bookmarks().await,
            WatchFault::Replay => self.replays().await,
            WatchFault::Skip => self.skips().await,
            WatchFault::Reorder => self.reorders().await,
            WatchFault::Trickle => self.trickles().await,
        }
    }

    /// Lets events pass, up to the first, or for some time; whether the connection is still there.
    async fn first(&mut self) -> bool {
        let passing = async {
            while let Some(line) = self.lines.next().await {
                let Event { bookmark, version, .. } = event(&line);
                self.wire.version = version;
                self.send(line);
                if !bookmark {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(SOON, passing).await.unwrap_or(true)
    }

    async fn ends(mut self, fault: WatchFault) {
        if !self.first().await {
            return;
        }
        match fault {
            // What is counted is how often it was told that the version is too old.
            WatchFault::Gone => self.wire.road.forgets(&self.wire.resource),
            WatchFault::GoneInside => {
                self.strikes(1);
                let error = status(410, "Expired");
                self.send(Bytes::from(format!("{{\"type\":\"ERROR\",\"object\":{error}}}\n")));
            }
            WatchFault::HalfOpen => {
                self.strikes(1);
                std::future::pending::<()>().await;
            }
            _ => self.strikes(1),
        }
    }

    async fn bookmarks(mut self) {
        if !self.first().await {
            return;
        }
        let until = Instant::now() + BOOKMARKS;
        while Instant::now() < until {
            let known = json!({"metadata": {"resourceVersion": self.wire.version}, "apiVersion": "v1", "kind": "Any"});
            self.send(Bytes::from(format!("{}\n", json!({"type": "BOOKMARK", "object": known}))));
            self.strikes(1);
            tokio::time::sleep(BOOKMARK).await;
        }
    }

    async fn replays(mut self) {
        let (mut told, mut again, mut times): (Vec<Bytes>, usize, u32) = (Vec::new(), 0, 0);
        loop {
            match tokio::time::timeout(QUIET, self.lines.next()).await {
                Ok(None) => return,
                Ok(Some(line)) => {
                    if !event(&line).bookmark {
                        told.push(line.clone());
                    }
                    self.send(line);
                }
                Err(_) if told.len() > again && times < REPLAYS => {
                    (again, times) = (told.len(), times + 1);
                    self.strikes(told.len() as u64);
                    told.iter().for_each(|line| self.send(line.clone()));
                }
                Err(_) => {}
            }
        }
    }

    async fn skips(mut self) {
        while let Some(first) = self.lines.next().await {
            let until = Instant::now() + WINDOW;
            let mut window = vec![first];
            let mut open = true;
            while open {
                match tokio::time::timeout_at(until, self.lines.next()).await {
                    Ok(Some(line)) => window.push(line),
                    Ok(None) => open = false,
                    Err(_) => break,
                }
            }
            let names: Vec<String> = window.iter().map(|line| event(line).name).collect();
            let mut skipped = 0;
            for (place, line) in window.into_iter().enumerate() {
                let later = !names[place].is_empty() && names[place + 1..].contains(&names[place]);
                if later {
                    skipped += 1;
                } else {
                    self.send(line);
                }
            }
            self.strikes(skipped);
            if !open {
                return;
            }
        }
    }

    async fn reorders(mut self) {
        let delay = if self.wire.alone { ALONE } else { delay(&self.wire.resource) };
        let mut held: VecDeque<(Instant, Bytes)> = VecDeque::new();
        loop {
            let next = held.front().map(|(at, _)| *at);
            tokio::select! {
                line = self.lines.next() => {
                    let Some(line) = line else { break };
                    held.push_back((Instant::now() + delay, line));
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some((_, line)) = held.pop_front() {
                        self.strikes(u64::from(!delay.is_zero()));
                        self.send(line);
                    }
                }
            }
        }
        for (at, line) in held {
            tokio::time::sleep_until(at).await;
            self.send(line);
        }
    }

    async fn trickles(mut self) {
        while let Some(line) = self.lines.next().await {
            self.strikes(u64::from(line.len() > PIECE));
            for piece in line.chunks(PIECE) {
                self.send(Bytes::copy_from_slice(piece));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// An API server that lags tells nothing for some time, and then everything.
    pub(crate) async fn lags(mut self, lag: Duration) {
        tokio::time::sleep(lag).await;
        while let Some(line) = self.lines.next().await {
            self.send(line);
        }
    }
}

/// How much later than the others a kind is told.
fn delay(resource: &str) -> Duration {
    Duration::from_millis(match resource {
        "pods" | "controllerrevisions" => 0,
        "pipelineruns" => 300,
        "schedules" => 500,
        "pipelines" => 600,
        "connectors" | "transformations" => 700,
        "jobs" => 900,
        "configmaps" => 1200,
        _ => 200,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_however_they_arrive() {
        let chunks = ["{\"a\":", "1}\n{\"b\":2}\n{\"c\"", ":3}\n", "half"];
        let chunks = chunks.map(|chunk| Ok::<_, io::Error>(Bytes::from(chunk)));
        let body = Body::from_stream(futures::stream::iter(chunks));
        let mut lines = Lines { chunks: body.into_data_stream(), rest: Vec::new() };
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(String::from_utf8(line.to_vec()).expect("text"));
        }
        assert_eq!(found, ["{\"a\":1}\n", "{\"b\":2}\n", "{\"c\":3}\n"]);
    }

    #[test]
    fn an_event_says_what_it_is_of() {
        let Event { bookmark, name, version } =
            event(br#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"}}}"#);
        assert_eq!((bookmark, name.as_str(), version.as_str()), (false, "a", "7"));
        let bookmark = event(br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#);
        assert!(bookmark.bookmark && bookmark.name.is_empty() && bookmark.version == "9");
    }
}
