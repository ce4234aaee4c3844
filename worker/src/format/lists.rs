//! Rows of lists in pages of Parquet files. The library decodes a row at once, over as many pages as it goes on, and a few
//! bytes may repeat a level or a text any number of times: so what each row takes is found by its levels, before it is decoded.

use parquet::basic::{Encoding, Type};
use parquet::schema::types::ColumnDescriptor;

use super::delta::{Deltas, Lengths};
use super::runs::Runs;
use crate::connector::MAX_ROW;

/// What the library keeps of each value besides it: two levels, of two bytes each.
const LEVELS: u64 = 4;
/// Where a list ends.
const OFFSET: u64 = 4;
/// What a text takes besides what is in it: as much as a view of it.
const VIEW: u64 = 16;
/// The most bytes of the largest rows of all columns of lists together.
pub(super) const MAX_LISTS: u64 = 4 * MAX_ROW as u64;
/// So many bytes of texts of a page are not looked at one by one: all of them count for any row of it.
const FEW: u64 = 2 * 1024 * 1024;

/// What a page of data holds.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// Which list each value goes on with; 0 where a row begins.
    pub(super) repetition: Runs<'a>,
    /// Which values are there, and are no null or a list without values.
    pub(super) definition: Runs<'a>,
    /// Those that are there.
    pub(super) values: &'a [u8],
}

/// About the bytes that each value of a list takes, also one that is null; of a text, without what is in it. Where lists are in
/// lists, those of which it is the first one have an end besides.
pub(super) fn bytes_of_each(column: &ColumnDescriptor) -> u64 {
    LEVELS
        + match column.physical_type() {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::BYTE_ARRAY => VIEW,
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.type_length()).unwrap_or_default(),
        }
}

/// What is known of the pages of a column chunk whose values are in lists.
#[derive(Debug)]
pub(super) struct Lists {
    /// The bytes of each value, as [`bytes_of_each`].
    each: u64,
    /// How deep lists are in lists: the level of repetition of a value that begins none.
    depth: u32,
    /// The bytes of texts of a page that are not looked at one by one.
    few: u64,
    /// The level of definition of a value that is there.
    there: u32,
    /// Whether values are texts, and how long those of the dictionary are.
    texts: bool,
    dictionary: Vec<u32>,
    longest: u32,
    /// The bytes of the last row: the next page may go on with it.
    open: u64,
    /// The rows that were met, and their bytes, until they were as many as are decoded at once.
    rows: u64,
    bytes: u64,
}

/// What the rows of a page take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The largest of them, with what it has in pages before.
    pub(super) largest: u64,
    /// About each of as many as are decoded at once.
    pub(super) each: u64,
}

impl Lists {
    /// Those of a column, one of so many of lists; None when its values are in no list.
    pub(super) fn of(column: &ColumnDescriptor, columns: usize) -> Option<Self> {
        (column.max_rep_level() > 0).then(|| Self {
            each: bytes_of_each(column),
            depth: u32::from(column.max_rep_level().unsigned_abs()),
            // So all of them together count no more of such texts than a quarter of what they may take.
            few: FEW.min(MAX_LISTS / 4 / (columns as u64).max(1)),
            there: u32::from(column.max_def_level().unsigned_abs()),
            texts: column.physical_type() == Type::BYTE_ARRAY,
            dictionary: Vec::new(),
            longest: 0,
            open: 0,
            rows: 0,
            bytes: 0,
        })
    }

    /// Takes notice of the dictionary.
    pub(super) fn know(&mut self, dictionary: &[u8]) {
        self.dictionary = Texts(dictionary).collect();
        self.longest = self.dictionary.iter().copied().max().unwrap_or_default();
    }

    /// What the rows take of a page with so many values, before it is decoded; None when its levels are broken. `at_once` is
    /// how many rows are decoded at once.
    pub(super) fn take(&mut self, parts: Parts<'_>, count: u64, encoding: Encoding, at_once: u64) -> Option<Taken> {
        let Parts { mut repetition, definition, values } = parts;
        let most = if self.texts { self.most(encoding, values, count) } else { 0 };
        let mut texts = (most > self.few).then(|| self.lengths(encoding, values));
        let mut definition = definition.one_by_one();
        let (mut largest, mut open, mut rows, mut bytes) = (0_u64, self.open, 0_u64, 0_u64);
        let mut left = count;
        while left > 0 {
            let (level, times) = repetition.next()?;
            let mut times = times.min(left);
            // Lists that begin in another one with it: that of the row itself is in none.
            let begun = self.depth.saturating_sub(level.max(1));
            let each = self.each + OFFSET * u64::from(begun);
            while times > 0 {
                let (some, text) = match &mut texts {
                    None => (times, 0),
                    Some(texts) => {
                        let is_there = definition.next()? == self.there;
                        // Where there are too few, the library tells.
                        (1, if is_there { u64::from(texts.next().unwrap_or_default()) } else { 0 })
                    }
                };
                if level == 0 {
                    // What a page before has of a row that does not go on was looked at there.
                    if left < count {
                        largest = largest.max(open);
                    }
                    (open, rows) = (each + text, rows + some);
                } else {
                    open += each * some + text;
                }
                if open > MAX_ROW as u64 {
                    // It is refused, whatever comes.
                    return Some(Taken { largest: open, each: open });
                }
                bytes += each * some + text;
                (times, left) = (times - some, left - some);
            }
        }
        // What was not looked at one by one may all be in one row.
        let most = if texts.is_some() { 0 } else { most };
        drop(texts);
        open += most;
        largest = (largest + most).max(open);
        self.open = open;
        let bytes = (bytes + most).min(largest.saturating_mul(at_once));
        Some(Taken { largest, each: self.share(rows, bytes, at_once.max(1)) })
    }

    /// About the bytes of each of so many rows, after so many more.
    fn share(&mut self, rows: u64, bytes: u64, at_once: u64) -> u64 {
        if self.rows >= at_once {
            (self.rows, self.bytes) = (0, 0);
        }
        (self.rows, self.bytes) = (self.rows + rows, self.bytes.saturating_add(bytes));
        self.bytes.div_ceil(at_once)
    }

    /// The most bytes that the texts of a page have.
    fn most(&self, encoding: Encoding, values: &[u8], count: u64) -> u64 {
        match encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => count * u64::from(self.longest),
            // Only its lengths tell.
            Encoding::DELTA_BYTE_ARRAY => u64::MAX,
            _ => values.len() as u64,
        }
    }

    /// How long each text of a page is.
    fn lengths<'a>(&'a self, encoding: Encoding, values: &'a [u8]) -> Box<dyn Iterator<Item = u32> + 'a> {
        match encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let numbers = values.split_first().and_then(|(width, rest)| Runs::new(rest, usize::from(*width)));
                let numbers = numbers.into_iter().flat_map(Runs::one_by_one);
                Box::new(numbers.map(move |number| self.dictionary.get(number as usize).copied().unwrap_or_default()))
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                let lengths = Deltas::read(values).and_then(Deltas::lengths).map(|(lengths, _)| lengths);
                Box::new(lengths.into_iter().flatten())
            }
            Encoding::DELTA_BYTE_ARRAY => {
                let lengths = Deltas::read(values).and_then(Lengths::read).map(|lengths| lengths.each);
                Box::new(lengths.into_iter().flatten())
            }
            _ => Box::new(Texts(values)),
        }
    }
}

/// The lengths of texts that stand behind these.
pub(super) struct Texts<'a>(pub(super) &'a [u8]);

impl Iterator for Texts<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        self.0 = rest.get(length as usize..)?;
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    /// Those of the first column of a schema, one of so many of lists.
    fn among(schema: &str, columns: usize) -> Option<Lists> {
        let schema = parse_message_type(schema).unwrap();
        Lists::of(&SchemaDescriptor::new(Arc::new(schema)).column(0), columns)
    }

    fn lists(column: &str) -> Option<Lists> {
        among(&format!("message rows {{ {column}; }}"), 1)
    }

    /// A page whose levels have one bit.
    fn parts<'a>(repetition: &'a [u8], definition: &'a [u8], values: &'a [u8]) -> Parts<'a> {
        let runs = |bytes: &'a [u8]| Runs::new(bytes, 1).unwrap();
        Parts { repetition: runs(repetition), definition: runs(definition), values }
    }

    #[test]
    fn a_row_takes_what_all_of_its_values_take_in_whatever_pages_they_are() {
        assert!(lists("OPTIONAL INT64 a").is_none());
        let mut lists = lists("REPEATED INT64 a").unwrap();
        let mut take = |repetition: &[u8], count: u64| {
            let taken = lists.take(parts(repetition, &[], &[]), count, Encoding::PLAIN, 8);
            taken.map(|taken| (taken.largest, taken.each))
        };
        // Rows of 10, 1, 1 and 2 values, of 12 bytes each: 168 bytes of 8 rows.
        assert_eq!(take(&[2, 0, 18, 1, 6, 0, 2, 1], 14), Some((120, 21)));
        // A hundred more of the last one.
        assert_eq!(take(&[200, 1, 1], 100), Some((1224, 171)));
        // Another one. That before it was looked at with the page before, and a run may be longer than there are values.
        assert_eq!(take(&[2, 0, 200, 1, 1], 3), Some((36, 176)));
        assert_eq!(take(&[6, 0], 3), Some((12, 180)));
        // Those that come next are rows of the next batch.
        assert_eq!(take(&[6, 0], 3), Some((12, 5)));
        assert_eq!(take(&[6, 0], 4), None, "a level too few");
    }

    #[test]
    fn only_what_begins_a_list_in_a_list_counts_its_end() {
        let schema = "message rows { REPEATED group a { REPEATED group b { REPEATED INT32 c; } } }";
        // A picture in one row: lines of pixels of three colours.
        let (lines, pixels) = (1080, 1920);
        let pixel = |level: u8| [2, level, 4, 3];
        let line = |level: u8| [pixel(level).to_vec(), pixel(2).repeat(pixels - 1)].concat();
        let picture = [line(0), line(1).repeat(lines - 1)].concat();
        let (lines, pixels) = (lines as u64, (lines * pixels) as u64);
        let levels = Parts { repetition: Runs::new(&picture, 2).unwrap(), definition: Runs::default(), values: &[] };
        let taken = among(schema, 1).unwrap().take(levels, 3 * pixels, Encoding::PLAIN, 1).unwrap();
        assert_eq!(taken.largest, 3 * pixels * 8 + (pixels + lines) * 4);
        assert!(taken.largest < MAX_ROW as u64, "{} bytes", taken.largest);
        // Rows of one value each, which begins a list in each of its two lists.
        let rows = Parts { repetition: Runs::new(&[20, 0], 2).unwrap(), definition: Runs::default(), values: &[] };
        let taken = among(schema, 1).unwrap().take(rows, 10, Encoding::PLAIN, 5).unwrap();
        assert_eq!(taken, Taken { largest: 16, each: 16 });
    }

    #[test]
    fn the_more_columns_have_lists_the_fewer_texts_are_not_looked_at() {
        // A page of a mebibyte, of which each row has one text.
        let text = [&1020_u32.to_le_bytes()[..], &[b'x'; 1020]].concat();
        let values = text.repeat(1024);
        let largest = |columns| {
            let mut lists = among("message rows { REPEATED BYTE_ARRAY a (UTF8); }", columns).unwrap();
            let levels = parts(&[0x80, 16, 0], &[0x80, 16, 1], &values);
            lists.take(levels, 1024, Encoding::PLAIN, 1000).unwrap().largest
        };
        assert_eq!([largest(1), largest(32)], [20 + (1 << 20); 2]);
        assert_eq!([largest(128), largest(280)], [20 + 1020; 2]);
    }

    #[test]
    fn texts_that_may_be_many_bytes_are_looked_at_one_by_one() {
        let column = "REPEATED BYTE_ARRAY a (UTF8)";
        let long = 3 << 20;
        let mut dictionary = [&[1, 0, 0, 0, b'x'][..], &u32::to_le_bytes(long)].concat();
        dictionary.resize(dictionary.len() + long as usize, b'y');
        // Two rows of two texts each, of which the third text is the long one.
        let levels = || parts(&[3, 0b1010], &[8, 1], &[1, 3, 0b0100]);
        let mut one = lists(column).unwrap();
        one.know(&dictionary);
        let taken = one.take(levels(), 4, Encoding::RLE_DICTIONARY, 1000).unwrap();
        let (largest, all) = (2 * 20 + 1 + u64::from(long), 4 * 20 + 3 + u64::from(long));
        assert_eq!(taken, Taken { largest, each: all.div_ceil(1000) });
        // The second row goes on.
        let next = parts(&[4, 1], &[4, 1], &[1, 4, 1]);
        let taken = one.take(next, 2, Encoding::RLE_DICTIONARY, 1000).unwrap();
        assert_eq!(taken.largest, largest + 2 * (20 + u64::from(long)));
        // A list without values has no text, and a value without a level of its own is none.
        let mut two = lists(column).unwrap();
        two.know(&dictionary);
        let nothing = parts(&[8, 0], &[3, 0b0101], &[1, 3, 0b10]);
        let taken = two.take(nothing, 4, Encoding::RLE_DICTIONARY, 1000).unwrap();
        assert_eq!(taken.largest, 20 + u64::from(long));
        assert!(two.take(parts(&[8, 0], &[2, 1], &[1, 8, 1]), 4, Encoding::RLE_DICTIONARY, 1000).is_none());
        // Few bytes are not looked at: any row may have all of them.
        let mut few = lists(column).unwrap();
        let taken = few.take(parts(&[3, 0b1010], &[8, 1], &[0; 16]), 4, Encoding::PLAIN, 1000).unwrap();
        assert_eq!(taken.largest, 2 * 20 + 16);
    }

    #[test]
    fn texts_tell_their_lengths_in_every_encoding() {
        let texts = [3_u32, 0, 5];
        let text = |length: &u32| [&length.to_le_bytes()[..], &[b'x'; 5][..*length as usize]].concat();
        let plain: Vec<u8> = texts.iter().flat_map(text).collect();
        let mut lists = lists("REPEATED BYTE_ARRAY a (UTF8)").unwrap();
        lists.know(&plain);
        let read = |encoding, values: &[u8]| lists.lengths(encoding, values).take(3).collect::<Vec<_>>();
        assert_eq!(read(Encoding::PLAIN, &plain), texts);
        assert_eq!(read(Encoding::RLE_DICTIONARY, &[2, 3, 0x24, 0]), texts);
        // 2, 4 and 6, each two more than the one before; of what each takes of the one before, 0, 2 and 4.
        let steps = |first: u8| vec![0x80, 1, 4, 3, first << 1, 4, 0, 0, 0, 0];
        let length = [&steps(2)[..], &[b'x'; 12]].concat();
        assert_eq!(read(Encoding::DELTA_LENGTH_BYTE_ARRAY, &length), [2, 4, 6]);
        let twos = vec![0x80, 1, 4, 3, 4, 0, 0, 0, 0, 0];
        assert_eq!(read(Encoding::DELTA_BYTE_ARRAY, &[steps(0), twos, vec![b'x'; 6]].concat()), [2, 4, 6]);
        assert_eq!(read(Encoding::RLE_DICTIONARY, &[33, 3, 0]), [0; 0]);
        assert_eq!(read(Encoding::PLAIN, &[9, 0, 0, 0, b'x']), [0; 0], "a text that is cut off");
    }
}
