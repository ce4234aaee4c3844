//! Opens and describes content of any format: which reader stands for which declaration.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aggregator_compiler::declared::format_schema;
use aggregator_crds::connector::{Compression, FileFormat, StreamSchema};
use arrow::datatypes::SchemaRef;

use super::block::{BlockReader, ReadPlan, input_error};
use super::compression::{CountingReader, decompress, split_name};
use super::csv::{self, CsvReader, Dialect};
use super::encoding::by_label;
use super::infer::Guesses;
use super::json::{self, DocumentReader, LineReader, records_path};
use super::parquet::{self, ParquetReader, Tally};
use super::ranged::{RangedFile, RangedReader, Ranges};
use super::records::declared_schema;
use super::writer::declared_compression;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};

/// The format that the ending of a name means, with its defaults; None when the ending means none.
#[must_use]
pub fn format_by_name(name: &str) -> Option<FileFormat> {
    let (name, _) = split_name(name);
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match ending.as_str() {
        "csv" => FileFormat::Csv(Default::default()),
        "tsv" => {
            FileFormat::Csv(aggregator_crds::connector::CsvFormat { delimiter: "\t".into(), ..Default::default() })
        }
        "ndjson" | "jsonl" => FileFormat::Ndjson(Default::default()),
        "json" => FileFormat::Json(Default::default()),
        "parquet" => FileFormat::Parquet(Default::default()),
        _ => return None,
    })
}

/// The ending of names of a format's files.
#[must_use]
pub fn ending_of(format: &FileFormat) -> &'static str {
    match format {
        FileFormat::Csv(csv) if csv.delimiter == "\t" => "tsv",
        FileFormat::Csv(_) => "csv",
        FileFormat::Ndjson(_) => "ndjson",
        FileFormat::Json(_) => "json",
        FileFormat::Parquet(_) => "parquet",
    }
}

fn decompressed(
    input: Box<dyn Read + Send>,
    name: &str,
    declared: Compression,
    location: &str,
) -> Result<Box<dyn Read + Send>> {
    let compression = match declared {
        Compression::Auto => split_name(name).1,
        declared => declared,
    };
    decompress(input, compression).map_err(|error| input_error(location, error))
}

/// The text of content: decompressed as declared or as the ending of its name says, as UTF-8, without a byte order mark.
#[cfg(feature = "http")]
pub(crate) fn text(
    input: Box<dyn Read + Send>,
    name: &str,
    compression: Compression,
    encoding: &str,
    location: &str,
) -> Result<impl Read> {
    let encoding = by_label(encoding)?;
    let input = decompressed(input, name, compression, location)?;
    super::encoding::Utf8Reader::new(input, encoding).map_err(|error| input_error(location, error))
}

/// Content to read: a stream of bytes, or a file.
pub enum Input {
    /// Bytes as they come.
    Stream(Box<dyn Read + Send>),
    /// A file; Parquet needs one.
    File(File),
    /// Content that is fetched as it is needed, for formats that are not read from their beginning to their end.
    Ranges(Arc<dyn Ranges>),
    /// All of the content, in memory.
    Bytes(bytes::Bytes),
}

impl Input {
    fn into_stream(self, buffers: Buffers) -> Box<dyn Read + Send> {
        match self {
            Self::Stream(stream) => stream,
            Self::File(file) => Box::new(file),
            Self::Bytes(bytes) => Box::new(std::io::Cursor::new(bytes)),
            Self::Ranges(ranges) => Box::new(RangedReader::new(RangedFile::new(ranges, Arc::default(), buffers))),
        }
    }
}

fn parquet_stream(location: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, format!("read {location}"), "Parquet was given as a stream of bytes")
}

/// Opens content for reading. `name` is its name, whose ending may tell the compression; `count` counts the bytes taken.
///
/// # Errors
/// When the format is declared wrongly, the content does not begin as it should, or a required column is not there.
pub fn open(
    input: Input,
    name: &str,
    format: &FileFormat,
    plan: ReadPlan,
    count: &Arc<AtomicU64>,
) -> Result<Box<dyn BlockReader>> {
    if let FileFormat::Parquet(_) = format {
        return Ok(Box::new(match input {
            Input::File(file) => {
                let size = file.metadata().map_err(|error| input_error(&plan.location, error))?.len();
                ParquetReader::new(file, plan, Some(Tally::new(size, count)))?
            }
            Input::Bytes(bytes) => {
                let size = bytes.len() as u64;
                ParquetReader::new(bytes, plan, Some(Tally::new(size, count)))?
            }
            // What is fetched is counted as it comes.
            Input::Ranges(ranges) => {
                let file = RangedFile::new(ranges, Arc::clone(count), plan.buffers);
                ParquetReader::new(file, plan, None)?
            }
            Input::Stream(_) => return Err(parquet_stream(&plan.location)),
        }));
    }
    let counted = Box::new(CountingReader::new(input.into_stream(plan.buffers), Arc::clone(count)));
    let text = decompressed(counted, name, declared_compression(format), &plan.location)?;
    Ok(match format {
        FileFormat::Csv(csv) => {
            let positional = match &csv.schema {
                Some(StreamSchema::Columns(columns)) => {
                    Some(columns.iter().map(|column| column.name.clone()).collect())
                }
                Some(StreamSchema::Infer(_)) | None => None,
            };
            Box::new(CsvReader::new(text, Dialect::new(csv)?, plan, positional)?)
        }
        FileFormat::Ndjson(lines) => Box::new(LineReader::new(text, by_label(&lines.encoding)?, plan)?),
        FileFormat::Json(json) => {
            Box::new(DocumentReader::new(text, by_label(&json.encoding)?, &records_path(json)?, plan)?)
        }
        FileFormat::Parquet(_) => return Err(parquet_stream(&plan.location)),
    })
}

/// Collects the schema of a stream over its first files.
#[derive(Clone, Default)]
pub struct SchemaProbe {
    guesses: Guesses,
    parquet: Vec<arrow::datatypes::Field>,
    buffers: Buffers,
    /// Records looked at.
    pub records: u64,
    /// What a person should know of the columns.
    pub notes: Vec<String>,
}

impl SchemaProbe {
    /// Holds no more of a file than that; by default, as much as a run ever does.
    #[must_use]
    pub fn within(buffers: Buffers) -> Self {
        Self { buffers, ..Self::default() }
    }

    /// Looks at up to `most` more records of one file. Nothing is looked at if the format declares its columns.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub fn look(&mut self, input: Input, name: &str, format: &FileFormat, location: &str, most: u64) -> Result<()> {
        if let FileFormat::Parquet(_) = format {
            let most = self.buffers.footer();
            let (schema, rows, notes) = match input {
                Input::File(file) => parquet::describe(file, location, most)?,
                Input::Bytes(bytes) => parquet::describe(bytes, location, most)?,
                Input::Ranges(ranges) => {
                    parquet::describe(RangedFile::new(ranges, Arc::default(), self.buffers), location, most)?
                }
                Input::Stream(_) => return Err(parquet_stream(location)),
            };
            for field in schema.fields() {
                if !self.parquet.iter().any(|known| known.name() == field.name()) {
                    // A column that the first file lacks is null there.
                    let nullable = field.is_nullable() || self.records > 0;
                    self.parquet.push(field.as_ref().clone().with_nullable(nullable));
                }
            }
            self.records += rows;
            self.notes.extend(notes);
            return Ok(());
        }
        let text = decompressed(input.into_stream(self.buffers), name, declared_compression(format), location)?;
        self.records += match format {
            FileFormat::Csv(csv) => {
                let (records, notes) = csv::infer(text, &Dialect::new(csv)?, location, most, &mut self.guesses)?;
                self.notes.extend(notes.into_iter().map(|note| format!("{location}: {note}")));
                records
            }
            FileFormat::Ndjson(lines) => {
                json::infer_lines(text, by_label(&lines.encoding)?, location, most, &mut self.guesses)?
            }
            FileFormat::Json(json) => {
                let path = records_path(json)?;
                let source = json::Document { input: text, encoding: by_label(&json.encoding)?, path: &path, location };
                json::infer_document(source, self.buffers, most, &mut self.guesses)?
            }
            FileFormat::Parquet(_) => return Err(parquet_stream(location)),
        };
        Ok(())
    }

    /// The schema: declared, or of what was seen.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the declaration is wrong.
    pub fn schema(&self, format: &FileFormat) -> Result<SchemaRef> {
        if let Some(declared) = format_schema(format).map(declared_schema).transpose()?.flatten() {
            return Ok(declared);
        }
        Ok(match format {
            FileFormat::Parquet(_) => Arc::new(arrow::datatypes::Schema::new(self.parquet.clone())),
            FileFormat::Csv(_) | FileFormat::Ndjson(_) | FileFormat::Json(_) => self.guesses.schema(),
        })
    }
}
