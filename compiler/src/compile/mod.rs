//! From manifests and catalogues to a typed graph, with everything that is wrong told at once.

mod bind;
mod keyed;
mod lint;
mod quality;
mod sink;
mod source;
mod step;
mod topology;
mod validity;

use std::collections::{BTreeMap, HashSet};

use aggregator_crds::Pipeline;
use aggregator_crds::pipeline::PipelineMode;

pub use lint::lint;
pub(crate) use sink::has_files;
pub use step::{CompiledStep, compile_transformation};
pub use validity::violations;

use crate::catalogue::Catalogues;
use crate::diagnostic::{Diagnostic, Place};
use crate::graph::{CompiledPipeline, Node, RejectsTarget};
use crate::manifest::{Located, Manifests};
use crate::sql::{Given, Missing, Params};
use crate::suggest;

/// What to compile.
#[derive(Clone, Copy, Debug)]
pub struct CompileInput<'a> {
    /// The objects.
    pub manifests: &'a Manifests,
    /// The Pipeline's namespace.
    pub namespace: &'a str,
    /// The Pipeline's name.
    pub pipeline: &'a str,
    /// What `discover` found at the Connectors, by their names.
    pub catalogues: &'a Catalogues,
    /// Values of the Pipeline's parameters.
    pub params: &'a BTreeMap<String, String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The graph; there is one exactly when nothing is wrong and every schema is known.
    pub pipeline: Option<CompiledPipeline>,
    /// Everything worth saying, errors and warnings, in the order of the manifest.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles one Pipeline, to be run.
#[must_use]
pub fn compile(input: &CompileInput<'_>) -> Compilation {
    let Some(pipeline) = input.manifests.pipeline(input.namespace, input.pipeline) else {
        let names = || {
            let of_namespace = input.manifests.pipelines().filter(|pipeline| pipeline.namespace == input.namespace);
            of_namespace.map(|pipeline| pipeline.name.as_str())
        };
        let names: Vec<&str> = names().collect();
        let message = format!("there is no Pipeline {}/{}", input.namespace, input.pipeline);
        let help = suggest::advice(input.pipeline, "Pipelines", names.iter().copied());
        return Compilation {
            pipeline: None,
            diagnostics: vec![Diagnostic::error("MissingPipeline", message).help(help)],
        };
    };
    compile_located(pipeline, input.manifests, input.catalogues, input.params, Purpose::Run)
}

/// What a compilation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// It will be run, here and now.
    Run,
    /// It is looked over: other objects may be elsewhere, and another build may be able to run it.
    Lint,
}

/// One Pipeline, about to be compiled.
struct Compiler<'a> {
    pipeline: &'a Located<Pipeline>,
    manifests: &'a Manifests,
    catalogues: &'a Catalogues,
    params: Params,
    purpose: Purpose,
    diagnostics: Vec<Diagnostic>,
    /// Nodes whose columns are known, each after those it reads.
    nodes: Vec<Known>,
    /// Objects whose own rules were looked at: kind and name.
    checked: HashSet<(&'static str, String)>,
}

/// A node whose columns are known.
struct Known {
    node: Node,
    /// For each column, in order: where it comes from, back to the sources.
    origins: Vec<crate::lineage::Origin>,
    /// The source whose rows these are, one for one or fewer.
    rows_of: Option<String>,
}

fn compile_located(
    pipeline: &Located<Pipeline>,
    manifests: &Manifests,
    catalogues: &Catalogues,
    params: &BTreeMap<String, String>,
    purpose: Purpose,
) -> Compilation {
    let given = params.iter().map(|(name, text)| (name.clone(), Given::Text(text.clone()))).collect();
    let missing = if purpose == Purpose::Run { Missing::Refused } else { Missing::Null };
    let mut diagnostics = validity::violations(pipeline);
    let params = match Params::bind(&pipeline.object.spec.params, &given, missing, &pipeline.locator) {
        Ok(params) => params,
        Err(problems) => {
            diagnostics.extend(problems);
            // The names still count: whoever uses one should not be told that it is unknown.
            Params::names_only(&pipeline.object.spec.params)
        }
    };
    let compiler = Compiler {
        pipeline,
        manifests,
        catalogues,
        params,
        purpose,
        diagnostics,
        nodes: Vec::new(),
        checked: HashSet::new(),
    };
    compiler.run()
}

/// About so much of a stream may have to be read twice after an interruption.
const DEFAULT_SPLIT_BYTES: u64 = 1024 * 1024 * 1024;

impl Compiler<'_> {
    fn run(mut self) -> Compilation {
        let spec = &self.pipeline.object.spec;
        if spec.mode == PipelineMode::Streaming {
            self.not_yet("spec.mode", "streaming pipelines", "write `mode: Batch` and run it on a Schedule");
        }
        // Validation has seen that it is a size.
        let split_bytes = spec
            .execution
            .as_ref()
            .and_then(|execution| aggregator_crds::parse_bytes(execution.split_size.as_deref()?).ok())
            .unwrap_or(DEFAULT_SPLIT_BYTES);
        let order = self.topology();
        let pipeline = self.pipeline;
        let sound = |list: &str, index: &usize| !pipeline.is_damaged(&format!("spec.{list}[{index}]"));
        for index in (0..spec.sources.len()).filter(|index| sound("sources", index)) {
            self.source(index);
        }
        for index in order.into_iter().filter(|index| sound("transforms", index)) {
            self.transform(index);
        }
        for index in (0..spec.sinks.len()).filter(|index| sound("sinks", index)) {
            self.sink(index);
        }
        let quality = self.quality();
        let rejects = self.rejects();
        let expected = spec.sources.len() + spec.transforms.len() + spec.sinks.len();
        let complete = self.nodes.len() == expected
            && quality.len() == spec.quality.len()
            && self.pipeline.damaged.is_empty()
            && !self.diagnostics.iter().any(Diagnostic::is_error);
        let pipeline = complete.then(|| CompiledPipeline {
            namespace: self.pipeline.namespace.clone(),
            name: self.pipeline.name.clone(),
            stream: None,
            nodes: self.nodes.into_iter().map(|known| known.node).collect(),
            quality,
            rejects,
            split_bytes,
        });
        let mut diagnostics = once_each(self.diagnostics);
        let object = self.pipeline.place("").object;
        diagnostics.retain(|diagnostic| {
            let place = diagnostic.place.as_ref().filter(|place| place.object == object);
            !place.is_some_and(|place| self.pipeline.is_in_damaged(&place.path))
        });
        diagnostics.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| (place.line, place.column)));
        Compilation { pipeline, diagnostics }
    }

    fn rejects(&mut self) -> Option<RejectsTarget> {
        let rejects = self.pipeline.object.spec.rejects.as_ref()?;
        self.target(&rejects.connector, "spec.rejects.connector");
        Some(RejectsTarget {
            connector: rejects.connector.clone(),
            stream: rejects.stream.clone(),
            budget: rejects.budget.clone(),
        })
    }

    fn known(&self, name: &str) -> Option<&Known> {
        self.nodes.iter().find(|known| known.node.name == name)
    }

    fn place(&self, path: &str) -> Place {
        self.pipeline.locator.place(path)
    }

    fn fail(&mut self, code: &'static str, message: impl Into<String>, help: impl Into<String>, path: &str) {
        let place = self.place(path);
        self.diagnostics.push(Diagnostic::error(code, message).help(help).at(place));
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>, help: impl Into<String>, path: &str) {
        let place = self.place(path);
        self.diagnostics.push(Diagnostic::warning(code, message).help(help).at(place));
    }

    /// What this build cannot run: an error for a run, a warning for a look.
    fn not_yet(&mut self, path: &str, what: &str, help: &str) {
        let message = format!("{what} are not supported yet by this build");
        match self.purpose {
            Purpose::Run => self.fail("NotSupportedYet", message, help, path),
            Purpose::Lint => self.warn("NotSupportedYet", message, help, path),
        }
    }
}

/// A field that the object's own rules find fault with is not spoken of twice.
fn once_each(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place =
        |diagnostic: &Diagnostic| diagnostic.place.as_ref().map(|place| (place.object.clone(), place.path.clone()));
    let invalid: HashSet<_> =
        diagnostics.iter().filter(|diagnostic| diagnostic.code == validity::INVALID).filter_map(place).collect();
    let told = |diagnostic: &Diagnostic| place(diagnostic).is_some_and(|place| invalid.contains(&place));
    diagnostics.into_iter().filter(|diagnostic| diagnostic.code == validity::INVALID || !told(diagnostic)).collect()
}
