//! Cells of one column become an Arrow array; a cell that does not fit marks its row as faulty and is null meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::types;
use arrow::array::timezone::Tz;
use arrow::array::types::{
    Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBuilder, LargeStringBuilder, ListArray, NullArray,
    PrimitiveArray, PrimitiveBuilder, RecordBatch, RecordBatchOptions, StringBuilder, StringViewBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use serde_json::Value;

use super::cell::{Cell, Misfit};
use crate::connector::{ConnectorError, ErrorKind, RejectReason, Result};

/// What is wrong with a row: its first column at fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// The column, where one is to blame.
    pub(crate) column: Option<String>,
    /// Why.
    pub(crate) reason: RejectReason,
    /// Why, in words.
    pub(crate) message: String,
}

/// The faulty rows of a block, by the row's index in it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    by_row: BTreeMap<usize, Fault>,
}

impl Faults {
    /// Marks a row as faulty; the first fault of a row stays.
    pub(crate) fn add(&mut self, row: usize, fault: impl FnOnce() -> Fault) {
        self.by_row.entry(row).or_insert_with(fault);
    }

    /// The faulty rows in order.
    pub(crate) fn into_rows(self) -> BTreeMap<usize, Fault> {
        self.by_row
    }

    fn is_empty(&self) -> bool {
        self.by_row.is_empty()
    }
}

/// The array of one column. Cells that do not fit are null in it and faults of their row.
pub(crate) fn build<'a>(
    field: &Field,
    rows: usize,
    cells: impl Iterator<Item = Cell<'a>>,
    faults: &mut Faults,
) -> Result<ArrayRef> {
    let mut column = ColumnBuilder { field, rows, faults };
    Ok(match field.data_type() {
        DataType::Null => column.nulls(cells),
        DataType::Boolean => column.booleans(cells),
        DataType::Int8 => column.integers::<Int8Type>(cells),
        DataType::Int16 => column.integers::<Int16Type>(cells),
        DataType::Int32 => column.integers::<Int32Type>(cells),
        DataType::Int64 => column.integers::<Int64Type>(cells),
        DataType::UInt8 => column.integers::<UInt8Type>(cells),
        DataType::UInt16 => column.integers::<UInt16Type>(cells),
        DataType::UInt32 => column.integers::<UInt32Type>(cells),
        DataType::UInt64 => column.integers::<UInt64Type>(cells),
        DataType::Float32 => column.primitive::<Float32Type>(cells, Cell::single),
        DataType::Float64 => column.primitive::<Float64Type>(cells, Cell::double),
        DataType::Date32 => column.primitive::<Date32Type>(cells, Cell::date),
        DataType::Date64 => {
            column.primitive::<Date64Type>(cells, |cell| cell.date().map(|days| i64::from(days) * 86_400_000))
        }
        DataType::Time32(TimeUnit::Second) => {
            column.primitive::<Time32SecondType>(cells, |cell| narrow(cell, 1_000_000_000))
        }
        DataType::Time32(_) => column.primitive::<Time32MillisecondType>(cells, |cell| narrow(cell, 1_000_000)),
        DataType::Time64(TimeUnit::Microsecond) => {
            column.primitive::<Time64MicrosecondType>(cells, |cell| whole(cell.time_nanoseconds()?, 1_000))
        }
        DataType::Time64(_) => column.primitive::<Time64NanosecondType>(cells, Cell::time_nanoseconds),
        DataType::Timestamp(unit, zone) => column.timestamps(cells, *unit, zone.as_ref())?,
        DataType::Decimal128(precision, scale) => {
            let array = column.primitive::<Decimal128Type>(cells, |cell| cell.decimal(*precision, *scale));
            with_type(array, field.data_type())
        }
        DataType::Utf8 => column.strings(cells),
        DataType::LargeUtf8 => column.large_strings(cells),
        DataType::Utf8View => column.string_views(cells),
        DataType::List(element) => column.lists(cells, element)?,
        other => return Err(unsupported(field, other)),
    })
}

fn unsupported(field: &Field, data_type: &DataType) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Bug,
        format!("read column `{}`", field.name()),
        format!("no builder for {data_type}"),
    )
}

fn with_type(array: ArrayRef, data_type: &DataType) -> ArrayRef {
    match array.to_data().into_builder().data_type(data_type.clone()).build() {
        Ok(data) => arrow::array::make_array(data),
        Err(_) => array,
    }
}

fn whole(nanoseconds: i64, unit: i64) -> Result<i64, Misfit> {
    if nanoseconds % unit == 0 {
        Ok(nanoseconds / unit)
    } else {
        Err("has more digits after the second than the column keeps")
    }
}

fn narrow(cell: &Cell<'_>, unit: i64) -> Result<i32, Misfit> {
    i32::try_from(whole(cell.time_nanoseconds()?, unit)?).map_err(|_| "is out of range")
}

struct ColumnBuilder<'b> {
    field: &'b Field,
    rows: usize,
    faults: &'b mut Faults,
}

impl ColumnBuilder<'_> {
    fn misfit(&mut self, row: usize, cell: &Cell<'_>, misfit: Misfit) {
        self.faults.add(row, || Fault {
            column: Some(self.field.name().clone()),
            reason: RejectReason::CastFailed,
            message: format!("`{}` {misfit} ({})", cell.show(), types::name(self.field.data_type())),
        });
    }

    fn null(&mut self, row: usize) {
        if !self.field.is_nullable() {
            self.faults.add(row, || Fault {
                column: Some(self.field.name().clone()),
                reason: RejectReason::NullValue,
                message: format!("the required column `{}` has no value", self.field.name()),
            });
        }
    }

    /// Gives each cell to `append`, which says None for null and an error for a cell that does not fit.
    fn each<'a>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
        mut append: impl FnMut(Option<&Cell<'a>>) -> Result<(), Misfit>,
    ) {
        for (row, cell) in cells.enumerate() {
            let outcome = match &cell {
                Cell::Null => {
                    self.null(row);
                    append(None)
                }
                present => append(Some(present)),
            };
            if let Err(misfit) = outcome {
                self.misfit(row, &cell, misfit);
                // Appending nothing cannot misfit.
                append(None).unwrap_or_default();
            }
        }
    }

    fn primitive<'a, T: ArrowPrimitiveType>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
        convert: impl Fn(&Cell<'a>) -> Result<T::Native, Misfit>,
    ) -> ArrayRef {
        Arc::new(self.primitive_array::<T>(cells, convert))
    }

    fn primitive_array<'a, T: ArrowPrimitiveType>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
        convert: impl Fn(&Cell<'a>) -> Result<T::Native, Misfit>,
    ) -> PrimitiveArray<T> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows);
        self.each(cells, |cell| {
            builder.append_option(cell.map(&convert).transpose()?);
            Ok(())
        });
        builder.finish()
    }

    fn integers<'a, T: ArrowPrimitiveType>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef
    where
        T::Native: TryFrom<i64> + TryFrom<u64> + std::str::FromStr<Err = std::num::ParseIntError>,
    {
        self.primitive::<T>(cells, Cell::integer)
    }

    fn timestamps<'a>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
        unit: TimeUnit,
        zone: Option<&Arc<str>>,
    ) -> Result<ArrayRef> {
        let parse_zone = |name: &str| {
            name.parse::<Tz>().map_err(|error| {
                ConnectorError::new(
                    ErrorKind::Config,
                    format!("read column `{}`", self.field.name()),
                    error.to_string(),
                )
                .remedy("name the zone as `UTC`, `+02:00` or `Europe/Berlin`")
            })
        };
        let utc = parse_zone("+00:00")?;
        let parsed = zone.map(|zone| parse_zone(zone)).transpose()?;
        let convert = |cell: &Cell<'a>| cell.timestamp(unit, parsed.as_ref(), &utc);
        let zone = zone.cloned();
        Ok(match unit {
            TimeUnit::Second => {
                Arc::new(self.primitive_array::<TimestampSecondType>(cells, convert).with_timezone_opt(zone))
            }
            TimeUnit::Millisecond => {
                Arc::new(self.primitive_array::<TimestampMillisecondType>(cells, convert).with_timezone_opt(zone))
            }
            TimeUnit::Microsecond => {
                Arc::new(self.primitive_array::<TimestampMicrosecondType>(cells, convert).with_timezone_opt(zone))
            }
            TimeUnit::Nanosecond => {
                Arc::new(self.primitive_array::<TimestampNanosecondType>(cells, convert).with_timezone_opt(zone))
            }
        })
    }

    fn booleans<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        self.each(cells, |cell| {
            builder.append_option(cell.map(Cell::boolean).transpose()?);
            Ok(())
        });
        Arc::new(builder.finish())
    }

    fn strings<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 8);
        self.each(cells, |cell| {
            builder.append_option(cell.map(Cell::text).transpose()?);
            Ok(())
        });
        Arc::new(builder.finish())
    }

    fn large_strings<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
        let mut builder = LargeStringBuilder::with_capacity(self.rows, self.rows * 8);
        self.each(cells, |cell| {
            builder.append_option(cell.map(Cell::text).transpose()?);
            Ok(())
        });
        Arc::new(builder.finish())
    }

    fn string_views<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        self.each(cells, |cell| {
            builder.append_option(cell.map(Cell::text).transpose()?);
            Ok(())
        });
        Arc::new(builder.finish())
    }

    fn nulls<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
        self.each(cells, |cell| if cell.is_some() { Err("is a value in a column of type Null") } else { Ok(()) });
        Arc::new(NullArray::new(self.rows))
    }

    /// Delimited text holds a list as JSON text.
    fn lists<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>, element: &Arc<Field>) -> Result<ArrayRef> {
        let mut lists: Vec<Option<Vec<Value>>> = Vec::with_capacity(self.rows);
        self.each(cells, |cell| {
            const NOT_LIST: Misfit = "is not a JSON array";
            lists.push(match cell {
                None => None,
                Some(Cell::Nested(value)) => Some(value.as_array().cloned().ok_or(NOT_LIST)?),
                Some(Cell::Text(text)) => Some(serde_json::from_str(text).map_err(|_| NOT_LIST)?),
                Some(_) => return Err(NOT_LIST),
            });
            Ok(())
        });
        let owners: Vec<usize> = lists
            .iter()
            .enumerate()
            .flat_map(|(row, list)| std::iter::repeat_n(row, list.as_ref().map_or(0, Vec::len)))
            .collect();
        let mut element_faults = Faults::default();
        let elements = lists.iter().flatten().flatten().map(Cell::from);
        let values = build(element, owners.len(), elements, &mut element_faults)?;
        for (index, fault) in element_faults.into_rows() {
            self.faults.add(owners[index], || Fault {
                column: Some(self.field.name().clone()),
                reason: fault.reason,
                message: format!("in the list: {}", fault.message),
            });
        }
        let offsets = OffsetBuffer::<i32>::from_lengths(lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
        let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
        let array = ListArray::try_new(Arc::clone(element), offsets, values, Some(nulls)).map_err(|error| {
            ConnectorError::new(ErrorKind::Bug, format!("read column `{}`", self.field.name()), error.to_string())
        })?;
        Ok(Arc::new(array))
    }
}

/// The batch of the rows that have no fault.
pub(crate) fn assemble(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
    faults: &Faults,
) -> Result<RecordBatch> {
    let bug = |error: arrow::error::ArrowError| ConnectorError::new(ErrorKind::Bug, "build a batch", error.to_string());
    let (columns, rows) = if faults.is_empty() {
        (columns, rows)
    } else {
        let keep: BooleanArray = (0..rows).map(|row| Some(!faults.by_row.contains_key(&row))).collect();
        let columns = columns.iter().map(|column| filter(column, &keep)).collect::<Result<Vec<_>, _>>().map_err(bug)?;
        (columns, keep.true_count())
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(bug)
}
