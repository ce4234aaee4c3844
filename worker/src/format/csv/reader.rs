//! Delimited text to batches: names from the header, types exact, every row good or rejected.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use aggregator_crds::connector::RaggedRows;
use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use super::dialect::Dialect;
use super::quotes;
use super::split::{Records, Row, Splitter};
use crate::connector::{ConnectorError, ErrorKind, RejectReason, Result};
use crate::format::block::{Block, BlockReader, ReadPlan};
use crate::format::cell::Cell;
use crate::format::column::{Fault, Faults, assemble, build};
use crate::format::infer::{Guess, Guesses};
use crate::format::records::{allow, reject};

/// Where a column's values come from.
enum Origin {
    /// A field of each row.
    Field(usize),
    /// One value for the whole file.
    Constant(Option<String>),
}

/// Reads one file of delimited text.
pub(crate) struct CsvReader {
    splitter: Splitter,
    dialect: Dialect,
    plan: ReadPlan,
    /// None before the first record of a file without a header.
    names: Option<Vec<String>>,
    origins: Vec<Origin>,
    notes: Vec<String>,
}

impl CsvReader {
    /// Reads `input`, which is decompressed. `positional` are the names of a declared schema, for a file without any.
    pub(crate) fn new(
        input: Box<dyn Read + Send>,
        dialect: Dialect,
        plan: ReadPlan,
        positional: Option<Vec<String>>,
    ) -> Result<Self> {
        let mut splitter = Splitter::new(input, dialect.clone(), plan.location.clone())?;
        let header = header(&mut splitter, &dialect, &plan.location)?;
        let mut notes = Vec::new();
        let names = match header {
            Header::Names(names, renamed) => {
                check_known(&names, &dialect, &plan)?;
                notes.extend(renamed.into_iter().map(|renamed| format!("{}: {renamed}", plan.location)));
                Some(names)
            }
            Header::Absent => positional,
            // No line at all: nothing to read, and no column is missing.
            Header::Empty => Some(plan.schema.fields().iter().map(|field| field.name().clone()).collect()),
        };
        let mut reader = Self { splitter, dialect, plan, names: None, origins: Vec::new(), notes };
        if let Some(names) = names {
            reader.bind(names)?;
        }
        Ok(reader)
    }

    /// Finds the wanted columns among the file's.
    fn bind(&mut self, names: Vec<String>) -> Result<()> {
        let places: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let mut origins = Vec::new();
        for field in self.plan.schema.fields() {
            origins.push(match (self.plan.constant(field.name()), places.get(field.name().as_str())) {
                (Some(value), _) => Origin::Constant(value.map(str::to_owned)),
                (None, Some(place)) => Origin::Field(*place),
                (None, None) if field.is_nullable() => {
                    self.notes.push(format!("{}: no column `{}`, read as null", self.plan.location, field.name()));
                    Origin::Constant(None)
                }
                (None, None) => return Err(missing(&self.plan.location, field, &names)),
            });
        }
        self.origins = origins;
        self.names = Some(names);
        Ok(())
    }

    fn check_rows(&self, records: &mut Records, width: usize) -> Faults {
        let mut faults = Faults::default();
        for row in records.take_undecodable() {
            faults.add(row, || {
                malformed("the text is not valid in the file's encoding; declare it with `encoding`, as `windows-1252`")
            });
        }
        for (index, row) in records.rows.iter().enumerate() {
            if row.open_quote {
                faults.add(index, || malformed("a quote is opened and the file ends before it is closed"));
            } else if self.misplaced_quote(*row) {
                faults.add(index, || {
                    malformed("text stands between a closing quote and the end of its field: a quote is not doubled, or not closed on a line before")
                });
            } else if row.fields != width && self.dialect.ragged == RaggedRows::Reject {
                faults.add(index, || Fault {
                    column: None,
                    reason: RejectReason::FieldCount,
                    message: format!("the row has {} fields, not {width}", row.fields),
                });
            }
        }
        faults
    }

    fn misplaced_quote(&self, row: Row) -> bool {
        // A quote inside a field without quotes, as `5"`, is text.
        self.dialect.quote.is_some() && quotes::misplaced(self.splitter.raw(row).1, &self.dialect)
    }
}

impl BlockReader for CsvReader {
    fn next_block(&mut self) -> Result<Option<Block>> {
        let Some(mut records) = self.splitter.next(self.plan.batch_rows)? else { return Ok(None) };
        if self.names.is_none() {
            self.bind(numbered(records.rows[0].fields))?;
        }
        let width = self.names.as_ref().map_or(0, Vec::len);
        let mut faults = self.check_rows(&mut records, width);
        let text = records.text()?;
        let rows = records.rows.len();
        let columns = self
            .plan
            .schema
            .fields()
            .iter()
            .zip(&self.origins)
            .map(|(field, origin)| match origin {
                Origin::Constant(value) => constant(field, rows, value.as_deref(), &mut faults),
                Origin::Field(place) => {
                    let cells = records.rows.iter().map(|row| {
                        if *place >= row.fields {
                            return Cell::Null;
                        }
                        let value = self.dialect.trimmed(&text[records.field(*row, *place)]);
                        if self.dialect.is_null(value) { Cell::Null } else { Cell::Text(Cow::Borrowed(value)) }
                    });
                    build(field, rows, cells, &mut faults)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let batch = assemble(&self.plan.schema, columns, rows, &faults)?;
        let rejects = faults
            .into_rows()
            .into_iter()
            .map(|(index, fault)| {
                let place = self.splitter.place(records.rows[index]);
                let raw = String::from_utf8_lossy(place.raw);
                reject(&self.plan.location, Some(place.line), Some(place.offset), fault, &raw)
            })
            .collect();
        let rejects = allow(self.plan.rejects, rejects)?;
        Ok(Some(Block { batch, rejects, read: rows as u64 }))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

fn malformed(message: &str) -> Fault {
    Fault { column: None, reason: RejectReason::Malformed, message: message.to_owned() }
}

/// A column that has one value in every row.
pub(crate) fn constant(field: &Arc<Field>, rows: usize, value: Option<&str>, faults: &mut Faults) -> Result<ArrayRef> {
    let cell = value.map_or(Cell::Null, |value| Cell::Text(Cow::Borrowed(value)));
    build(field, rows, std::iter::repeat_n(cell, rows), faults)
}

/// Refuses a header that has no column of the stream.
fn check_known(names: &[String], dialect: &Dialect, plan: &ReadPlan) -> Result<()> {
    let Some(known) = plan.known.as_ref().filter(|_| dialect.columns.is_none()) else { return Ok(()) };
    if names.iter().any(|name| known.field_with_name(name).is_ok()) {
        return Ok(());
    }
    let expected: Vec<&str> = known.fields().iter().map(|field| field.name().as_str()).collect();
    // A message in place of a header may be long.
    let found: String = names.join(", ").chars().take(200).collect();
    let detail = format!("the header has none of the columns {}; it is: {found}", expected.join(", "));
    Err(ConnectorError::new(ErrorKind::Data, format!("read {}", plan.location), detail)
        .remedy("look whether it is a message instead of data; otherwise correct `header`, `skipRows`, `delimiter` or the columns"))
}

/// A required column that the file does not have.
pub(crate) fn missing(location: &str, field: &Field, names: &[String]) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Data,
        format!("read {location}"),
        format!("there is no column `{}`; there are {}", field.name(), names.join(", ")),
    )
    .remedy("correct the file, or declare the column `nullable: true`")
}

enum Header {
    /// The columns' names, and what was done to make each name stand once.
    Names(Vec<String>, Vec<String>),
    /// The file has no header, and nothing else names its columns.
    Absent,
    /// There is no line.
    Empty,
}

fn header(splitter: &mut Splitter, dialect: &Dialect, location: &str) -> Result<Header> {
    let mut found = None;
    if dialect.header {
        let Some(mut records) = splitter.next(1)? else { return Ok(Header::Empty) };
        let row = records.rows[0];
        if row.open_quote || !records.take_undecodable().is_empty() {
            return Err(ConnectorError::new(
                ErrorKind::Data,
                format!("read {location}:{}", splitter.place(row).line),
                "the header is broken: a quote is not closed, or the text is in another encoding",
            )
            .remedy("correct the file, or `quote`, `encoding` and `skipRows` of the Connector"));
        }
        let text = records.text()?;
        let fields = (0..row.fields).map(|field| dialect.trimmed(&text[records.field(row, field)]).to_owned());
        found = Some(fields.collect::<Vec<_>>());
    }
    Ok(match dialect.columns.clone().or(found) {
        Some(names) => {
            let (names, renamed) = unique(names);
            Header::Names(names, renamed)
        }
        None => Header::Absent,
    })
}

/// Names for columns that have none.
fn numbered(width: usize) -> Vec<String> {
    (1..=width).map(|number| format!("column_{number}")).collect()
}

/// Makes each name stand once: an empty one becomes `column_<n>`, the second `x` becomes `x_2`.
fn unique(names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    let mut renamed = Vec::new();
    let names = names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let wanted = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
            let mut candidate = wanted.clone();
            let mut number = 2;
            while seen.contains(&candidate) || (candidate != name && all.contains(&candidate)) {
                candidate = format!("{wanted}_{number}");
                number += 1;
            }
            if candidate != name {
                renamed.push(format!("column {} `{name}` is called `{candidate}`", index + 1));
            }
            seen.insert(candidate.clone());
            candidate
        })
        .collect();
    (names, renamed)
}

/// Looks at up to `most` records of a file; says how many there were, and what a person should know of its columns.
pub(crate) fn infer(
    input: Box<dyn Read + Send>,
    dialect: &Dialect,
    location: &str,
    most: u64,
    guesses: &mut Guesses,
) -> Result<(u64, Vec<String>)> {
    let mut splitter = Splitter::new(input, dialect.clone(), location.to_owned())?;
    let (mut names, notes) = match header(&mut splitter, dialect, location)? {
        Header::Names(names, renamed) => (names, renamed),
        Header::Absent => (Vec::new(), Vec::new()),
        Header::Empty => return Ok((0, Vec::new())),
    };
    for name in &names {
        guesses.merge(name, Guess::Nothing);
    }
    let mut looked = 0;
    while looked < most {
        let Some(mut records) = splitter.next(usize::try_from(most - looked).unwrap_or(usize::MAX).min(8192))? else {
            break;
        };
        let broken: HashSet<usize> = records.take_undecodable().into_iter().collect();
        if names.is_empty() {
            names = numbered(records.rows[0].fields);
        }
        looked += records.rows.len() as u64;
        let text = records.text()?;
        let sound = records.rows.iter().enumerate().filter(|(index, row)| {
            !broken.contains(index)
                && !row.open_quote
                && (row.fields == names.len() || dialect.ragged == RaggedRows::Fill)
        });
        for (_, row) in sound {
            for (place, name) in names.iter().enumerate().take(row.fields) {
                let value = dialect.trimmed(&text[records.field(*row, place)]);
                let guess = if dialect.is_null(value) { Guess::Nothing } else { Guess::of_text(value) };
                guesses.merge(name, guess);
            }
        }
    }
    Ok((looked, notes))
}
