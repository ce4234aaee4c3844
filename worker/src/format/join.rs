//! Pieces to one file: text is put together, Parquet by its row groups. Nothing is decoded.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregator_crds::connector::{Compression, FileFormat, ParquetFormat};
use arrow::datatypes::SchemaRef;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::writer::SerializedFileWriter;

use super::compression::Compressor;
use super::writer::{
    declared_compression, encode_error, footer_rows, header, made_durable, properties, write_error,
};
use crate::connector::{ConnectorError, ErrorKind, Result};

/// So much is copied between two looks at whether to go on.
const STEP: u64 = 16 * 1024 * 1024;
/// The most row groups that a Parquet file may have: their ordinals have 16 bits, with a sign.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// A file that was written as [`super::Extent::Piece`].
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its rows: at least one.
    pub rows: u64,
}

/// Joins pieces, in their order, into a file at `path`, which must not exist, and makes it durable; gives its bytes and its
/// rows: for Parquet, what its footer says. Each byte is read and written once. `proceed` is asked between short steps;
/// its error ends the work. Blocking.
///
/// # Errors
/// [`ErrorKind::Data`] when a piece is not as it was written, [`ErrorKind::Limit`] when a Parquet file would have too many
/// row groups, and when the file cannot be written.
pub fn join(
    path: &Path,
    format: &FileFormat,
    schema: &SchemaRef,
    pieces: &[Piece],
    proceed: &dyn Fn() -> Result<()>,
) -> Result<(u64, u64)> {
    proceed()?;
    let create = File::options().write(true).create_new(true).open(path);
    let mut file = create.map_err(|error| write_error(path, error))?;
    if let FileFormat::Parquet(parquet) = format {
        let file = RowGroups { path, proceed }.join(file, parquet, pieces)?;
        let bytes = made_durable(&file, path)?;
        return Ok((bytes, footer_rows(path)?));
    }
    let seams = Seams::of(format, schema)?.compressed(declared_compression(format));
    let seams = seams.map_err(|error| write_error(path, error))?;
    let mut seam = &seams.head;
    for piece in pieces {
        file.write_all(seam).map_err(|error| write_error(path, error))?;
        append(&mut file, path, piece, proceed)?;
        seam = &seams.between;
    }
    file.write_all(&seams.tail).map_err(|error| write_error(path, error))?;
    Ok((made_durable(&file, path)?, pieces.iter().map(|piece| piece.rows).sum()))
}

/// What stands before, between and after the pieces of a text.
#[derive(Debug, Default)]
struct Seams {
    head: Vec<u8>,
    between: Vec<u8>,
    tail: Vec<u8>,
}

impl Seams {
    fn of(format: &FileFormat, schema: &SchemaRef) -> Result<Self> {
        Ok(match format {
            FileFormat::Csv(csv) => Self { head: header(csv, schema)?, ..Self::default() },
            FileFormat::Json(_) => Self { head: b"[".to_vec(), between: b",".to_vec(), tail: b"]".to_vec() },
            // Every line has its end.
            FileFormat::Ndjson(_) | FileFormat::Parquet(_) => Self::default(),
        })
    }

    /// Each as a member of its own: in every compression, members after each other are one file.
    fn compressed(self, compression: Compression) -> io::Result<Self> {
        let member = |text: Vec<u8>| {
            if text.is_empty() {
                return Ok(text);
            }
            let mut compressor = Compressor::new(Vec::new(), compression)?;
            compressor.write_all(&text)?;
            compressor.finish()
        };
        Ok(Self { head: member(self.head)?, between: member(self.between)?, tail: member(self.tail)? })
    }
}

fn append(file: &mut File, path: &Path, piece: &Piece, proceed: &dyn Fn() -> Result<()>) -> Result<()> {
    let input = File::open(&piece.path).map_err(|error| spoiled(piece, &error.to_string()))?;
    let mut copied = 0;
    loop {
        proceed()?;
        // The system copies from file to file where it can.
        let count = io::copy(&mut (&input).take(STEP), file).map_err(|error| write_error(path, error))?;
        if count == 0 {
            break;
        }
        copied += count;
    }
    if copied == piece.bytes {
        return Ok(());
    }
    Err(spoiled(piece, &format!("it has {copied} bytes, and had {} when it was written", piece.bytes)))
}

fn spoiled(piece: &Piece, detail: &str) -> ConnectorError {
    let folder = piece.path.parent().unwrap_or(&piece.path).display();
    ConnectorError::new(ErrorKind::Data, format!("join the piece {}", piece.path.display()), detail)
        .remedy(format!("remove the folder {folder}: the run reads its rows again"))
}

/// Splices row groups.
struct RowGroups<'a> {
    path: &'a Path,
    proceed: &'a dyn Fn() -> Result<()>,
}

impl RowGroups<'_> {
    fn join(&self, file: File, format: &ParquetFormat, pieces: &[Piece]) -> Result<File> {
        let failed = |error: ParquetError| encode_error(self.path, error);
        let Some(first) = pieces.first() else {
            return Err(ConnectorError::new(ErrorKind::Bug, format!("write {}", self.path.display()), "no pieces"));
        };
        let (_, metadata) = open(first)?;
        let metadata = metadata.file_metadata();
        // The Arrow schema is one of these.
        let texts = metadata.key_value_metadata().cloned();
        let properties = properties(format)?.into_builder().set_key_value_metadata(texts).build();
        let schema = metadata.schema_descr().root_schema_ptr();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
        for piece in pieces {
            self.append(&mut writer, piece)?;
        }
        writer.into_inner().map_err(failed)
    }

    fn append(&self, writer: &mut SerializedFileWriter<File>, piece: &Piece) -> Result<()> {
        let failed = |error: ParquetError| encode_error(self.path, error);
        let (input, metadata) = open(piece)?;
        if metadata.file_metadata().schema() != writer.schema_descr().root_schema() {
            return Err(spoiled(piece, "its columns are not those of the other pieces"));
        }
        if writer.flushed_row_groups().len() + metadata.num_row_groups() > MAX_ROW_GROUPS {
            let detail = format!("a Parquet file has at most {MAX_ROW_GROUPS} row groups");
            return Err(ConnectorError::new(ErrorKind::Limit, format!("write {}", self.path.display()), detail)
                .remedy("write to a folder, as `out/`, or give a greater `execution.splitSize` or `rowGroupRows`"));
        }
        let (columns, offsets) = (metadata.column_index(), metadata.offset_index());
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let mut joined = writer.next_row_group().map_err(failed)?;
            for (position, column) in group.columns().iter().enumerate() {
                (self.proceed)()?;
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
                    rows_written: u64::try_from(group.num_rows()).unwrap_or_default(),
                    metadata: column.clone(),
                    // We write none.
                    bloom_filter: None,
                    column_index: columns.and_then(|all| all.get(number)?.get(position)).cloned(),
                    offset_index: offsets.and_then(|all| all.get(number)?.get(position)).cloned(),
                };
                joined.append_column(&input, close).map_err(failed)?;
            }
            joined.close().map_err(failed)?;
        }
        Ok(())
    }
}

/// A piece of Parquet, and all that it says of itself.
fn open(piece: &Piece) -> Result<(File, ParquetMetaData)> {
    let file = File::open(&piece.path).map_err(|error| spoiled(piece, &error.to_string()))?;
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let metadata = ParquetMetaDataReader::new()
        .with_metadata_options(Some(options))
        .with_offset_index_policy(PageIndexPolicy::Required)
        // A column of which nothing is the least, as one of NaN, has none.
        .with_column_index_policy(PageIndexPolicy::Optional)
        .parse_and_finish(&file)
        .map_err(|error| spoiled(piece, &error.to_string()))?;
    Ok((file, metadata))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, new_null_array};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };

    use super::*;
    use crate::format::{Extent, FileWriter};

    /// Columns of all that Parquet treats differently: with and without a dictionary, nested, of nulls, of NaN.
    fn rows(range: std::ops::Range<i64>) -> RecordBatch {
        let ids: Vec<i64> = range.collect();
        let list = |id: &i64| (id % 5 != 0).then(|| (0..id % 4).map(Some).collect::<Vec<_>>());
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(Int64Array::from(ids.clone()))),
            ("name", Arc::new(ids.iter().map(|id| (id % 3 != 0).then(|| format!("n{}", id % 7))).collect::<StringArray>())),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(ids.iter().map(list)))),
            ("nothing", new_null_array(&arrow::datatypes::DataType::Utf8, ids.len())),
            ("nan", Arc::new(Float64Array::from(vec![f64::NAN; ids.len()]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    struct Place {
        folder: tempfile::TempDir,
        format: FileFormat,
    }

    impl Place {
        fn new(format: &str) -> Self {
            let format = serde_json::from_str(format).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), format }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, batch: &RecordBatch, extent: Extent) -> Piece {
            let path = self.path(name);
            let mut writer = FileWriter::create(&path, &self.format, &batch.schema(), extent).unwrap();
            for from in (0..batch.num_rows()).step_by(1000) {
                writer.write(&batch.slice(from, (batch.num_rows() - from).min(1000))).unwrap();
            }
            let (bytes, rows) = writer.finish().unwrap();
            Piece { path, bytes, rows }
        }

        fn pieces(&self, of: &[RecordBatch]) -> Vec<Piece> {
            let each = of.iter().enumerate();
            each.map(|(number, batch)| self.write(&number.to_string(), batch, Extent::Piece)).collect()
        }

        fn join(&self, pieces: &[Piece], schema: &SchemaRef, proceed: &dyn Fn() -> Result<()>) -> Result<(u64, u64)> {
            join(&self.path("joined"), &self.format, schema, pieces, proceed)
        }
    }

    #[test]
    fn row_groups_and_indexes_are_those_of_one_go_to_the_byte() {
        let place = Place::new(r#"{"parquet": {"rowGroupRows": 50000}}"#);
        let parts = [rows(0..50_000), rows(50_000..150_000), rows(150_000..150_001)];
        let schema = parts[0].schema();
        let (bytes, rows) = place.join(&place.pieces(&parts), &schema, &|| Ok(())).unwrap();
        let joined = Piece { path: place.path("joined"), bytes, rows };
        let whole = place.write("whole", &concat_batches(&schema, &parts).unwrap(), Extent::Whole);
        assert_eq!((joined.rows, whole.rows), (150_001, 150_001));
        let before_footer = |piece: &Piece| {
            let mut bytes = std::fs::read(&piece.path).unwrap();
            let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap());
            bytes.truncate(bytes.len() - 8 - length as usize);
            bytes
        };
        assert!(before_footer(&joined) == before_footer(&whole));
        // The footer repeats the least and the greatest value for readers of before 2018, which a reader of now forgets.
        let says = |piece: &Piece| format!("{:#?}", open(piece).unwrap().1);
        assert_eq!(says(&joined), says(&whole));
    }

    #[test]
    fn pages_are_found_by_the_index_of_the_joined_file() {
        let place = Place::new(r#"{"parquet": {}}"#);
        let parts = [rows(0..70_000), rows(70_000..130_000)];
        let schema = parts[0].schema();
        place.join(&place.pieces(&parts), &schema, &|| Ok(())).unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let file = File::open(place.path("joined")).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
        let pages = |group: usize| reader.metadata().offset_index().unwrap()[group][0].page_locations().len();
        assert!(pages(0) > 2 && pages(1) > 2, "one page would be found without an index");
        // The first row, some in the middle of each piece, and the last one.
        let picks = [0..1, 45_000..45_003, 69_999..70_002, 111_111..111_113, 129_999..130_000];
        let mut selectors = Vec::new();
        let mut at = 0;
        for pick in &picks {
            selectors.push(RowSelector::skip(pick.start - at));
            selectors.push(RowSelector::select(pick.len()));
            at = pick.end;
        }
        let batches = reader.with_row_selection(RowSelection::from(selectors)).build().unwrap();
        let came = concat_batches(&schema, &batches.collect::<std::result::Result<Vec<_>, _>>().unwrap()).unwrap();
        let all = rows(0..130_000);
        let expected: Vec<RecordBatch> = picks.iter().map(|pick| all.slice(pick.start, pick.len())).collect();
        // As text, because NaN is not NaN.
        let text = |batch: &RecordBatch| {
            arrow::util::pretty::pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
        };
        assert_eq!(text(&came), text(&concat_batches(&schema, &expected).unwrap()));
    }

    #[test]
    fn pieces_of_other_columns_are_refused() {
        let place = Place::new(r#"{"parquet": {}}"#);
        let parts = [rows(0..10), rows(10..20).project(&[0, 1]).unwrap()];
        let error = place.join(&place.pieces(&parts), &parts[0].schema(), &|| Ok(())).expect_err("other columns");
        assert_eq!(error.kind, ErrorKind::Data);
        assert!(error.to_string().contains("columns"), "{error}");
    }

    #[test]
    fn more_row_groups_than_fit_are_refused_before_they_are_written() {
        let place = Place::new(r#"{"parquet": {"rowGroupRows": 1}}"#);
        let part = rows(0..20_000).project(&[0]).unwrap();
        let piece = place.pieces(std::slice::from_ref(&part)).remove(0);
        let error = place.join(&[piece.clone(), piece], &part.schema(), &|| Ok(())).expect_err("40000 row groups");
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert!(error.remedy.unwrap().contains("splitSize"));
    }

    #[test]
    fn it_can_be_stopped_between_any_two_steps() {
        for format in [r#"{"parquet": {}}"#, r#"{"ndjson": {"compression": "zstd"}}"#] {
            let place = Place::new(format);
            let parts = [rows(0..10), rows(10..20)];
            let (schema, pieces) = (parts[0].schema(), place.pieces(&parts));
            let asked = Cell::new(0);
            let up_to = |most: u32| {
                asked.set(0);
                place.join(&pieces, &schema, &|| {
                    asked.set(asked.get() + 1);
                    let stop = || Err(ConnectorError::new(ErrorKind::Interrupted, "test", "stopped here"));
                    if asked.get() > most { stop() } else { Ok(()) }
                })
            };
            up_to(u32::MAX).unwrap();
            let steps = asked.get();
            assert!(steps >= 5, "{format}: {steps} steps");
            for most in 0..steps {
                std::fs::remove_file(place.path("joined")).unwrap_or_default();
                assert_eq!(up_to(most).expect_err("stopped").kind, ErrorKind::Interrupted, "{format}: {most}");
                assert_eq!(asked.get(), most + 1, "{format}: it went on");
            }
        }
    }
}
