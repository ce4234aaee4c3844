//! The verdicts of quality rules.

use std::collections::BTreeMap;

use aggregator_compiler::graph::QualityCheck;
use arrow::array::{Array, AsArray};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::error::RunError;

/// The verdict of each quality rule.
pub(super) async fn judge(
    checks: &[QualityCheck],
    mut streams: BTreeMap<String, SendableRecordBatchStream>,
    cancel: CancellationToken,
) -> Result<BTreeMap<String, bool>, RunError> {
    let judged = checks.iter().filter_map(|check| {
        let mut stream = streams.remove(&check.name)?;
        Some(async move {
            let mut passed = None;
            while let Some(batch) = stream.next().await {
                let batch =
                    batch.map_err(|error| RunError::from_stream(&format!("quality rule {}", check.name), &error))?;
                if batch.num_rows() > 0 {
                    let column = batch.column(0).as_boolean_opt();
                    passed = column.map(|values| values.is_valid(0) && values.value(0));
                }
            }
            Ok::<_, RunError>((check.name.clone(), passed.unwrap_or(false)))
        })
    });
    let all = futures::future::try_join_all(judged);
    let verdicts = cancel.run_until_cancelled(all).await.unwrap_or(Err(RunError::Interrupted));
    if verdicts.is_err() {
        cancel.cancel();
    }
    Ok(verdicts?.into_iter().collect())
}
