//! A backfill: an interval of the cursors is read again, whatever was read before, and no position moves.

use aggregator_compiler::graph::{CompiledPipeline, NodeKind, SourceNode};
use aggregator_compiler::types;
use aggregator_crds::pipeline::{SyncMode, WriteMode};
use aggregator_crds::run::Backfill;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::scalar::ScalarValue;

use super::error::RunError;
use crate::connector::{ConnectorError, CursorWindow, ErrorKind};

const OPERATION: &str = "backfill an interval";

/// Refuses a Pipeline of which an interval cannot be read again, or whose sinks would take the interval for everything.
pub(super) fn check(pipeline: &CompiledPipeline, backfill: &Backfill) -> Result<(), RunError> {
    let wrong = |node: &str, detail: String, remedy: &str| {
        let error = ConnectorError::new(ErrorKind::Config, OPERATION, detail).remedy(remedy);
        Err(RunError::Connector { node: Some(node.into()), error })
    };
    let mut any = false;
    for node in &pipeline.nodes {
        let failed = |error| RunError::Connector { node: Some(node.name.as_str().into()), error };
        match &node.kind {
            NodeKind::Source(source) if source.sync == SyncMode::Incremental => {
                window(source, &node.schema, backfill).map_err(failed)?;
                any = true;
            }
            NodeKind::Sink(sink) if sink.mode == WriteMode::Overwrite => {
                let detail = format!(
                    "the sink `{}` has the mode Overwrite: it would keep the interval and nothing else",
                    node.name
                );
                return wrong(&node.name, detail, "run with --mode Full, or write in the mode Upsert, Merge or Append");
            }
            NodeKind::Source(_) | NodeKind::Sink(_) | NodeKind::Transform(_) => {}
        }
    }
    if any {
        return Ok(());
    }
    let error = ConnectorError::new(ErrorKind::Config, OPERATION, "no source of the Pipeline is read incrementally")
        .remedy("run without a backfill: each run reads everything");
    Err(RunError::Connector { node: None, error })
}

/// The part of a source's stream that has the interval.
///
/// # Errors
/// [`ErrorKind::Config`] when the source has no cursor, or one that is no time.
pub(super) fn window(
    source: &SourceNode,
    schema: &Schema,
    backfill: &Backfill,
) -> Result<CursorWindow, ConnectorError> {
    let refuse = |detail: String| {
        ConnectorError::new(ErrorKind::Config, OPERATION, detail)
            .remedy("choose a time as the cursor (`sync: {cursor: updated_at}`), or run with --mode Full")
    };
    let Some(column) = &source.cursor else {
        return Err(refuse(format!("the stream `{}` is read by what is new, and has no cursor", source.stream)));
    };
    let field = schema.field_with_name(column).ok().map(|field| field.data_type().clone()).unwrap_or(DataType::Null);
    let Some((lower, upper)) = bounds(&field, backfill) else {
        return Err(refuse(format!("the cursor `{column}` is {}, and an interval is of times", types::name(&field))));
    };
    let text = |value: ScalarValue| -> Result<String, ConnectorError> {
        let bug = |error: String| ConnectorError::new(ErrorKind::Bug, OPERATION, error);
        let array: ArrayRef = value.to_array().map_err(|error| bug(error.to_string()))?;
        let shown = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default());
        Ok(shown.map_err(|error| bug(error.to_string()))?.value(0).to_string())
    };
    Ok(CursorWindow { column: column.clone(), lower: Some(text(lower)?), upper: Some(text(upper)?), lag: None })
}

/// The least value of that type that belongs to the interval, and the greatest one; None for a type that is no time. An
/// interval between two neighbours has a greatest value below its least: nothing is in it.
fn bounds(data_type: &DataType, backfill: &Backfill) -> Option<(ScalarValue, ScalarValue)> {
    const SECOND: i128 = 1_000_000_000;
    let nanoseconds = match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => SECOND,
        DataType::Timestamp(TimeUnit::Millisecond, _) => SECOND / 1_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => SECOND / 1_000_000,
        DataType::Date32 => 24 * 60 * 60 * SECOND,
        _ => return None,
    };
    // The first value that is not before a time.
    let first = |time: jiff::Timestamp| -(-time.as_nanosecond()).div_euclid(nanoseconds);
    let value = |units: i128| {
        let long = i64::try_from(units).ok();
        Some(match data_type {
            DataType::Timestamp(TimeUnit::Second, zone) => ScalarValue::TimestampSecond(long, zone.clone()),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => ScalarValue::TimestampMillisecond(long, zone.clone()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => ScalarValue::TimestampMicrosecond(long, zone.clone()),
            DataType::Date32 => ScalarValue::Date32(i32::try_from(units).ok()),
            _ => return None,
        })
    };
    Some((value(first(backfill.from))?, value(first(backfill.to) - 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(data_type: &DataType, from: &str, to: &str) -> Option<(String, String)> {
        let backfill = Backfill { from: from.parse().expect("a time"), to: to.parse().expect("a time") };
        let (lower, upper) = bounds(data_type, &backfill)?;
        Some((lower.to_string(), upper.to_string()))
    }

    #[test]
    fn an_interval_has_its_beginning_and_not_its_end() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let (from, to) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z");
        assert_eq!(between(&micros, from, to), Some(("1000000".into(), "1999999".into())));
        let (from, to) = ("1969-12-31T23:59:59.9999995Z", "1970-01-01T00:00:00.0000005Z");
        assert_eq!(
            between(&micros, from, to),
            Some(("0".into(), "0".into())),
            "parts of a unit, on both sides of zero"
        );
        let seconds = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        let (from, to) = ("1970-01-01T00:00:00.5Z", "1970-01-01T00:00:03Z");
        assert_eq!(between(&seconds, from, to), Some(("1".into(), "2".into())));
        // A day begins at midnight.
        let days = |from, to| between(&DataType::Date32, from, to);
        let some = |one: &str, two: &str| Some((one.to_owned(), two.to_owned()));
        assert_eq!(days("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), some("2026-01-01", "2026-01-31"));
        assert_eq!(days("2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"), some("2026-01-02", "2026-01-02"));
        assert_eq!(days("2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"), some("2026-01-02", "2026-01-01"), "none");
        assert_eq!(between(&DataType::Int64, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), None);
    }
}
