//! The footer of a Parquet file, before the library reads it: that takes memory for as many row groups and columns as are said
//! to be there, and calls itself for each level of columns in columns.

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use super::thrift::{self, BINARY, Fields, I32, I64, LIST, ROOT};
use super::varint::Varints;

/// The bytes behind the footer: its length, and what says that it is one.
const TAIL: u64 = 8;
const MAGIC: &[u8] = b"PAR1";
/// Fields of the footer, by their numbers, and one of an element of the schema: the elements in it.
const SCHEMA: i16 = 2;
const ROW_GROUPS: i16 = 4;
const CHILDREN: i16 = 5;
/// The most row groups: the library numbers them with as many bits.
const MAX_ROW_GROUPS: u64 = 1 << 15;
/// The most levels of columns in columns.
const MAX_LEVELS: usize = 64;

/// Refuses a file whose footer says that there is more than there can be.
pub(super) fn check(file: &impl ChunkReader) -> Result<()> {
    // What has no footer at all, the library tells.
    let Some(end) = file.len().checked_sub(TAIL) else { return Ok(()) };
    let tail = file.get_bytes(end, TAIL as usize)?;
    let length = tail.split_first_chunk::<4>().filter(|(_, magic)| *magic == MAGIC);
    let Some(length) = length.map(|(length, _)| u32::from_le_bytes(*length)) else { return Ok(()) };
    let Some(begin) = end.checked_sub(length.into()) else { return Ok(()) };
    let bytes = file.get_bytes(begin, length as usize)?;
    let mut schema = Schema::default();
    let whole = thrift::read(&mut Varints(&bytes), &mut schema);
    let fault = match whole {
        None => "its footer is broken",
        Some(()) if !schema.is_flat_enough() => "its columns are nested too deep, or fewer than its footer says",
        Some(()) => return Ok(()),
    };
    Err(ParquetError::General(fault.into()))
}

/// How the columns of a file are nested.
#[derive(Debug, Default)]
struct Schema {
    /// How many elements each element of the schema has in it. They follow it.
    children: Vec<u64>,
}

impl Schema {
    /// Whether no element says that it has more in it than there are, or lies too deep.
    fn is_flat_enough(&self) -> bool {
        let all = self.children.len() as u64;
        // How many are still to come in each element that the next one lies in.
        let mut open: Vec<u64> = Vec::new();
        self.children.iter().all(|children| {
            while open.pop_if(|left| *left == 0).is_some() {}
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if *children > 0 {
                open.push(*children);
            }
            *children < all && open.len() <= MAX_LEVELS
        })
    }
}

impl Fields for Schema {
    fn may_be(&self, of: i16, field: i16, kind: u8) -> bool {
        match (of, field) {
            (ROOT, SCHEMA | ROW_GROUPS | 5 | 7) | (ROW_GROUPS, 1 | 4) => kind == LIST,
            (ROOT, 1) | (SCHEMA, 1..=3 | CHILDREN..=9) => kind == I32,
            (ROOT, 3) | (ROW_GROUPS, 2 | 3 | 5) => kind == I64,
            (ROOT, 6) | (SCHEMA, 4) => kind == BINARY,
            _ => field > 0,
        }
    }

    fn begin(&mut self, of: i16) {
        if of == SCHEMA {
            self.children.push(0);
        }
    }

    fn number(&mut self, of: i16, field: i16, value: i64) -> Option<()> {
        if (of, field) == (SCHEMA, CHILDREN) {
            *self.children.last_mut()? = u64::try_from(value).ok()?;
        }
        Some(())
    }

    fn list(&mut self, of: i16, field: i16, count: u64) -> Option<()> {
        ((of, field) != (ROOT, ROW_GROUPS) || count <= MAX_ROW_GROUPS).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// An element with so many in it.
    fn group(children: u8) -> Vec<u8> {
        vec![0x48, 1, b'g', 0x15, children << 1, 0]
    }

    /// A column of numbers.
    fn leaf() -> Vec<u8> {
        vec![0x15, 4, 0x25, 0, 0x18, 1, b'a', 0]
    }

    /// What is found of a file with this schema and these row groups, of which there are none.
    fn checked(schema: &[Vec<u8>], row_groups: &[u8]) -> Result<(), String> {
        let mut footer = vec![0x15, 4, 0x19, 0xfc];
        footer.extend([(schema.len() as u8 & 0x7f) | 0x80, (schema.len() >> 7) as u8]);
        footer.extend(schema.concat());
        footer.extend([0x16, 0, 0x19]);
        footer.extend(row_groups);
        footer.push(0);
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        let file = [MAGIC, &footer, &length, MAGIC].concat();
        check(&Bytes::from(file)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_footer_that_says_what_there_is_is_left_to_the_library() {
        assert_eq!(checked(&[group(2), leaf(), leaf()], &[0x0c]), Ok(()));
        assert_eq!(checked(&[group(2), group(1), leaf(), leaf()], &[0]), Ok(()));
        let nested = [vec![group(1); MAX_LEVELS], vec![leaf()]].concat();
        assert_eq!(checked(&nested, &[0x0c]), Ok(()));
        for other in ["", "PAR1", "PAR1 and nothing else", "\u{1}\0\0\u{1}PAR1"] {
            assert!(check(&Bytes::from(other)).is_ok(), "{other:?}");
        }
    }

    #[test]
    fn a_footer_that_says_more_is_refused() {
        let broken = "Parquet error: its footer is broken";
        let nested = "Parquet error: its columns are nested too deep, or fewer than its footer says";
        let whole = [group(1), leaf()];
        let deep = [vec![group(1); MAX_LEVELS + 1], vec![leaf()]].concat();
        let many = vec![0x48, 1, b'g', 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0];
        for (schema, row_groups, told) in [
            (&whole[..], &[0xfc, 0xff, 0xff, 0xff, 0xff, 7][..], broken),
            // As many as there are bytes, and more than the library numbers.
            (&whole, &[&[0xfc, 0x80, 0x80, 4][..], &[0; 1 << 16]].concat(), broken),
            // They come again, as a number.
            (&whole, &[0x0c, 0x04, 8, 0x15], broken),
            (&[many, leaf()], &[0x0c], nested),
            (&[group(2), leaf()], &[0x0c], nested),
            (&deep, &[0x0c], nested),
        ] {
            assert_eq!(checked(schema, row_groups).unwrap_err(), told, "{row_groups:?}");
        }
    }
}
