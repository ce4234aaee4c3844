//! `aggregator test`: the tests that users write.

use aggregator_worker::cases::{CaseResult, test_pipeline, test_transformation};
use aggregator_worker::run::Resources;

use crate::args::{Global, Output, TestArgs};
use crate::failure::Failure;
use crate::{manifests, output};

pub(crate) async fn test(args: TestArgs, global: &Global) -> Result<u8, Failure> {
    let loaded = manifests::load(&args.files)?;
    let tests = manifests::load_tests(&args.files)?;
    let resources = Resources::of_this_machine();
    let mut results = Vec::new();
    for located in loaded.transformations() {
        results.extend(test_transformation(located, &resources).await);
    }
    for tests in tests {
        results.extend(test_pipeline(&loaded, &tests, &resources).await);
    }
    let failed = results.iter().filter(|result| !result.passed()).count();
    match global.output {
        Output::Json => {
            output::json(
                &serde_json::json!({ "passed": results.len() - failed, "failed": failed, "results": results }),
            )?;
        }
        Output::Table => show(&results, failed),
    }
    if results.is_empty() {
        return Err(Failure::usage(
            "there are no tests",
            "write `tests:` in a Transformation, or a *.test.yaml file beside a Pipeline; docs/testing.md shows both",
        ));
    }
    Ok(u8::from(failed > 0))
}

fn show(results: &[CaseResult], failed: usize) {
    for result in results {
        let mark = if result.passed() { "✓" } else { "✗" };
        output::line(&format!("{mark} {}: {}", result.subject, result.name));
        for difference in &result.differences {
            output::line(&format!("    {}", difference.replace('\n', "\n    ")));
        }
    }
    output::line(&format!("{} passed, {failed} failed", results.len() - failed));
}
