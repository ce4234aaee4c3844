//! What a quality rule found.

use aggregator_compiler::graph::QualityCheck;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use serde_json::Value;

use super::report::QualityValue;

/// The most characters of a text that is shown.
const LONGEST: usize = 500;

/// What a quality rule found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// Whether the rule holds. One that is neither true nor false does not.
    pub(super) passed: bool,
    /// The values of what it compares.
    pub(super) values: Vec<QualityValue>,
}

impl Verdict {
    /// Reads the row that the rule's plan gives.
    ///
    /// # Errors
    /// When a value has a type that JSON cannot show.
    pub(super) fn read(check: &QualityCheck, row: &RecordBatch) -> Result<Self, ArrowError> {
        let holds = row.column(0).as_boolean_opt();
        let passed = holds.is_some_and(|values| values.is_valid(0) && values.value(0));
        if check.sides.is_empty() {
            return Ok(Self { passed, values: Vec::new() });
        }
        let mut bytes = Vec::new();
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
        writer.write(&row.slice(0, 1))?;
        writer.finish()?;
        drop(writer);
        let shown: serde_json::Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| ArrowError::JsonError(error.to_string()))?;
        // The columns stand in the order of the plan; the first is the verdict.
        let values = std::iter::zip(&check.sides, shown.into_iter().skip(1))
            .map(|(side, (_, value))| QualityValue { expression: side.clone(), value: short(value) })
            .collect();
        Ok(Self { passed, values })
    }

    /// A broken rule in words, for the run's error.
    pub(super) fn words(&self, check: &QualityCheck) -> String {
        let mut values = self.values.iter().map(|value| format!("{} is {}", value.expression, value.shown()));
        let found = values.next().map(|first| values.fold(format!(", where {first}"), |all, one| all + " and " + &one));
        format!("`{}` ({} on `{}`{})", check.name, check.expression, check.node, found.unwrap_or_default())
    }
}

fn short(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            Value::String(text.chars().take(LONGEST - 1).chain(['…']).collect())
        }
        other => other,
    }
}
