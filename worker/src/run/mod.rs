//! A run: compile against the live systems, fence the sinks, move the rows, check the ledger, commit.
//!
//! ```text
//! manifests ─ Places::catalogues ─► compile ─► sinks::open ─ last_commit ─► store.begin ─ fence
//!                                                                                │
//! report ◄─ store.succeed ◄─ commit each sink ◄─ ledger, quality, budget ◄─ Graph: drive all sinks
//! ```
//! A run whose rows all find their way alone is taken in pieces, when its sources and sinks can: what one attempt has
//! saved, the next need not read again (`pieces`).
//!
//! Nothing is visible in any target before every row is accounted for. Each sink stores the positions with its data;
//! the checkpoint follows, so a run that dies in between is completed by its next attempt, without reading twice what
//! a sink already has.

mod backfill;
mod error;
mod execute;
mod graph;
mod marking;
mod memory;
mod movement;
mod pieces;
mod places;
mod plan;
mod plans;
mod preview;
mod progress;
mod quality;
mod read;
mod rejected;
mod report;
mod secrets;
mod session;
mod shares;
mod sinks;
mod spill;
mod step;
mod streams;
mod traced;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::catalogue::Catalogues;
use aggregator_compiler::compile::{CompileInput, compile};
use aggregator_compiler::diagnostic::{Diagnostic, DiagnosticSeverity};
use aggregator_compiler::graph::CompiledPipeline;
use aggregator_compiler::manifest::Manifests;
use aggregator_crds::run::Backfill;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use error::RunError;
pub use places::Places;
pub use plan::{PipelinePlan, PlannedSink, PlannedSource, PlannedTransform, plan};
pub use preview::{Preview, PreviewRequest, preview};
pub use progress::{NodeProgress, Progress};
pub use report::{
    Cost, LedgerReport, NodeReport, Outcome, QualityReport, QualityValue, RejectGroup, RejectSample, RejectsReport,
    ReportedError, RunReport, ShardReport, ShardState, SplitsReport, StreamReport,
};
pub use secrets::SecretSource;
pub use session::Resources;
pub use step::{PipelineRows, StepRows, run_pipeline_on_rows, run_step};
pub use streams::run;
pub use traced::TRACE;

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RunMode {
    /// Each source is read as its `sync` says.
    #[default]
    Incremental,
    /// Each source is read from its start.
    Full,
    /// As Incremental, but nothing is written and nothing is remembered.
    DryRun,
}

/// A run, as it is asked for.
pub struct RunRequest {
    /// All manifests.
    pub manifests: Arc<Manifests>,
    /// The Pipeline's namespace.
    pub namespace: String,
    /// The Pipeline's name.
    pub pipeline: String,
    /// Values of its parameters.
    pub params: BTreeMap<String, String>,
    /// What is asked for.
    pub mode: RunMode,
    /// The interval of the cursors that is read instead of what is new; positions stay where they are then.
    pub backfill: Option<Backfill>,
    /// Where secrets are.
    pub secrets: SecretSource,
    /// What the run may use of the machine.
    pub resources: Resources,
    /// The longest it may take.
    pub timeout: Option<Duration>,
    /// Asks the run to stop; cancelled when it has taken too long.
    pub cancel: CancellationToken,
    /// Asks the run to end well and early: of many streams, those that have begun go on to their commits, and no other
    /// begins.
    pub wind_down: CancellationToken,
    /// Where the run shows how far it is.
    pub progress: Progress,
}

/// A Pipeline compiled against the live schemas of its streams.
struct Live {
    pipeline: CompiledPipeline,
    warnings: Vec<Diagnostic>,
}

/// Which Pipeline is compiled, with what.
struct Subject<'a> {
    manifests: &'a Manifests,
    namespace: &'a str,
    name: &'a str,
    params: &'a BTreeMap<String, String>,
}

impl Subject<'_> {
    fn compiled(&self, catalogues: &Catalogues) -> aggregator_compiler::Compilation {
        compile(&CompileInput {
            manifests: self.manifests,
            namespace: self.namespace,
            pipeline: self.name,
            catalogues,
            params: self.params,
        })
    }

    /// What is wrong with the Pipeline as it stands, before anything is reached.
    fn check(&self) -> Result<(), RunError> {
        let errors = errors(&self.compiled(&Catalogues::new()).diagnostics);
        if errors.is_empty() { Ok(()) } else { Err(RunError::Invalid(errors)) }
    }

    /// Compiles twice: as it stands, so that mistakes show before anything is reached, then against the live schemas.
    async fn live(&self, places: &Places) -> Result<Live, RunError> {
        self.check()?;
        let mut catalogues = Catalogues::new();
        if let Some(located) = self.manifests.pipeline(self.namespace, self.name) {
            catalogues = places.catalogues(located).await?;
        }
        let live = self.compiled(&catalogues);
        match live.pipeline {
            Some(pipeline) => Ok(Live { pipeline, warnings: live.diagnostics }),
            None => Err(RunError::Invalid(live.diagnostics)),
        }
    }
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == DiagnosticSeverity::Error).cloned().collect()
}
