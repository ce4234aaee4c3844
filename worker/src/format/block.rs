//! What a reader of any format gives out, and how input errors are told.

use std::io::{self, Read};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::compression::is_bomb;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Reject, Result};

/// What is read from one file or answer.
#[derive(Clone, Debug)]
pub struct ReadPlan {
    /// The columns that are wanted, with their types. Columns are found by name.
    pub schema: SchemaRef,
    /// All columns of the stream, when text whose header has none of them cannot be its data: a server's message, say.
    pub known: Option<SchemaRef>,
    /// What is read, for messages and rejects: a path below the root, an address.
    pub location: String,
    /// Bad rows become rejects. Otherwise the first one is an error.
    pub rejects: bool,
    /// The most rows of a batch.
    pub batch_rows: usize,
    /// How many threads may decode at once.
    pub threads: usize,
    /// How much may be read ahead, and decoded at once.
    pub buffers: Buffers,
    /// Columns that have one value in the whole file: those of partition folders.
    pub constants: Vec<(String, Option<String>)>,
    /// Where an earlier reader of the same content has stopped: nothing before it is given out.
    pub from: Option<Place>,
}

/// A place between two records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In text, of whatever encoding and compression.
    Text {
        /// The bytes before it, of the decoded text.
        offset: u64,
        /// The number of the line that begins there, from 1.
        line: u64,
    },
    /// In Parquet: the rows before it.
    Row(u64),
}

/// A place that the content does not have.
pub(crate) fn no_such_place(location: &str, place: Place) -> ConnectorError {
    let detail = format!("an earlier attempt stopped at {place:?}, where the file has nothing");
    ConnectorError::new(ErrorKind::Data, format!("go on with {location}"), detail)
        .remedy("start a new run in mode Full: it reads everything again")
}

impl ReadPlan {
    pub(crate) fn constant(&self, column: &str) -> Option<Option<&str>> {
        self.constants.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_deref())
    }
}

/// Whole records, decoded.
#[derive(Debug)]
pub struct Block {
    /// The good rows, in order.
    pub batch: RecordBatch,
    /// The bad ones.
    pub rejects: Vec<Reject>,
    /// The records that were split from the input.
    pub read: u64,
}

/// Reads blocks of one file. Blocking.
pub trait BlockReader: Send {
    /// The next block; None at the end.
    ///
    /// # Errors
    /// When the input cannot be read on, or a row is bad and rejects are not wanted.
    fn next_block(&mut self) -> Result<Option<Block>>;

    /// Where the next block begins, if another reader can go on from there; None when none can.
    ///
    /// # Errors
    /// When the input cannot be read on.
    fn place(&mut self) -> Result<Option<Place>> {
        Ok(None)
    }

    /// What a person should know about the file: renamed columns, columns left out.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Tells whose fault it is that bytes could not be read.
pub(crate) fn input_error(location: &str, error: io::Error) -> ConnectorError {
    let operation = format!("read {location}");
    if is_bomb(&error) {
        return ConnectorError::new(ErrorKind::Limit, operation, error.to_string())
            .remedy("if the file is meant to be like that, decompress it first");
    }
    if error.raw_os_error().is_some() {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Refused,
            _ => ErrorKind::Transient,
        };
        return ConnectorError::new(kind, operation, error.to_string()).caused_by(error);
    }
    let detail = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed file ends too early: it is truncated".to_owned(),
        _ => format!("the compressed file is corrupt: {error}"),
    };
    ConnectorError::new(ErrorKind::Data, operation, detail)
        .remedy("fetch the file again, or correct `compression`")
        .caused_by(error)
}

/// Appends up to `most` bytes to `text`; false at the end of the input.
pub(crate) fn read_more(input: &mut dyn Read, text: &mut Vec<u8>, most: usize, location: &str) -> Result<bool> {
    let length = text.len();
    text.resize(length + most, 0);
    loop {
        match input.read(&mut text[length..]) {
            Ok(read) => {
                text.truncate(length + read);
                return Ok(read > 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(input_error(location, error)),
        }
    }
}
