//! Structures in Thrift's compact form: Parquet writes its footer so, and the header of each page. They are gone through before
//! the library reads them, which trusts some of what they say. Where a field is not what it should be, the library would go on
//! at another place than where it ends: that is refused.

use super::structures::{Shape, Structure};
use super::varint::Varints;

/// Kinds of values, by their numbers.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// The most levels of structures and lists; no writer needs ten.
const MAX_DEPTH: u8 = 16;

/// What is made of the fields of structures.
pub(super) trait Fields {
    /// A structure begins; None when there may be no more of them.
    fn begin(&mut self, _structure: Structure) -> Option<()> {
        Some(())
    }

    /// A field is a number; None when it cannot be that.
    fn number(&mut self, of: Structure, field: i16, value: i64) -> Option<()>;

    /// A field is a text, or other bytes, of that length.
    fn bytes(&mut self, _of: Structure, _field: i16, _length: u64) {}

    /// A field is a list of so many; None when it cannot be.
    fn list(&mut self, of: Structure, field: i16, count: u64) -> Option<()>;
}

/// Goes through a structure to its end; None when it is broken. A field that comes twice counts as it comes last.
pub(super) fn read(bytes: &mut Varints<'_>, of: Structure, fields: &mut impl Fields) -> Option<()> {
    structure(bytes, of, MAX_DEPTH, fields)
}

fn structure(bytes: &mut Varints<'_>, of: Structure, depth: u8, fields: &mut impl Fields) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    fields.begin(of)?;
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
        let shape = of.field(field)?;
        if !admits(shape, kind) {
            return None;
        }
        match kind {
            TRUE | FALSE => {}
            I16 | I32 | I64 => {
                let value = bytes.integer()?;
                fields.number(of, field, value)?;
            }
            BINARY => {
                let length = bytes.number()?;
                fields.bytes(of, field, length);
                skip(bytes, length)?;
            }
            LIST | SET => {
                let (count, kind) = list(bytes)?;
                fields.list(of, field, count)?;
                elements(bytes, count, kind, element(shape), depth, fields)?;
            }
            kind => value(bytes, kind, shape, depth, fields)?,
        }
    }
}

/// Whether what is of that kind is what it should be.
fn admits(shape: Shape, kind: u8) -> bool {
    match shape {
        Shape::Truth => matches!(kind, TRUE | FALSE),
        Shape::Byte => kind == BYTE,
        Shape::Integer => matches!(kind, I16 | I32 | I64),
        Shape::Double => kind == DOUBLE,
        Shape::Binary => kind == BINARY,
        Shape::Structure(_) => kind == STRUCT,
        Shape::Structures(_) | Shape::Integers => kind == LIST,
        Shape::Other => true,
    }
}

/// What an element of a list is.
fn element(list: Shape) -> Shape {
    match list {
        Shape::Structures(structure) => Shape::Structure(structure),
        Shape::Integers => Shape::Integer,
        _ => Shape::Other,
    }
}

/// How many elements a list has, and of which kind.
fn list(bytes: &mut Varints<'_>) -> Option<(u64, u8)> {
    let head = bytes.byte()?;
    let count = if head >> 4 == 15 { bytes.number()? } else { u64::from(head >> 4) };
    // Each takes a byte at least.
    (count <= bytes.0.len() as u64).then_some((count, head & 0x0f))
}

/// Passes over the elements of a list. Some writers give no kind where there are none.
fn elements(
    bytes: &mut Varints<'_>,
    count: u64,
    kind: u8,
    shape: Shape,
    depth: u8,
    fields: &mut impl Fields,
) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    if count > 0 && !admits(shape, kind) {
        return None;
    }
    (0..count).try_for_each(|_| value(bytes, kind, shape, depth, fields))
}

/// Passes over a value. Truths in lists and maps have no place in Parquet, and readers differ in what they take them for.
fn value(bytes: &mut Varints<'_>, kind: u8, shape: Shape, depth: u8, fields: &mut impl Fields) -> Option<()> {
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
            elements(bytes, count, kind, element(shape), depth, fields)
        }
        STRUCT => {
            let of = if let Shape::Structure(of) = shape { of } else { Structure::Other };
            structure(bytes, of, depth, fields)
        }
        _ => None,
    }
}

fn skip(bytes: &mut Varints<'_>, length: u64) -> Option<()> {
    bytes.take(length).map(|_| ())
}
