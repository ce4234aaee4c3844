//! Pipelines: names across the graph, and what concerns several nodes at once.

use std::collections::HashMap;

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation};
use crate::Pipeline;
use crate::pipeline::{PipelineMode, PipelineSpec, QualityRule, Rejects, WriteMode};

/// The node that stands for the rejects' sink in reports.
const REJECTS: &str = "rejects";

impl Validate for Pipeline {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        report.metadata(&self.metadata, 253);
        let spec = Path::root("spec");
        report.modes(&spec, &self.spec);
        report.declared_params(&spec.field("params"), &self.spec.params);
        report.nodes(&spec, &self.spec);
        report.overwritten_streams(&spec, &self.spec);
        for (index, rule) in self.spec.quality.iter().enumerate() {
            report.quality_rule(&spec.field("quality").index(index), rule);
        }
        let rules = self.spec.quality.iter().map(|rule| rule.name.as_str());
        report.unique(
            "rule",
            rules.enumerate().map(|(index, name)| (spec.field("quality").index(index).field("name"), name)),
        );
        if let Some(rejects) = &self.spec.rejects {
            report.rejects(&spec.field("rejects"), rejects);
        }
        if let Some(execution) = &self.spec.execution {
            report.execution(&spec.field("execution"), execution);
        }
        if let Some(limit) = self.spec.revision_history_limit {
            report.range(&spec.field("revisionHistoryLimit"), limit.into(), 1, 100);
        }
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}

impl Report {
    fn modes(&mut self, spec: &Path, pipeline: &PipelineSpec) {
        let streaming = pipeline.mode == PipelineMode::Streaming;
        if pipeline.desired_state.is_some() && !streaming {
            let help = "set `mode: Streaming`, or leave `desiredState` out and use a Schedule";
            self.add(&spec.field("desiredState"), "a Pipeline of the mode Batch has no desired state", help);
        }
        if streaming && pipeline.execution.as_ref().is_some_and(|execution| execution.timeout.is_some()) {
            let help = "leave `timeout` out; set `desiredState: Stopped` to end it";
            self.add(&spec.field("execution").field("timeout"), "a run of the mode Streaming does not end", help);
        }
    }

    fn nodes(&mut self, spec: &Path, pipeline: &PipelineSpec) {
        let (sources, transforms, sinks) = (spec.field("sources"), spec.field("transforms"), spec.field("sinks"));
        if pipeline.sources.is_empty() {
            self.add(&sources, "the Pipeline has no source", "give at least one source");
        }
        for (index, source) in pipeline.sources.iter().enumerate() {
            self.source(&sources.index(index), source);
        }
        for (index, transform) in pipeline.transforms.iter().enumerate() {
            self.transform(&transforms.index(index), transform);
        }
        if pipeline.sinks.is_empty() {
            self.add(&sinks, "the Pipeline has no sink", "give at least one sink");
        }
        for (index, sink) in pipeline.sinks.iter().enumerate() {
            self.sink(&sinks.index(index), sink);
        }
        let names: Vec<(Path, &str)> = std::iter::empty()
            .chain(
                pipeline
                    .sources
                    .iter()
                    .enumerate()
                    .map(|(at, node)| (sources.index(at).field("name"), node.name.as_str())),
            )
            .chain(
                pipeline
                    .transforms
                    .iter()
                    .enumerate()
                    .map(|(at, node)| (transforms.index(at).field("name"), node.name.as_str())),
            )
            .chain(
                pipeline.sinks.iter().enumerate().map(|(at, node)| (sinks.index(at).field("name"), node.name.as_str())),
            )
            .collect();
        for (path, name) in &names {
            self.identifier(path, "node", name);
            if *name == REJECTS {
                let message = format!("the name `{REJECTS}` is taken: it stands for the rejects in reports");
                self.add(path, message, "choose another name");
            }
        }
        self.unique("node", names.into_iter());
    }

    /// Of several sinks that write one stream, none may replace what is there: which of them wins would be chance.
    fn overwritten_streams(&mut self, spec: &Path, pipeline: &PipelineSpec) {
        let mut writers: HashMap<(&str, &str), usize> = HashMap::new();
        for sink in &pipeline.sinks {
            *writers.entry((&sink.connector, &sink.stream)).or_default() += 1;
        }
        for (index, sink) in pipeline.sinks.iter().enumerate() {
            let overwrites = sink.write.as_ref().is_some_and(|write| write.mode == WriteMode::Overwrite);
            if overwrites && writers[&(sink.connector.as_str(), sink.stream.as_str())] > 1 {
                self.add(
                    &spec.field("sinks").index(index).field("write").field("mode"),
                    format!(
                        "another sink writes `{}` of `{}` too, and Overwrite would replace its rows",
                        sink.stream, sink.connector
                    ),
                    "bring the rows together in a `union` and write them with one sink",
                );
            }
        }
    }

    fn quality_rule(&mut self, path: &Path, rule: &QualityRule) {
        self.filled(&path.field("name"), "the name", &rule.name);
        self.filled(&path.field("node"), "the node", &rule.node);
        self.filled(&path.field("expression"), "the expression", &rule.expression);
    }

    fn rejects(&mut self, path: &Path, rejects: &Rejects) {
        self.object_name(&path.field("connector"), &rejects.connector);
        self.filled(&path.field("stream"), "the stream", &rejects.stream);
        if let Some(budget) = &rejects.budget {
            let path = path.field("budget");
            if budget.rows.is_none() && budget.percent.is_none() {
                self.add(&path, "the budget has no bound", "set `rows`, `percent` or both, or leave `budget` out");
            }
            if let Some(percent) = &budget.percent {
                self.percent(&path.field("percent"), percent);
            }
        }
    }
}
