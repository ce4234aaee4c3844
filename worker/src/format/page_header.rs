//! The header of a page of a Parquet file: what it says of sizes, as the library that decompresses the page reads it.

use super::structures::Structure;
use super::thrift::{self, Fields};
use super::varint::Varints;

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
        thrift::read(&mut Varints(header), Structure::PageHeader, &mut sizes)?;
        Some(sizes)
    }

    /// The bytes at the page's beginning that are never compressed.
    pub(super) fn plain(self) -> u64 {
        self.levels.iter().sum()
    }
}

impl Fields for Sizes {
    fn number(&mut self, of: Structure, field: i16, value: i64) -> Option<()> {
        match (of, field) {
            (Structure::PageHeader, 2) => self.decompressed = size(value)?,
            (Structure::DataPageHeaderV2, 5) => self.levels[0] = size(value)?,
            (Structure::DataPageHeaderV2, 6) => self.levels[1] = size(value)?,
            _ => {}
        }
        Some(())
    }

    /// No header has lists.
    fn list(&mut self, _of: Structure, _field: i16, _count: u64) -> Option<()> {
        None
    }
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
            (vec![0x15, 0, 0x15, 2, 0x15, 2, 0x28, 0, 0], "a page that says it is text"),
            (vec![0x15, 0, 0x15, 2, 0x15, 2, 0x2c, 0x18, 0, 0, 0], "values that say they are text"),
            (vec![0x15, 0, 0x15, 1, 0], "a size below nothing"),
            (vec![0x15, 0, 0x15, 0x80, 0x80, 0x80, 0x80, 0x20, 0], "a size of more than 31 bits"),
            (vec![0x0c, 0, 0x15, 2, 0, 0], "a field without a number"),
            (vec![0x15, 0, 0x15, 2, 0x19, 0x15, 2, 0], "a list"),
            (vec![0xff; 40], "no header"),
            (FIRST[..10].to_vec(), "half of one"),
            (Vec::new(), "nothing"),
        ] {
            assert_eq!(Sizes::read(&header), None, "{why}");
        }
    }
}
