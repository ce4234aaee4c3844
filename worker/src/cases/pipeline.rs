//! The tests of a `*.test.yaml` file beside a Pipeline: rows for each source, rows expected at sinks.

use std::collections::BTreeMap;

use aggregator_compiler::catalogue::{Catalogues, Stream};
use aggregator_compiler::compile::{CompileInput, compile};
use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_compiler::manifest::{Located, Manifests, PipelineTests};
use arrow::array::RecordBatch;

use super::{CaseResult, compare, rows};
use crate::run::{Resources, run_pipeline_on_rows};

/// Runs the tests of a file, in order.
pub async fn test_pipeline(
    manifests: &Manifests,
    tests: &Located<PipelineTests>,
    resources: &Resources,
) -> Vec<CaseResult> {
    let subject = format!("Pipeline {}/{}", tests.namespace, tests.name);
    let mut results = Vec::new();
    for (index, case) in tests.object.tests.iter().enumerate() {
        let differences = differences(manifests, tests, index, resources).await.unwrap_or_else(|problem| vec![problem]);
        results.push(CaseResult { subject: subject.clone(), name: case.name.clone(), differences });
    }
    results
}

async fn differences(
    manifests: &Manifests,
    tests: &Located<PipelineTests>,
    index: usize,
    resources: &Resources,
) -> Result<Vec<String>, String> {
    let unknown = tests.unknown(manifests, index);
    if !unknown.is_empty() {
        return Err(told(&unknown));
    }
    let case = &tests.object.tests[index];
    let mut batches: BTreeMap<String, RecordBatch> = BTreeMap::new();
    let mut catalogues = Catalogues::new();
    let pipeline = manifests.pipeline(&tests.namespace, &tests.name);
    for source in pipeline.iter().flat_map(|located| &located.object.spec.sources) {
        let Some(given) = case.sources.get(&source.name) else { continue };
        let batch = rows::to_batch(&given.rows, &given.types).map_err(|unfit| {
            unfit.at(&tests.locator, &format!("tests[{index}].sources.{}", source.name)).to_string()
        })?;
        let stream = Stream::from_schema(source.stream.clone().unwrap_or_default(), &batch.schema());
        catalogues.entry(source.connector.clone()).or_default().streams.push(stream);
        batches.insert(source.name.clone(), batch);
    }
    let input = CompileInput {
        manifests,
        namespace: &tests.namespace,
        pipeline: &tests.name,
        catalogues: &catalogues,
        params: &case.params,
    };
    let compiled = compile(&input);
    let Some(pipeline) = compiled.pipeline else {
        let errors: Vec<Diagnostic> = compiled.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
        return Err(told(&errors));
    };
    let came = run_pipeline_on_rows(&pipeline, batches, resources).await.map_err(|error| error.to_string())?;
    let mut differences = Vec::new();
    for (sink, expected) in &case.expect.sinks {
        match came.sinks.get(sink) {
            Some(batches) => {
                let found = compare::rows(expected, batches)?;
                differences.extend(found.into_iter().map(|difference| format!("sink `{sink}`: {difference}")));
            }
            None => differences.push(format!("nothing came to the sink `{sink}`")),
        }
    }
    differences.extend(compare::rejects(case.expect.rejects.as_deref(), &came.rejects));
    Ok(differences)
}

fn told(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
