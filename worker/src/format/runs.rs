//! Small numbers in runs: one and how often it comes, or several that are packed (RLE and bit-packing in turns). Pages of
//! Parquet files hold levels so, and which values of a dictionary theirs are.

use std::iter::repeat_n;

use super::varint::Varints;

/// The most bits of a number.
const MAX_WIDTH: usize = 32;

/// Numbers in runs, as the library reads them: what it finds, it finds here first.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs<'a> {
    rest: &'a [u8],
    /// The bits of a number.
    width: usize,
    /// The present run, if it is packed: how many numbers there are, and how many of them were given out.
    packed: &'a [u8],
    count: usize,
    given: usize,
}

impl<'a> Runs<'a> {
    /// Numbers of so many bits; None when no number has as many.
    pub(super) fn new(bytes: &'a [u8], width: usize) -> Option<Self> {
        (width <= MAX_WIDTH).then(|| Self { rest: bytes, width, ..Self::default() })
    }

    /// So many numbers, or as many as there are, all of which are packed.
    pub(super) fn packed(bytes: &'a [u8], width: usize, count: usize) -> Option<Self> {
        let mut runs = Self::new(&[], width)?;
        (runs.packed, runs.count) = (bytes, runs.whole(bytes, count));
        Some(runs)
    }

    /// Each number as often as it comes.
    pub(super) fn one_by_one(self) -> impl Iterator<Item = u32> {
        self.flat_map(|(number, times)| repeat_n(number, times as usize))
    }

    /// How many of so many numbers are in some bytes: the last ones may be cut off.
    fn whole(&self, bytes: &[u8], count: usize) -> usize {
        (bytes.len() * 8).checked_div(self.width).map_or(count, |there| count.min(there))
    }
}

impl Iterator for Runs<'_> {
    /// A number, and how often it comes at least.
    type Item = (u32, u64);

    fn next(&mut self) -> Option<(u32, u64)> {
        loop {
            if self.given < self.count {
                self.given += 1;
                return Some((unpack(self.packed, self.width, self.given - 1), 1));
            }
            let mut rest = Varints(self.rest);
            let head = rest.number()?;
            // The library has 32 bits for it.
            let times = (head >> 1) as u32;
            let mut run = None;
            if head % 2 == 1 {
                self.count = self.whole(rest.0, times.wrapping_mul(8) as usize);
                self.packed = rest.take((self.count * self.width).div_ceil(8) as u64)?;
                self.given = 0;
            } else if head > 0 {
                let bytes = rest.take(self.width.div_ceil(8) as u64)?;
                let number = bytes.iter().rev().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
                run = (times > 0).then_some((number, u64::from(times)));
            }
            // With a head of 0 some writers fill up. There the library stops, and when it is asked again, it goes on behind it.
            self.rest = rest.0;
            if run.is_some() {
                return run;
            }
        }
    }
}

/// One of the numbers of so many bits that are packed, the lowest bits first.
pub(super) fn unpack(packed: &[u8], width: usize, index: usize) -> u32 {
    let bit = index * width;
    let rest = packed.get(bit / 8..).unwrap_or_default();
    let window = rest.first_chunk::<8>().copied().unwrap_or_else(|| {
        let mut window = [0; 8];
        window[..rest.len()].copy_from_slice(rest);
        window
    });
    let bits = (u64::from_le_bytes(window) >> (bit % 8)) & ((1 << width) - 1);
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], width: usize) -> Vec<(u32, u64)> {
        Runs::new(bytes, width).unwrap().collect()
    }

    #[test]
    fn numbers_are_read_whether_they_are_repeated_or_packed() {
        let counted: Vec<(u32, u64)> = (0..8).map(|number| (number, 1)).collect();
        // The numbers from 0 to 7, of the format's own documentation.
        let packed = [0x03, 0x88, 0xc6, 0xfa];
        assert_eq!(all(&packed, 3), counted);
        // A number that comes 5 times, nothing that fills up, one of two bytes that comes 200 times.
        assert_eq!(all(&[10, 3, 0, 0, 10, 7], 3), [(3, 5), (7, 5)]);
        assert_eq!(all(&[0x90, 3, 0x2c, 1], 9), [(300, 200)]);
        let three = [&[(1, 5)][..], &counted, &[(6, 2)]].concat();
        assert_eq!(all(&[&[10, 1][..], &packed, &[4, 6]].concat(), 3), three);
        // Of numbers without bits there is nothing but how many they are.
        assert_eq!(all(&[8, 3], 0), [&[(0, 4)][..], &[(0, 1); 8]].concat());
        let bits = Runs::packed(&[0b1010_0101], 1, 6).unwrap();
        assert_eq!(bits.map(|(bit, _)| bit).collect::<Vec<_>>(), [1, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn what_is_cut_off_ends() {
        assert_eq!(all(&[], 3), []);
        assert_eq!(all(&[10], 3), [], "without the number that is repeated");
        assert_eq!(all(&[0x80], 3), [], "half of how often");
        assert_eq!(all(&[0x03, 0x88, 0xc6], 3).len(), 5, "without the last byte");
        assert_eq!(all(&[0x80, 0x80, 0x80, 0x80, 0x40, 1], 1), [], "2^33 times, which the library takes for none");
        assert_eq!(Runs::packed(&[0xff], 1, 9).unwrap().count(), 8);
        assert!(Runs::new(&[2, 1], 33).is_none());
    }
}
