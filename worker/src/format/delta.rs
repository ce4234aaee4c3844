//! Numbers as the differences between them, and texts as what they add to the one before: how pages of Parquet files may hold
//! them. The library takes as much memory as their headers ask for, and panics at some that are broken, so they are looked at
//! before it decodes them. Its own decoder is to be had with its feature `experimental` only, which needs three more crates.

use super::runs::unpack;
use super::varint::Varints;

/// The most numbers of a block. Writers make blocks of some hundreds; the format has no bound.
const MAX_BLOCK: u64 = 1 << 20;
/// The most bits of a length.
const MAX_WIDTH: u64 = 32;

/// Numbers of which the header was read (DELTA_BINARY_PACKED).
pub(super) struct Deltas<'a> {
    /// What comes after the header.
    rest: Varints<'a>,
    /// How many numbers there are.
    count: u64,
    first: i64,
    /// How many differences are packed with the same number of bits, and how many of these packs are a block.
    pack: u64,
    packs: u64,
}

impl<'a> Deltas<'a> {
    /// Those that `bytes` begin with; None when the header is broken.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Varints(bytes);
        let (block, packs) = (rest.number()?, rest.number()?);
        let (count, first) = (rest.number()?, rest.integer()?);
        let pack = block.checked_div(packs)?;
        // As the library asks for them.
        let whole = block.is_multiple_of(128) && block.is_multiple_of(packs) && pack.is_multiple_of(32);
        (whole && (1..=MAX_BLOCK).contains(&block)).then_some(Self { rest, count, first, pack, packs })
    }

    /// How many the header says that there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// All of them, which are lengths, and what comes after them; None when they are broken. It takes memory for as many as the
    /// header says that there are.
    pub(super) fn lengths(mut self) -> Option<(Vec<u32>, &'a [u8])> {
        let count = usize::try_from(self.count).ok()?;
        let mut lengths = Vec::with_capacity(count);
        let mut last = i32::try_from(self.first).ok()?;
        if count > 0 {
            lengths.push(u32::try_from(last).ok()?);
        }
        while lengths.len() < count {
            let least = i32::try_from(self.rest.integer()?).ok()?;
            for width in self.rest.take(self.packs)? {
                let missing = count - lengths.len();
                if missing == 0 {
                    // Of what no number is in, there is nothing but its width, which may be any.
                    break;
                }
                let width = u64::from(*width);
                if width > MAX_WIDTH {
                    return None;
                }
                let packed = self.rest.take(self.pack * width / 8)?;
                for index in 0..missing.min(self.pack as usize) {
                    let difference = least.wrapping_add(unpack(packed, width as usize, index) as i32);
                    last = last.wrapping_add(difference);
                    lengths.push(u32::try_from(last).ok()?);
                }
            }
        }
        Some((lengths, self.rest.0))
    }
}

/// How long texts are of which each goes on from a part of the one before (DELTA_BYTE_ARRAY).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    /// Of all together.
    pub(super) sum: u64,
    pub(super) longest: u64,
    /// Of each.
    pub(super) each: Vec<u32>,
}

impl Lengths {
    /// Those of the texts with these lengths of what they take from the one before, which what they add comes after. None when
    /// they are broken.
    pub(super) fn read(taken: Deltas<'_>) -> Option<Self> {
        let (taken, rest) = taken.lengths()?;
        let added = Deltas::read(rest)?;
        if added.count() != taken.len() as u64 {
            return None;
        }
        let (mut each, content) = added.lengths()?;
        let (mut before, mut left) = (0, content.len() as u64);
        let (mut sum, mut longest) = (0_u64, 0_u64);
        for (taken, length) in taken.into_iter().zip(&mut each) {
            // The library would give out all of the text before, and so another text.
            if taken > before {
                return None;
            }
            left = left.checked_sub(u64::from(*length))?;
            *length = taken.checked_add(*length)?;
            before = *length;
            sum += u64::from(before);
            longest = longest.max(u64::from(before));
        }
        Some(Self { sum, longest, each })
    }

    /// About how long each is where so many are decoded at once: no longer than the longest, and no more than all together.
    pub(super) fn among(&self, values: u64) -> u64 {
        self.longest.min(self.sum.div_ceil(values.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers 7, 5, 3, 1, 2, 3, 4, 5, of the format's own documentation, and a byte.
    const EIGHT: [u8; 18] = [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0];

    /// Numbers that each differ from the one before by `step`.
    fn steps(count: u8, first: u8, step: i8) -> Vec<u8> {
        let zigzag = ((step << 1) ^ (step >> 7)) as u8;
        let mut bytes = vec![0x80, 1, 4, count, first << 1];
        if count > 1 {
            bytes.extend([zigzag, 0, 0, 0, 0]);
        }
        bytes
    }

    fn lengths(bytes: &[u8]) -> Option<(Vec<u32>, &[u8])> {
        Deltas::read(bytes)?.lengths()
    }

    #[test]
    fn numbers_are_read_and_what_comes_after_them() {
        let mut more = EIGHT.to_vec();
        more.push(0xaa);
        assert_eq!(lengths(&more), Some((vec![7, 5, 3, 1, 2, 3, 4, 5], &[0xaa_u8][..])));
        assert_eq!(lengths(&steps(0, 0, 0)), Some((Vec::new(), &b""[..])));
        assert_eq!(lengths(&steps(1, 9, 0)), Some((vec![9], &b""[..])));
        assert_eq!(lengths(&steps(5, 9, -2)), Some((vec![9, 7, 5, 3, 1], &b""[..])));
        // As wide as they may be, over two packs; of the packs without a number nothing is there, whatever their width says.
        let mut wide = vec![0x80, 1, 4, 35, 0, 0, 32, 32, 0xff, 0xff];
        for number in 1..=64_u32 {
            // It goes up by 2^30, and down again.
            let difference = if number % 2 == 1 { 1 << 30 } else { (1_u32 << 30).wrapping_neg() };
            wide.extend(difference.to_le_bytes());
        }
        let expected: Vec<u32> = (0..35).map(|number| (number % 2) << 30).collect();
        assert_eq!(lengths(&wide), Some((expected, &b""[..])));
    }

    #[test]
    fn numbers_that_are_broken_are_not_read() {
        for (bytes, why) in [
            (vec![], "nothing"),
            (vec![0x80, 1, 4, 8], "no first number"),
            (vec![0x80, 1, 0, 8, 0], "blocks without packs"),
            (vec![0x64, 4, 8, 0], "a block of 100"),
            (vec![0, 4, 8, 0], "a block of none"),
            (vec![0x80, 1, 8, 8, 0], "packs of 16"),
            (vec![0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, 8, 0], "a block of 2^35"),
            (EIGHT[..17].to_vec(), "a pack that is cut"),
            (steps(2, 0, -1), "a length below nothing"),
            (vec![0x80, 1, 4, 2, 0, 0, 33, 0, 0, 0], "more bits than a length has"),
            (vec![0x80, 1, 4, 1, 0x80, 0x80, 0x80, 0x80, 0x10], "a length of more than 31 bits"),
        ] {
            assert_eq!(lengths(&bytes), None, "{why}");
        }
        // A count that lies is for whoever asks: nothing is taken for it.
        assert_eq!(Deltas::read(&[0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 8, 0]).unwrap().count(), 1 << 31);
    }

    #[test]
    fn texts_that_go_on_from_the_one_before_are_as_long_as_both_parts() {
        // Of 1, 2, 3 and 4 bytes.
        let content = [steps(4, 0, 1), steps(4, 1, 0), b"abcd".to_vec()].concat();
        let read = |bytes: &[u8]| Deltas::read(bytes).and_then(Lengths::read);
        let all = read(&content).unwrap();
        assert_eq!(all, Lengths { sum: 10, longest: 4, each: vec![1, 2, 3, 4] });
        assert_eq!([all.among(1), all.among(4), all.among(100)], [4, 3, 1]);
        assert_eq!(read(&[steps(0, 0, 0), steps(0, 0, 0)].concat()), Some(Lengths::default()));
        for (parts, why) in [
            ([steps(4, 0, 2), steps(4, 1, 0), b"abcd".to_vec()], "more than there is of the text before"),
            ([steps(1, 1, 0), steps(1, 1, 0), b"a".to_vec()], "a part of a text before the first"),
            ([steps(4, 0, 1), steps(3, 1, 0), b"abcd".to_vec()], "fewer that add something"),
            ([steps(4, 0, 1), steps(4, 1, 0), b"abc".to_vec()], "less than they add"),
            ([steps(4, 0, 1), vec![], vec![]], "nothing that they add"),
        ] {
            assert_eq!(read(&parts.concat()), None, "{why}");
        }
    }
}
