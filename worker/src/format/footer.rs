//! The footer of a Parquet file, before the library decodes it: that takes memory for as many row groups and columns as are
//! said to be there, and calls itself for each level of columns in columns.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use super::structures::Structure;
use super::thrift::{self, Fields};
use super::varint::Varints;

/// The bytes behind the footer: its length, and what says that it is one.
const TAIL: u64 = 8;
const MAGIC: &[u8] = b"PAR1";
/// Fields of the footer, and of an element of its schema, by their numbers.
const SCHEMA: i16 = 2;
const ROW_GROUPS: i16 = 4;
const NAME: i16 = 4;
const CHILDREN: i16 = 5;
/// The most row groups: the library numbers them with as many bits.
const MAX_ROW_GROUPS: u64 = 1 << 15;
/// The most levels of columns in columns.
const MAX_LEVELS: usize = 64;
/// What the library keeps of each name in the path of a column besides it.
const STEP: u64 = 40;
/// What it keeps of each number in a list.
const NUMBER: u64 = 8;

/// What there is of a footer.
#[derive(Debug)]
pub(super) enum Footer {
    /// It says no more than there can be.
    Sound(Bytes),
    /// It takes more than it may when it is decoded.
    TooLarge,
    /// There is none, which the library tells.
    Missing,
}

/// Fetches the footer of a file, which takes `most` bytes at most when it is decoded. One that says that there is more than
/// there can be is refused.
pub(super) fn read(file: &impl ChunkReader, most: u64) -> Result<Footer> {
    let Some(end) = file.len().checked_sub(TAIL) else { return Ok(Footer::Missing) };
    let tail = file.get_bytes(end, TAIL as usize)?;
    let length = tail.split_first_chunk::<4>().filter(|(_, magic)| *magic == MAGIC);
    let Some(length) = length.map(|(length, _)| u32::from_le_bytes(*length)) else { return Ok(Footer::Missing) };
    let Some(begin) = end.checked_sub(length.into()) else { return Ok(Footer::Missing) };
    if u64::from(length) > most {
        return Ok(Footer::TooLarge);
    }
    let bytes = file.get_bytes(begin, length as usize)?;
    // Texts and statistics are kept as they are.
    let mut contents = Contents { schema: Vec::new(), decoded: length.into(), most };
    let whole = thrift::read(&mut Varints(&bytes), Structure::FileMetaData, &mut contents);
    let flat = whole.map(|()| contents.is_flat_enough());
    let fault = match flat {
        _ if contents.decoded > most => return Ok(Footer::TooLarge),
        None => "its footer is broken",
        Some(false) => "its columns are nested too deep, or fewer than its footer says",
        Some(true) => return Ok(Footer::Sound(bytes)),
    };
    Err(ParquetError::General(fault.into()))
}

/// What a footer says that there is.
#[derive(Debug)]
struct Contents {
    /// The elements of the schema. Those that lie in one follow it.
    schema: Vec<Element>,
    /// About the bytes that all of it takes when it is decoded, and the most that it may.
    decoded: u64,
    most: u64,
}

/// An element of the schema.
#[derive(Debug, Default)]
struct Element {
    /// The bytes of its name.
    name: u64,
    /// How many elements it has in it.
    children: u64,
}

impl Contents {
    /// Takes notice of what is decoded; None when it is too much.
    fn take(&mut self, bytes: u64) -> Option<()> {
        self.decoded = self.decoded.saturating_add(bytes);
        (self.decoded <= self.most).then_some(())
    }

    /// Whether no element of the schema says that it has more in it than there are, or lies too deep. Each column keeps the
    /// names of all that it lies in.
    fn is_flat_enough(&mut self) -> bool {
        let all = self.schema.len() as u64;
        // Of each element that the next one lies in: how many are still to come in it, and the bytes of the path to it.
        let mut open: Vec<(u64, u64)> = Vec::new();
        for element in &self.schema {
            while open.pop_if(|(left, _)| *left == 0).is_some() {}
            let mut path = STEP + element.name;
            if let Some((left, outer)) = open.last_mut() {
                *left -= 1;
                path += *outer;
            }
            if element.children > 0 {
                open.push((element.children, path));
            } else {
                self.decoded = self.decoded.saturating_add(path);
            }
            if element.children >= all || open.len() > MAX_LEVELS {
                return false;
            }
        }
        true
    }
}

/// About the bytes that the library keeps of a structure. What it keeps of any other one is in that of the structure around it.
fn bytes_of(structure: Structure) -> u64 {
    match structure {
        // A type, a column and a field are made of it.
        Structure::SchemaElement => 512,
        Structure::ColumnChunk => 512,
        Structure::RowGroup => 128,
        Structure::KeyValue => 64,
        _ => 0,
    }
}

impl Fields for Contents {
    fn begin(&mut self, structure: Structure) -> Option<()> {
        self.take(bytes_of(structure))?;
        if structure == Structure::SchemaElement {
            self.schema.push(Element::default());
        }
        Some(())
    }

    fn number(&mut self, of: Structure, field: i16, value: i64) -> Option<()> {
        if (of, field) == (Structure::SchemaElement, CHILDREN) {
            self.schema.last_mut()?.children = u64::try_from(value).ok()?;
        }
        Some(())
    }

    fn bytes(&mut self, of: Structure, field: i16, length: u64) {
        if (of, field) == (Structure::SchemaElement, NAME)
            && let Some(element) = self.schema.last_mut()
        {
            element.name = length;
        }
    }

    fn list(&mut self, of: Structure, field: i16, count: u64) -> Option<()> {
        let may_be = match (of, field) {
            // Of two, the library passes over the second one.
            (Structure::FileMetaData, SCHEMA) => self.schema.is_empty(),
            (Structure::FileMetaData, ROW_GROUPS) => count <= MAX_ROW_GROUPS,
            _ => true,
        };
        self.take(count.saturating_mul(NUMBER))?;
        may_be.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with that footer.
    fn file(footer: &[u8]) -> Bytes {
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        Bytes::from([MAGIC, footer, &length, MAGIC].concat())
    }

    /// An element with so many in it.
    fn group(children: u8) -> Vec<u8> {
        vec![0x48, 1, b'g', 0x15, children << 1, 0]
    }

    /// A column of numbers.
    fn leaf() -> Vec<u8> {
        vec![0x15, 4, 0x25, 0, 0x18, 1, b'a', 0]
    }

    /// A footer with this schema, and what comes after it and the number of rows.
    fn footer(schema: &[Vec<u8>], rest: &[u8]) -> Vec<u8> {
        let mut footer = vec![0x15, 4, 0x19, 0xfc];
        footer.extend([(schema.len() as u8 & 0x7f) | 0x80, (schema.len() >> 7) as u8]);
        footer.extend(schema.concat());
        footer.extend([0x16, 0]);
        footer.extend(rest);
        footer.push(0);
        footer
    }

    /// What is found of a file with that footer, which may take so much.
    fn found(footer: &[u8], most: u64) -> Result<(), String> {
        match read(&file(footer), most) {
            Ok(Footer::Sound(bytes)) => {
                assert_eq!(bytes, footer);
                Ok(())
            }
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What is found of a file with this schema and these row groups, of which there are none.
    fn checked(schema: &[Vec<u8>], row_groups: &[u8]) -> Result<(), String> {
        found(&footer(schema, &[&[0x19], row_groups].concat()), 1 << 20)
    }

    #[test]
    fn a_footer_that_says_what_there_is_is_left_to_the_library() {
        assert_eq!(checked(&[group(2), leaf(), leaf()], &[0x0c]), Ok(()));
        assert_eq!(checked(&[group(2), group(1), leaf(), leaf()], &[0]), Ok(()));
        let nested = [vec![group(1); MAX_LEVELS], vec![leaf()]].concat();
        assert_eq!(checked(&nested, &[0x0c]), Ok(()));
        for other in ["", "PAR1", "PAR1 and nothing else", "\u{1}\0\0\u{1}PAR1"] {
            let found = read(&Bytes::from(other), 1 << 20);
            assert!(matches!(found, Ok(Footer::Missing)), "{other:?}: {found:?}");
        }
    }

    #[test]
    fn a_footer_that_says_more_is_refused() {
        let broken = "Parquet error: its footer is broken";
        let nested = "Parquet error: its columns are nested too deep, or fewer than its footer says";
        let whole = [group(1), leaf()];
        let deep = [vec![group(1); MAX_LEVELS + 1], vec![leaf()]].concat();
        let many = vec![0x48, 1, b'g', 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0];
        let again = [&[0x0c, 0x09, 4, 0x2c][..], &whole.concat()].concat();
        for (schema, row_groups, told) in [
            (&whole[..], &[0xfc, 0xff, 0xff, 0xff, 0xff, 7][..], broken),
            // As many as there are bytes, and more than the library numbers.
            (&whole, &[&[0xfc, 0x80, 0x80, 4][..], &[0; 1 << 16]].concat(), broken),
            // They come again, as a number.
            (&whole, &[0x0c, 0x04, 8, 0x15], broken),
            // The schema comes again.
            (&whole, &again, broken),
            (&[many, leaf()], &[0x0c], nested),
            (&[group(2), leaf()], &[0x0c], nested),
            (&deep, &[0x0c], nested),
        ] {
            assert_eq!(checked(schema, row_groups).unwrap_err(), told, "{row_groups:?}");
        }
    }

    #[test]
    fn a_field_that_is_not_what_it_should_be_is_refused() {
        // What the library would find behind one, and these bytes do not say: row groups beyond all.
        let hidden = [0x09, 8, 0xfc, 0xff, 0xff, 0xff, 0xff, 7];
        let schema = [group(1), leaf()];
        let whole = |rest: &[u8]| footer(&schema, rest);
        // An element with a field of that kind as its logical type, and what it holds.
        let typed = |kind: u8, content: &[u8]| {
            let element = [&[0x15, 4, 0x25, 0, 0x18, 1, b'a', 0x60 | kind][..], content, &[0]].concat();
            footer(&[group(1), element], &[0x19, 0x0c])
        };
        // A row group whose column has this in its metadata.
        let chunk = |content: &[u8]| {
            let chunk = [&[0x26, 0, 0x1c][..], content, &[0, 0]].concat();
            footer(&schema, &[&[0x19, 0x1c, 0x19, 0x1c][..], &chunk, &[0x16, 0, 0x16, 0, 0]].concat())
        };
        for (sound, footer) in [
            ("text of the writer", whole(&[0x29, 0x1c, 0x18, 1, b'k', 0x18, 1, b'v', 0])),
            ("a time", typed(0x0c, &[0x8c, 0x11, 0x1c, 0x2c, 0, 0, 0, 0])),
            ("a number", typed(0x0c, &[0xac, 0x13, 32, 0x11, 0, 0])),
            ("a type that nobody knows", typed(0x0c, &[0x0c, 0x80, 2, 0x18, 1, b'x', 0x19, 0x15, 2, 0, 0])),
            ("statistics", chunk(&[0xcc, 0x18, 1, b'x', 0x18, 0, 0x16, 0, 0x51, 0])),
            ("sizes", chunk(&[0x0c, 32, 0x16, 0, 0x19, 0x26, 2, 4, 0])),
            ("a number of other bits", chunk(&[0x14, 2])),
        ] {
            assert_eq!(found(&footer, 1 << 20), Ok(()), "{sound}");
        }
        let broken = "Parquet error: its footer is broken";
        for (why, footer) in [
            ("a key that is a number", whole(&[&[0x29, 0x1c, 0x15, 2, 0, 0, 0][..], &hidden].concat())),
            ("a key that is a list", whole(&[0x29, 0x1c, 0x19, 0x05, 0])),
            ("keys that are numbers", whole(&[0x29, 0x15, 2])),
            ("a set of row groups", whole(&[0x1a, 0x0c])),
            ("a writer that is a number", whole(&[0x35, 2])),
            ("a logical type that is text", typed(8, &[0])),
            ("a unit of time that is a truth", typed(0x0c, &[0x8c, 0x11, 0x11, 0, 0])),
            ("a unit of time with something in it", typed(0x0c, &[0x8c, 0x11, 0x1c, 0x1c, 0x15, 2, 0, 0, 0, 0])),
            ("a number of bits that is no byte", typed(0x0c, &[0xac, 0x15, 64, 0x11, 0, 0])),
            ("text with something in it", typed(0x0c, &[0x1c, 0x15, 2, 0, 0])),
            ("metadata that are text", footer(&schema, &[0x19, 0x1c, 0x19, 0x1c, 0x26, 0, 0x18, 0, 0, 0])),
            ("encodings that are text", chunk(&[0x29, 0x18, 0])),
            ("statistics that are a number", chunk(&[0xc6, 0])),
            ("a least value that is a structure", chunk(&[0xcc, 0x1c, 0, 0])),
            ("a histogram that is a number", chunk(&[0x0c, 32, 0x26, 0, 0])),
            ("an edge that is a number", chunk(&[0x0c, 34, 0x1c, 0x16, 0, 0, 0])),
        ] {
            assert_eq!(found(&footer, 1 << 20), Err(broken.to_owned()), "{why}");
        }
    }

    #[test]
    fn a_footer_takes_no_more_than_it_may_when_it_is_decoded() {
        let too_large = || Err("TooLarge".to_owned());
        let small = footer(&[group(1), leaf()], &[0x19, 0x0c]);
        // Two elements, and the path to one of them.
        let decoded = small.len() as u64 + 2 * 512 + 2 * NUMBER + 2 * (STEP + 1);
        assert_eq!(found(&small, decoded), Ok(()));
        assert_eq!(found(&small, decoded - 1), too_large());
        assert_eq!(found(&small, small.len() as u64 - 1), too_large());
        // Few bytes of which much comes: keys, numbers, elements, and a long name that each column keeps.
        let leaves = |count: usize| vec![leaf(); count];
        let many = |begin: &[u8], element: &[u8]| [begin, &[0xe8, 7], &element.repeat(1000)].concat();
        let named = [vec![0x48, 0xe8, 7], vec![b'g'; 1000], vec![0x15, 100, 0]].concat();
        for (why, footer) in [
            ("keys", footer(&[group(1), leaf()], &many(&[0x29, 0xfc], &[0x18, 0, 0]))),
            ("numbers", footer(&[group(1), leaf()], &many(&[0x09, 0x80, 2, 0xf5], &[2]))),
            ("elements", footer(&leaves(100), &[0x19, 0x0c])),
            ("names", footer(&[vec![group(1), named], leaves(50)].concat(), &[0x19, 0x0c])),
        ] {
            let most = footer.len() as u64 + if why == "names" { 52 * (512 + NUMBER) } else { 4000 };
            assert_eq!(found(&footer, most), too_large(), "{why}");
            assert_eq!(found(&footer, 1 << 20), Ok(()), "{why}");
        }
    }
}
