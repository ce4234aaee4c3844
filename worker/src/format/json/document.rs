//! One JSON document that holds the records. Its text is held in memory, so its size is bounded; each record is parsed when it
//! is wanted.

use std::io::Read;
use std::sync::Arc;

use aggregator_crds::connector::JsonFormat;
use encoding_rs::Encoding;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::depth::too_deep;
use super::elements::Elements;
use super::integers::parse;
use super::passed::Passed;
use super::tree::is_larger;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};
use crate::format::block::{Block, BlockReader, ReadPlan, input_error};
use crate::format::encoding::Utf8Reader;
use crate::format::infer::{Guess, Guesses};
use crate::format::records::RecordDecoder;

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

/// A document that is to be read.
pub(crate) struct Document<'a> {
    /// Its text, decompressed.
    pub(crate) input: Box<dyn Read + Send>,
    /// In which encoding.
    pub(crate) encoding: &'static Encoding,
    /// Where the records are.
    pub(crate) path: &'a JsonPath,
    /// What is read, for messages.
    pub(crate) location: &'a str,
}

impl Document<'_> {
    /// Its records.
    fn records(self, buffers: Buffers) -> Result<Records> {
        let (path, location) = (self.path, self.location);
        let text = self.text(buffers)?;
        let listed = match names(path) {
            Some(names) => Elements::of(text, &names),
            None => Err(text),
        };
        let left = match listed {
            Ok(elements) => Left::Listed(elements),
            Err(text) => Left::Found(found(&text, path, location, buffers)?.into_iter()),
        };
        Ok(Records { location: location.to_owned(), left })
    }

    /// Its text, which is JSON.
    fn text(self, buffers: Buffers) -> Result<Vec<u8>> {
        let (mut text, most) = (Vec::new(), buffers.document());
        Utf8Reader::new(self.input, self.encoding)
            .and_then(|input| input.take(most + 1).read_to_end(&mut text))
            .map_err(|error| input_error(self.location, error))?;
        if text.len() as u64 > most {
            let detail = format!("the document is larger than {} MiB", most >> 20);
            return Err(too_large(self.location, detail, most < Buffers::default().document()));
        }
        match serde_json::from_slice(&text) {
            Ok(Passed) => Ok(text),
            Err(error) => Err(unreadable(self.location, &error)),
        }
    }
}

/// The names that lead to the list whose elements are the records, each in what the one before leads to; None where a path
/// is more than that.
fn names(path: &JsonPath) -> Option<Vec<String>> {
    let text = path.to_string();
    // Names are written as they are: one with a quote or a backslash in it would be read as another one.
    if JsonPath::parse(&text).ok().as_ref() != Some(path) {
        return None;
    }
    let text = text.strip_prefix('$')?;
    let mut rest = text.strip_suffix("[*]").or_else(|| text.strip_suffix(".*"))?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, more) = match rest.strip_prefix('.') {
            Some(dotted) => dotted.split_at(dotted.find(['.', '[']).unwrap_or(dotted.len())),
            None => rest.strip_prefix("['")?.split_once("']")?,
        };
        // Behind a dot: a second one looks for what comes after it everywhere, a star at all that there is. Quotes are between
        // several names.
        let other = if rest.starts_with('.') { name.is_empty() || name == "*" } else { name.contains('\'') };
        if other {
            return None;
        }
        names.push(name.to_owned());
        rest = more;
    }
    Some(names)
}

/// The records that a path finds in the tree of a document.
fn found(text: &[u8], path: &JsonPath, location: &str, buffers: Buffers) -> Result<Vec<Value>> {
    if is_larger(text, buffers.tree()) {
        let most = buffers.tree() >> 20;
        let detail =
            format!("`{path}` is looked for among all values of the document, which take more than {most} MiB");
        return Err(too_large(location, detail, true));
    }
    let document = parse(text).map_err(|error| unreadable(location, &error))?;
    let records: Vec<Value> = path.query(&document).into_iter().cloned().collect();
    let no_container = records.is_empty() && !container_exists(path, &document);
    if no_container {
        let detail = format!("nothing in the document is at `{path}`");
        return Err(ConnectorError::new(ErrorKind::Data, format!("read {location}"), detail)
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

/// A document that takes more than there is; `more` says whether there could be more.
fn too_large(location: &str, detail: String, more: bool) -> ConnectorError {
    let mut remedy = "write one record a line and declare the format `ndjson`, which is read as a stream".to_owned();
    if more {
        remedy += ", or give the run more with --memory (on a cluster: execution.resources.limits.memory)";
    }
    ConnectorError::new(ErrorKind::Limit, format!("read {location}"), detail).remedy(remedy)
}

/// A text that is no JSON, or none that we read.
fn unreadable(location: &str, error: &serde_json::Error) -> ConnectorError {
    let (kind, detail, remedy) = match too_deep("the document", error) {
        Some(detail) => (ErrorKind::Limit, detail, "write what is nested deeper as text that holds JSON"),
        None => (
            ErrorKind::Data,
            format!("the file is not a JSON document: {error}"),
            "correct the file, or declare the format `ndjson` if each line is a record",
        ),
    };
    ConnectorError::new(kind, format!("read {location}"), detail).remedy(remedy)
}

/// The records of a document that were not taken yet.
struct Records {
    location: String,
    left: Left,
}

enum Left {
    /// They stand one after the other in a list.
    Listed(Elements),
    /// They were found somewhere in the document.
    Found(std::vec::IntoIter<Value>),
}

impl Records {
    /// The next one, and the bytes of its text, as far as that is known.
    fn next(&mut self) -> Result<Option<(Value, u64)>> {
        match &mut self.left {
            Left::Found(values) => Ok(values.next().map(|value| (value, 0))),
            Left::Listed(elements) => {
                let Some(text) = elements.next() else { return Ok(None) };
                let value = parse(text).map_err(|error| unreadable(&self.location, &error))?;
                Ok(Some((value, text.len() as u64)))
            }
        }
    }
}

/// Reads one document.
pub(crate) struct DocumentReader {
    records: Records,
    decoder: RecordDecoder,
    /// The columns that have one value in the whole file.
    constants: Vec<(String, Value)>,
    batch_rows: usize,
    batch_bytes: u64,
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
        let records = Document { input, encoding, path, location: &plan.location }.records(plan.buffers)?;
        let constant = |(name, value): (String, Option<String>)| (name, value.map_or(Value::Null, Value::String));
        Ok(Self {
            records,
            decoder: RecordDecoder::new(Arc::clone(&plan.schema), plan.location, plan.rejects),
            constants: plan.constants.into_iter().map(constant).collect(),
            batch_rows: plan.batch_rows,
            batch_bytes: plan.buffers.batch(),
            next: 1,
        })
    }
}

impl BlockReader for DocumentReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < self.batch_rows && bytes < self.batch_bytes {
            let Some((mut record, length)) = self.records.next()? else { break };
            if let Some(members) = record.as_object_mut() {
                members.extend(self.constants.iter().cloned());
            }
            bytes += length;
            records.push(record);
        }
        if records.is_empty() {
            return Ok(None);
        }
        let (batch, rejects) = self.decoder.decode(self.next, &records)?;
        self.next += records.len() as u64;
        Ok(Some(Block { batch, rejects, read: records.len() as u64 }))
    }
}

/// Looks at up to `most` records; says how many there were.
pub(crate) fn infer(document: Document<'_>, buffers: Buffers, most: u64, guesses: &mut Guesses) -> Result<u64> {
    let location = document.location;
    let mut records = document.records(buffers)?;
    let mut looked = 0;
    while looked < most {
        let Some((record, _)) = records.next()? else { break };
        looked += 1;
        let Value::Object(members) = record else { continue };
        for (key, value) in &members {
            guesses.merge(key, Guess::of_json(value));
        }
        guesses.check(location)?;
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    fn read(text: &str, path: &str, buffers: Buffers) -> Result<Vec<Vec<Option<i64>>>> {
        let plan = ReadPlan {
            schema: Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)])),
            known: None,
            location: "d.json".into(),
            rejects: false,
            batch_rows: 1000,
            threads: 1,
            buffers,
            constants: Vec::new(),
            from: None,
        };
        let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let path = JsonPath::parse(path).expect("a path");
        let mut reader = DocumentReader::new(input, encoding_rs::UTF_8, &path, plan)?;
        let mut batches = Vec::new();
        while let Some(block) = reader.next_block()? {
            batches.push(block.batch.column(0).as_primitive::<Int64Type>().iter().collect());
        }
        Ok(batches)
    }

    #[test]
    fn records_are_the_same_whether_they_are_listed_or_found() {
        let text = r#"{"a": {"b c": [{"id": 1}, {"id": 2}]}, "e": [], "m": {"x": {"id": 1}, "y": {"id": 2}}}"#;
        let both = vec![vec![Some(1), Some(2)]];
        for path in ["$.a['b c'][*]", "$['a'][\"b c\"][0:2]", "$..[?@.id < 9]", "$.m[*]", "$.m.*"] {
            let found = read(text, path, Buffers::default()).expect(path);
            // A path that looks everywhere finds those in `m`, too.
            assert!(found == both || path.contains("..") && found[0].len() == 4, "{path}: {found:?}");
        }
        assert!(read(text, "$.e[*]", Buffers::default()).expect("an empty list").is_empty());
        let error = read(text, "$.a.b[*]", Buffers::default()).expect_err("there is no b");
        assert_eq!(error.to_string(), "read d.json: nothing in the document is at `$.a.b[*]`");
    }

    #[test]
    fn a_path_of_names_is_told_from_one_that_looks_for_more() {
        let names = |path: &str| names(&JsonPath::parse(path).expect(path));
        let of = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names("$[*]"), of(&[]));
        assert_eq!(names("$.*"), of(&[]));
        assert_eq!(names("$.data[*]"), of(&["data"]));
        assert_eq!(names("$.a['b c'].d.*"), of(&["a", "b c", "d"]));
        assert_eq!(names(r#"$["a"][''][ * ]"#), of(&["a", ""]));
        for path in ["$..[*]", "$.a..[*]", "$..a[*]", "$.a[0][*]", "$.a['b','c'][*]", "$.*[*]", "$[?@.id][*]", "$.a"] {
            assert_eq!(names(path), None, "{path}");
        }
        // Names that are written like the path of two, or like another one.
        for path in [r#"$["a']['b"][*]"#, r#"$["a'b"][*]"#, r"$['a\\b'][*]"] {
            assert_eq!(names(path), None, "{path}");
        }
    }

    #[test]
    fn a_document_is_as_large_as_the_pool_lets_it() {
        let least = Buffers::beside(0);
        let most = usize::try_from(least.document()).expect("a size");
        let text = |length: usize| format!("[{{\"id\":7,\"x\":\"{}\"}}]", "x".repeat(length - 17));
        assert_eq!(read(&text(most), "$[*]", least).expect("it fits"), [[Some(7)]]);
        let error = read(&text(most + 1), "$[*]", least).expect_err("it is larger");
        assert_eq!(error.to_string(), "read d.json: the document is larger than 32 MiB");
        assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains("--memory")), "{error:?}");
        assert_eq!(read(&text(most + 1), "$[*]", Buffers::default()).expect("it fits"), [[Some(7)]]);
    }

    #[test]
    fn values_that_take_too_much_are_not_all_parsed() {
        let least = Buffers::beside(0);
        let text = format!("[{}]", vec![r#"{"id":1}"#; 200_000].join(","));
        let listed = read(&text, "$[*]", least).expect("one after the other");
        assert_eq!(listed.iter().map(Vec::len).sum::<usize>(), 200_000);
        let error = read(&text, "$[?@.id > 0]", least).expect_err("all at once");
        assert_eq!(error.kind, ErrorKind::Limit);
        let said = error.to_string();
        assert!(said.ends_with("among all values of the document, which take more than 64 MiB"), "{said}");
        assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains("--memory")), "{error:?}");
    }

    #[test]
    fn large_records_come_in_few() {
        let buffers = Buffers::beside(0);
        let text = format!("[{}]", vec![format!("{{\"id\":1,\"text\":\"{}\"}}", "x".repeat(100_000)); 20].join(","));
        let batches = read(&text, "$[*]", buffers).expect("records");
        let rows: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(rows, [6, 6, 6, 2], "of half a mebibyte");
    }
}
