//! How wide rows are: what decides how many of them memory has room for.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use datafusion::error::Result;

/// The bytes of a batch: of what it shows, and not of the buffers that it may share with others.
pub(super) fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(of_column).sum()
}

/// The bytes of a row, on average; None without any.
pub(super) fn width(batch: &RecordBatch) -> Option<usize> {
    bytes(batch).checked_div(batch.num_rows())
}

/// How many rows of that width have so many bytes; at most `most`.
pub(super) fn rows_of(width: usize, bytes: u64, most: usize) -> usize {
    let rows = usize::try_from(bytes).unwrap_or(usize::MAX) / width.max(1);
    rows.min(most).max(1)
}

/// A batch in parts of about so many bytes at most. If it is cut, its parts are copies: whoever asks how much memory a slice
/// takes is told that of the whole.
pub(super) fn parts(batch: RecordBatch, most: u64) -> impl Iterator<Item = Result<RecordBatch>> {
    let all = batch.num_rows();
    let rows = rows_of(width(&batch).unwrap_or_default(), most, all);
    (0..all).step_by(rows).map(move |first| {
        if rows >= all {
            return Ok(batch.clone());
        }
        let picked = UInt64Array::from_iter_values(first as u64..all.min(first + rows) as u64);
        Ok(take_record_batch(&batch, &picked)?)
    })
}

fn of_column(column: &ArrayRef) -> usize {
    // The lower half of a view is its length.
    let length = |view: &u128| usize::try_from(view & u128::from(u32::MAX)).unwrap_or_default();
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().views().iter().map(length).sum(),
        DataType::BinaryView => column.as_binary_view().views().iter().map(length).sum(),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;

    use super::*;

    const BYTES: u64 = 4 << 20;

    #[test]
    fn wide_rows_come_in_few() {
        assert_eq!(rows_of(0, BYTES, 8192), 8192, "rows that nobody has seen");
        assert_eq!(rows_of(512, BYTES, 8192), 8192);
        assert_eq!(rows_of(4096, BYTES, 8192), 1024);
        assert_eq!(rows_of(150_000, BYTES, 8192), 27);
        assert_eq!(rows_of(64 << 20, BYTES, 8192), 1);
        assert_eq!(rows_of(8, BYTES, 0), 1);
    }

    #[test]
    fn a_row_is_as_wide_as_what_it_shows() {
        let long = "x".repeat(10_000);
        let texts = || std::iter::repeat_n(long.as_str(), 10);
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter_values(texts())),
            Arc::new(StringViewArray::from_iter_values(texts())),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..10).map(|_| Some(vec![Some(1); 2500])))),
        ];
        for column in columns {
            let batch = RecordBatch::try_from_iter([("wide", column)]).expect("a batch");
            let whole = width(&batch).expect("rows");
            assert!((10_000..10_020).contains(&whole), "{whole}");
        }
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8192));
        let batch = RecordBatch::try_from_iter([("number", numbers)]).expect("a batch");
        assert_eq!(width(&batch), Some(8));
        assert_eq!(width(&batch.slice(100, 3)), Some(8), "a slice shares its buffer");
        assert_eq!(width(&batch.slice(0, 0)), None);
    }

    #[test]
    fn a_batch_is_cut_by_its_bytes() {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| format!("{row:01000}"))));
        let batch = RecordBatch::try_from_iter([("text", texts)]).expect("a batch");
        let cut = |most: u64| parts(batch.clone(), most).collect::<Result<Vec<_>>>().expect("parts");
        assert_eq!(cut(1 << 20), std::slice::from_ref(&batch), "it has no more");
        let tenths = cut(10_100);
        assert_eq!(tenths.len(), 10);
        assert!(tenths.iter().all(|part| bytes(part) <= 10_100 && part.get_array_memory_size() < 20_000));
        assert_eq!(concat_batches(&batch.schema(), &tenths).expect("a batch"), batch);
        assert_eq!(cut(1).len(), 100, "a row is never cut");
        assert_eq!(parts(batch.slice(0, 0), 1).count(), 0);
    }
}
