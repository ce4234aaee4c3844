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
