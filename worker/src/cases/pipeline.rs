//! The tests of a `*.test.yaml` file beside a Pipeline: rows for each source, rows expected at sinks.

use std::collections::BTreeMap;

use aggregator_compiler::catalogue::{Catalogues, Stream};
use aggregator_compiler::compile::{CompileInput, compile};
use aggregator_compiler::diagnostic::DiagnosticSeverity;
use aggregator_compiler::manifest::Manifests;
use aggregator_crds::transformation::{ExpectedReject, TestRow};
use arrow::array::RecordBatch;
use serde::Deserialize;

use super::{CaseResult, compare, rows};
use crate::run::{Resources, run_pipeline_on_rows};

/// A `*.test.yaml` file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineTests {
    /// The Pipeline's name.
    pub pipeline: String,
    /// The Pipeline's namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// The tests.
    pub tests: Vec<PipelineCase>,
}

fn default_namespace() -> String {
    "default".into()
}

/// One test of a Pipeline.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineCase {
    /// What is shown, for people.
    pub name: String,
    /// Values of the Pipeline's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The rows of each source node.
    pub sources: BTreeMap<String, SourceRows>,
    /// What must come out.
    pub expect: PipelineExpectation,
}

/// Rows of a source node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceRows {
    /// The rows, as objects of column and value.
    pub rows: Vec<TestRow>,
    /// The types of columns that the values do not tell, as `Timestamp(Microsecond, UTC)`.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
}

/// What must come out of a Pipeline.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineExpectation {
    /// The rows at each sink, in any order. A sink that is not named is not looked at.
    #[serde(default)]
    pub sinks: BTreeMap<String, Vec<TestRow>>,
    /// The rejected rows. Absent: there must be none.
    #[serde(default)]
    pub rejects: Option<Vec<ExpectedReject>>,
}

/// Reads a `*.test.yaml` file.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse_pipeline_tests(text: &str) -> Result<PipelineTests, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// Runs the tests of a file, in order.
pub async fn test_pipeline(manifests: &Manifests, tests: &PipelineTests, resources: &Resources) -> Vec<CaseResult> {
    let subject = format!("Pipeline {}/{}", tests.namespace, tests.pipeline);
    let mut results = Vec::new();
    for case in &tests.tests {
        let differences = differences(manifests, tests, case, resources).await.unwrap_or_else(|problem| vec![problem]);
        results.push(CaseResult { subject: subject.clone(), name: case.name.clone(), differences });
    }
    results
}

async fn differences(
    manifests: &Manifests,
    tests: &PipelineTests,
    case: &PipelineCase,
    resources: &Resources,
) -> Result<Vec<String>, String> {
    let located = manifests
        .pipeline(&tests.namespace, &tests.pipeline)
        .ok_or_else(|| format!("there is no Pipeline {}/{} among the manifests", tests.namespace, tests.pipeline))?;
    let mut batches: BTreeMap<String, RecordBatch> = BTreeMap::new();
    let mut catalogues = Catalogues::new();
    for source in &located.object.spec.sources {
        let given = case.sources.get(&source.name).ok_or_else(|| {
            format!(
                "the source `{}` has no rows in this test; write `{}: {{rows: []}}` for none",
                source.name, source.name
            )
        })?;
        let batch = rows::to_batch(&given.rows, &given.types)
            .map_err(|problem| format!("source `{}`: {problem}", source.name))?;
        let stream = Stream::from_schema(source.stream.clone().unwrap_or_default(), &batch.schema());
        catalogues.entry(source.connector.clone()).or_default().streams.push(stream);
        batches.insert(source.name.clone(), batch);
    }
    let input = CompileInput {
        manifests,
        namespace: &tests.namespace,
        pipeline: &tests.pipeline,
        catalogues: &catalogues,
        params: &case.params,
    };
    let compiled = compile(&input);
    let Some(pipeline) = compiled.pipeline else {
        let errors: Vec<String> = compiled
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == DiagnosticSeverity::Error)
            .map(ToString::to_string)
            .collect();
        return Err(errors.join("\n"));
    };
    let came = run_pipeline_on_rows(&pipeline, batches, resources).await.map_err(|error| error.to_string())?;
    let mut differences = Vec::new();
    for (sink, expected) in &case.expect.sinks {
        match came.sinks.get(sink) {
            Some(batches) => {
                let found = compare::rows(expected, batches)?;
                differences.extend(found.into_iter().map(|difference| format!("sink `{sink}`: {difference}")));
            }
            None => differences.push(format!("there is no sink `{sink}`")),
        }
    }
    differences.extend(compare::rejects(case.expect.rejects.as_deref(), &came.rejects));
    Ok(differences)
}
