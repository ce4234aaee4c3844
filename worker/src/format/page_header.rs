//! The header of a page of a Parquet file: what it says of sizes, as the library that decompresses the page reads it.

use super::varint::Varints;

/// Kinds of values, by their numbers in Thrift's compact form.
const STOP: u8 = 0;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// The header itself, among the structures in it, which go by the numbers of their fields.
const ROOT: i16 = 0;
/// That of a data page of the second version.
const DATA_PAGE_V2: i16 = 8;
/// Any structure in one of these.
const DEEPER: i16 = -1;
/// The most levels of structures; there are three.
const MAX_DEPTH: u8 = 8;

/// What a header says of its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// The bytes of the page when it is decompressed.
    pub(super) decompressed: u64,
    /// Those at its beginning that are never compressed.
    levels: [u64; 2],
}

impl Sizes {
    /// What a whole header says; None when it is broken, or the library might read it in another way.
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let mut sizes = Self::default();
        structure(&mut Varints(header), ROOT, MAX_DEPTH, &mut sizes)?;
        Some(sizes)
    }

    /// The bytes at the page's beginning that are never compressed.
    pub(super) fn plain(self) -> u64 {
        self.levels.iter().sum()
    }
}

/// Reads the fields of a structure to its end. A field that comes twice counts as it comes last.
fn structure(header: &mut Varints<'_>, of: i16, depth: u8, sizes: &mut Sizes) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let mut field = 0_i16;
    loop {
        let head = header.byte()?;
        let (step, kind) = (i16::from(head >> 4), head & 0x0f);
        if kind == STOP {
            return Some(());
        }
        field = match step {
            0 => i16::try_from(header.integer()?).ok()?,
            step => field.checked_add(step)?,
        };
        // The library reads these as what they should be, whatever kind they say they are.
        let expected = match (of, field) {
            (ROOT, 1..=4) | (5, 1..=4) | (7, 1..=2) | (DATA_PAGE_V2, 1..=6) => kind == I32,
            (ROOT, 5..=8) => kind == STRUCT,
            (7, 3) | (DATA_PAGE_V2, 7) => kind <= FALSE,
            _ => field > 0,
        };
        if !expected {
            return None;
        }
        match kind {
            0..=FALSE => {}
            BYTE => skip(header, 1)?,
            I16 | I32 | I64 => {
                let value = header.integer()?;
                match (of, field) {
                    (ROOT, 2) => sizes.decompressed = size(value)?,
                    (DATA_PAGE_V2, 5) => sizes.levels[0] = size(value)?,
                    (DATA_PAGE_V2, 6) => sizes.levels[1] = size(value)?,
                    _ => {}
                }
            }
            DOUBLE => skip(header, 8)?,
            BINARY => {
                let length = header.number()?;
                skip(header, length)?;
            }
            STRUCT => structure(header, if of == ROOT { field } else { DEEPER }, depth, sizes)?,
            // No header has lists, sets or maps.
            _ => return None,
        }
    }
}

fn skip(header: &mut Varints<'_>, bytes: u64) -> Option<()> {
    header.take(bytes).map(|_| ())
}

/// A size, which has 31 bits.
fn size(value: i64) -> Option<u64> {
    i32::try_from(value).ok().and_then(|value| u64::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of 300 bytes with null values and their statistics.
    const FIRST: [u8; 22] =
        [0x15, 0, 0x15, 0xd8, 4, 0x15, 40, 0x2c, 0x15, 20, 0x15, 0, 0x15, 6, 0x15, 6, 0x1c, 0x36, 2, 0, 0, 0];

    #[test]
    fn what_a_header_says_of_sizes_is_read() {
        assert_eq!(Sizes::read(&FIRST), Some(Sizes { decompressed: 300, levels: [0, 0] }));
        // The second version: 3 and 5 bytes of levels, and it is compressed.
        let second =
            [0x15, 6, 0x15, 0xd8, 4, 0x15, 40, 0x5c, 0x15, 2, 0x15, 2, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 10, 0x11, 0, 0];
        let sizes = Sizes::read(&second).unwrap();
        assert_eq!((sizes.decompressed, sizes.plain()), (300, 8));
    }

    #[test]
    fn what_would_hide_a_size_is_refused_or_read_as_the_library_does() {
        let mut twice = FIRST[..FIRST.len() - 1].to_vec();
        // Field 2 once more, in the long form: what comes last counts.
        twice.extend([0x05, 4, 0x80, 0x80, 0x80, 0x80, 8, 0]);
        assert_eq!(Sizes::read(&twice).unwrap().decompressed, 1 << 30);
        for (header, why) in [
            (vec![0x15, 0, 0x18, 2, 0], "a size that says it is text"),
            (vec![0x15, 0, 0x15, 1, 0], "a size below nothing"),
            (vec![0x15, 0, 0x15, 0x80, 0x80, 0x80, 0x80, 0x20, 0], "a size of more than 31 bits"),
            (vec![0x0c, 0, 0x15, 2, 0, 0], "a structure that has the header's own number"),
            (vec![0x15, 0, 0x15, 2, 0x19, 0x15, 2, 0], "a list"),
            (vec![0xff; 40], "no header"),
            (FIRST[..10].to_vec(), "half of one"),
            (Vec::new(), "nothing"),
        ] {
            assert_eq!(Sizes::read(&header), None, "{why}");
        }
    }
}
