//! One JSON document that holds the records. It is held in memory, so its size is bounded.

use std::io::Read;
use std::sync::Arc;

use aggregator_crds::connector::JsonFormat;
use encoding_rs::Encoding;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::depth::too_deep;
use super::integers::parse;
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::block::{Block, BlockReader, ReadPlan, input_error};
use crate::format::encoding::Utf8Reader;
use crate::format::infer::{Guess, Guesses};
use crate::format::records::RecordDecoder;

/// The most bytes of a document.
const MAX_DOCUMENT: u64 = 256 * 1024 * 1024;

/// The path to the records, checked.
pub(crate) fn records_path(format: &JsonFormat) -> Result<JsonPath> {
    JsonPath::parse(&format.records).map_err(|error| {
        ConnectorError::new(
            ErrorKind::Config,
            "read the format `json`",
            format!("`records: {}`: {error}", format.records),
        )
        .remedy("give a JSONPath (RFC 9535), as `$.data[*]`")
    })
}

fn load(
    input: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    path: &JsonPath,
    location: &str,
) -> Result<Vec<Value>> {
    let mut text = Vec::new();
    Utf8Reader::new(input, encoding)
        .and_then(|input| input.take(MAX_DOCUMENT + 1).read_to_end(&mut text))
        .map_err(|error| input_error(location, error))?;
    let operation = || format!("read {location}");
    if text.len() as u64 > MAX_DOCUMENT {
        let detail = format!("the document is larger than {} MiB", MAX_DOCUMENT >> 20);
        return Err(ConnectorError::new(ErrorKind::Limit, operation(), detail)
            .remedy("write one record a line and declare the format `ndjson`, which is read as a stream"));
    }
    let mut document: Value = parse(&text).map_err(|error| {
        let (kind, detail, remedy) = match too_deep("the document", &error) {
            Some(detail) => (ErrorKind::Limit, detail, "write what is nested deeper as text that holds JSON"),
            None => (
                ErrorKind::Data,
                format!("the file is not a JSON document: {error}"),
                "correct the file, or declare the format `ndjson` if each line is a record",
            ),
        };
        ConnectorError::new(kind, operation(), detail).remedy(remedy)
    })?;
    if path.to_string() == "$[*]"
        && let Value::Array(records) = &mut document
    {
        // Moved out of the document, not copied.
        return Ok(std::mem::take(records));
    }
    let records: Vec<Value> = path.query(&document).into_iter().cloned().collect();
    let no_container = records.is_empty() && !container_exists(path, &document);
    if no_container {
        return Err(ConnectorError::new(
            ErrorKind::Data,
            operation(),
            format!("nothing in the document is at `{path}`"),
        )
        .remedy("correct `records` of the format, or the file"));
    }
    Ok(records)
}

/// Whether what would hold the records is there: an empty list is no mistake, a wrong path is.
fn container_exists(path: &JsonPath, document: &Value) -> bool {
    let text = path.to_string();
    let Some(parent) = text.strip_suffix("[*]") else { return false };
    JsonPath::parse(parent).is_ok_and(|parent| !parent.query(document).is_empty())
}

/// Reads one document.
pub(crate) struct DocumentReader {
    records: std::vec::IntoIter<Value>,
    decoder: RecordDecoder,
    plan: ReadPlan,
    next: u64,
}

impl DocumentReader {
    /// Reads all of `input`, which is decompressed.
    pub(crate) fn new(
        input: Box<dyn Read + Send>,
        encoding: &'static Encoding,
        path: &JsonPath,
        plan: ReadPlan,
    ) -> Result<Self> {
        let mut records = load(input, encoding, path, &plan.location)?;
        for (name, value) in &plan.constants {
            let value = value.clone().map_or(Value::Null, Value::String);
            for record in records.iter_mut().filter_map(Value::as_object_mut) {
                record.insert(name.clone(), value.clone());
            }
        }
        let decoder = RecordDecoder::new(Arc::clone(&plan.schema), plan.location.clone(), plan.rejects);
        Ok(Self { records: records.into_iter(), decoder, plan, next: 1 })
    }
}

impl BlockReader for DocumentReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        let records: Vec<Value> = self.records.by_ref().take(self.plan.batch_rows).collect();
        if records.is_empty() {
            return Ok(None);
        }
        let (batch, rejects) = self.decoder.decode(self.next, &records)?;
        self.next += records.len() as u64;
        Ok(Some(Block { batch, rejects, read: records.len() as u64 }))
    }
}

/// Looks at up to `most` records; says how many there were.
pub(crate) fn infer(
    input: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    path: &JsonPath,
    location: &str,
    most: u64,
    guesses: &mut Guesses,
) -> Result<u64> {
    let records = load(input, encoding, path, location)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    for record in records.iter().take(most).filter_map(Value::as_object) {
        for (key, value) in record {
            guesses.merge(key, Guess::of_json(value));
        }
        guesses.check(location)?;
    }
    Ok(records.len().min(most) as u64)
}
