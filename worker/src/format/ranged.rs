//! Content that is far away and taken in ranges: what was fetched is kept for a while, within a bound.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::connector::Buffers;

/// The most blocks that are kept. A reader goes through as many columns at once as it was asked for, each in its block.
const KEPT: usize = 64;

/// Content that can be fetched in ranges. Blocks.
pub trait Ranges: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// The bytes of a range, all of them.
    ///
    /// # Errors
    /// When they cannot be had.
    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// Content in ranges, as a Parquet reader wants it.
#[derive(Clone)]
pub(crate) struct RangedFile {
    ranges: Arc<dyn Ranges>,
    /// The blocks that were used last, the latest at the end.
    kept: Arc<Mutex<VecDeque<(u64, Bytes)>>>,
    /// The bytes of a block: Parquet reads pages of some ten KiB, and each fetch has its price.
    block_bytes: u64,
    fetched: Arc<AtomicU64>,
}

impl RangedFile {
    /// Counts what is fetched.
    pub(crate) fn new(ranges: Arc<dyn Ranges>, fetched: Arc<AtomicU64>, buffers: Buffers) -> Self {
        Self { ranges, kept: Arc::default(), block_bytes: buffers.block(), fetched }
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(known, _)| *known == number)
            && let Some(found) = kept.remove(place)
        {
            let bytes = found.1.clone();
            kept.push_back(found);
            return Ok(bytes);
        }
        let range = number * self.block_bytes..self.ranges.size().min((number + 1) * self.block_bytes);
        let bytes = self.ranges.fetch(range)?;
        self.fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((number, bytes.clone()));
        Ok(bytes)
    }

    /// What there is from `start` to the end of its block; nothing behind the end.
    fn piece(&self, start: u64) -> io::Result<Bytes> {
        if start >= self.ranges.size() {
            return Ok(Bytes::new());
        }
        let block = self.block(start / self.block_bytes)?;
        let offset = usize::try_from(start % self.block_bytes).map_err(io::Error::other)?;
        if offset > block.len() {
            return Err(io::Error::other("fewer bytes came than were asked for"));
        }
        Ok(block.slice(offset..))
    }
}

impl Length for RangedFile {
    fn len(&self) -> u64 {
        self.ranges.size()
    }
}

impl ChunkReader for RangedFile {
    type T = RangedReader;

    fn get_read(&self, start: u64) -> Result<RangedReader> {
        Ok(RangedReader { position: start, ..RangedReader::new(self.clone()) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut position = start;
        let mut gathered = BytesMut::new();
        while gathered.len() < length {
            let mut piece = self.piece(position)?;
            if piece.is_empty() {
                return Err(ParquetError::EOF(format!(
                    "{length} bytes are wanted at {start}, {} are there",
                    gathered.len()
                )));
            }
            piece.truncate(length - gathered.len());
            if piece.len() == length {
                return Ok(piece);
            }
            position += piece.len() as u64;
            gathered.extend_from_slice(&piece);
        }
        Ok(gathered.freeze())
    }
}

/// Reads on from a place.
pub(crate) struct RangedReader {
    file: RangedFile,
    position: u64,
    rest: Bytes,
}

impl RangedReader {
    /// Reads from the beginning.
    pub(crate) fn new(file: RangedFile) -> Self {
        Self { file, position: 0, rest: Bytes::new() }
    }
}

impl Read for RangedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.file.piece(self.position)?;
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 1024 * 1024;

    /// Bytes that follow from their place; counts how often something is fetched.
    struct Made {
        size: u64,
        fetches: AtomicU64,
    }

    fn byte(place: u64) -> u8 {
        (place % 251) as u8
    }

    impl Ranges for Made {
        fn size(&self) -> u64 {
            self.size
        }

        fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            Ok(range.map(byte).collect())
        }
    }

    #[test]
    fn any_range_is_what_stands_there_and_is_fetched_once() {
        let made = Arc::new(Made { size: 3 * BLOCK + 17, fetches: AtomicU64::new(0) });
        let fetched = Arc::new(AtomicU64::new(0));
        let file = RangedFile::new(made.clone(), Arc::clone(&fetched), Buffers::default());
        for (start, length) in [(0, 5), (BLOCK - 3, 7), (BLOCK, BLOCK), (3 * BLOCK + 10, 7), (5, 3 * BLOCK)] {
            let found = file.get_bytes(start, usize::try_from(length).unwrap()).unwrap();
            assert!(found.iter().copied().eq((start..start + length).map(byte)), "{start}+{length}");
        }
        assert!(file.get_bytes(3 * BLOCK, 18).is_err(), "behind the end");
        let mut all = Vec::new();
        file.get_read(BLOCK + 1).unwrap().read_to_end(&mut all).unwrap();
        assert!(all.into_iter().eq((BLOCK + 1..made.size).map(byte)));
        assert_eq!((made.fetches.load(Ordering::Relaxed), fetched.load(Ordering::Relaxed)), (4, made.size));
    }

    #[test]
    fn no_more_is_kept_than_a_bound() {
        for (memory, block) in [(512 << 20, BLOCK), (64 << 20, BLOCK / 8)] {
            let made = Arc::new(Made { size: 200 * BLOCK, fetches: AtomicU64::new(0) });
            let file = RangedFile::new(made, Arc::default(), Buffers::beside(memory));
            for number in 0..200 {
                file.get_bytes(number * BLOCK, 1).unwrap();
            }
            let kept = file.kept.lock().unwrap();
            assert_eq!(kept.len(), KEPT);
            assert!(kept.iter().all(|(_, bytes)| bytes.len() as u64 == block));
        }
    }
}
