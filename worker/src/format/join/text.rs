//! Pieces of text, put together with what a file has once.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use aggregator_crds::connector::{Compression, FileFormat};
use arrow::datatypes::SchemaRef;

use super::{Piece, spoiled};
use crate::connector::Result;
use crate::format::compression::Compressor;
use crate::format::writer::{declared_compression, header, write_error};

/// So much is copied between two looks at whether to go on.
const STEP: u64 = 16 * 1024 * 1024;

/// Writes the pieces, and what stands around them, into `file`, which is at `path`.
pub(super) fn join(
    file: &mut File,
    path: &Path,
    format: &FileFormat,
    schema: &SchemaRef,
    pieces: &[Piece],
    proceed: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let failed = |error: io::Error| write_error(path, error);
    let seams = Seams::of(format, schema)?.compressed(declared_compression(format)).map_err(failed)?;
    let mut seam = &seams.head;
    for piece in pieces {
        file.write_all(seam).map_err(failed)?;
        append(file, path, piece, proceed)?;
        seam = &seams.between;
    }
    file.write_all(&seams.tail).map_err(failed)
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
