//! The verdicts of quality rules, and what each rule found.

use std::collections::BTreeMap;

use aggregator_compiler::graph::QualityCheck;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::error::RunError;
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

/// The verdict of each quality rule.
pub(super) async fn judge(
    checks: &[QualityCheck],
    mut streams: BTreeMap<String, SendableRecordBatchStream>,
    cancel: CancellationToken,
) -> Result<BTreeMap<String, Verdict>, RunError> {
    let judged = checks.iter().filter_map(|check| {
        let mut stream = streams.remove(&check.name)?;
        Some(async move {
            let mut verdict = Verdict::default();
            let failed = |error| RunError::from_stream(&format!("quality rule {}", check.name), &error);
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(failed)?;
                if batch.num_rows() > 0 {
                    verdict = Verdict::read(check, &batch).map_err(|error| failed(error.into()))?;
                }
            }
            Ok::<_, RunError>((check.name.clone(), verdict))
        })
    });
    let all = futures::future::try_join_all(judged);
    let verdicts = cancel.run_until_cancelled(all).await.unwrap_or(Err(RunError::Interrupted));
    if verdicts.is_err() {
        cancel.cancel();
    }
    Ok(verdicts?.into_iter().collect())
}
