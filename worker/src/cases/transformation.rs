//! The tests inside a Transformation.

use aggregator_compiler::compile::compile_transformation;
use aggregator_compiler::manifest::Located;
use aggregator_crds::Transformation;
use aggregator_crds::transformation::TestCase;

use super::{CaseResult, compare, rows};
use crate::run::{Resources, run_step};

/// Runs the tests of a Transformation, in order.
pub async fn test_transformation(located: &Located<Transformation>, resources: &Resources) -> Vec<CaseResult> {
    let subject = format!("Transformation {}/{}", located.namespace, located.name);
    let mut results = Vec::new();
    for (index, case) in located.object.spec.tests.iter().enumerate() {
        let differences = differences(located, index, case, resources).await.unwrap_or_else(|problem| vec![problem]);
        results.push(CaseResult { subject: subject.clone(), name: case.name.clone(), differences });
    }
    results
}

async fn differences(
    located: &Located<Transformation>,
    index: usize,
    case: &TestCase,
    resources: &Resources,
) -> Result<Vec<String>, String> {
    let input = rows::to_batch(&case.rows, &case.types)
        .map_err(|unfit| unfit.at(&located.locator, &format!("spec.tests[{index}]")).to_string())?;
    let step = compile_transformation(located, &input.schema(), &case.params)
        .map_err(|diagnostics| diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let came = run_step(&step.plan, input, resources).await.map_err(|error| error.to_string())?;
    let mut differences = match &case.expect.rows {
        Some(expected) => compare::rows(expected, &came.batches)?,
        None => Vec::new(),
    };
    differences.extend(compare::rejects(case.expect.rejects.as_deref(), &came.rejects));
    Ok(differences)
}
