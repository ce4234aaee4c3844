//! How wide rows are: what decides how many of them memory has room for.

use arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

/// The bytes of a batch: of what it shows, and not of the buffers that it may share with others.
pub(super) fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| of_column(column.as_ref())).sum()
}

/// The bytes of a row, on average; None without any.
pub(super) fn width(batch: &RecordBatch) -> Option<usize> {
    bytes(batch).checked_div(batch.num_rows())
}

/// The bytes of the widest row; 0 without any.
pub(super) fn widest(batch: &RecordBatch) -> usize {
    of_rows(batch).into_iter().max().unwrap_or_default()
}

/// How many rows of that width have so many bytes; at most `most`.
pub(super) fn rows_of(width: usize, bytes: u64, most: usize) -> usize {
    let rows = usize::try_from(bytes).unwrap_or(usize::MAX) / width.max(1);
    rows.min(most).max(1)
}

/// Rows in batches of about so many bytes at most.
pub(super) fn cut(rows: SendableRecordBatchStream, most: u64) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let cut = rows.map_ok(move |batch| futures::stream::iter(parts(batch, most))).try_flatten();
    Box::pin(RecordBatchStreamAdapter::new(schema, cut))
}

/// A batch in parts of about so many bytes at most, or of one row. If it is cut, its parts are copies: whoever asks how much
/// memory a slice takes is told that of the whole.
fn parts(batch: RecordBatch, most: u64) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut first = 0;
    ends(&batch, usize::try_from(most).unwrap_or(usize::MAX)).into_iter().map(move |end| {
        let rows = std::mem::replace(&mut first, end)..end;
        if rows.len() == batch.num_rows() {
            return Ok(batch.clone());
        }
        let picked = UInt64Array::from_iter_values(rows.start as u64..rows.end as u64);
        Ok(take_record_batch(&batch, &picked)?)
    })
}

/// Where the parts of a batch end that have so many bytes at most, or one row.
fn ends(batch: &RecordBatch, most: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    if bytes(batch) > most {
        let mut held = 0;
        for (row, width) in of_rows(batch).into_iter().enumerate() {
            if held > 0 && width.saturating_add(held) > most {
                ends.push(row);
                held = 0;
            }
            held += width;
        }
    }
    if batch.num_rows() > 0 {
        ends.push(batch.num_rows());
    }
    ends
}

/// The bytes of each row. Those of what is nested are reckoned by the average of its values.
fn of_rows(batch: &RecordBatch) -> Vec<usize> {
    let mut rows = vec![0_usize; batch.num_rows()];
    let alike: usize = batch.columns().iter().map(|column| add(column.as_ref(), &mut rows)).sum();
    for row in &mut rows {
        *row += alike;
    }
    rows
}

/// Adds the bytes of each value of a column to those of its row; tells those that are the same in every row.
fn add(column: &dyn Array, rows: &mut [usize]) -> usize {
    const SHORT: usize = size_of::<i32>();
    const LONG: usize = size_of::<i64>();
    match column.data_type() {
        DataType::Utf8 => each(rows, column.as_string::<i32>().offsets().lengths().map(|length| length + SHORT)),
        DataType::Binary => each(rows, column.as_binary::<i32>().offsets().lengths().map(|length| length + SHORT)),
        DataType::LargeUtf8 => each(rows, column.as_string::<i64>().offsets().lengths().map(|length| length + LONG)),
        DataType::LargeBinary => each(rows, column.as_binary::<i64>().offsets().lengths().map(|length| length + LONG)),
        DataType::Utf8View => each(rows, column.as_string_view().views().iter().map(of_view)),
        DataType::BinaryView => each(rows, column.as_binary_view().views().iter().map(of_view)),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let one = average(list.values().as_ref());
            each(rows, list.offsets().lengths().map(|length| length * one + SHORT));
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            let one = average(list.values().as_ref());
            each(rows, list.offsets().lengths().map(|length| length * one + LONG));
        }
        DataType::Map(_, _) => {
            let map = column.as_map();
            let one = average(map.entries());
            each(rows, map.offsets().lengths().map(|length| length * one + SHORT));
        }
        DataType::Struct(_) => {
            return column.as_struct().columns().iter().map(|column| add(column.as_ref(), rows)).sum();
        }
        _ => return average(column),
    }
    0
}

fn each(rows: &mut [usize], widths: impl Iterator<Item = usize>) {
    for (row, width) in rows.iter_mut().zip(widths) {
        *row += width;
    }
}

/// The bytes of a value, on average.
fn average(column: &dyn Array) -> usize {
    of_column(column).div_ceil(column.len().max(1))
}

/// The bytes of a column: of what it shows.
pub(super) fn of_column(column: &dyn Array) -> usize {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().views().iter().map(of_view).sum(),
        DataType::BinaryView => column.as_binary_view().views().iter().map(of_view).sum(),
        // A slice of a list has the values of the whole one.
        DataType::List(_) => of_values(column.as_list::<i32>().values().as_ref(), column.as_list::<i32>().offsets()),
        DataType::LargeList(_) => {
            of_values(column.as_list::<i64>().values().as_ref(), column.as_list::<i64>().offsets())
        }
        DataType::Map(_, _) => of_values(column.as_map().entries(), column.as_map().offsets()),
        DataType::Struct(_) => column.as_struct().columns().iter().map(|column| of_column(column.as_ref())).sum(),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    }
}

/// The bytes of the values that offsets show, and of the offsets.
fn of_values<O: OffsetSizeTrait>(values: &dyn Array, offsets: &OffsetBuffer<O>) -> usize {
    let (first, last) = match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => (first.as_usize(), last.as_usize()),
        _ => (0, 0),
    };
    size_of_val::<[O]>(offsets) + of_column(values.slice(first, last - first).as_ref())
}

/// The lower half of a view is its length.
fn of_view(view: &u128) -> usize {
    usize::try_from(view & u128::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{Field, Int32Type};

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
    fn of_rows_the_widest_is_known() {
        let long = "x".repeat(10_000);
        let texts = || std::iter::repeat_n("x", 99).chain([long.as_str()]);
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(texts()));
        let numbers = (0..100).map(|row| Some(vec![Some(1); if row == 99 { 2500 } else { 1 }]));
        let columns: [ArrayRef; 5] = [
            Arc::clone(&text),
            Arc::new(LargeStringArray::from_iter_values(texts())),
            Arc::new(StringViewArray::from_iter_values(texts())),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(numbers)),
            Arc::new(StructArray::from(vec![(Arc::new(Field::new("text", DataType::Utf8, false)), text)])),
        ];
        for column in columns {
            let batch = RecordBatch::try_from_iter([("wide", column)]).expect("a batch");
            assert!((10_000..10_020).contains(&widest(&batch)), "{batch:?}");
            assert!(widest(&batch.slice(0, 99)) < 20, "it is the last one");
            assert_eq!(widest(&batch.slice(0, 0)), 0);
        }
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8192));
        let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..8192).map(|row| "x".repeat(row % 100))));
        let batch = RecordBatch::try_from_iter([("number", numbers), ("text", text)]).expect("a batch");
        assert_eq!(widest(&batch), 8 + 99 + 4, "all columns count");
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

        // By the average of all, the last part would have all wide rows.
        let texts = (0..100).map(|row| "x".repeat(if row < 90 { 10 } else { 1000 }));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("text", texts)]).expect("a batch");
        let uneven = parts(batch.clone(), 2100).collect::<Result<Vec<_>>>().expect("parts");
        assert_eq!(uneven.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [90, 2, 2, 2, 2, 2]);
        assert_eq!(concat_batches(&batch.schema(), &uneven).expect("a batch"), batch);
    }
}
