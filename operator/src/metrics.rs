//! What the operator counts, for Prometheus: every name is in this file.

use std::time::Duration;

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::action::Kind;

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
pub const METRICS: [Metric; 6] = [RECONCILES, SECONDS, WRITES, RUNS, FIRES, LEADER];

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
    remedy: "`Missed` grows: no operator acted in time; `Skipped` grows: `status.lastDecision` of the Schedules says why",
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
    reconciles: IntCounterVec,
    seconds: HistogramVec,
    writes: IntCounterVec,
    runs: IntCounterVec,
    fires: IntCounterVec,
    leader: IntGauge,
}

/// A name that is registered twice, or is none: a mistake of the program.
pub type Error = prometheus::Error;

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// Never, unless two metrics have one name.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new_custom(Some(PREFIX.into()), None)?;
        let counter = |metric: Metric| -> Result<IntCounterVec, Error> {
            let counter = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let (reconciles, writes) = (counter(RECONCILES)?, counter(WRITES)?);
        let (runs, fires) = (counter(RUNS)?, counter(FIRES)?);
        let seconds = HistogramVec::new(
            HistogramOpts::new(SECONDS.name, SECONDS.help).buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]),
            SECONDS.labels,
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let leader = IntGauge::new(LEADER.name, LEADER.help)?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self { registry, reconciles, seconds, writes, runs, fires, leader })
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

    /// A run has ended.
    pub(crate) fn run_ended(&self, phase: &str) {
        self.runs.with_label_values(&[phase]).inc();
    }

    /// Fires were decided on.
    pub(crate) fn fired(&self, decision: &str, fires: u64) {
        self.fires.with_label_values(&[decision]).inc_by(fires);
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
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new().expect("names");
        metrics.reconciled(Kind::PipelineRun, "ok", Duration::from_millis(3));
        metrics.wrote(Kind::Job, "create", "ok");
        metrics.run_ended("Succeeded");
        metrics.fired("Missed", 7);
        metrics.leads(true);
        let text = metrics.text().expect("text");
        for line in [
            "aggregator_operator_reconciles_total{kind=\"PipelineRun\",outcome=\"ok\"} 1",
            "aggregator_operator_reconcile_seconds_bucket{kind=\"PipelineRun\",le=\"0.005\"} 1",
            "aggregator_operator_writes_total{kind=\"Job\",outcome=\"ok\",verb=\"create\"} 1",
            "aggregator_operator_runs_total{phase=\"Succeeded\"} 1",
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
