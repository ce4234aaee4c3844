//! The runner of one Pod: waits for what happens, decides what is next, does it, and says so in the Pod's status.

mod order;
mod report;
mod start;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodSpec};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::life::adopt::has_one_run;
use super::life::{Ended, Life};
use super::process::{Exit, Running};
use super::spec::ignored::ignored;
use super::volumes::Volumes;

/// The Pod as it was seen last; nothing when it is gone.
pub(crate) type Seen = Option<Arc<Pod>>;

/// How long the processes of a Pod may go on that is gone: whoever deleted it so did not want to wait.
const GONE_GRACE: SignedDuration = SignedDuration::from_secs(1);

/// A container's processes.
struct Process {
    running: Running,
    started: Timestamp,
    /// When it is killed; nothing while it is not asked to end.
    kill: Option<Timestamp>,
}

/// A container of the Pod, by its place, that has ended.
type Ending = (usize, Exit);

/// The runner of a Pod.
struct Runner {
    context: Arc<Context>,
    pod: Arc<Pod>,
    /// There is no such Pod any more.
    gone: bool,
    /// The runner of the node is stopped.
    stopped: bool,
    life: Life,
    started: Timestamp,
    volumes: Option<Volumes>,
    processes: HashMap<usize, Process>,
    endings: (mpsc::UnboundedSender<Ending>, mpsc::UnboundedReceiver<Ending>),
    /// How often in a row something was missing at a start.
    missing: u32,
    /// The conditions as they were said last.
    conditions: Vec<PodCondition>,
    /// The status as it was said last.
    said: Option<Value>,
    /// How often in a row the API server could not be told something, and when what is told again.
    failures: u32,
    report_again: Option<Timestamp>,
    delete_again: Option<Timestamp>,
    /// Its volumes are removed.
    cleared: bool,
}

/// Runs the Pod until it is gone, or until everything is stopped.
pub(crate) async fn run(context: Arc<Context>, pod: Arc<Pod>, seen: watch::Receiver<Seen>, stop: CancellationToken) {
    let now = Timestamp::now();
    let status = pod.status.as_ref();
    let runner = Runner {
        life: Life::of(&pod, now),
        started: status.and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0),
        conditions: status.and_then(|status| status.conditions.clone()).unwrap_or_default(),
        context,
        pod,
        gone: false,
        stopped: false,
        volumes: None,
        processes: HashMap::new(),
        endings: mpsc::unbounded_channel(),
        missing: 0,
        said: None,
        failures: 0,
        report_again: None,
        delete_again: None,
        cleared: false,
    };
    runner.run(seen, stop).await;
}

impl Runner {
    async fn run(mut self, mut seen: watch::Receiver<Seen>, stop: CancellationToken) {
        self.index();
        if self.life.settled.is_some() {
            // It only waits to be deleted. What has become of it is said, but of containers that were given up with it.
            self.said = (!has_one_run(&self.pod)).then_some(Value::Null);
        } else {
            let ignored = ignored(&self.pod);
            if !ignored.is_empty() {
                let message = format!("This node ignores {}", ignored.join(", "));
                self.context.tell(&self.pod, true, "Ignored", &message);
            }
        }
        loop {
            let now = Timestamp::now();
            self.heed(now);
            let next = self.life.next(now);
            for place in next.stop {
                self.stop(place, self.grace(), now);
            }
            if !next.start.is_empty() {
                for place in next.start {
                    self.start(place).await;
                }
                continue;
            }
            self.kill_late(now);
            if let Some(volumes) = &mut self.volumes
                && !self.life.over()
            {
                volumes.refresh(&self.context, &self.pod, now).await;
            }
            let told = self.report(now).await;
            if self.life.still() {
                if self.gone {
                    self.forget().await;
                    return;
                }
                if self.stopped {
                    return;
                }
                if self.life.over() {
                    self.clear().await;
                }
                if told && self.is_deleted() {
                    self.delete(now).await;
                }
            }
            let again = [self.report_again, self.delete_again].into_iter().flatten().min();
            let wake = [next.wake, self.deadline(), self.next_kill(), again, self.renewal()];
            let wake = wake.into_iter().flatten().min();
            tokio::select! {
                changed = seen.changed(), if !self.gone => match changed.ok().and_then(|()| seen.borrow_and_update().clone()) {
                    Some(pod) => self.see(pod),
                    None => self.gone = true,
                },
                Some(ending) = self.endings.1.recv() => self.ended(ending).await,
                () = until(wake), if wake.is_some() => {}
                () = stop.cancelled(), if !self.stopped => self.stopped = true,
            }
        }
    }

    fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The namespace and the name.
    fn place(&self) -> (&str, &str) {
        let metadata = &self.pod.metadata;
        (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
    }

    fn is_deleted(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }

    /// How long its containers may take to end.
    fn grace(&self) -> SignedDuration {
        let asked = self.pod.metadata.deletion_grace_period_seconds;
        let seconds = asked.or(self.spec().and_then(|spec| spec.termination_grace_period_seconds)).unwrap_or(30);
        SignedDuration::from_secs(seconds.max(0))
    }

    /// When the Pod may be active no longer.
    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.spec()?.active_deadline_seconds.filter(|_| !self.life.halted && !self.life.over())?;
        self.started.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    fn renewal(&self) -> Option<Timestamp> {
        self.volumes.as_ref().filter(|_| !self.life.over())?.renew()
    }

    fn next_kill(&self) -> Option<Timestamp> {
        self.processes.values().filter_map(|process| process.kill).min()
    }

    fn see(&mut self, pod: Arc<Pod>) {
        if pod.metadata.generation != self.pod.metadata.generation {
            // Images are about all that may change.
            self.life.unblock();
        }
        self.life.settle(&pod);
        self.pod = pod;
        // Its deletion may be tried again.
        self.delete_again = None;
    }

    /// Ends everything when it is to end.
    fn heed(&mut self, now: Timestamp) {
        if self.gone {
            self.stop_all(GONE_GRACE, now);
        } else if self.stopped {
            self.stop_all(self.grace().min(self.context.options.shutdown_grace), now);
        } else if self.is_deleted() || self.life.settled.is_some() {
            self.stop_all(self.grace(), now);
        } else if self.deadline().is_some_and(|deadline| deadline <= now) {
            let message = "Pod was active on the node longer than the specified deadline";
            self.life.failed = Some(("DeadlineExceeded".to_owned(), message.to_owned()));
            self.context.tell(&self.pod, true, "DeadlineExceeded", message);
            self.stop_all(self.grace(), now);
        }
    }

    fn stop_all(&mut self, grace: SignedDuration, now: Timestamp) {
        self.life.halted = true;
        let places: Vec<usize> = self.processes.keys().copied().collect();
        for place in places {
            self.stop(place, grace, now);
        }
    }

    /// Asks a container to end, unless it is asked already; it is killed no later than was said before.
    fn stop(&mut self, place: usize, grace: SignedDuration, now: Timestamp) {
        let Some(process) = self.processes.get_mut(&place) else { return };
        let kill = now.checked_add(grace).unwrap_or(Timestamp::MAX);
        if process.kill.is_none() {
            process.running.terminate();
            let name = &self.life.containers[place].name;
            self.context.tell(&self.pod, false, "Killing", &format!("Stopping container {name}"));
        }
        process.kill = process.kill.into_iter().chain([kill]).min();
    }

    fn kill_late(&mut self, now: Timestamp) {
        for process in self.processes.values_mut().filter(|process| process.kill.is_some_and(|kill| kill <= now)) {
            process.running.kill();
            // Nothing is left to be done but to wait for its end.
            process.kill = Some(Timestamp::MAX);
        }
    }

    async fn ended(&mut self, (place, exit): Ending) {
        let Some(process) = self.processes.remove(&place) else { return };
        let now = Timestamp::now();
        let reason = match exit {
            Exit { out_of_memory: true, .. } => "OOMKilled",
            Exit { code: 0, .. } => "Completed",
            Exit { .. } => "Error",
        };
        let ended = Ended {
            code: exit.code,
            signal: exit.signal,
            reason: reason.to_owned(),
            message: self.last_words(place, exit.code).await,
            started: Some(process.started),
            finished: now,
            id: Some(self.id(place)),
        };
        let again = process.kill.is_none() && !self.life.halted;
        let container = &mut self.life.containers[place];
        container.end(ended, self.context.delays(), again);
        if container.is_backing_off() {
            let message = format!("Back-off restarting failed container {}", container.name);
            self.context.tell(&self.pod, true, "BackOff", &message);
        }
    }

    /// Removes the volumes of a Pod that is over: what was secret in them does not stay.
    async fn clear(&mut self) {
        if !std::mem::replace(&mut self.cleared, true) {
            self.remove(self.context.home.volumes(self.uid())).await;
        }
    }

    /// Removes what is left of the Pod.
    async fn forget(&self) {
        self.context.logs.forget(self.place(), self.uid());
        self.remove(self.context.home.pod(self.uid())).await;
    }

    async fn remove(&self, folder: PathBuf) {
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %folder.display(), "a folder of a Pod is left behind");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Waits until then.
async fn until(moment: Option<Timestamp>) {
    let Some(moment) = moment else { return };
    let wait = moment.duration_since(Timestamp::now());
    // A negative wait is over.
    tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
}
