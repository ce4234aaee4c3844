//! Tests that users write: rows in, rows out. Inside Transformations, and in `*.test.yaml` files beside Pipelines.

mod compare;
mod pipeline;
mod rows;
#[cfg(test)]
mod tests;
mod transformation;

use serde::Serialize;

pub use pipeline::test_pipeline;
pub use transformation::test_transformation;

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// What is tested, as `Transformation demo/clean-flight`.
    pub subject: String,
    /// The test's name.
    pub name: String,
    /// What was not as expected; empty when the test passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

impl CaseResult {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}
