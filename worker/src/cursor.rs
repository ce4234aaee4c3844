//! Incremental reading by a column: which rows of a batch are new, and where the next run goes on.
//!
//! The lower bound is inclusive, because rows with an equal cursor may have arrived after the last run; the rows of
//! that bound which the last run already had are told apart by their key. Values are kept as exact text, never rounded.
//! A row whose cursor is null can never be placed, so it is rejected rather than forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use aggregator_compiler::reject::RejectReason;
use aggregator_compiler::types;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::connector::{ConnectorError, CursorWindow, ErrorKind, Position, Reject, Result};
use crate::rejects::row_as_json;

const KIND: &str = "cursor";
const VERSION: u32 = 1;

/// What a cursor position holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    /// The cursor column.
    column: String,
    /// Its type, as manifests write it.
    #[serde(rename = "type")]
    data_type: String,
    /// The greatest value that was read, as exact text.
    value: String,
    /// Hashes of the keys of the rows that have just this value.
    boundary: BTreeSet<String>,
}

/// The part of a stream to read next, given where the last run ended.
///
/// # Errors
/// [`ErrorKind::Config`] when the position was made by another kind of source or for another column.
pub fn window(
    source: &str,
    column: &str,
    lag: Option<Duration>,
    from: Option<&Position>,
    to: Option<&Position>,
) -> Result<CursorWindow> {
    let value = |position: Option<&Position>| -> Result<Option<String>> {
        position.map(|position| Ok(state(source, column, position)?.value)).transpose()
    };
    Ok(CursorWindow { column: column.to_owned(), lower: value(from)?, upper: value(to)?, lag })
}

fn state(source: &str, column: &str, position: &Position) -> Result<State> {
    let refuse = |detail: String| {
        ConnectorError::new(ErrorKind::Config, format!("continue source `{source}`"), detail)
            .remedy("run once with --mode Full to start over, or restore the former `sync`")
    };
    if position.kind != KIND || position.version != VERSION {
        return Err(refuse(format!(
            "its checkpoint is of kind `{}` version {}, not `{KIND}` version {VERSION}",
            position.kind, position.version
        )));
    }
    let state: State = serde_json::from_value(position.state.clone())
        .map_err(|error| refuse("its checkpoint does not read".to_owned()).caused_by(error))?;
    if state.column != column {
        return Err(refuse(format!("its checkpoint is of the column `{}`, not `{column}`", state.column)));
    }
    Ok(state)
}

/// What is known of a stream before it is read.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Where the last run that committed had ended.
    pub from: Option<Position>,
    /// Where this very run ended for a sink that has already committed it.
    pub to: Option<Position>,
}

/// What is left of a batch.
#[derive(Debug)]
pub struct Tracked {
    /// The rows that are new.
    pub batch: RecordBatch,
    /// Rows outside the window.
    pub outside: u64,
    /// Rows that the last run already had.
    pub seen: u64,
    /// Rows without a cursor.
    pub rejects: Vec<Reject>,
}

/// Tells new rows from known ones and remembers how far the stream was read.
#[derive(Debug)]
pub struct CursorTracker {
    source: String,
    column: usize,
    name: String,
    data_type: DataType,
    cursor_rows: RowConverter,
    key_columns: Vec<usize>,
    key_rows: RowConverter,
    lower: Option<OwnedRow>,
    upper: Option<OwnedRow>,
    known: BTreeSet<String>,
    /// With an end given: the keys of the rows at the upper bound that the run has read.
    last: Option<BTreeSet<String>>,
    greatest: Option<Greatest>,
    previous: Option<Position>,
}

#[derive(Debug)]
struct Greatest {
    row: OwnedRow,
    text: String,
    boundary: BTreeSet<String>,
}

impl CursorTracker {
    /// A tracker for rows of `schema`. `now` is the time that `window.lag` is counted back from.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the cursor or a key column is missing, or the checkpoint is of another kind.
    pub fn new(
        source: &str,
        schema: &SchemaRef,
        window: &CursorWindow,
        key: &[String],
        known: Known,
        now: jiff::Timestamp,
    ) -> Result<Self> {
        let index = |name: &str| column_index(source, schema, name);
        let column = index(&window.column)?;
        let data_type = schema.field(column).data_type().clone();
        let key_columns = if key.is_empty() {
            (0..schema.fields().len()).collect()
        } else {
            key.iter().map(|name| index(name)).collect::<Result<Vec<_>>>()?
        };
        let converter = |columns: &[usize]| {
            RowConverter::new(
                columns.iter().map(|&index| SortField::new(schema.field(index).data_type().clone())).collect(),
            )
            .map_err(|error| bug(source, error))
        };
        let cursor_rows = converter(&[column])?;
        let key_rows = converter(&key_columns)?;
        let boundary = |position: &Position| Ok(state(source, &window.column, position)?.boundary);
        let Known { from, to } = known;
        let known = from.as_ref().map(boundary).transpose()?.unwrap_or_default();
        let last = to.as_ref().map(boundary).transpose()?;
        let mut tracker = Self {
            source: source.to_owned(),
            column,
            name: window.column.clone(),
            data_type,
            cursor_rows,
            key_columns,
            key_rows,
            lower: None,
            upper: None,
            known,
            last,
            greatest: None,
            previous: from,
        };
        tracker.lower = window.lower.as_deref().map(|text| tracker.parse(text)).transpose()?;
        let upper = window.upper.as_deref().map(|text| tracker.parse(text)).transpose()?;
        let horizon = window.lag.map(|lag| tracker.horizon(lag, now)).transpose()?;
        tracker.upper = match (upper, horizon) {
            (Some(upper), Some(horizon)) => Some(upper.min(horizon)),
            (upper, horizon) => upper.or(horizon),
        };
        Ok(tracker)
    }

    fn parse(&self, text: &str) -> Result<OwnedRow> {
        let scalar = ScalarValue::try_from_string(text.to_owned(), &self.data_type).map_err(|error| {
            ConnectorError::new(
                ErrorKind::Config,
                format!("continue source `{}`", self.source),
                format!("its checkpoint `{text}` is not a {}", types::name(&self.data_type)),
            )
            .remedy("the column's type has changed: run once with --mode Full to start over")
            .caused_by(error)
        })?;
        let array = scalar.to_array().map_err(|error| bug(&self.source, error))?;
        self.owned(&array)
    }

    fn horizon(&self, lag: Duration, now: jiff::Timestamp) -> Result<OwnedRow> {
        let time = jiff::SignedDuration::try_from(lag)
            .ok()
            .and_then(|lag| now.checked_sub(lag).ok())
            .unwrap_or(jiff::Timestamp::MIN);
        let scalar = match &self.data_type {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                ScalarValue::TimestampSecond(Some(time.as_second()), zone.clone())
            }
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                ScalarValue::TimestampMillisecond(Some(time.as_millisecond()), zone.clone())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                ScalarValue::TimestampMicrosecond(Some(time.as_microsecond()), zone.clone())
            }
            DataType::Date32 => {
                let days = time.as_second().div_euclid(24 * 60 * 60);
                ScalarValue::Date32(Some(i32::try_from(days).unwrap_or(i32::MIN)))
            }
            other => {
                return Err(ConnectorError::new(
                    ErrorKind::Config,
                    format!("read source `{}`", self.source),
                    format!("`lag` needs a cursor that is a time; `{}` is {}", self.name, types::name(other)),
                )
                .remedy("remove `lag`, or choose a Timestamp column as the cursor"));
            }
        };
        let array = scalar.to_array().map_err(|error| bug(&self.source, error))?;
        self.owned(&array)
    }

    fn owned(&self, array: &ArrayRef) -> Result<OwnedRow> {
        let rows =
            self.cursor_rows.convert_columns(std::slice::from_ref(array)).map_err(|error| bug(&self.source, error))?;
        Ok(rows.row(0).owned())
    }

    /// Sorts the rows of a batch.
    ///
    /// # Errors
    /// A bug of ours, when the batch is not of the tracker's schema.
    pub fn track(&mut self, batch: &RecordBatch) -> Result<Tracked> {
        let cursor = batch.column(self.column);
        let rows =
            self.cursor_rows.convert_columns(std::slice::from_ref(cursor)).map_err(|error| bug(&self.source, error))?;
        let mut stays = vec![true; batch.num_rows()];
        let (mut outside, mut seen) = (0, 0);
        let mut rejects = Vec::new();
        let (mut on_lower, mut on_upper) = (Vec::new(), Vec::new());
        let mut greatest: Vec<u32> = Vec::new();
        for (index, stays) in stays.iter_mut().enumerate() {
            if cursor.is_null(index) {
                *stays = false;
                rejects.push(self.reject(&batch.slice(index, 1))?);
                continue;
            }
            let row = rows.row(index);
            let below = self.lower.as_ref().is_some_and(|lower| row < lower.row());
            let above = self.upper.as_ref().is_some_and(|upper| row > upper.row());
            if below || above {
                *stays = false;
                outside += 1;
                continue;
            }
            if self.lower.as_ref().is_some_and(|lower| row == lower.row()) {
                on_lower.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
            if self.last.is_some() && self.upper.as_ref().is_some_and(|upper| row == upper.row()) {
                on_upper.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
            match greatest.first().map(|&first| row.cmp(&rows.row(first as usize))) {
                Some(std::cmp::Ordering::Less) => {}
                Some(std::cmp::Ordering::Equal) => greatest.push(u32::try_from(index).unwrap_or(u32::MAX)),
                Some(std::cmp::Ordering::Greater) | None => greatest = vec![u32::try_from(index).unwrap_or(u32::MAX)],
            }
        }
        if !self.known.is_empty() && !on_lower.is_empty() {
            let hashes = self.hashes(batch, &on_lower)?;
            for (index, hash) in std::iter::zip(on_lower, hashes) {
                if self.known.contains(&hash) {
                    stays[index as usize] = false;
                    seen += 1;
                }
            }
        }
        if let Some(last) = self.last.as_ref().filter(|_| !on_upper.is_empty()) {
            let hashes = self.hashes(batch, &on_upper)?;
            for (index, hash) in std::iter::zip(on_upper, hashes) {
                // It came after the run had ended for the sink that is done; the next run reads it for both.
                if !last.contains(&hash) && std::mem::replace(&mut stays[index as usize], false) {
                    outside += 1;
                }
            }
        }
        if let Some(&first) = greatest.first() {
            self.remember(batch, rows.row(first as usize).owned(), &greatest)?;
        }
        let batch = if stays.contains(&false) {
            filter_record_batch(batch, &BooleanArray::from(stays)).map_err(|error| bug(&self.source, error))?
        } else {
            batch.clone()
        };
        Ok(Tracked { batch, outside, seen, rejects })
    }

    fn remember(&mut self, batch: &RecordBatch, row: OwnedRow, indices: &[u32]) -> Result<()> {
        let order = self.greatest.as_ref().map(|greatest| row.row().cmp(&greatest.row.row()));
        if order == Some(std::cmp::Ordering::Less) {
            return Ok(());
        }
        let hashes = self.hashes(batch, indices)?;
        match (&mut self.greatest, order) {
            (Some(greatest), Some(std::cmp::Ordering::Equal)) => greatest.boundary.extend(hashes),
            (greatest, _) => {
                let cursor = batch.column(self.column);
                let text = ArrayFormatter::try_new(cursor.as_ref(), &FormatOptions::default())
                    .map_err(|error| bug(&self.source, error))?
                    .value(indices[0] as usize)
                    .to_string();
                *greatest = Some(Greatest { row, text, boundary: hashes.into_iter().collect() });
            }
        }
        Ok(())
    }

    fn hashes(&self, batch: &RecordBatch, indices: &[u32]) -> Result<Vec<String>> {
        let keys = batch.project(&self.key_columns).map_err(|error| bug(&self.source, error))?;
        let keys =
            take_record_batch(&keys, &UInt32Array::from(indices.to_vec())).map_err(|error| bug(&self.source, error))?;
        let rows = self.key_rows.convert_columns(keys.columns()).map_err(|error| bug(&self.source, error))?;
        Ok(rows
            .iter()
            .map(|row| Sha256::digest(row.as_ref())[..16].iter().map(|byte| format!("{byte:02x}")).collect())
            .collect())
    }

    fn reject(&self, row: &RecordBatch) -> Result<Reject> {
        Ok(Reject {
            location: self.source.clone(),
            line: None,
            offset: None,
            column: Some(self.name.clone()),
            reason: RejectReason::NullValue,
            message: "the cursor is null, so the row cannot be placed in an incremental read".into(),
            raw: row_as_json(row).map_err(|error| bug(&self.source, error))?,
        })
    }

    /// Where the next run goes on; what it was before when no row was new.
    #[must_use]
    pub fn position(self) -> Option<Position> {
        let Some(greatest) = self.greatest else { return self.previous };
        let mut boundary = greatest.boundary;
        if self.lower.is_some_and(|lower| lower == greatest.row) {
            boundary.extend(self.known);
        }
        let state =
            State { column: self.name, data_type: types::name(&self.data_type), value: greatest.text, boundary };
        Some(Position { kind: KIND.into(), version: VERSION, state: serde_json::to_value(state).unwrap_or_default() })
    }
}

fn column_index(source: &str, schema: &Schema, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        ConnectorError::new(
            ErrorKind::Config,
            format!("read source `{source}`"),
            format!("there is no column `{name}`"),
        )
        .remedy(format!("choose one of {}", columns.join(", ")))
    })
}

fn bug(source: &str, error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    let detail = error.to_string();
    ConnectorError::new(ErrorKind::Bug, format!("track the cursor of source `{source}`"), detail).caused_by(error)
}

#[cfg(test)]
mod tests;
