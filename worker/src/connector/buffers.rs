//! How much lies beside the pool: what sources read ahead, and what sinks gather before they write it.

const MIB: u64 = 1 << 20;

/// The sizes of buffers that lie beside the pool. Where the pool is small, they are.
///
/// Each has its full size where the pool has [`Buffers::FULL_FROM`], and less in proportion where it has less, down to an
/// eighth: smaller ones would save nothing beside what the program itself takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// The bytes of the pool, or, where several hold buffers at a time, of the part of it that each counts with.
    pool: u64,
}

impl Default for Buffers {
    /// As large as they get.
    fn default() -> Self {
        Self::beside(u64::MAX)
    }
}

impl Buffers {
    /// The bytes of a pool beside which all buffers have their full size.
    pub const FULL_FROM: u64 = 512 * MIB;
    const LEAST_POOL: u64 = Self::FULL_FROM / 8;
    /// The least size of a piece of an upload that S3 takes, but for the last one.
    const LEAST_PIECE: u64 = 5 * MIB;

    /// Beside a pool of so many bytes.
    #[must_use]
    pub fn beside(pool: u64) -> Self {
        Self { pool }
    }

    /// Those of each of so many that hold buffers at a time.
    #[must_use]
    pub fn among(self, holders: usize) -> Self {
        Self { pool: self.pool / (holders.max(1) as u64) }
    }

    /// Bytes of a row group that are held before it is written; and of all files together that one sink has open.
    #[must_use]
    pub fn row_group(self) -> usize {
        size(self.part(64 * MIB))
    }

    /// Bytes of one COPY: its rows are kept until the server has taken them.
    #[must_use]
    pub fn copy(self) -> usize {
        size(self.part(16 * MIB))
    }

    /// Bytes of what is remembered of the keys of rows that were sent.
    #[must_use]
    pub fn keys(self) -> usize {
        size(self.part(16 * MIB))
    }

    /// About the most bytes of a batch: a source ends it there, and a node gathers no more. A few are read ahead.
    #[must_use]
    pub fn batch(self) -> u64 {
        self.part(4 * MIB)
    }

    /// The most bytes of text that are decoded at once, by each thread.
    #[must_use]
    pub fn chunk(self) -> usize {
        size(self.part(2 * MIB))
    }

    /// Bytes that are asked for at once of an object that is read from its beginning to its end.
    #[must_use]
    pub fn step(self) -> u64 {
        self.part(4 * MIB)
    }

    /// Bytes that are fetched at once where they are asked for: some ten of these are kept.
    #[must_use]
    pub fn block(self) -> u64 {
        self.part(MIB)
    }

    /// Bytes of a piece of an upload; an object that is no larger is sent in one request.
    #[must_use]
    pub fn piece(self) -> usize {
        size(self.part(8 * MIB).max(Self::LEAST_PIECE))
    }

    /// The most bytes of a document, which is held whole.
    #[must_use]
    pub fn document(self) -> u64 {
        self.part(256 * MIB)
    }

    /// The most bytes of a page of a Parquet file when it is decompressed: it is held whole.
    #[must_use]
    pub fn page(self) -> u64 {
        self.part(256 * MIB)
    }

    /// The most bytes of the footer of a Parquet file when it is decoded: it is held whole.
    #[must_use]
    pub fn footer(self) -> u64 {
        self.part(256 * MIB)
    }

    /// About the most bytes of values of a Parquet file that are decoded at once, where its pages repeat them.
    #[must_use]
    pub fn values(self) -> u64 {
        self.part(256 * MIB)
    }

    /// The most bytes of a document as a tree of its values, which may be many times as large: as many as the pool has.
    #[must_use]
    pub fn tree(self) -> u64 {
        self.pool.max(Self::LEAST_POOL)
    }

    /// Of what is so large at most, the part that this pool allows.
    fn part(self, most: u64) -> u64 {
        most / 64 * (self.pool.clamp(Self::LEAST_POOL, Self::FULL_FROM) / (Self::FULL_FROM / 64))
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(of: Buffers) -> [u64; 12] {
        let counted = [of.row_group(), of.copy(), of.keys(), of.chunk(), of.piece()].map(|bytes| bytes as u64);
        let [row_group, copy, keys, chunk, piece] = counted;
        let [document, page, footer, values] = [of.document(), of.page(), of.footer(), of.values()];
        [row_group, copy, keys, of.batch(), chunk, of.step(), of.block(), piece, document, page, footer, values]
    }

    #[test]
    fn buffers_are_full_beside_a_large_pool_and_shrink_with_it() {
        let full = [64, 16, 16, 4, 2, 4, 1, 8, 256, 256, 256, 256].map(|mebibytes| mebibytes * MIB);
        for pool in [512 * MIB, 2048 * MIB, u64::MAX] {
            assert_eq!(sizes(Buffers::beside(pool)), full);
        }
        assert_eq!(Buffers::default(), Buffers::beside(u64::MAX));
        // What a store takes of an upload has a least size.
        let half = [32, 8, 8, 2, 1, 2, 0, 5, 128, 128, 128, 128].map(|mebibytes| mebibytes * MIB);
        let half = half.map(|bytes| if bytes == 0 { MIB / 2 } else { bytes });
        assert_eq!(sizes(Buffers::beside(256 * MIB)), half);
        let eighth = full.map(|bytes| if bytes == 8 * MIB { 5 * MIB } else { bytes / 8 });
        for pool in [64 * MIB, 16 * MIB, 0] {
            assert_eq!(sizes(Buffers::beside(pool)), eighth);
        }
    }

    #[test]
    fn who_holds_buffers_at_a_time_shares() {
        let of = |pool: u64, holders| Buffers::beside(pool * MIB).among(holders).row_group() as u64 / MIB;
        assert_eq!([of(2048, 4), of(512, 1), of(512, 4), of(256, 4), of(256, 100)], [64, 64, 16, 8, 8]);
        assert_eq!(of(256, 0), 32, "nobody holds as much as one");
        let row_groups = Buffers::beside(256 * MIB).among(3).row_group() as u64;
        assert!((10 * MIB..=11 * MIB).contains(&row_groups), "{row_groups}");
    }

    #[test]
    fn a_tree_may_take_as_much_as_the_pool_has() {
        let of = |pool: u64| Buffers::beside(pool * MIB).tree() / MIB;
        assert_eq!([of(16), of(256), of(2048)], [64, 256, 2048]);
    }
}
