//! What the operator counts, for Prometheus: every name is in this file.

use std::time::Duration;

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::action::Kind;

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
        let registry = Registry::new_custom(Some("aggregator_operator".into()), None)?;
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, Error> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let reconciles = counter("reconciles_total", "Looks at an object, by how they ended.", &["kind", "outcome"])?;
        let writes =
            counter("writes_total", "Writes to the Kubernetes API, by how they ended.", &["kind", "verb", "outcome"])?;
        let runs = counter("runs_total", "PipelineRuns that have ended, by phase.", &["phase"])?;
        let fires = counter("fires_total", "Fires of Schedules, by what was decided.", &["decision"])?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("reconcile_seconds", "How long a look at an object took, with its writes.")
                .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]),
            &["kind"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let leader = IntGauge::new("leader", "Whether this process acts.")?;
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
    }
}
