//! Pieces of Parquet, spliced by their row groups, with their indexes and all that their footers say.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use aggregator_crds::connector::ParquetFormat;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::writer::SerializedFileWriter;

use super::{Piece, spoiled};
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::writer::{encode_error, properties};

/// The most row groups that a Parquet file may have: their ordinals have 16 bits, with a sign.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// Writes the row groups of the pieces into `file`, which is at `path`; gives the file back when its footer is written.
pub(super) fn join(
    file: File,
    path: &Path,
    format: &ParquetFormat,
    pieces: &[Piece],
    proceed: &dyn Fn() -> Result<()>,
) -> Result<File> {
    RowGroups { path, proceed }.join(file, format, pieces)
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
pub(super) fn open(piece: &Piece) -> Result<(File, ParquetMetaData)> {
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
