//! Rows that are collected, and become one batch: a column at a time, so that never all of them are there twice.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt64Array, new_empty_array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::utils::memory::{RecordBatchMemoryCounter, get_record_batch_memory_size};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;

use super::width::of_column;

/// Batches that were collected, column by column.
pub(super) struct Collected {
    schema: SchemaRef,
    columns: Vec<Column>,
    pub(super) rows: usize,
    /// What was taken from the pool for them. Batches may share what they are made of, and columns may.
    counter: RecordBatchMemoryCounter,
}

/// The parts of a column.
struct Column {
    parts: Vec<ArrayRef>,
    counter: RecordBatchMemoryCounter,
    /// Its schema, to be counted by.
    schema: SchemaRef,
}

impl Collected {
    /// Nothing yet, of these columns.
    pub(super) fn of(schema: SchemaRef) -> Self {
        let column = |field: &FieldRef| Column {
            parts: Vec::new(),
            counter: RecordBatchMemoryCounter::new(),
            schema: Arc::new(Schema::new(vec![Arc::clone(field)])),
        };
        let columns = schema.fields().iter().map(column).collect();
        Self { schema, columns, rows: 0, counter: RecordBatchMemoryCounter::new() }
    }

    /// Takes a batch, and room for it.
    ///
    /// # Errors
    /// When the pool has no room.
    pub(super) fn take(&mut self, batch: RecordBatch, reservation: &MemoryReservation) -> Result<()> {
        let batch = self.apart(batch)?;
        reservation.try_grow(self.counter.count_batch(&batch))?;
        self.rows += batch.num_rows();
        for (column, part) in self.columns.iter_mut().zip(batch.columns()) {
            column.counter.count_batch(&alone(&column.schema, part)?);
            column.parts.push(Arc::clone(part));
        }
        Ok(())
    }

    /// A batch whose columns share what they are made of, as those that were on the disk do, with a copy of each: else none of
    /// them could go before the last one.
    fn apart(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let mut each = 0;
        for (column, part) in self.columns.iter().zip(batch.columns()) {
            each += RecordBatchMemoryCounter::new().count_batch(&alone(&column.schema, part)?);
        }
        if each <= get_record_batch_memory_size(&batch) {
            return Ok(batch);
        }
        let all = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
        let copy = |column: &ArrayRef| match column.data_type() {
            // Other copies of a view share the texts.
            DataType::Utf8View => Ok(Arc::new(column.as_string_view().gc()) as ArrayRef),
            DataType::BinaryView => Ok(Arc::new(column.as_binary_view().gc()) as ArrayRef),
            _ => take(column.as_ref(), &all, None),
        };
        let columns = batch.columns().iter().map(copy).collect::<Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }

    /// All of them as one batch, whose room the reservation has.
    ///
    /// # Errors
    /// When the pool has no room for a column that is there twice; when a column is longer than its type can tell.
    pub(super) fn in_one(self, reservation: &MemoryReservation) -> Result<RecordBatch> {
        let Self { schema, mut columns, rows, counter } = self;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        if columns.iter().all(|column| column.parts.len() == 1) {
            let arrays = columns.iter_mut().filter_map(|column| column.parts.pop()).collect();
            return Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?);
        }
        // What columns share is free when the last of them is done.
        let apart = columns.iter().map(|column| column.counter.memory_usage()).sum::<usize>() == counter.memory_usage();
        let mut arrays = Vec::with_capacity(columns.len());
        for column in columns {
            let before = column.counter.memory_usage();
            arrays.push(column.in_one(reservation)?);
            if apart {
                reservation.shrink(before);
            }
        }
        if !apart {
            reservation.shrink(counter.memory_usage());
        }
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

impl Column {
    /// All of its parts as one, for which room is taken; that of the parts is given back by who has taken it.
    fn in_one(self, reservation: &MemoryReservation) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        let shown = parts.iter().map(|part| of_column(*part)).sum::<usize>();
        reservation.try_grow(shown)?;
        let array = match parts.as_slice() {
            [] => new_empty_array(self.schema.field(0).data_type()),
            parts => concat(parts).map_err(|error| self.unjoinable(error))?,
        };
        let bytes = RecordBatchMemoryCounter::new().count_batch(&alone(&self.schema, &array)?);
        // Of texts that are views, none is copied.
        if bytes > shown {
            reservation.try_grow(bytes - shown)?;
        } else {
            reservation.shrink(shown - bytes);
        }
        Ok(array)
    }

    fn unjoinable(&self, error: ArrowError) -> DataFusionError {
        match error {
            ArrowError::OffsetOverflowError(_) => DataFusionError::ResourcesExhausted(format!(
                "the column `{}` of the build side of a join has more than 2 GiB",
                self.schema.field(0).name()
            )),
            other => other.into(),
        }
    }
}

/// A column as a batch, as it is counted.
fn alone(schema: &SchemaRef, column: &ArrayRef) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(Arc::clone(schema), vec![Arc::clone(column)])?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::buffer::Buffer;
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;
    use arrow::ipc::reader::StreamDecoder;
    use arrow::ipc::writer::StreamWriter;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    const TEXT: usize = 1000;

    /// A hundred rows of about a kilobyte, twice: as a text, and as a view of one.
    fn batch(first: i64) -> RecordBatch {
        let texts = || (first..first + 100).map(|id| format!("{id:0>TEXT$}"));
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from_iter_values(first..first + 100))),
            ("text", Arc::new(StringArray::from_iter_values(texts()))),
            ("view", Arc::new(StringViewArray::from_iter_values(texts()))),
        ];
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    fn pool(bytes: usize) -> (Arc<dyn MemoryPool>, MemoryReservation) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        let reservation = MemoryConsumer::new("rows").register(&pool);
        (pool, reservation)
    }

    fn collected(batches: &[RecordBatch], reservation: &MemoryReservation) -> Result<RecordBatch> {
        let mut collected = Collected::of(batches[0].schema());
        for batch in batches {
            collected.take(batch.clone(), reservation)?;
        }
        collected.in_one(reservation)
    }

    #[test]
    fn they_become_one_with_room_for_a_column_more() {
        let batches: Vec<RecordBatch> = (0..10).map(|number| batch(number * 100)).collect();
        let whole = concat_batches(&batches[0].schema(), &batches).expect("one");
        // Two texts of a megabyte, and one of them again.
        let (pool, reservation) = pool(3_600_000);
        let one = collected(&batches, &reservation).expect("room");
        assert_eq!(one, whole);
        let bytes = RecordBatchMemoryCounter::new().count_batch(&one);
        assert_eq!(pool.reserved(), bytes, "what is there was taken");
        assert!(bytes < 2_500_000, "{bytes}");
    }

    #[test]
    fn without_room_for_a_column_more_it_is_told() {
        let batches: Vec<RecordBatch> = (0..10).map(|number| batch(number * 100)).collect();
        let (_, reservation) = pool(2_600_000);
        let error = collected(&batches, &reservation).expect_err("the text is there twice");
        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    }

    #[test]
    fn slices_of_lists_need_no_more_room_than_what_they_show() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..1000).map(|_| Some(vec![Some(7); 100])));
        let whole = RecordBatch::try_from_iter([("values", Arc::new(lists) as ArrayRef)]).expect("a batch");
        let slices: Vec<RecordBatch> = (0..100).map(|part| whole.slice(part * 10, 10)).collect();
        // Of 800 kB.
        let (_, reservation) = pool(2_000_000);
        assert_eq!(collected(&slices, &reservation).expect("room"), whole);
    }

    #[test]
    fn what_was_on_the_disk_has_no_more_than_a_column_twice() {
        let batches: Vec<RecordBatch> =
            (0..10).map(|number| batch(number * 100).project(&[0, 1]).expect("two")).collect();
        let mut written = Vec::new();
        let mut writer = StreamWriter::try_new(&mut written, &batches[0].schema()).expect("a writer");
        batches.iter().for_each(|batch| writer.write(batch).expect("written"));
        writer.finish().expect("written");
        drop(writer);
        // Read as a spill file is: the columns of a batch are parts of one buffer.
        let mut decoder = StreamDecoder::new();
        let mut buffer = Buffer::from(written);
        let mut read = Vec::new();
        while !buffer.is_empty() {
            read.extend(decoder.decode(&mut buffer).expect("a batch"));
        }
        let (pool, reservation) = pool(2_200_000);
        let one = collected(&read, &reservation).expect("room");
        assert_eq!(one, concat_batches(&batches[0].schema(), &batches).expect("one"));
        assert_eq!(pool.reserved(), RecordBatchMemoryCounter::new().count_batch(&one));
    }

    #[test]
    fn what_columns_share_is_copied_apart_and_counted_once() {
        let text = || std::iter::repeat_n("x".repeat(TEXT), 100);
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(text()));
        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(text()));
        for shared in [texts, views] {
            let both = RecordBatch::try_from_iter([("a", Arc::clone(&shared)), ("b", shared)]).expect("a batch");
            // Four copies, and one of the two columns twice.
            let (pool, reservation) = pool(700_000);
            let one = collected(&[both.clone(), both], &reservation).expect("room");
            assert_eq!((one.num_rows(), one.column(0)), (200, one.column(1)));
            assert_eq!(pool.reserved(), RecordBatchMemoryCounter::new().count_batch(&one));
            drop(reservation);
            assert_eq!(pool.reserved(), 0);
        }
    }

    #[test]
    fn no_rows_and_no_columns_are_one_batch_too() {
        // A text has an offset also where there is none.
        let (pool, reservation) = pool(size_of::<i32>());
        let none = Collected::of(batch(0).schema()).in_one(&reservation).expect("little room is needed");
        assert_eq!((none.num_rows(), none.num_columns(), pool.reserved()), (0, 3, size_of::<i32>()));
        reservation.free();
        let bare = batch(0).project(&[]).expect("no columns");
        let one = collected(&[bare.clone(), bare], &reservation).expect("no room is needed");
        assert_eq!((one.num_rows(), one.num_columns(), pool.reserved()), (200, 0, 0));
    }
}
