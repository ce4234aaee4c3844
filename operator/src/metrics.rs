//! What the operator counts, for Prometheus: every name is in this file.

use std::time::Duration;

use aggregator_crds::run::PipelineRunStatus;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::action::Kind;
use crate::routes::Key;
use crate::waiting::Waiting;

/// What all names begin with.
pub const PREFIX: &str = "aggregator_operator";

/// A metric, and what to do with it: `docs/operations/metrics.md` is written from these.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// What it counts, as a sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// When somebody should look, and where.
    pub remedy: &'static str,
}

/// All metrics, in the order of the documentation.
pub const METRICS: [Metric; 16] = [
    QUEUE,
    WAITED,
    RECONCILES,
    SECONDS,
    WRITES,
    CALLS,
    CALL_SECONDS,
    WATCHES,
    FIRES,
    LAG,
    WEBHOOKS,
    RUNS,
    RUN_SECONDS,
    ROWS,
    BYTES,
    LEADER,
];

const QUEUE: Metric = Metric {
    name: "queue_depth",
    help: "Objects that have changed, or are touched by a change, and wait to be looked at.",
    labels: &["kind"],
    remedy: "it does not come back to 0: look at `queue_seconds` and `reconcile_seconds`",
};
const WAITED: Metric = Metric {
    name: "queue_seconds",
    help: "How long such an object has waited before it was looked at.",
    labels: &["kind"],
    remedy: "more than a second for most: the operator needs more CPU, or `reconcile_seconds` says that the API server is \
             slow",
};

const RECONCILES: Metric = Metric {
    name: "reconciles_total",
    help: "Looks at an object, by how they ended: `ok`, or the class of what went wrong.",
    labels: &["kind", "outcome"],
    remedy: "another `outcome` than `ok` and `conflict` that goes on: the operator's log says which object and why; \
             `panic` is a mistake of the program",
};
const SECONDS: Metric = Metric {
    name: "reconcile_seconds",
    help: "How long a look at an object took, with its writes.",
    labels: &["kind"],
    remedy: "more than a second for most: the API server is slow, or refuses the operator's rate",
};
const WRITES: Metric = Metric {
    name: "writes_total",
    help: "Writes to the Kubernetes API, by how they ended: `ok`, or the class of what went wrong.",
    labels: &["kind", "verb", "outcome"],
    remedy: "`forbidden`: the operator's rights are not those of `config/rbac`; `refused`, `name_conflict`: an Event at the \
             object says why; `timeout`, `throttled`, `server`, `unreachable`: look at the API server",
};
const CALLS: Metric = Metric {
    name: "api_calls_total",
    help: "Calls of the Kubernetes API, all of them, by the class of the answer's status; `none`: there was no answer.",
    labels: &["verb", "resource", "status"],
    remedy: "`none` and `5xx` go on: look at the API server, and at what is between it and the operator; `4xx` other than \
             of a few conflicts: `writes_total` and the log say which",
};
const CALL_SECONDS: Metric = Metric {
    name: "api_call_seconds",
    help: "How long the Kubernetes API took to answer a call; of a watch, to begin it.",
    labels: &["verb", "resource"],
    remedy: "more than a second for most: the API server is slow, or has put the operator behind others",
};
const WATCHES: Metric = Metric {
    name: "watch_failures_total",
    help: "Watches that failed and were begun anew.",
    labels: &[],
    remedy: "it grows by more than a few an hour: look at the API server; `403` in the log: a right is missing",
};
const LAG: Metric = Metric {
    name: "fire_lag_seconds",
    help: "The time from a fire of a Schedule to the creation of its run.",
    labels: &[],
    remedy: "more than a few seconds: nobody acted at that time, and `missedRuns` has made up for it",
};
const WEBHOOKS: Metric = Metric {
    name: "webhook_requests_total",
    help: "Requests to Schedules, by the status of the answer.",
    labels: &["status"],
    remedy: "`401` grows: somebody has a wrong token, or guesses; `409`: the Schedule is suspended, or has a mistake; `429`: \
             nobody acts, or they come faster than they are decided on; `503`, `504`: look at the API server",
};
const RUN_SECONDS: Metric = Metric {
    name: "run_seconds",
    help: "The time from a PipelineRun's creation to its end, with all that it waited for.",
    labels: &["phase"],
    remedy: "it grows: `status.cost.duration` of the runs says how long they worked; the rest, they have waited",
};
const ROWS: Metric = Metric {
    name: "rows_total",
    help: "Rows of PipelineRuns that have ended: `read` from sources, `written` to sinks, `rejected` at any node.",
    labels: &["direction"],
    remedy: "`rejected` grows faster than `read`: `status.nodes` of the runs says where; `read` stands still: no data comes",
};
const BYTES: Metric = Metric {
    name: "bytes_total",
    help: "Bytes of PipelineRuns that have ended: `read` from sources, `written` to sinks.",
    labels: &["direction"],
    remedy: "never by itself; beside `rows_total` it tells how wide rows are",
};
const RUNS: Metric = Metric {
    name: "runs_total",
    help: "PipelineRuns that have ended, by phase.",
    labels: &["phase"],
    remedy: "`Failed` grows: `kubectl get pipelineruns -A -o wide` has the reasons",
};
const FIRES: Metric = Metric {
    name: "fires_total",
    help: "Fires of Schedules, by what was decided.",
    labels: &["decision"],
    remedy: "`Missed` grows: no operator acted in time; `Skipped` grows: `status.decisions` of the Schedules says why",
};
const LEADER: Metric = Metric {
    name: "leader",
    help: "Whether this process acts.",
    labels: &[],
    remedy: "the sum over all operators is not 1 for longer than 20 s: nobody acts, or the Lease is not shared",
};

/// What the operator counts.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    waiting: Waiting,
    queue: IntGaugeVec,
    waited: HistogramVec,
    reconciles: IntCounterVec,
    seconds: HistogramVec,
    writes: IntCounterVec,
    calls: IntCounterVec,
    call_seconds: HistogramVec,
    watches: IntCounter,
    fires: IntCounterVec,
    lag: Histogram,
    webhooks: IntCounterVec,
    runs: IntCounterVec,
    run_seconds: HistogramVec,
    rows: IntCounterVec,
    bytes: IntCounterVec,
    leader: IntGauge,
}

/// A name that is registered twice, or is none: a mistake of the program.
pub type Error = prometheus::Error;

/// What takes a moment: from a look at an object to a slow API server.
const MOMENTS: [f64; 7] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
/// How late a fire may be: from the next look of the operator to a day without one.
const LATE: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 600.0, 3_600.0, 86_400.0];
/// How long a run may take.
const LONG: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

fn options(metric: Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn buckets(metric: Metric, bounds: &[f64]) -> HistogramOpts {
    HistogramOpts::new(metric.name, metric.help).buckets(bounds.to_vec())
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// Never, unless two metrics have one name.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new_custom(Some(PREFIX.into()), None)?;
        let counter = |metric: Metric| IntCounterVec::new(options(metric), metric.labels);
        let histogram = |metric: Metric, bounds: &[f64]| HistogramVec::new(buckets(metric, bounds), metric.labels);
        let metrics = Self {
            waiting: Waiting::default(),
            queue: IntGaugeVec::new(options(QUEUE), QUEUE.labels)?,
            waited: histogram(WAITED, &MOMENTS)?,
            reconciles: counter(RECONCILES)?,
            seconds: histogram(SECONDS, &MOMENTS)?,
            writes: counter(WRITES)?,
            calls: counter(CALLS)?,
            call_seconds: histogram(CALL_SECONDS, &MOMENTS)?,
            watches: IntCounter::with_opts(options(WATCHES))?,
            fires: counter(FIRES)?,
            lag: Histogram::with_opts(buckets(LAG, &LATE))?,
            webhooks: counter(WEBHOOKS)?,
            runs: counter(RUNS)?,
            run_seconds: histogram(RUN_SECONDS, &LONG)?,
            rows: counter(ROWS)?,
            bytes: counter(BYTES)?,
            leader: IntGauge::with_opts(options(LEADER))?,
            registry,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.queue.clone()))?;
        registry.register(Box::new(self.watches.clone()))?;
        registry.register(Box::new(self.lag.clone()))?;
        registry.register(Box::new(self.leader.clone()))?;
        for histogram in [&self.waited, &self.seconds, &self.call_seconds, &self.run_seconds] {
            registry.register(Box::new(histogram.clone()))?;
        }
        let own = [&self.reconciles, &self.writes, &self.calls, &self.fires];
        for counter in own.into_iter().chain([&self.webhooks, &self.runs, &self.rows, &self.bytes]) {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(())
    }

    /// An object is to be looked at.
    pub(crate) fn asked_for(&self, key: &Key) {
        self.waiting.asks(key);
    }

    /// An object is looked at.
    pub(crate) fn begun(&self, key: &Key) {
        if let Some(waited) = self.waiting.ends(key) {
            self.waited.with_label_values(&[key.kind.name()]).observe(waited.as_secs_f64());
        }
    }

    /// An object that was to be looked at is not there.
    pub(crate) fn gone(&self, key: &Key) {
        self.waiting.ends(key);
    }

    /// An object was looked at.
    pub(crate) fn reconciled(&self, kind: Kind, outcome: &str, took: Duration) {
        let kind = kind.name();
        self.reconciles.with_label_values(&[kind, outcome]).inc();
        self.seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// A write was tried.
    pub(crate) fn wrote(&self, kind: Kind, verb: &str, outcome: &str) {
        self.writes.with_label_values(&[kind.name(), verb, outcome]).inc();
    }

    /// The Kubernetes API was asked for something.
    pub(crate) fn called(&self, verb: &str, resource: &str, status: &str, took: Duration) {
        self.calls.with_label_values(&[verb, resource, status]).inc();
        self.call_seconds.with_label_values(&[verb, resource]).observe(took.as_secs_f64());
    }

    /// A watch failed.
    pub(crate) fn watch_failed(&self) {
        self.watches.inc();
    }

    /// A run has ended that was made so long ago.
    pub(crate) fn run_ended(&self, phase: &str, took: Duration, status: &PipelineRunStatus) {
        self.runs.with_label_values(&[phase]).inc();
        self.run_seconds.with_label_values(&[phase]).observe(took.as_secs_f64());
        if let Some(totals) = &status.totals {
            let rows = [("read", totals.read), ("written", totals.written), ("rejected", totals.rejected)];
            rows.into_iter().for_each(|(direction, rows)| self.rows.with_label_values(&[direction]).inc_by(rows));
        }
        if let Some(cost) = &status.cost {
            let bytes = [("read", cost.bytes_read), ("written", cost.bytes_written)];
            bytes.into_iter().for_each(|(direction, bytes)| {
                self.bytes.with_label_values(&[direction]).inc_by(bytes.unwrap_or(0));
            });
        }
    }

    /// Fires were decided on.
    pub(crate) fn fired(&self, decision: &str, fires: u64) {
        self.fires.with_label_values(&[decision]).inc_by(fires);
    }

    /// The run of a fire was made so long after it.
    pub(crate) fn fired_late(&self, by: Duration) {
        self.lag.observe(by.as_secs_f64());
    }

    /// A request to a Schedule was answered.
    pub(crate) fn webhook_answered(&self, status: &str) {
        self.webhooks.with_label_values(&[status]).inc();
    }

    /// Whether this process acts.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All of it, as Prometheus reads it.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub fn text(&self) -> Result<String, Error> {
        let depth = self.waiting.depth();
        for kind in Kind::OURS.into_iter().filter(|kind| *kind != Kind::Checkpoint) {
            self.queue.with_label_values(&[kind.name()]).set(depth.get(&kind).copied().unwrap_or(0));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use aggregator_crds::run::{RunCost, RunTotals};

    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new().expect("names");
        metrics.reconciled(Kind::PipelineRun, "ok", Duration::from_millis(3));
        metrics.wrote(Kind::Job, "create", "ok");
        let run = |name: &str| Key { kind: Kind::PipelineRun, namespace: "n".into(), name: name.into() };
        for name in ["a", "b", "c", "d"] {
            metrics.asked_for(&run(name));
        }
        metrics.begun(&run("a"));
        metrics.gone(&run("b"));
        metrics.called("list", "jobs", "2xx", Duration::from_millis(300));
        metrics.watch_failed();
        let status = PipelineRunStatus {
            totals: Some(RunTotals { read: 10, written: 7, rejected: 3 }),
            cost: Some(RunCost { bytes_read: Some(100), bytes_written: None, ..RunCost::default() }),
            ..PipelineRunStatus::default()
        };
        metrics.run_ended("Succeeded", Duration::from_secs(20), &status);
        metrics.run_ended("Cancelled", Duration::from_secs(2), &PipelineRunStatus::default());
        metrics.fired("Missed", 7);
        metrics.fired_late(Duration::from_secs(2));
        metrics.webhook_answered("202");
        metrics.leads(true);
        let text = metrics.text().expect("text");
        for line in [
            "aggregator_operator_reconciles_total{kind=\"PipelineRun\",outcome=\"ok\"} 1",
            "aggregator_operator_reconcile_seconds_bucket{kind=\"PipelineRun\",le=\"0.005\"} 1",
            "aggregator_operator_writes_total{kind=\"Job\",outcome=\"ok\",verb=\"create\"} 1",
            "aggregator_operator_queue_depth{kind=\"PipelineRun\"} 2",
            "aggregator_operator_queue_depth{kind=\"Schedule\"} 0",
            "aggregator_operator_queue_seconds_count{kind=\"PipelineRun\"} 1",
            "aggregator_operator_api_calls_total{resource=\"jobs\",status=\"2xx\",verb=\"list\"} 1",
            "aggregator_operator_api_call_seconds_bucket{resource=\"jobs\",verb=\"list\",le=\"0.1\"} 0",
            "aggregator_operator_api_call_seconds_bucket{resource=\"jobs\",verb=\"list\",le=\"0.5\"} 1",
            "aggregator_operator_watch_failures_total 1",
            "aggregator_operator_fire_lag_seconds_bucket{le=\"1\"} 0",
            "aggregator_operator_fire_lag_seconds_bucket{le=\"5\"} 1",
            "aggregator_operator_webhook_requests_total{status=\"202\"} 1",
            "aggregator_operator_runs_total{phase=\"Succeeded\"} 1",
            "aggregator_operator_run_seconds_bucket{phase=\"Succeeded\",le=\"15\"} 0",
            "aggregator_operator_run_seconds_bucket{phase=\"Succeeded\",le=\"60\"} 1",
            "aggregator_operator_run_seconds_count{phase=\"Cancelled\"} 1",
            "aggregator_operator_rows_total{direction=\"read\"} 10",
            "aggregator_operator_rows_total{direction=\"written\"} 7",
            "aggregator_operator_rows_total{direction=\"rejected\"} 3",
            "aggregator_operator_bytes_total{direction=\"read\"} 100",
            "aggregator_operator_bytes_total{direction=\"written\"} 0",
            "aggregator_operator_fires_total{decision=\"Missed\"} 7",
            "aggregator_operator_leader 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        // What is served is what is documented, and no metric of another list.
        let mut served: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        served.iter_mut().for_each(|line| *line = line.split(' ').next().unwrap_or_default());
        let mut known: Vec<String> = METRICS.iter().map(|metric| format!("{PREFIX}_{}", metric.name)).collect();
        served.sort_unstable();
        known.sort_unstable();
        assert_eq!(served, known);
    }
}
