//! Fields of a `file` Connector, and the file formats it shares with others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::usual::{is_true, yes};

/// Files in a folder. A stream is a glob below `root` (`2026/**/*.csv.gz`), or a folder for a sink (`delayed/`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileConnector {
    /// The claim that holds the folder, on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeRef>,
    /// The folder: a path inside the volume, or, without one, a path on this machine (relative to the manifest).
    #[schemars(length(min = 1))]
    pub root: String,
    /// How the files' content reads. Default: by the ending of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
}

/// A PersistentVolumeClaim of the Connector's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeRef {
    /// The claim's name.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
}

/// How content reads: exactly one of `csv`, `ndjson`, `json`, `parquet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileFormat {
    /// Delimited text.
    Csv(CsvFormat),
    /// One JSON object a line.
    Ndjson(NdjsonFormat),
    /// One JSON document that holds the records.
    Json(JsonFormat),
    /// Apache Parquet.
    Parquet(ParquetFormat),
}

impl FileFormat {
    /// The key that names this format in a manifest.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Ndjson(_) => "ndjson",
            Self::Json(_) => "json",
            Self::Parquet(_) => "parquet",
        }
    }
}

/// Delimited text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CsvFormat {
    /// The first line (after `skipRows`) holds the columns' names.
    pub header: bool,
    /// The columns' names, in order: instead of a header line, or in place of its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// What stands between two fields: one ASCII character, or `\t`.
    pub delimiter: String,
    /// What a field may be wrapped in: one ASCII character; empty for none.
    pub quote: String,
    /// What makes the quote inside a quoted field literal: one ASCII character. Default: the quote, doubled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<String>,
    /// Lines that begin with this ASCII character are skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What ends a line: one ASCII character. Default: `\n`, `\r\n` or `\r`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminator: Option<String>,
    /// Lines to skip at the start of each file.
    pub skip_rows: u64,
    /// Fields that mean "no value".
    pub null_values: Vec<String>,
    /// Spaces around a field are not part of it.
    pub trim: bool,
    /// The characters' encoding, by its WHATWG label (`utf-8`, `windows-1252`, `utf-16le`, `shift_jis`). A byte order
    /// mark wins over it.
    pub encoding: String,
    /// What becomes of a row with fewer or more fields than the header.
    pub ragged_rows: RaggedRows,
    /// Which fields are quoted when writing.
    pub quoting: Quoting,
    /// What becomes of text that a spreadsheet would run as a formula, when writing.
    pub formulas: Formulas,
    /// The compression of the file. Default: by the ending of the name when reading, none when writing.
    pub compression: Compression,
    /// The columns and their types. Default: inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<StreamSchema>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            header: true,
            columns: None,
            delimiter: ",".into(),
            quote: "\"".into(),
            escape: None,
            comment: None,
            terminator: None,
            skip_rows: 0,
            null_values: vec![String::new()],
            trim: false,
            encoding: "utf-8".into(),
            ragged_rows: RaggedRows::Reject,
            quoting: Quoting::Minimal,
            formulas: Formulas::Keep,
            compression: Compression::Auto,
            schema: None,
        }
    }
}

/// What becomes of a row with fewer or more fields than the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RaggedRows {
    /// It is rejected.
    #[default]
    Reject,
    /// Missing fields are null, surplus fields are dropped.
    Fill,
}

/// Which fields are quoted when writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Quoting {
    /// Those that need it.
    #[default]
    Minimal,
    /// All.
    Always,
    /// All that are not numbers.
    NonNumeric,
}

/// What becomes of text that a spreadsheet would run as a formula: text that begins with `=`, `+`, `-`, `@`, a tab or a
/// carriage return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Formulas {
    /// It is written as it is.
    #[default]
    Keep,
    /// An apostrophe is put before it, so that a spreadsheet shows it as text. Whoever reads the file otherwise reads the
    /// apostrophe too.
    Prefix,
}

/// One JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NdjsonFormat {
    /// The characters' encoding, by its WHATWG label.
    pub encoding: String,
    /// The compression of the file.
    pub compression: Compression,
    /// The columns and their types. Default: inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<StreamSchema>,
}

impl Default for NdjsonFormat {
    fn default() -> Self {
        Self { encoding: "utf-8".into(), compression: Compression::Auto, schema: None }
    }
}

/// One JSON document that holds the records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JsonFormat {
    /// Where the records are, as a JSONPath (RFC 9535).
    pub records: String,
    /// The characters' encoding, by its WHATWG label.
    pub encoding: String,
    /// The compression of the file.
    pub compression: Compression,
    /// The columns and their types. Default: inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<StreamSchema>,
}

impl Default for JsonFormat {
    fn default() -> Self {
        Self { records: "$[*]".into(), encoding: "utf-8".into(), compression: Compression::Auto, schema: None }
    }
}

/// Apache Parquet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParquetFormat {
    /// The codec of the pages, when writing.
    pub compression: ParquetCompression,
    /// The most rows in a row group, when writing.
    #[schemars(range(min = 1))]
    pub row_group_rows: u64,
}

impl Default for ParquetFormat {
    fn default() -> Self {
        Self { compression: ParquetCompression::Zstd, row_group_rows: 131_072 }
    }
}

/// The codec of Parquet pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ParquetCompression {
    /// Not compressed.
    None,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
    /// LZ4, raw blocks.
    Lz4,
    /// Zstandard, level 3.
    #[default]
    Zstd,
}

/// The compression of a file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// By the ending of the name: `.gz`, `.zst`, `.bz2`, `.xz`; otherwise none.
    #[default]
    Auto,
    /// Not compressed.
    None,
    /// Gzip, with any number of members.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Bzip2.
    Bzip2,
    /// XZ.
    Xz,
}

/// The columns of a stream: exactly one of `columns` (declared) and `infer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StreamSchema {
    /// Declared: each column with its type, in order.
    Columns(Vec<SchemaColumn>),
    /// Guessed from the first records.
    Infer(InferSchema),
}

/// One declared column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaColumn {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its Arrow type: `Utf8`, `Int64`, `Float64`, `Boolean`, `Date32`, `Decimal128(10, 2)`,
    /// `Timestamp(Microsecond, UTC)`, `List(Utf8)`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether a row may lack it. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub nullable: bool,
}

/// How a schema is guessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferSchema {
    /// How many records are looked at. Default: 1000.
    #[serde(default = "default_infer_records")]
    #[schemars(range(min = 1))]
    pub records: u64,
}

impl Default for InferSchema {
    fn default() -> Self {
        Self { records: default_infer_records() }
    }
}

fn default_infer_records() -> u64 {
    1000
}
