//! Parquet to batches: columns by name, timestamps in microseconds, nothing rounded.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_compiler::types;
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector,
};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::CompressionCodec;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::ChunkReader;

use super::allowance::{Allowance, Verdict, WRITE_AGAIN};
use super::block::{Block, BlockReader, Place, ReadPlan, no_such_place};
use super::column::{Fault, Faults, assemble};
use super::csv::{constant, missing};
use super::footer::{self, Footer};
use super::large::{bytes_of_lists, check_footer, check_rows, footer_too_large, wanted_columns};
use super::pages::Groups;
use super::records::{allow, reject};
use crate::connector::{Buffers, ConnectorError, ErrorKind, RejectReason, Result, check_columns};

fn corrupt(location: &str, error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::new(ErrorKind::Data, format!("read {location}"), format!("the Parquet file is corrupt: {error}"))
        .remedy(WRITE_AGAIN)
        .caused_by(error)
}

/// The type in which a column of a Parquet file is given out; None when there is none.
fn readable(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Dictionary(_, values) => return readable(values),
        DataType::RunEndEncoded(_, values) => return readable(values.data_type()),
        DataType::List(element) | DataType::LargeList(element) => {
            DataType::List(Arc::new(Field::new("item", readable(element.data_type())?, true)))
        }
        DataType::Float16 => DataType::Float32,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => return types::parse(&types::name(other)).ok().filter(|parsed| parsed == other),
    })
}

/// Calls the library, which panics at some of what is broken: that is the file's fault, and told so.
fn guarded<T, E>(call: impl FnOnce() -> Result<T, E>, broken: impl FnOnce() -> E) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(broken()))
}

/// What is said of a file when the library panics at its schema.
fn broken_schema() -> ParquetError {
    ParquetError::General("the schema in its footer is broken".into())
}

/// Reads a file's footer, in which the library trusts the Arrow schema. It takes `most` bytes at most.
fn open(file: &impl ChunkReader, location: &str, most: u64) -> Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::default();
    let metadata = match footer::read(file, most).map_err(|error| corrupt(location, error))? {
        Footer::Sound(bytes) => {
            let with_arrow = |metadata| ArrowReaderMetadata::try_new(Arc::new(metadata), options);
            guarded(|| ParquetMetaDataReader::decode_metadata(&bytes).and_then(with_arrow), broken_schema)
        }
        Footer::TooLarge => return Err(footer_too_large(location, most)),
        Footer::Missing => guarded(|| ArrowReaderMetadata::load(file, options), broken_schema),
    };
    metadata.map_err(|error| corrupt(location, error))
}

/// Refuses a file of which a wanted column is compressed in a way that is not built in. Nothing of it is read yet.
fn check_codecs(metadata: &ParquetMetaData, wanted: &ProjectionMask, location: &str) -> Result<()> {
    for group in metadata.row_groups() {
        for column in wanted_columns(group, wanted) {
            match column.compression_codec() {
                CompressionCodec::UNCOMPRESSED
                | CompressionCodec::SNAPPY
                | CompressionCodec::GZIP
                | CompressionCodec::LZ4
                | CompressionCodec::ZSTD
                | CompressionCodec::LZ4_RAW => {}
                codec @ (CompressionCodec::LZO | CompressionCodec::BROTLI) => {
                    let operation = format!("read {location}, column `{}`", column.column_path().string());
                    let detail = format!("it is compressed with {codec}, a codec that is not supported");
                    return Err(ConnectorError::new(ErrorKind::Data, operation, detail)
                        .remedy("write the file again with the codec zstd or snappy, or leave the column out"));
                }
            }
        }
    }
    Ok(())
}

/// The columns of a file, its rows, and what a person should know of columns that cannot be read. Its footer takes `most` bytes
/// at most.
pub(crate) fn describe(file: impl ChunkReader, location: &str, most: u64) -> Result<(Schema, u64, Vec<String>)> {
    let footer = open(&file, location, most)?;
    check_columns(location, footer.schema().fields().len())?;
    let rows = u64::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or_default();
    let mut notes = Vec::new();
    let mut fields = Vec::new();
    for field in footer.schema().fields() {
        match readable(field.data_type()) {
            Some(data_type) => fields.push(Field::new(field.name(), data_type, field.is_nullable())),
            None => notes.push(format!(
                "{location}: column `{}` of type {} is left out; no pipeline can hold it",
                field.name(),
                field.data_type()
            )),
        }
    }
    Ok((Schema::new(fields), rows, notes))
}

/// Counts the bytes of a file as its rows are passed: so far as those of a row group are as long as each other.
pub(crate) struct Tally {
    /// The bytes of the file that were not counted yet.
    left: u64,
    /// Of each row group that was not passed: its rows, and its bytes.
    groups: VecDeque<(Range<u64>, u64)>,
    count: Arc<AtomicU64>,
}

impl Tally {
    /// Of a file of that size, of which nothing was read.
    pub(crate) fn new(size: u64, count: &Arc<AtomicU64>) -> Self {
        Self { left: size, groups: VecDeque::new(), count: Arc::clone(count) }
    }

    /// Takes notice of the row groups; what is before `row` is not read.
    fn begin(&mut self, metadata: &ParquetMetaData, row: u64) {
        let mut end = 0_u64;
        for group in metadata.row_groups() {
            let begin = end;
            end = begin.saturating_add(u64::try_from(group.num_rows()).unwrap_or_default());
            self.groups.push_back((begin..end, u64::try_from(group.compressed_size()).unwrap_or_default()));
        }
        self.left -= self.passed(row);
    }

    fn pass(&mut self, row: u64) {
        let passed = self.passed(row);
        self.left -= passed;
        self.count.fetch_add(passed, Ordering::Relaxed);
    }

    /// The bytes between what was passed and `row`, which are then passed.
    fn passed(&mut self, row: u64) -> u64 {
        let mut passed = 0_u64;
        while let Some((rows, bytes)) = self.groups.front_mut() {
            if rows.end <= row {
                passed = passed.saturating_add(*bytes);
                self.groups.pop_front();
                continue;
            }
            let part = row.saturating_sub(rows.start);
            let of_group = *bytes / (rows.end - rows.start).max(1) * part;
            (rows.start, *bytes) = (rows.start + part, *bytes - of_group);
            passed = passed.saturating_add(of_group);
            break;
        }
        passed.min(self.left)
    }

    fn end(&mut self) {
        self.count.fetch_add(std::mem::take(&mut self.left), Ordering::Relaxed);
    }
}

/// How many rows are decoded at once: as many as asked for, or fewer where the footer says that these are large. Of texts
/// that are kept in a dictionary it may tell the size without it (`unencoded_byte_array_data_bytes`).
fn rows_at_once(metadata: &ParquetMetaData, mask: &ProjectionMask, most: usize, buffers: Buffers) -> usize {
    let bytes_of_a_row = |group: &RowGroupMetaData| {
        let bytes = wanted_columns(group, mask).map(|column| {
            let plain = column.unencoded_byte_array_data_bytes().unwrap_or(0);
            // Of values that are all as long as each other, nulls too.
            let fixed = group.num_rows().saturating_mul(column.column_descr().type_length().into());
            let bytes = u64::try_from(column.uncompressed_size().max(plain).max(fixed)).unwrap_or(0);
            // A few bytes may repeat the levels of lists.
            if column.column_descr().max_rep_level() > 0 { bytes.max(bytes_of_lists(column)) } else { bytes }
        });
        let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        bytes.fold(0, u64::saturating_add) / rows
    };
    let largest = metadata.row_groups().iter().map(bytes_of_a_row).max().unwrap_or(0).max(1);
    usize::try_from(buffers.batch() / largest).unwrap_or(most).clamp(1, most)
}

/// Begins to read at a row, so many rows at once. The library panics at some schemas.
fn begin(
    levels: &FieldLevels,
    groups: &dyn RowGroups,
    rows: usize,
    row: u64,
) -> parquet::errors::Result<ParquetRecordBatchReader> {
    let passed = usize::try_from(row).unwrap_or(usize::MAX);
    let selection = (passed > 0).then(|| {
        let left = groups.num_rows().checked_sub(passed);
        let selectors = left.map(|left| vec![RowSelector::skip(passed), RowSelector::select(left)]);
        RowSelection::from(selectors.unwrap_or_default())
    });
    guarded(|| ParquetRecordBatchReader::try_new_with_row_groups(levels, groups, rows, selection), broken_schema)
}

/// Reads one Parquet file.
pub(crate) struct ParquetReader {
    reader: ParquetRecordBatchReader,
    levels: FieldLevels,
    groups: Box<dyn RowGroups + Send>,
    allowance: Arc<Allowance>,
    plan: ReadPlan,
    /// None where what is fetched is counted as it comes.
    tally: Option<Tally>,
    /// The row before the next batch, from 0.
    row: u64,
    notes: Vec<String>,
}

impl ParquetReader {
    /// Reads the wanted columns of `file`.
    pub(crate) fn new(file: impl ChunkReader + 'static, plan: ReadPlan, mut tally: Option<Tally>) -> Result<Self> {
        let location = &plan.location;
        let footer = open(&file, location, plan.buffers.footer())?;
        let schema = footer.schema();
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut notes = Vec::new();
        let mut roots = Vec::new();
        for field in plan.schema.fields() {
            match schema.index_of(field.name()) {
                _ if plan.constant(field.name()).is_some() => {}
                Ok(root) => roots.push(root),
                Err(_) if field.is_nullable() => {
                    notes.push(format!("{location}: no column `{}`, read as null", field.name()));
                }
                Err(_) => return Err(missing(location, field, &names)),
            }
        }
        let row = match plan.from {
            None => 0,
            Some(Place::Row(row)) => row,
            Some(place) => return Err(no_such_place(location, place)),
        };
        let mask = ProjectionMask::roots(footer.parquet_schema(), roots);
        let metadata = footer.metadata();
        check_codecs(metadata, &mask, location)?;
        check_footer(metadata, &mask, location)?;
        if let Some(tally) = &mut tally {
            tally.begin(metadata, row);
        }
        // No more is kept ready than there is. A footer may also lie that there is nothing.
        let all = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or_default().max(1);
        let rows = rows_at_once(metadata, &mask, plan.batch_rows, plan.buffers).min(all);
        let allowance = Allowance::new(location, rows, plan.buffers);
        let levels = || parquet_to_arrow_field_levels(footer.parquet_schema(), mask, Some(schema.fields()));
        let levels = guarded(levels, broken_schema).map_err(|error| corrupt(location, error))?;
        let groups = Box::new(Groups::new(file, metadata, &allowance));
        let reader = begin(&levels, &*groups, rows, row).map_err(|error| corrupt(location, error))?;
        Ok(Self { reader, levels, groups, allowance, plan, tally, row, notes })
    }

    /// The next rows; None at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let location = &self.plan.location;
        let broken = || ArrowError::ParquetError("what is in a page is broken".into());
        loop {
            let error = match guarded(|| self.reader.next().transpose(), broken) {
                Ok(batch) => return Ok(batch),
                Err(error) => error,
            };
            let rows = match self.allowance.verdict() {
                None => return Err(corrupt(location, error)),
                Some(Verdict::Refused(refused)) => return Err(refused),
                Some(Verdict::Fewer(rows)) => rows,
            };
            // What was decoded of these rows is dropped before they are read again.
            self.reader =
                begin(&self.levels, &*self.groups, rows, self.row).map_err(|error| corrupt(location, error))?;
        }
    }

    fn convert(&self, batch: &RecordBatch) -> Result<Block> {
        check_rows(batch, &self.plan.location, self.row)?;
        let rows = batch.num_rows();
        let mut faults = Faults::default();
        let columns = self
            .plan
            .schema
            .fields()
            .iter()
            .map(|field| match (self.plan.constant(field.name()), batch.column_by_name(field.name())) {
                (Some(value), _) => constant(field, rows, value, &mut faults),
                (None, None) => Ok(new_null_array(field.data_type(), rows)),
                (None, Some(column)) => self.column(field, column, &mut faults),
            })
            .collect::<Result<Vec<_>>>()?;
        let good = assemble(&self.plan.schema, columns, rows, &faults)?;
        let mut rejects = Vec::new();
        for (index, fault) in faults.into_rows() {
            let raw = row_text(batch, index);
            rejects.push(reject(&self.plan.location, Some(self.row + index as u64 + 1), None, fault, &raw));
        }
        let rejects = allow(self.plan.rejects, rejects)?;
        Ok(Block { batch: good, rejects, read: rows as u64 })
    }

    fn column(&self, field: &Field, column: &ArrayRef, faults: &mut Faults) -> Result<ArrayRef> {
        if column.data_type() == field.data_type() && field.is_nullable() {
            return Ok(Arc::clone(column));
        }
        let conflict = |detail: String| {
            ConnectorError::new(
                ErrorKind::Data,
                format!("read {}", self.plan.location),
                format!("column `{}`: {detail}", field.name()),
            )
            .remedy("the files of one stream need columns of like types: narrow the stream's glob")
        };
        let numbers = column.data_type().is_primitive() && field.data_type().is_primitive();
        if !numbers && !alike(column.data_type(), field.data_type()) {
            return Err(conflict(format!("{} is not {}", column.data_type(), types::name(field.data_type()))));
        }
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let cast = |array: &ArrayRef, to: &DataType| {
            cast_with_options(array, to, &options).map_err(|error| conflict(error.to_string()))
        };
        let converted = cast(column, field.data_type())?;
        // What comes back unchanged was not rounded.
        let changed = if numbers {
            let back = cast(&converted, column.data_type())?;
            Some(distinct(column, &back).map_err(|error| conflict(error.to_string()))?)
        } else {
            None
        };
        for row in 0..column.len() {
            let lost = converted.is_null(row) && !column.is_null(row);
            if lost || changed.as_ref().is_some_and(|changed| changed.value(row)) {
                faults.add(row, || Fault {
                    column: Some(field.name().clone()),
                    reason: RejectReason::CastFailed,
                    message: format!("the value does not fit {} without loss", types::name(field.data_type())),
                });
            } else if converted.is_null(row) && !field.is_nullable() {
                faults.add(row, || Fault {
                    column: Some(field.name().clone()),
                    reason: RejectReason::NullValue,
                    message: format!("the required column `{}` has no value", field.name()),
                });
            }
        }
        Ok(converted)
    }
}

/// Whether values of both types are the same but for how Arrow lays them out.
fn alike(one: &DataType, two: &DataType) -> bool {
    let strings = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let bytes =
        |data_type: &DataType| matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match (one, two) {
        (DataType::Dictionary(_, values), other) => alike(values, other),
        (DataType::RunEndEncoded(_, values), other) => alike(values.data_type(), other),
        (DataType::List(one) | DataType::LargeList(one), DataType::List(two)) => {
            alike(one.data_type(), two.data_type())
        }
        (one, two) => one == two || (strings(one) && strings(two)) || (bytes(one) && bytes(two)),
    }
}

/// A row as JSON.
fn row_text(batch: &RecordBatch, row: usize) -> String {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    match writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish()) {
        Ok(()) => String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned(),
        Err(error) => format!("(the row cannot be shown as JSON: {error})"),
    }
}

impl BlockReader for ParquetReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        let Some(batch) = self.next_batch()? else {
            if let Some(tally) = &mut self.tally {
                tally.end();
            }
            return Ok(None);
        };
        let block = self.convert(&batch)?;
        self.row += block.read;
        if let Some(tally) = &mut self.tally {
            tally.pass(self.row);
        }
        Ok(Some(block))
    }

    fn place(&mut self) -> Result<Option<Place>> {
        Ok(Some(Place::Row(self.row)))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}
