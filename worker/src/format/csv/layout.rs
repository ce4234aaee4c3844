//! Which column of a file is which of the wanted ones, and records of either kind as a block.

use std::borrow::Cow;
use std::collections::HashMap;

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::RaggedRows;
use arrow::array::ArrayRef;

use super::dialect::Dialect;
use super::fields::{self, Fields};
use super::quotes;
use super::reader::{constant, missing};
use super::split::{Records, Row, Splitter};
use crate::connector::{Reject, RejectReason, Result};
use crate::format::block::{Block, ReadPlan};
use crate::format::cell::Cell;
use crate::format::column::{Fault, Faults, assemble, build};
use crate::format::decoding::{Decode, Decoded};
use crate::format::records::reject;

/// Where a column's values come from.
enum Origin {
    /// A field of each row, and its number among the wanted columns that are fields.
    Field(usize, usize),
    /// One value for the whole file.
    Constant(Option<String>),
}

/// What is wanted of a file, and where it stands there.
pub(super) struct Layout {
    pub(super) dialect: Dialect,
    pub(super) plan: ReadPlan,
    origins: Vec<Origin>,
    /// For each field of a record, which wanted column it is.
    slots: Vec<Option<usize>>,
    wanted: usize,
    pub(super) notes: Vec<String>,
}

impl Layout {
    /// Finds the wanted columns among the file's.
    pub(super) fn new(dialect: Dialect, plan: ReadPlan, names: &[String]) -> Result<Self> {
        let places: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let (mut origins, mut notes) = (Vec::new(), Vec::new());
        let mut slots = vec![None; names.len()];
        let mut wanted = 0;
        for field in plan.schema.fields() {
            origins.push(match (plan.constant(field.name()), places.get(field.name().as_str())) {
                (Some(value), _) => Origin::Constant(value.map(str::to_owned)),
                (None, Some(place)) => {
                    slots[*place] = Some(wanted);
                    wanted += 1;
                    Origin::Field(*place, wanted - 1)
                }
                (None, None) if field.is_nullable() => {
                    notes.push(format!("{}: no column `{}`, read as null", plan.location, field.name()));
                    Origin::Constant(None)
                }
                (None, None) => return Err(missing(&plan.location, field, names)),
            });
        }
        Ok(Self { dialect, plan, origins, slots, wanted, notes })
    }

    fn cell<'a>(&self, value: Cow<'a, str>) -> Cell<'a> {
        let value = match value {
            Cow::Borrowed(text) => Cow::Borrowed(self.dialect.trimmed(text)),
            Cow::Owned(text) => Cow::Owned(self.dialect.trimmed(&text).to_owned()),
        };
        if self.dialect.is_null(&value) { Cell::Null } else { Cell::Text(value) }
    }

    fn columns<'a, C: Iterator<Item = Cell<'a>>>(
        &self,
        rows: usize,
        faults: &mut Faults,
        cells: impl Fn(usize, usize) -> C,
    ) -> Result<Vec<ArrayRef>> {
        let fields = self.plan.schema.fields().iter().zip(&self.origins);
        fields
            .map(|(field, origin)| match origin {
                Origin::Constant(value) => constant(field, rows, value.as_deref(), faults),
                Origin::Field(place, column) => build(field, rows, cells(*place, *column), faults),
            })
            .collect()
    }

    fn chunk_rejects(&self, chunk: &[u8], split: &Fields, faults: Faults) -> Vec<Reject> {
        let (mut at, mut line) = (0, 0);
        let faults = faults.into_rows().into_iter();
        faults
            .map(|(row, fault)| {
                let start = split.starts[row] as usize;
                line += self.dialect.count_lines(&chunk[at..start], false);
                at = start;
                let end = split.starts.get(row + 1).map_or(chunk.len(), |next| *next as usize);
                let raw = String::from_utf8_lossy(&chunk[start..end]);
                let raw = raw.trim_end_matches(['\n', '\r']);
                reject(&self.plan.location, Some(line), Some(start as u64), fault, raw)
            })
            .collect()
    }

    /// The block of records that the parser has split.
    pub(super) fn block(&self, splitter: &Splitter, records: &mut Records) -> Result<Block> {
        let mut faults = self.check_rows(splitter, records);
        let text = records.text()?;
        let rows = records.rows.len();
        let records = &*records;
        let columns = self.columns(rows, &mut faults, |place, _| {
            records.rows.iter().map(move |row| {
                if place >= row.fields {
                    return Cell::Null;
                }
                self.cell(Cow::Borrowed(&text[records.field(*row, place)]))
            })
        })?;
        let batch = assemble(&self.plan.schema, columns, rows, &faults)?;
        let rejects = faults
            .into_rows()
            .into_iter()
            .map(|(index, fault)| {
                let place = splitter.place(records.rows[index]);
                let raw = String::from_utf8_lossy(place.raw);
                reject(&self.plan.location, Some(place.line), Some(place.offset), fault, &raw)
            })
            .collect();
        Ok(Block { batch, rejects, read: rows as u64 })
    }

    fn check_rows(&self, splitter: &Splitter, records: &mut Records) -> Faults {
        let mut faults = Faults::default();
        for row in records.take_undecodable() {
            faults.add(row, || {
                malformed("the text is not valid in the file's encoding; declare it with `encoding`, as `windows-1252`")
            });
        }
        for (index, row) in records.rows.iter().enumerate() {
            if row.open_quote {
                faults.add(index, || malformed("a quote is opened and the file ends before it is closed"));
            } else if self.misplaced_quote(splitter, *row) {
                faults.add(index, || {
                    malformed("text stands between a closing quote and the end of its field: a quote is not doubled, or not closed on a line before")
                });
            } else if row.fields != self.slots.len() && self.dialect.ragged == RaggedRows::Reject {
                faults.add(index, || self.field_count(row.fields));
            }
        }
        faults
    }

    fn misplaced_quote(&self, splitter: &Splitter, row: Row) -> bool {
        // A quote inside a field without quotes, as `5"`, is text.
        self.dialect.quote.is_some() && quotes::misplaced(splitter.raw(row).1, &self.dialect)
    }

    fn field_count(&self, fields: usize) -> Fault {
        let message = format!("the row has {}, not {}", counted(fields, "field"), self.slots.len());
        Fault { column: None, reason: RejectReason::FieldCount, message }
    }
}

impl Decode for Layout {
    fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    fn decode(&self, chunk: &[u8]) -> Result<Option<Decoded>> {
        let Ok(text) = std::str::from_utf8(chunk) else { return Ok(None) };
        let Some(split) = fields::split(chunk, &self.dialect, &self.slots, self.wanted) else { return Ok(None) };
        let rows = split.starts.len();
        let mut faults = Faults::default();
        if self.dialect.ragged == RaggedRows::Reject {
            for (row, fields) in &split.ragged {
                faults.add(*row, || self.field_count(*fields));
            }
        }
        let quote = self.dialect.quote;
        let columns = self.columns(rows, &mut faults, |_, column| {
            let spans = split.columns[column].iter();
            spans.map(move |span| span.of(text, quote).map_or(Cell::Null, |value| self.cell(value)))
        })?;
        let batch = assemble(&self.plan.schema, columns, rows, &faults)?;
        let rejects = self.chunk_rejects(chunk, &split, faults);
        let lines = self.dialect.count_lines(chunk, false);
        Ok(Some(Decoded { block: Block { batch, rejects, read: rows as u64 }, lines }))
    }
}

fn malformed(message: &str) -> Fault {
    Fault { column: None, reason: RejectReason::Malformed, message: message.to_owned() }
}
