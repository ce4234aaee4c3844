//! Random numbers that depend on where they are used, and on nothing before.
//!
//! A column's key is the start of SHA-256 over the seed, the stream's and the column's name; a row's numbers are
//! SplitMix64 from a state mixed of that key and the row. So any row of any column can be made by itself, and adding a
//! column or a row changes no other.

use sha2::{Digest, Sha256};

/// 2^64 divided by the golden ratio, the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What all numbers of one column are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// The key of a column.
    pub(super) fn new(seed: u64, stream: &str, column: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(seed.to_le_bytes());
        digest.update((stream.len() as u64).to_le_bytes());
        digest.update(stream);
        digest.update(column);
        let digest = digest.finalize();
        Self(digest.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte)))
    }

    /// The numbers of a row.
    pub(super) fn row(self, row: u64) -> Draws {
        Draws(mix(self.0 ^ mix(row.wrapping_mul(STEP))))
    }
}

/// The numbers of one row.
#[derive(Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u128) -> u128 {
        // At most 2^64, so that the product fits.
        (u128::from(self.next()) * bound.min(1 << 64)) >> 64
    }

    /// A number of 0 to below 1, with 53 bits.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        // The first outputs of the reference implementation for the state 0.
        let mut draws = Draws(0);
        assert_eq!([draws.next(), draws.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn keys_differ_by_seed_stream_and_column() {
        let keys = [Key::new(0, "a", "b"), Key::new(1, "a", "b"), Key::new(0, "ab", ""), Key::new(0, "a", "c")];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{keys:?}");
        }
        assert_eq!(Key::new(0, "a", "b"), keys[0]);
    }

    #[test]
    fn rows_are_spread_evenly() {
        let key = Key::new(7, "s", "c");
        let mut counts = [0_u32; 10];
        for row in 0..100_000 {
            counts[key.row(row).below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert!((0..1000).all(|row| key.row(row).below(1 << 64) == u128::from(key.row(row).next())));
    }
}
