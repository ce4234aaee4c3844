//! The streams below a root, and the schema of a stream over its files.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_compiler::catalogue::{Catalogue, Stream};
use aggregator_compiler::declared::format_schema;
use aggregator_crds::connector::{FileFormat, StreamSchema};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::data_file::{DataFile, partition};
use super::{Listing, Store};
use crate::connector::{ConnectorError, ErrorKind, Result};
use crate::format::{Guess, SchemaProbe, declared_schema, ending_of, format_by_name, infer_records};

/// The most streams that discovery lists.
const MAX_STREAMS: usize = 1000;
/// The most Parquet files whose footers are looked at for a schema.
const MAX_FOOTERS: usize = 100;
/// The most files of one folder that discovery compares.
const MAX_COMPARED: usize = 20;

/// What is known of a stream before it is read.
pub(crate) struct Shape {
    pub(crate) files: Vec<DataFile>,
    pub(crate) format: FileFormat,
    pub(crate) schema: SchemaRef,
    /// How many rows there are, when the files say.
    pub(crate) rows: Option<u64>,
    pub(crate) notes: Vec<String>,
}

/// The format of a stream's files: declared, or by their endings, which must agree.
fn format_of(declared: Option<&FileFormat>, stream: &str, files: &[DataFile]) -> Result<FileFormat> {
    if let Some(declared) = declared {
        return Ok(declared.clone());
    }
    let wrong = |detail: String| {
        Err(ConnectorError::new(ErrorKind::Config, format!("read stream `{stream}`"), detail)
            .remedy("give the Connector a `format`, or narrow the glob to files of one ending: `*.csv`"))
    };
    let mut found: Option<(FileFormat, &str)> = None;
    for file in files {
        let Some(format) = format_by_name(&file.path) else {
            return wrong(format!("the ending of {} means no format", file.path));
        };
        match &found {
            Some((first, path)) if ending_of(first) != ending_of(&format) => {
                return wrong(format!("{path} and {} are of different formats", file.path));
            }
            Some(_) => {}
            None => found = Some((format, &file.path)),
        }
    }
    match found {
        Some((format, _)) => Ok(format),
        None => wrong("there is no file".into()),
    }
}

/// The files of a stream and their schema. Looks at the first files only, as many as the declared number of records
/// takes. There may be no file at all of a folder or glob whose columns are declared: whether that is an error, the read
/// says. Blocking.
pub(crate) fn shape_of<S: Store>(
    store: &S,
    declared: Option<&FileFormat>,
    stream: &str,
    listing: Listing,
) -> Result<Shape> {
    let Listing { files, escaping } = listing;
    if files.is_empty() {
        return match declared_columns(declared)? {
            Some((format, schema)) if escaping.is_empty() && store.is_open(stream) => {
                Ok(Shape { files, format: format.clone(), schema, rows: None, notes: Vec::new() })
            }
            _ => Err(not_found(store, declared, stream, &escaping)),
        };
    }
    let format = format_of(declared, stream, &files)?;
    let mut probe = SchemaProbe::within(store.buffers());
    let budget = infer_records(format_schema(&format));
    let is_parquet = matches!(format, FileFormat::Parquet(_));
    if !matches!(format_schema(&format), Some(StreamSchema::Columns(_))) {
        for (index, file) in files.iter().enumerate() {
            let enough = if is_parquet { index >= MAX_FOOTERS } else { probe.records >= budget };
            if enough {
                break;
            }
            let left = budget.saturating_sub(probe.records).max(1);
            let opened = store.open(file, &format)?;
            let looked = probe.look(opened.input, &file.path, &format, &file.path, left);
            looked.map_err(|error| opened.cause.take().unwrap_or(error))?;
        }
    }
    let schema = with_partitions(&probe.schema(&format)?, &files);
    if schema.fields().is_empty() {
        return Err(ConnectorError::new(
            ErrorKind::Data,
            format!("read stream `{stream}`"),
            format!("{} holds no record to take columns from", names_of(&files)),
        )
        .remedy("declare the columns with `schema` in the Connector's format, or wait for data"));
    }
    let mut notes = probe.notes;
    if !escaping.is_empty() {
        notes.push(format!("links that leave the root were not followed: {}", escaping.join(", ")));
    }
    let rows = (is_parquet && files.len() <= MAX_FOOTERS).then_some(probe.records);
    Ok(Shape { files, format, schema, rows, notes })
}

fn names_of(files: &[DataFile]) -> String {
    match files {
        [file] => file.path.clone(),
        files => format!("each of {} files", files.len()),
    }
}

/// Adds the columns of partition folders, after the files' own.
fn with_partitions(schema: &SchemaRef, files: &[DataFile]) -> SchemaRef {
    let mut columns: Vec<(String, Guess)> = Vec::new();
    for (name, value) in files.iter().flat_map(DataFile::partitions) {
        let guess = value.as_deref().map_or(Guess::Nothing, Guess::of_text);
        match columns.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = std::mem::take(known).merge(guess),
            None => columns.push((name, guess)),
        }
    }
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    for (name, guess) in columns {
        if schema.field_with_name(&name).is_err() {
            fields.push(Arc::new(Field::new(name, guess.data_type(), true)));
        }
    }
    Arc::new(Schema::new(fields))
}

/// The format whose columns are declared, and these.
fn declared_columns(declared: Option<&FileFormat>) -> Result<Option<(&FileFormat, SchemaRef)>> {
    let Some(format) = declared else { return Ok(None) };
    let schema = format_schema(format).map(declared_schema).transpose()?.flatten();
    Ok(schema.map(|schema| (format, schema)))
}

/// The error of a stream without files. Blocking.
pub(crate) fn not_found<S: Store>(
    store: &S,
    declared: Option<&FileFormat>,
    stream: &str,
    escaping: &[String],
) -> ConnectorError {
    /// The most names that a message lists.
    const MOST: usize = 10;
    let mut detail = format!("no {} below {} matches", S::ONE, store.place());
    if !escaping.is_empty() {
        detail = format!("{detail}; links that leave the root are not followed: {}", escaping.join(", "));
    }
    let error = ConnectorError::new(ErrorKind::NotFound, format!("find stream `{stream}`"), detail);
    let remedy = match store.list_all() {
        Ok(listing) if !listing.files.is_empty() => {
            let names: Vec<String> = grouped(listing.files, declared).into_keys().take(MOST).collect();
            format!("there are: {}", names.join(", "))
        }
        Ok(_) => S::EMPTY.to_owned(),
        Err(_) => return error.remedy(S::UNREADABLE),
    };
    // An incremental source goes on without files when it need not look into one for its columns.
    let emptied = match declared {
        _ if !escaping.is_empty() || !store.is_open(stream) => "",
        Some(FileFormat::Parquet(_)) => "; if the files were read and taken away, leave one, which tells the columns",
        Some(format) if matches!(format_schema(format), Some(StreamSchema::Columns(_))) => "",
        _ => "; if the files were read and taken away, declare the columns with `schema` in the Connector's `format`",
    };
    error.remedy(remedy + emptied)
}

/// Files by the glob that means them: folder and ending, partition folders as `**`.
fn grouped(files: Vec<DataFile>, declared: Option<&FileFormat>) -> BTreeMap<String, Vec<DataFile>> {
    let mut groups: BTreeMap<String, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        if declared.is_none() && format_by_name(&file.path).is_none() {
            continue;
        }
        let (folders, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let mut parts: Vec<&str> = folders.split('/').filter(|part| !part.is_empty()).collect();
        if let Some(first) = parts.iter().position(|part| partition(part).is_some()) {
            parts.truncate(first);
            parts.push("**");
        }
        let ending = if name.contains('.') { ending(name) } else { String::new() };
        let pattern = format!("*{ending}");
        parts.push(&pattern);
        groups.entry(parts.join("/")).or_default().push(file);
    }
    groups
}

/// `.csv.gz` of `flights.2026.csv.gz`.
fn ending(name: &str) -> String {
    let (rest, _) = crate::format::split_name(name);
    let format = rest.rsplit_once('.').map_or("", |(_, ending)| ending);
    format!(".{format}{}", &name[rest.len()..])
}

/// The streams below the root: a glob for each folder and ending whose files have the same columns, the files one by
/// one where they have not. Blocking.
pub(crate) fn catalogue<S: Store>(store: &S, declared: Option<&FileFormat>) -> Result<Catalogue> {
    let mut streams = Vec::new();
    let mut truncated = false;
    for (pattern, files) in grouped(store.list_all()?.files, declared) {
        if streams.len() >= MAX_STREAMS {
            truncated = true;
            break;
        }
        let each: Vec<Stream> = files
            .iter()
            .take(MAX_COMPARED)
            .map(|file| describe(store, declared, &file.path, vec![file.clone()]))
            .collect();
        let names = |stream: &Stream| stream.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let same = each.windows(2).all(|pair| names(&pair[0]) == names(&pair[1]));
        if same {
            streams.push(describe(store, declared, &pattern, files));
        } else {
            truncated |= files.len() > each.len();
            streams.extend(each);
        }
    }
    truncated |= streams.len() > MAX_STREAMS;
    streams.truncate(MAX_STREAMS);
    Ok(Catalogue { streams, truncated })
}

/// One stream, found by its name. Blocking.
pub(crate) fn describe_stream<S: Store>(store: &S, declared: Option<&FileFormat>, stream: &str) -> Result<Stream> {
    Ok(described(stream, &shape_of(store, declared, stream, store.list(stream)?)?))
}

fn described(stream: &str, shape: &Shape) -> Stream {
    let mut described = Stream::from_schema(stream, &shape.schema);
    described.estimated_rows = shape.rows;
    described.comment = (!shape.notes.is_empty()).then(|| shape.notes.join("; "));
    described
}

/// A stream that cannot be described is listed all the same, with the reason as its comment.
fn describe<S: Store>(store: &S, declared: Option<&FileFormat>, stream: &str, files: Vec<DataFile>) -> Stream {
    match shape_of(store, declared, stream, Listing { files, escaping: Vec::new() }) {
        Ok(shape) => described(stream, &shape),
        Err(error) => Stream { name: stream.to_owned(), comment: Some(error.to_string()), ..Stream::default() },
    }
}
