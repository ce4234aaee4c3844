//! `aggregator worker test`: the tests of a Transformation.

use aggregator_crds::transformation::{FailedTest, TestsOutcome};
use aggregator_worker::cases::test_transformation;
use aggregator_worker::run::Resources;

use crate::args::WorkerTestArgs;
use crate::failure::Failure;
use crate::{manifests, output};

/// The most characters of a difference that a status shows.
const DIFFERENCE: usize = 1000;

/// Runs the tests of a Transformation, and says how they ended. Tests that do not pass are no failure of the worker.
pub(super) async fn test(args: WorkerTestArgs) -> Result<u8, Failure> {
    let (manifests, resources) = (manifests::load(&args.files)?, Resources::of_this_machine());
    let mut results = Vec::new();
    for located in manifests.transformations() {
        results.extend(test_transformation(located, &resources).await);
    }
    let failed = results.iter().filter(|result| !result.passed());
    let first = failed.clone().next().map(|result| FailedTest {
        name: result.name.clone(),
        difference: result.differences.join("; ").chars().take(DIFFERENCE).collect(),
    });
    let failed = failed.count() as u64;
    let outcome = TestsOutcome { passed: results.len() as u64 - failed, failed, first };
    output::log_result(&results)?;
    std::fs::write(args.termination_log, serde_json::to_string(&outcome).map_err(std::io::Error::from)?)?;
    Ok(0)
}
