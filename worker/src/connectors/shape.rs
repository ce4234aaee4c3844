//! Rows whose shape the target does not have, and may not get: values are left out, or their rows rejected.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::types;
use aggregator_crds::pipeline::ChangePolicy;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, filter_record_batch, kernels::cmp, nullif};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::sql;
use crate::connector::{
    ConnectorError, ErrorKind, PlannedChange, Reject, RejectReason, Result, SchemaChange, SchemaChangeKind, SinkRequest,
};

/// What is done to the rows of a sink before they are sent.
#[derive(Debug)]
pub(super) struct Shape {
    location: String,
    /// For each column of the rows that does not fit: its place, and what is done about it.
    misfits: Vec<(usize, Misfit)>,
    /// The schema of the rows that are sent.
    schema: SchemaRef,
    /// The values that were left out, by column.
    discarded: BTreeMap<String, u64>,
}

/// A column of the target that does not hold all that the rows may bring.
#[derive(Clone, Debug)]
pub(super) struct There {
    /// What it holds.
    pub(super) kind: DataType,
    /// The most characters of a text.
    pub(super) characters: Option<usize>,
    /// As the target calls it.
    pub(super) shown: String,
}

/// A column that does not fit.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    /// What the target has; None: no such column.
    pub(super) there: Option<There>,
    /// Whether a row with a value that does not fit is rejected; else the value is left out.
    pub(super) rejects: bool,
}

impl Misfit {
    /// By policy; None when the policy changes the target or fails the run.
    pub(super) fn of(policy: ChangePolicy, there: Option<There>) -> Option<Self> {
        match policy {
            ChangePolicy::Evolve | ChangePolicy::Freeze => None,
            ChangePolicy::DiscardRow => Some(Self { there, rejects: true }),
            ChangePolicy::DiscardValue => Some(Self { there, rejects: false }),
        }
    }
}

/// The policy for columns that are missing in the target.
pub(super) fn columns(request: &SinkRequest) -> ChangePolicy {
    request.write.policy.columns.unwrap_or(ChangePolicy::Evolve)
}

/// The policy for values that do not fit their column.
pub(super) fn data_type(request: &SinkRequest) -> ChangePolicy {
    request.write.policy.data_type.unwrap_or(ChangePolicy::Freeze)
}

/// The error for a column that may not be added.
pub(super) fn frozen_column(operation: &str, column: &str, table: &str, statement: &str) -> ConnectorError {
    let detail = format!("{table} has no column `{column}`, and `schemaPolicy.columns: Freeze` lets nobody add it");
    ConnectorError::new(ErrorKind::Config, operation, detail)
        .remedy(format!("{statement}; or leave the column out in a mapping, or write `columns: Evolve`"))
}

/// The error for a table that may not be created.
pub(super) fn frozen_table(operation: &str, table: &str, statement: &str) -> ConnectorError {
    let detail = format!("there is no table {table}, and `schemaPolicy.tables: Freeze` lets nobody create it");
    ConnectorError::new(ErrorKind::Config, operation, detail)
        .remedy(format!("{statement}; or correct the sink's `stream`, or write `tables: Evolve`"))
}

impl Shape {
    /// Takes the misfits out of a request: the schema it has then is what is sent. `location` is the target as people
    /// name it.
    ///
    /// # Errors
    /// When the values of a column that must have them would be left out.
    pub(super) fn apply(
        request: &mut SinkRequest,
        misfits: Vec<(usize, Misfit)>,
        location: &str,
        operation: &str,
    ) -> Result<Self> {
        let effective = request.write.history.as_ref().and_then(|history| history.effective_from.as_ref());
        let mut fields = Vec::new();
        for (at, field) in request.schema.fields().iter().enumerate() {
            let Some((_, misfit)) = misfits.iter().find(|(place, _)| *place == at) else {
                fields.push(Arc::clone(field));
                continue;
            };
            let needed = request.write.key.contains(field.name()) || effective == Some(field.name());
            match &misfit.there {
                None if needed => {
                    let detail = format!("{location} has no column `{}`, by which rows are told apart", field.name());
                    return Err(ConnectorError::new(ErrorKind::Config, operation, detail)
                        .remedy("add the column, or name the row by other ones"));
                }
                Some(there) if needed && !misfit.rejects => {
                    let detail = format!(
                        "column `{}` is {} in the rows and {} in the table, and rows are told apart by it: its \
                         values cannot be left out",
                        field.name(),
                        types::name(field.data_type()),
                        there.shown
                    );
                    return Err(ConnectorError::new(ErrorKind::Config, operation, detail)
                        .remedy("write `dataType: DiscardRow`, or cast it in a mapping before the sink"));
                }
                None => {}
                Some(there) => {
                    // What does not fit is null at first, also in a row that is rejected then.
                    let changed = Field::new(field.name(), there.kind.clone(), true);
                    fields.push(Arc::new(changed.with_metadata(field.metadata().clone())));
                }
            }
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, request.schema.metadata().clone()));
        let shape =
            Self { location: location.to_owned(), misfits, schema: Arc::clone(&schema), discarded: BTreeMap::new() };
        request.schema = schema;
        Ok(shape)
    }

    /// The rows as they are sent, and those that are rejected.
    pub(super) fn fit(
        &mut self,
        batch: RecordBatch,
        rejects: bool,
        operation: &str,
    ) -> Result<(RecordBatch, Vec<Reject>)> {
        if self.misfits.is_empty() {
            return Ok((batch, Vec::new()));
        }
        let failed =
            |error: arrow::error::ArrowError| ConnectorError::new(ErrorKind::Bug, operation, error.to_string());
        let mut found: BTreeMap<usize, (String, RejectReason, String)> = BTreeMap::new();
        let mut columns = Vec::with_capacity(batch.num_columns());
        let mut left_out: Vec<(String, BooleanArray)> = Vec::new();
        let schema = batch.schema();
        for (at, (column, field)) in std::iter::zip(batch.columns(), schema.fields()).enumerate() {
            let Some((_, misfit)) = self.misfits.iter().find(|(place, _)| *place == at) else {
                columns.push(Arc::clone(column));
                continue;
            };
            let (converted, wrong) = match &misfit.there {
                None => (None, (0..column.len()).map(|row| Some(column.is_valid(row))).collect::<BooleanArray>()),
                Some(there) => {
                    let (converted, wrong) = convert(column, there).map_err(failed)?;
                    (Some(converted), wrong)
                }
            };
            if misfit.rejects {
                let (reason, message) = match &misfit.there {
                    None => (RejectReason::WriteRefused, "the table has no such column".to_owned()),
                    Some(there) => (
                        RejectReason::CastFailed,
                        format!("the value does not fit the column, which is {}", there.shown),
                    ),
                };
                for row in (0..wrong.len()).filter(|row| wrong.value(*row)) {
                    found.entry(row).or_insert_with(|| (field.name().clone(), reason, message.clone()));
                }
            } else {
                left_out.push((field.name().clone(), wrong));
            }
            columns.extend(converted);
        }
        let stays: BooleanArray = (0..batch.num_rows()).map(|row| Some(!found.contains_key(&row))).collect();
        for (column, wrong) in left_out {
            // A value of a row that is rejected is not left out, but with the rejects.
            let count = (0..wrong.len()).filter(|row| wrong.value(*row) && stays.value(*row)).count();
            if count > 0 {
                *self.discarded.entry(column).or_default() += count as u64;
            }
        }
        let sent = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?;
        if found.is_empty() {
            return Ok((sent, Vec::new()));
        }
        let mut refused = Vec::with_capacity(found.len());
        for (row, (column, reason, message)) in found {
            let raw = sql::row_json(&batch, row);
            if !rejects {
                let detail = format!("column `{column}`: {message}, in the row {raw}");
                return Err(ConnectorError::new(ErrorKind::Refused, operation, detail)
                    .remedy("declare `rejects` in the Pipeline, or write `DiscardValue`"));
            }
            refused.push(Reject {
                location: self.location.clone(),
                line: None,
                offset: None,
                column: Some(column),
                reason,
                message,
                raw,
            });
        }
        Ok((filter_record_batch(&sent, &stays).map_err(failed)?, refused))
    }

    /// What will be done, for `aggregator plan`.
    pub(super) fn plan(&self, rows: &SchemaRef) -> Vec<PlannedChange> {
        let step = |(at, misfit): &(usize, Misfit)| {
            let (name, place) = (rows.field(*at).name(), &self.location);
            let action = match (&misfit.there, misfit.rejects) {
                (None, true) => format!("reject rows with a value in {name}, which {place} does not have"),
                (None, false) => format!("leave {name} out, which {place} does not have"),
                (Some(there), true) => format!("reject rows whose {name} does not fit {} of {place}", there.shown),
                (Some(there), false) => {
                    format!("leave out values of {name} that do not fit {} of {place}", there.shown)
                }
            };
            PlannedChange { action, statement: None }
        };
        self.misfits.iter().map(step).collect()
    }

    /// The values that were left out.
    pub(super) fn discarded(&self) -> impl Iterator<Item = SchemaChange> {
        self.discarded.iter().map(|(column, rows)| SchemaChange {
            column: Some(column.clone()),
            rows: *rows,
            ..SchemaChange::of(SchemaChangeKind::ValueDiscarded)
        })
    }
}

/// The values in another type, and which of them have no way there: those are null.
fn convert(
    column: &ArrayRef,
    there: &There,
) -> std::result::Result<(ArrayRef, BooleanArray), arrow::error::ArrowError> {
    let kind = &there.kind;
    let present = |array: &dyn Array| (0..array.len()).map(|row| Some(array.is_valid(row))).collect::<BooleanArray>();
    if !can_cast_types(column.data_type(), kind) {
        return Ok((new_null_array(kind, column.len()), present(column)));
    }
    let lenient = CastOptions { safe: true, ..CastOptions::default() };
    let converted = cast_with_options(column, kind, &lenient)?;
    let text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let same = if text || !can_cast_types(kind, column.data_type()) {
        // Text that reads as a value is that value.
        present(&converted)
    } else {
        // What does not come back as it was would be changed.
        let back = cast_with_options(&converted, column.data_type(), &lenient)?;
        cmp::not_distinct(&back, column)?
    };
    let wrong: BooleanArray =
        (0..column.len()).map(|row| Some(column.is_valid(row) && !(same.is_valid(row) && same.value(row)))).collect();
    let wrong = match there.characters {
        Some(most) if *kind == DataType::Utf8 => {
            let long =
                |row: usize| converted.is_valid(row) && converted.as_string::<i32>().value(row).chars().count() > most;
            (0..wrong.len()).map(|row| Some(wrong.value(row) || long(row))).collect()
        }
        _ => wrong,
    };
    let kept = nullif(&converted, &wrong)?;
    Ok((kept, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::TimeUnit;
    use arrow::util::display::array_value_to_string;

    fn converted(column: ArrayRef, kind: &DataType) -> Vec<String> {
        let there = There { kind: kind.clone(), characters: Some(3), shown: String::new() };
        let (kept, wrong) = convert(&column, &there).expect("converted");
        assert_eq!(kept.data_type(), kind);
        (0..kept.len())
            .map(|row| match (wrong.value(row), kept.is_valid(row)) {
                (true, false) => "wrong".to_owned(),
                (false, false) => "null".to_owned(),
                (false, true) => array_value_to_string(&kept, row).expect("shown"),
                (true, true) => "kept a wrong value".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_value_that_would_be_changed_does_not_fit() {
        let longs = Int64Array::from(vec![Some(1), None, Some(i64::from(i32::MAX) + 1)]);
        assert_eq!(converted(Arc::new(longs), &DataType::Int32), ["1", "null", "wrong"]);
        let reals = Float64Array::from(vec![Some(2.0), Some(2.5), Some(f64::NAN), None]);
        assert_eq!(converted(Arc::new(reals), &DataType::Int64), ["2", "wrong", "wrong", "null"]);
        let amounts =
            Decimal128Array::from(vec![1500, 1501, 99_999_000]).with_precision_and_scale(12, 3).expect("fits");
        assert_eq!(converted(Arc::new(amounts), &DataType::Decimal128(6, 2)), ["1.50", "wrong", "wrong"]);
        let texts = StringArray::from(vec![Some("007"), Some("x"), Some(""), None]);
        assert_eq!(converted(Arc::new(texts), &DataType::Int32), ["7", "wrong", "wrong", "null"]);
        let long: ArrayRef = Arc::new(StringArray::from(vec![Some("äöü"), Some("äöüß"), None]));
        assert_eq!(converted(long, &DataType::Utf8), ["äöü", "wrong", "null"]);
        let moments = TimestampMicrosecondArray::from(vec![86_400_000_000, 1]);
        assert_eq!(converted(Arc::new(moments), &DataType::Date32), ["1970-01-02", "wrong"]);
        let bytes: ArrayRef = Arc::new(arrow::array::BinaryArray::from(vec![Some(&b"a"[..]), None]));
        assert_eq!(converted(bytes, &DataType::Timestamp(TimeUnit::Microsecond, None)), ["wrong", "null"]);
    }
}
