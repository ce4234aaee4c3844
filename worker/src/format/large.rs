//! Parquet files with values that are larger than a value may be, or that grow too much: refused by what the footer tells
//! before anything is read, and by what the values are after. What lies between is bounded in `pages`.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::compression::{BombError, check_growth};
use super::lists::{MAX_LISTS, bytes_of_each};
use crate::connector::{Buffers, ConnectorError, ErrorKind, MAX_ROW, Result, row_too_large};

/// What helps where the run has less than there could be.
pub(super) const MORE_MEMORY: &str =
    "give the run more with --memory (on a cluster: execution.resources.limits.memory)";

/// A file that grows more than it may when its pages are decompressed.
pub(super) fn grown(location: &str, bomb: &BombError) -> ConnectorError {
    ConnectorError::new(ErrorKind::Limit, format!("read {location}"), bomb.to_string())
        .remedy("if the file is meant to be like that, write it again without compression")
}

/// A file whose footer takes more than so many bytes.
pub(super) fn footer_too_large(location: &str, most: u64) -> ConnectorError {
    let detail = format!("its footer takes more than {} MiB when it is decoded", most >> 20);
    let mut remedy = "write the file again with larger row groups, or as several files".to_owned();
    if most < Buffers::default().footer() {
        remedy = format!("{remedy}, or {MORE_MEMORY}");
    }
    ConnectorError::new(ErrorKind::Limit, format!("read {location}"), detail).remedy(remedy)
}

/// A column of which a row takes too much.
pub(super) fn row_of_lists_too_large(location: &str, column: &str) -> ConnectorError {
    lists_too_large(location, column, format!("a row takes more than {} MiB when it is decoded", MAX_ROW >> 20))
}

/// A column with which rows of several columns take too much together, if they are one.
pub(super) fn rows_of_lists_too_large(location: &str, column: &str) -> ConnectorError {
    let detail = format!(
        "the largest rows of its lists and of those of other columns take more than {} MiB together when they are decoded",
        MAX_LISTS >> 20
    );
    lists_too_large(location, column, detail)
}

fn lists_too_large(location: &str, column: &str, detail: String) -> ConnectorError {
    ConnectorError::new(ErrorKind::Limit, format!("read {location}, column `{column}`"), detail)
        .remedy("leave the column out, or write what its lists hold as rows of their own")
}

/// The columns of a row group that are wanted.
pub(super) fn wanted_columns<'a>(
    group: &'a RowGroupMetaData,
    wanted: &'a ProjectionMask,
) -> impl Iterator<Item = &'a ColumnChunkMetaData> {
    let columns = group.columns().iter().enumerate();
    columns.filter(move |(leaf, _)| wanted.leaf_included(*leaf)).map(|(_, column)| column)
}

/// Refuses a file in which the values of a wanted column are too large on average, or its rows of lists are, or that grows too
/// much. Nothing of it is read yet.
pub(super) fn check_footer(metadata: &ParquetMetaData, wanted: &ProjectionMask, location: &str) -> Result<()> {
    let (mut taken, mut given) = (0_u64, 0_u64);
    for group in metadata.row_groups() {
        for column in wanted_columns(group, wanted) {
            let bytes = usize::try_from(column.uncompressed_size()).unwrap_or_default();
            let values = usize::try_from(column.num_values()).unwrap_or_default().max(1);
            // Of values that are all as long as each other, even a null takes so much.
            let fixed = usize::try_from(column.column_descr().type_length()).unwrap_or_default();
            let name = || column.column_path().string();
            if (bytes / values).max(fixed) > MAX_ROW {
                return Err(row_too_large(&format!("{location}, column `{}`", name()), "a value"));
            }
            let rows = u64::try_from(group.num_rows()).unwrap_or_default().max(1);
            if column.column_descr().max_rep_level() > 0 && bytes_of_lists(column) / rows > MAX_ROW as u64 {
                return Err(row_of_lists_too_large(location, &name()));
            }
            taken = taken.saturating_add(u64::try_from(column.compressed_size()).unwrap_or_default());
            given = given.saturating_add(bytes as u64);
        }
    }
    check_growth(taken, given).map_err(|bomb| grown(location, &bomb))
}

/// About the bytes that a column of lists takes at least when it is decoded: without what is in texts, and without the ends of
/// lists in lists.
pub(super) fn bytes_of_lists(column: &ColumnChunkMetaData) -> u64 {
    u64::try_from(column.num_values()).unwrap_or_default().saturating_mul(bytes_of_each(column.column_descr()))
}

/// Refuses rows that hold a value that is too large; `row` is the number of rows before them.
pub(super) fn check_rows(batch: &RecordBatch, location: &str, row: u64) -> Result<()> {
    let schema: SchemaRef = batch.schema();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        // Together they are no more than one may be, nearly always.
        if column.get_buffer_memory_size() > MAX_ROW
            && let Some(at) = too_large(column)
        {
            let place = format!("{location}, row {}, column `{}`", row + at as u64 + 1, field.name());
            return Err(row_too_large(&place, "the value"));
        }
    }
    Ok(())
}

/// The first value that is too large.
fn too_large(column: &ArrayRef) -> Option<usize> {
    match column.data_type() {
        DataType::Utf8 => long(column.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => long(column.as_string::<i64>().offsets()),
        DataType::Binary => long(column.as_binary::<i32>().offsets()),
        DataType::LargeBinary => long(column.as_binary::<i64>().offsets()),
        // The lower half of a view is its length.
        DataType::Utf8View => column.as_string_view().views().iter().position(|view| is_large(*view)),
        DataType::BinaryView => column.as_binary_view().views().iter().position(|view| is_large(*view)),
        // Lists were looked at with their pages.
        _ => None,
    }
}

fn long<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Option<usize> {
    offsets.windows(2).position(|ends| (ends[1] - ends[0]).as_usize() > MAX_ROW)
}

fn is_large(view: u128) -> bool {
    usize::try_from(view & u128::from(u32::MAX)).is_ok_and(|length| length > MAX_ROW)
}
