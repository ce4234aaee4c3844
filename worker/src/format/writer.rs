//! Batches to files of any format.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_compiler::types;
use aggregator_crds::connector::{Compression, CsvFormat, FileFormat, ParquetCompression, ParquetFormat, Quoting};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, WriterBuilder as JsonBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic;
use parquet::file::properties::WriterProperties;

use super::Dialect;
use super::compression::Compressor;
use super::csv::Texts;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};

type Output = Compressor<CountingWriter>;

struct CountingWriter {
    inner: BufWriter<File>,
    count: Arc<AtomicU64>,
}

impl Write for CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Refuses schemas and dialects that a format cannot write, before anything is written.
///
/// # Errors
/// [`ErrorKind::Config`], naming the column or the field.
pub fn check_writable(format: &FileFormat, schema: &SchemaRef) -> Result<()> {
    let wrong = |detail: String, remedy: &str| {
        Err(ConnectorError::new(ErrorKind::Config, "write files", detail).remedy(remedy.to_owned()))
    };
    if let FileFormat::Csv(csv) = format {
        let dialect = Dialect::new(csv)?;
        for field in schema.fields() {
            if field.data_type().is_nested() || is_binary(field.data_type()) {
                return wrong(
                    format!(
                        "column `{}` of type {} does not fit delimited text",
                        field.name(),
                        types::name(field.data_type())
                    ),
                    "convert it to text in a mapping, leave it out, or write ndjson or parquet",
                );
            }
        }
        if dialect.quote.is_none() {
            return wrong(
                "`quote: \"\"` cannot be written".into(),
                "give a quote: text that holds a delimiter needs one",
            );
        }
        let null = csv.null_values.first().map_or("", String::as_str);
        if dialect.escape.is_some_and(|escape| null.contains(char::from(escape))) {
            return wrong(
                format!("no value would be written as `{null}`, in which `escape` means something else"),
                "put another text first in `nullValues`, or leave `escape` out when writing",
            );
        }
        if csv.header && csv.columns.as_ref().is_some_and(|columns| columns.len() != schema.fields().len()) {
            return wrong(
                "`columns` names other columns than the rows have".into(),
                "leave `columns` out when writing",
            );
        }
    }
    let encoding = match format {
        FileFormat::Csv(csv) => Some(&csv.encoding),
        FileFormat::Ndjson(lines) => Some(&lines.encoding),
        FileFormat::Json(json) => Some(&json.encoding),
        FileFormat::Parquet(_) => None,
    };
    if let Some(label) = encoding
        && super::encoding::by_label(label)? != encoding_rs::UTF_8
    {
        return wrong(format!("files are written in UTF-8, not in {label}"), "leave `encoding` out when writing");
    }
    Ok(())
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Whether a file is complete by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It is.
    Whole,
    /// It is a piece for [`super::join`], without what a file has once: a header, or the brackets of an array.
    Piece,
}

/// The elements of an array, without its brackets.
#[derive(Debug, Default)]
struct Elements;

impl JsonFormat for Elements {
    fn start_row<W: Write>(&self, output: &mut W, is_first: bool) -> std::result::Result<(), ArrowError> {
        if is_first { Ok(()) } else { output.write_all(b",").map_err(ArrowError::from) }
    }
}

/// Delimited text, as the format wants it.
struct Delimited<W: Write> {
    writer: arrow::csv::Writer<W>,
    texts: Option<Texts>,
}

impl<W: Write> Delimited<W> {
    fn new(csv: &CsvFormat, extent: Extent, output: W) -> Result<Self> {
        let dialect = Dialect::new(csv)?;
        let builder = csv_builder(csv, &dialect);
        let builder = if extent == Extent::Piece { builder.with_header(false) } else { builder };
        Ok(Self { writer: builder.build(output), texts: Texts::of(csv, &dialect) })
    }

    /// Writes rows, and before the first ones, which may be none, the header.
    fn write(&mut self, batch: &RecordBatch, failed: impl Fn(ArrowError) -> ConnectorError) -> Result<()> {
        match &self.texts {
            Some(texts) => self.writer.write(&texts.written(batch)?),
            None => self.writer.write(batch),
        }
        .map_err(failed)
    }
}

/// How many rows of a batch a Parquet writer is given at a time: it goes one call deeper for each row group that they end.
struct RowsAtOnce(usize);

impl RowsAtOnce {
    const ROW_GROUPS: usize = 16;

    fn of(format: &ParquetFormat) -> Self {
        Self(usize::try_from(format.row_group_rows).unwrap_or(1).saturating_mul(Self::ROW_GROUPS).max(1))
    }

    fn pieces(&self, batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
        let (all, most) = (batch.num_rows(), self.0);
        (0..all).step_by(most).map(move |first| batch.slice(first, most.min(all - first)))
    }
}

enum Encoder {
    Csv(Box<Delimited<Output>>),
    Lines(arrow::json::Writer<Output, LineDelimited>),
    Array(arrow::json::Writer<Output, JsonArray>),
    Elements(arrow::json::Writer<Output, Elements>),
    Parquet(Box<ArrowWriter<CountingWriter>>, RowsAtOnce),
}

/// Writes one file. Blocking.
pub struct FileWriter {
    encoder: Encoder,
    written: Arc<AtomicU64>,
    rows: u64,
    /// Bytes of a row group that are held before it is written.
    row_group: usize,
    path: std::path::PathBuf,
    schema: SchemaRef,
}

impl FileWriter {
    /// Creates the file at `path`, which must not exist.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(
        path: &std::path::Path,
        format: &FileFormat,
        schema: &SchemaRef,
        extent: Extent,
        buffers: Buffers,
    ) -> Result<Self> {
        let failed = |error: io::Error| write_error(path, error);
        let file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        let written = Arc::new(AtomicU64::new(0));
        let output = CountingWriter { inner: BufWriter::with_capacity(256 * 1024, file), count: Arc::clone(&written) };
        let encoder = match format {
            FileFormat::Csv(csv) => {
                let output = Compressor::new(output, csv.compression).map_err(failed)?;
                Encoder::Csv(Box::new(Delimited::new(csv, extent, output)?))
            }
            FileFormat::Ndjson(lines) => {
                let output = Compressor::new(output, lines.compression).map_err(failed)?;
                Encoder::Lines(JsonBuilder::new().with_explicit_nulls(true).build(output))
            }
            FileFormat::Json(json) => {
                let output = Compressor::new(output, json.compression).map_err(failed)?;
                let builder = JsonBuilder::new().with_explicit_nulls(true);
                match extent {
                    Extent::Whole => Encoder::Array(builder.build(output)),
                    Extent::Piece => Encoder::Elements(builder.build(output)),
                }
            }
            FileFormat::Parquet(parquet) => {
                let writer = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties(parquet)?))
                    .map_err(|error| encode_error(path, error))?;
                Encoder::Parquet(Box::new(writer), RowsAtOnce::of(parquet))
            }
        };
        let (row_group, path, schema) = (buffers.row_group(), path.to_owned(), Arc::clone(schema));
        let mut writer = Self { encoder, written, rows: 0, row_group, path, schema };
        if let Encoder::Csv(..) = &writer.encoder {
            // The header stands in a file without rows, too.
            writer.write(&RecordBatch::new_empty(Arc::clone(&writer.schema)))?;
        }
        Ok(writer)
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When they cannot be encoded or written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let failed = |error: arrow::error::ArrowError| encode_error(&self.path, error);
        match &mut self.encoder {
            Encoder::Csv(writer) => writer.write(batch, failed)?,
            Encoder::Lines(writer) => writer.write(batch).map_err(failed)?,
            Encoder::Array(writer) => writer.write(batch).map_err(failed)?,
            Encoder::Elements(writer) => writer.write(batch).map_err(failed)?,
            Encoder::Parquet(writer, at_once) => {
                let failed = |error: parquet::errors::ParquetError| encode_error(&self.path, error);
                for rows in at_once.pieces(batch) {
                    writer.write(&rows).map_err(failed)?;
                    if writer.memory_size() > self.row_group {
                        writer.flush().map_err(failed)?;
                    }
                }
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// About how many bytes are held in memory until [`Self::let_go`].
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.encoder {
            Encoder::Parquet(writer, _) => writer.memory_size(),
            Encoder::Csv(..) | Encoder::Lines(_) | Encoder::Array(_) | Encoder::Elements(_) => 0,
        }
    }

    /// Writes what is held: for Parquet, the row group ends here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn let_go(&mut self) -> Result<()> {
        match &mut self.encoder {
            Encoder::Parquet(writer, _) => writer.flush().map_err(|error| encode_error(&self.path, error)),
            Encoder::Csv(..) | Encoder::Lines(_) | Encoder::Array(_) | Encoder::Elements(_) => Ok(()),
        }
    }

    /// About how many bytes the file has so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        let held = match &self.encoder {
            Encoder::Parquet(writer, _) => writer.in_progress_size() as u64,
            Encoder::Csv(..) | Encoder::Lines(_) | Encoder::Array(_) | Encoder::Elements(_) => 0,
        };
        self.written.load(Ordering::Relaxed) + held
    }

    /// Ends the file and makes it durable; gives its bytes and the rows that it holds: for Parquet, what its footer says.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(u64, u64)> {
        let Self { encoder, written: _, rows, row_group: _, path, schema } = self;
        let arrow_failed = |error: arrow::error::ArrowError| encode_error(&path, error);
        let failed = |error: io::Error| write_error(&path, error);
        let is_parquet = matches!(encoder, Encoder::Parquet(..));
        let output = match encoder {
            Encoder::Csv(csv) => csv.writer.into_inner().finish().map_err(failed)?,
            Encoder::Lines(mut writer) => {
                writer.finish().map_err(arrow_failed)?;
                writer.into_inner().finish().map_err(failed)?
            }
            Encoder::Array(mut writer) => {
                if rows == 0 {
                    // The writer opens the array with its first row.
                    writer.write(&RecordBatch::new_empty(schema)).map_err(arrow_failed)?;
                }
                writer.finish().map_err(arrow_failed)?;
                writer.into_inner().finish().map_err(failed)?
            }
            Encoder::Elements(mut writer) => {
                writer.finish().map_err(arrow_failed)?;
                writer.into_inner().finish().map_err(failed)?
            }
            Encoder::Parquet(writer, _) => writer.into_inner().map_err(|error| encode_error(&path, error))?,
        };
        let file = output.inner.into_inner().map_err(|error| failed(error.into_error()))?;
        let bytes = made_durable(&file, &path)?;
        drop(file);
        let rows = if is_parquet { footer_rows(&path)? } else { rows };
        Ok((bytes, rows))
    }
}

/// Makes a file durable; gives its bytes.
pub(super) fn made_durable(file: &File, path: &std::path::Path) -> Result<u64> {
    let size = file.sync_all().and_then(|()| file.metadata());
    size.map(|metadata| metadata.len()).map_err(|error| write_error(path, error))
}

/// The rows of a Parquet file, as its footer says.
pub(super) fn footer_rows(path: &std::path::Path) -> Result<u64> {
    let file = File::open(path).map_err(|error| write_error(path, error))?;
    // It was written here: to refuse it now would help nobody.
    let (_, rows, _) = super::parquet::describe(file, &path.display().to_string(), u64::MAX)?;
    Ok(rows)
}

/// The header of delimited text; empty where none is written.
pub(super) fn header(csv: &CsvFormat, schema: &SchemaRef) -> Result<Vec<u8>> {
    let mut delimited = Delimited::new(csv, Extent::Whole, Vec::new())?;
    delimited.write(&RecordBatch::new_empty(Arc::clone(schema)), |error| {
        ConnectorError::new(ErrorKind::Bug, "write a header", error.to_string())
    })?;
    Ok(delimited.writer.into_inner())
}

fn csv_builder(csv: &CsvFormat, dialect: &Dialect) -> arrow::csv::WriterBuilder {
    let style = match csv.quoting {
        // A row that begins with a comment's character is none inside quotes.
        _ if dialect.comment.is_some() => arrow::csv::QuoteStyle::Always,
        Quoting::Minimal => arrow::csv::QuoteStyle::Necessary,
        Quoting::Always => arrow::csv::QuoteStyle::Always,
        Quoting::NonNumeric => arrow::csv::QuoteStyle::NonNumeric,
    };
    let mut builder = arrow::csv::WriterBuilder::new()
        .with_header(dialect.header)
        .with_delimiter(dialect.delimiter)
        .with_quote(dialect.quote.unwrap_or(b'"'))
        .with_quote_style(style)
        .with_null(csv.null_values.first().cloned().unwrap_or_default());
    if let Some(escape) = dialect.escape {
        builder = builder.with_escape(escape).with_double_quote(false);
    }
    if let Some(terminator) = dialect.terminator {
        builder = builder.with_line_terminator(arrow::csv::writer::Terminator::Any(terminator));
    }
    builder
}

/// How Parquet is written.
pub(super) fn properties(format: &ParquetFormat) -> Result<WriterProperties> {
    let codec = match format.compression {
        ParquetCompression::None => basic::Compression::UNCOMPRESSED,
        ParquetCompression::Snappy => basic::Compression::SNAPPY,
        ParquetCompression::Gzip => basic::Compression::GZIP(basic::GzipLevel::default()),
        ParquetCompression::Lz4 => basic::Compression::LZ4_RAW,
        ParquetCompression::Zstd => basic::Compression::ZSTD(basic::ZstdLevel::default()),
    };
    let rows = usize::try_from(format.row_group_rows).ok().filter(|rows| *rows > 0).ok_or_else(|| {
        ConnectorError::new(ErrorKind::Config, "write Parquet", "`rowGroupRows` is not a number of rows")
            .remedy("give a number of at least 1")
    })?;
    Ok(WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(rows)).build())
}

/// The compression of files that a format writes: what is declared.
#[must_use]
pub fn declared_compression(format: &FileFormat) -> Compression {
    match format {
        FileFormat::Csv(csv) => csv.compression,
        FileFormat::Ndjson(lines) => lines.compression,
        FileFormat::Json(json) => json.compression,
        FileFormat::Parquet(_) => Compression::None,
    }
}

pub(super) fn encode_error(
    path: &std::path::Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> ConnectorError {
    ConnectorError::new(ErrorKind::Refused, format!("write {}", path.display()), error.to_string())
        .remedy("look for room on the disk; if there is, convert the column that is named")
        .caused_by(error)
}

/// Tells whose fault it is that a file could not be written.
pub(crate) fn write_error(path: &std::path::Path, error: io::Error) -> ConnectorError {
    let kind = match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => ErrorKind::Transient,
        _ => ErrorKind::Refused,
    };
    ConnectorError::new(kind, format!("write {}", path.display()), error.to_string())
        .remedy("give this user the right to write there, and room on the disk")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn one_batch_may_end_any_number_of_row_groups() {
        let folder = tempfile::tempdir().expect("a folder");
        let format = serde_json::from_str(r#"{"parquet": {"rowGroupRows": 1}}"#).expect("a format");
        let ids = Int64Array::from_iter_values(0..20_000);
        let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as arrow::array::ArrayRef)]).expect("a batch");
        let path = folder.path().join("f");
        let writer = FileWriter::create(&path, &format, &batch.schema(), Extent::Whole, Buffers::default());
        let mut writer = writer.expect("a file");
        writer.write(&batch).expect("written");
        assert_eq!(writer.finish().expect("finished").1, 20_000);
    }

    #[test]
    fn a_row_group_ends_where_its_buffer_does() {
        let format = serde_json::from_str(r#"{"parquet": {"compression": "none"}}"#).expect("a format");
        // Each text once, so that no dictionary holds them.
        let batch = |number: u32| {
            let rows = (number * 1000..(number + 1) * 1000).map(|row| format!("{row:01000}"));
            let texts: arrow::array::ArrayRef = Arc::new(StringArray::from_iter_values(rows));
            RecordBatch::try_from_iter([("text", texts)]).expect("a batch")
        };
        let row_groups = |memory: u64| {
            let folder = tempfile::tempdir().expect("a folder");
            let (path, buffers) = (folder.path().join("f"), Buffers::beside(memory));
            let writer = FileWriter::create(&path, &format, &batch(0).schema(), Extent::Whole, buffers);
            let mut writer = writer.expect("a file");
            for number in 0..40 {
                writer.write(&batch(number)).expect("written");
                assert!(writer.held() <= buffers.row_group() + (2 << 20), "{} bytes", writer.held());
            }
            writer.finish().expect("finished");
            let file = File::open(path).expect("a file");
            SerializedFileReader::new(file).expect("a footer").metadata().num_row_groups()
        };
        // Of 40 MB.
        assert_eq!(row_groups(512 << 20), 1);
        assert_eq!(row_groups(256 << 20), 2);
        let small = row_groups(64 << 20);
        assert!((4..=7).contains(&small), "{small}");
    }
}
