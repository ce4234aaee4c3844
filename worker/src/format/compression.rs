//! Whole-file compression: by declaration or by the name's ending, bounded against decompression bombs.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_crds::connector::Compression;
use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use liblzma::read::XzDecoder;
use liblzma::write::XzEncoder;

/// How many times larger than its compressed form a file may be.
const MAX_RATIO: u64 = 250;
/// Decompressed bytes that are fine at any ratio.
const RATIO_FLOOR: u64 = 64 * 1024 * 1024;

/// The endings that name a compression.
const ENDINGS: [(&str, Compression); 4] =
    [(".gz", Compression::Gzip), (".zst", Compression::Zstd), (".bz2", Compression::Bzip2), (".xz", Compression::Xz)];

/// The name without the ending of a compression, and that compression.
#[must_use]
pub fn split_name(name: &str) -> (&str, Compression) {
    ENDINGS
        .iter()
        .find_map(|(ending, compression)| name.strip_suffix(ending).map(|rest| (rest, *compression)))
        .unwrap_or((name, Compression::None))
}

/// The ending of files with that compression; empty for none.
#[must_use]
pub fn ending(compression: Compression) -> &'static str {
    ENDINGS.iter().find(|(_, candidate)| *candidate == compression).map_or("", |(ending, _)| ending)
}

/// A file grows more than it may when decompressed.
#[derive(Debug, thiserror::Error)]
#[error("it grows to more than {ratio} times its size when decompressed")]
pub(super) struct BombError {
    ratio: u64,
}

/// Refuses content of `given` bytes that was made of `taken`.
pub(super) fn check_growth(taken: u64, given: u64) -> Result<(), BombError> {
    check_above(RATIO_FLOOR, taken, given)
}

fn check_above(floor: u64, taken: u64, given: u64) -> Result<(), BombError> {
    if given > floor && given / MAX_RATIO > taken {
        return Err(BombError { ratio: MAX_RATIO });
    }
    Ok(())
}

/// Whether an error says that a file grows more than it may.
pub(crate) fn is_bomb(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<BombError>())
}

/// Counts the bytes that pass.
pub(crate) struct CountingReader<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> CountingReader<R> {
    /// Adds what passes to `count`.
    pub(crate) fn new(inner: R, count: Arc<AtomicU64>) -> Self {
        Self { inner, count }
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct BoundedReader<R> {
    inner: R,
    taken: Arc<AtomicU64>,
    given: u64,
    floor: u64,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.given += read as u64;
        check_above(self.floor, self.taken.load(Ordering::Relaxed), self.given).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// The decompressed content. `Auto` is resolved with [`split_name`] before; here it means none.
pub(crate) fn decompress(input: Box<dyn Read + Send>, compression: Compression) -> io::Result<Box<dyn Read + Send>> {
    decompress_bounded(input, compression, RATIO_FLOOR)
}

fn decompress_bounded(
    input: Box<dyn Read + Send>,
    compression: Compression,
    floor: u64,
) -> io::Result<Box<dyn Read + Send>> {
    if matches!(compression, Compression::Auto | Compression::None) {
        return Ok(input);
    }
    let taken = Arc::new(AtomicU64::new(0));
    let input = BufReader::with_capacity(128 * 1024, CountingReader::new(input, Arc::clone(&taken)));
    let inner: Box<dyn Read + Send> = match compression {
        Compression::Auto | Compression::None => return Ok(Box::new(input)),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(input)),
        Compression::Xz => Box::new(XzDecoder::new_multi_decoder(input)),
    };
    Ok(Box::new(BoundedReader { inner, taken, given: 0, floor }))
}

/// A writer that compresses; [`Compressor::finish`] ends the stream.
pub(crate) enum Compressor<W: Write> {
    /// Not compressed.
    None(W),
    /// Gzip.
    Gzip(GzEncoder<W>),
    /// Zstandard.
    Zstd(zstd::stream::write::Encoder<'static, W>),
    /// Bzip2.
    Bzip2(BzEncoder<W>),
    /// XZ.
    Xz(XzEncoder<W>),
}

impl<W: Write> Compressor<W> {
    /// Compresses into `output`; `Auto` means none.
    pub(crate) fn new(output: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Auto | Compression::None => Self::None(output),
            Compression::Gzip => Self::Gzip(GzEncoder::new(output, flate2::Compression::default())),
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(output, 3)?;
                // The format has it off by default; without it, a bit that flips gives other rows.
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
            Compression::Bzip2 => Self::Bzip2(BzEncoder::new(output, bzip2::Compression::default())),
            Compression::Xz => Self::Xz(XzEncoder::new(output, 6)),
        })
    }

    /// Ends the compressed stream and gives the output back.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(output) => Ok(output),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Bzip2(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(output) => output.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Bzip2(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(output) => output.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Bzip2(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz];

    fn compressed(compression: Compression, content: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), compression).unwrap();
        compressor.write_all(content).unwrap();
        compressor.finish().unwrap()
    }

    fn read(bytes: Vec<u8>, compression: Compression, floor: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompress_bounded(Box::new(io::Cursor::new(bytes)), compression, floor)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn two_members_after_each_other_are_one_file() {
        for compression in ALL {
            let mut file = compressed(compression, b"a,b\n1,2\n");
            file.extend(compressed(compression, b"3,4\n"));
            assert_eq!(read(file, compression, RATIO_FLOOR).unwrap(), b"a,b\n1,2\n3,4\n", "{compression:?}");
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_not_a_short_file() {
        let content: Vec<u8> =
            (0..20_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for compression in &ALL[1..] {
            let mut file = compressed(*compression, &content);
            file.truncate(file.len() - 9);
            assert!(read(file, *compression, RATIO_FLOOR).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_ratio() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
            let bomb = compressed(compression, &vec![b'0'; 4 << 20]);
            let error = read(bomb.clone(), compression, 1 << 20).expect_err("a bomb");
            assert!(is_bomb(&error), "{compression:?}: {error}");
            assert_eq!(read(bomb, compression, RATIO_FLOOR).unwrap().len(), 4 << 20, "small files may be dense");
        }
    }
}
