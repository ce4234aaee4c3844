//! Structures in Thrift's compact form: Parquet writes its footer so, and the header of each page. They are gone through before
//! the library reads them, which trusts some of what they say.

use super::varint::Varints;

/// Kinds of values, by their numbers.
const STOP: u8 = 0;
const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
const DOUBLE: u8 = 7;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// The structure that all others are in. These go by the number of the field of it that they are in, also in a list.
pub(super) const ROOT: i16 = 0;
/// Any structure in one of these.
const DEEPER: i16 = -1;
/// The most levels of structures and lists; no writer needs ten.
const MAX_DEPTH: u8 = 16;

/// What is made of the fields of structures.
pub(super) trait Fields {
    /// Whether a field may be of this kind. The library reads some as what they should be, whatever kind they say they are.
    fn may_be(&self, of: i16, field: i16, kind: u8) -> bool;

    /// A structure begins.
    fn begin(&mut self, _of: i16) {}

    /// A field is a number; None when it cannot be that.
    fn number(&mut self, of: i16, field: i16, value: i64) -> Option<()>;

    /// A field is a list of so many; None when it cannot be.
    fn list(&mut self, of: i16, field: i16, count: u64) -> Option<()>;
}

/// Goes through a structure to its end; None when it is broken. A field that comes twice counts as it comes last.
pub(super) fn read(bytes: &mut Varints<'_>, fields: &mut impl Fields) -> Option<()> {
    structure(bytes, ROOT, MAX_DEPTH, fields)
}

fn structure(bytes: &mut Varints<'_>, of: i16, depth: u8, fields: &mut impl Fields) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    fields.begin(of);
    let mut field = 0_i16;
    loop {
        let head = bytes.byte()?;
        let (step, kind) = (i16::from(head >> 4), head & 0x0f);
        if kind == STOP {
            return Some(());
        }
        field = match step {
            0 => i16::try_from(bytes.integer()?).ok()?,
            step => field.checked_add(step)?,
        };
        if !fields.may_be(of, field, kind) {
            return None;
        }
        let below = if of == ROOT { field } else { DEEPER };
        match kind {
            TRUE | FALSE => {}
            I16 | I32 | I64 => {
                let value = bytes.integer()?;
                fields.number(of, field, value)?;
            }
            LIST | SET => {
                let (count, kind) = list(bytes)?;
                fields.list(of, field, count)?;
                elements(bytes, count, kind, below, depth, fields)?;
            }
            kind => value(bytes, kind, below, depth, fields)?,
        }
    }
}

/// How many elements a list has, and of which kind.
fn list(bytes: &mut Varints<'_>) -> Option<(u64, u8)> {
    let head = bytes.byte()?;
    let count = if head >> 4 == 15 { bytes.number()? } else { u64::from(head >> 4) };
    // Each takes a byte at least.
    (count <= bytes.0.len() as u64).then_some((count, head & 0x0f))
}

fn elements(bytes: &mut Varints<'_>, count: u64, kind: u8, of: i16, depth: u8, fields: &mut impl Fields) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    (0..count).try_for_each(|_| value(bytes, kind, of, depth, fields))
}

/// Passes over a value. Truths in lists and maps have no place in Parquet, and readers differ in what they take them for.
fn value(bytes: &mut Varints<'_>, kind: u8, of: i16, depth: u8, fields: &mut impl Fields) -> Option<()> {
    match kind {
        BYTE => skip(bytes, 1),
        I16 | I32 | I64 => bytes.integer().map(|_| ()),
        DOUBLE => skip(bytes, 8),
        BINARY => {
            let length = bytes.number()?;
            skip(bytes, length)
        }
        LIST | SET => {
            let (count, kind) = list(bytes)?;
            elements(bytes, count, kind, of, depth, fields)
        }
        STRUCT => structure(bytes, of, depth, fields),
        _ => None,
    }
}

fn skip(bytes: &mut Varints<'_>, length: u64) -> Option<()> {
    bytes.take(length).map(|_| ())
}
