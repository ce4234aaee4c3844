//! Checkpoints.

use std::collections::HashSet;

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation};
use crate::Checkpoint;

impl Validate for Checkpoint {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        report.metadata(&self.metadata, 253);
        let spec = Path::root("spec");
        report.object_name(&spec.field("pipelineRef").field("name"), &self.spec.pipeline_ref.name);
        if let Some(run) = &self.spec.run {
            report.object_name(&spec.field("run"), run);
        }
        let mut known = HashSet::new();
        for (index, position) in self.spec.positions.iter().enumerate() {
            let path = spec.field("positions").index(index);
            report.identifier(&path.field("source"), "node", &position.source);
            report.filled(&path.field("stream"), "the stream", &position.stream);
            report.filled(&path.field("kind"), "the kind", &position.kind);
            report.range(&path.field("version"), position.version.into(), 1, u32::MAX.into());
            if !known.insert((&position.source, &position.stream, &position.partition)) {
                let message = format!("there already is a position of `{}` of `{}`", position.stream, position.source);
                report.add(&path, message, "give each stream, or each of its partitions, one position");
            }
        }
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}
