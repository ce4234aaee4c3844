//! PipelineRuns.

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation};
use crate::PipelineRun;
use crate::run::RunMode;

impl Validate for PipelineRun {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        // The Job of a run has its name, and its Pods carry it as a label.
        report.metadata(&self.metadata, 63);
        let spec = Path::root("spec");
        let mode = self.spec.mode;
        report.object_name(&spec.field("pipelineRef").field("name"), &self.spec.pipeline_ref.name);
        if let Some(revision) = self.spec.pipeline_ref.revision.filter(|revision| *revision < 1) {
            let message = format!("there is no revision {revision}");
            report.add(
                &spec.field("pipelineRef").field("revision"),
                message,
                "use 1 or more, or leave it out for the newest",
            );
        }
        report.param_names(&spec.field("params"), &self.spec.params);
        if let Some(backfill) = &self.spec.backfill {
            let path = spec.field("backfill");
            if !matches!(mode, RunMode::Incremental | RunMode::DryRun) {
                let help = "use the mode Incremental or DryRun, or leave `backfill` out";
                report.add(&path, format!("`backfill` is not used by the mode {mode:?}"), help);
            }
            if backfill.from >= backfill.to {
                let message = format!("{} is not after {}", backfill.to, backfill.from);
                report.add(&path.field("to"), message, "make `to` later than `from`");
            }
        }
        if let Some(preview) = &self.spec.preview {
            let path = spec.field("preview");
            if mode != RunMode::Preview {
                let help = "use the mode Preview, or leave `preview` out";
                report.add(&path, format!("`preview` is not used by the mode {mode:?}"), help);
            }
            report.identifier(&path.field("node"), "node", &preview.node);
            if let Some(limit) = preview.limit {
                report.range(&path.field("limit"), limit.into(), 1, 10_000);
            }
        }
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}
