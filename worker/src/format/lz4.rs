//! The codec that Parquet calls LZ4, and has given up, because writers took it for different things: the blocks of Hadoop, each
//! behind its sizes, a frame, or a single block. The library reads all of them, but for a page of several blocks of Hadoop of
//! which a later one is smaller, and blocks in pieces; and a frame without a bound.

use std::io::{self, Read};

use lz4_flex::block::decompress_into;
use lz4_flex::frame::FrameDecoder;

/// How frames begin, of this version and of the one before. No block does.
const FRAMES: [[u8; 4]; 2] = [[0x04, 0x22, 0x4d, 0x18], [0x02, 0x21, 0x4c, 0x18]];
const BROKEN: &str = "it is no LZ4 of that size, neither a frame nor blocks";

/// Appends what is compressed, which should be of that size: one byte more when a frame goes on, fewer when it does not.
pub(super) fn decompress(compressed: &[u8], size: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if FRAMES.iter().any(|beginning| compressed.starts_with(beginning)) {
        return FrameDecoder::new(compressed).take(size as u64 + 1).read_to_end(out).map(|_| ());
    }
    let begin = out.len();
    out.resize(begin + size, 0);
    let out = &mut out[begin..];
    if blocks(compressed, out).is_some() || fills(compressed, out) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, BROKEN))
}

/// Decompresses the blocks of Hadoop, which fill all of `out`. Before each stands its size when decompressed; it is in one
/// piece or several, before each of which stands its own size.
fn blocks(mut compressed: &[u8], mut out: &mut [u8]) -> Option<()> {
    while !compressed.is_empty() {
        let (given, rest) = size(compressed)?;
        let (block, left) = out.split_at_mut_checked(given)?;
        (compressed, out) = (pieces(rest, block)?, left);
    }
    out.is_empty().then_some(())
}

/// Decompresses the pieces of a block, which fill all of it; gives what comes after them. An empty one has a piece, too.
fn pieces<'a>(mut compressed: &'a [u8], mut block: &mut [u8]) -> Option<&'a [u8]> {
    loop {
        let (taken, rest) = size(compressed)?;
        let (piece, rest) = rest.split_at_checked(taken)?;
        let filled = decompress_into(piece, block).ok()?;
        block = block.get_mut(filled..)?;
        if block.is_empty() {
            return Some(rest);
        }
        if filled == 0 {
            return None;
        }
        compressed = rest;
    }
}

/// Decompresses a block, which fills all of `out`.
fn fills(block: &[u8], out: &mut [u8]) -> bool {
    decompress_into(block, out).is_ok_and(|filled| filled == out.len())
}

/// A size, the highest byte first, and what comes after it.
fn size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*size) as usize, rest))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lz4_flex::block::compress;
    use lz4_flex::frame::FrameEncoder;

    use super::*;

    fn decompressed(compressed: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        decompress(compressed, size, &mut out).ok()?;
        out.strip_prefix(b"before").map(<[u8]>::to_vec)
    }

    /// A size as Hadoop writes it.
    fn sized(size: usize) -> [u8; 4] {
        u32::try_from(size).unwrap().to_be_bytes()
    }

    /// A block as Hadoop writes it, in pieces of so many bytes.
    fn in_pieces(text: &[u8], bytes: usize) -> Vec<u8> {
        let piece = |piece: &[u8]| {
            let compressed = compress(piece);
            [&sized(compressed.len())[..], &compressed].concat()
        };
        [&sized(text.len())[..], &text.chunks(bytes).map(piece).collect::<Vec<_>>().concat()].concat()
    }

    /// The same in one piece.
    fn block(text: &[u8]) -> Vec<u8> {
        in_pieces(text, text.len())
    }

    #[test]
    fn whatever_a_writer_took_it_for_is_read() {
        let text: Vec<u8> = (0..3000_u32).flat_map(|number| (number * number).to_le_bytes()).collect();
        let mut frame = FrameEncoder::new(Vec::new());
        frame.write_all(&text).unwrap();
        // The second block is smaller than the first one, and the third one larger.
        let several = [block(&text[..6000]), block(&text[6000..6500]), block(&text[6500..])].concat();
        for (name, compressed) in [
            ("a frame", frame.finish().unwrap()),
            ("a single block", compress(&text)),
            ("a block of Hadoop", block(&text)),
            ("several of them", several),
            ("one of them in pieces", in_pieces(&text, 5000)),
            ("several in pieces", [in_pieces(&text[..7000], 3000), in_pieces(&text[7000..], 4000)].concat()),
        ] {
            assert_eq!(decompressed(&compressed, text.len()).unwrap(), text, "{name}");
            // Of a frame, a byte more is given out, or what there is.
            let smaller = decompressed(&compressed, text.len() - 2);
            assert!(smaller.is_none_or(|found| found.len() == text.len() - 1), "{name}, of another size");
            let half = decompressed(&compressed[..compressed.len() / 2], text.len());
            assert!(half.is_none_or(|found| found.len() < text.len()), "{name}, cut off");
        }
        assert_eq!(decompressed(&[], 0).unwrap(), b"");
    }

    #[test]
    fn blocks_whose_sizes_lie_are_broken() {
        let good = block(&[7; 100]);
        for (place, byte, why) in [
            (3, 101, "a byte more is said to come out"),
            (0, 0xff, "more than there is room for"),
            (7, 0, "nothing to be there"),
            (4, 0xff, "more than there is"),
        ] {
            let mut block = good.clone();
            block[place] = byte;
            assert_eq!(decompressed(&block, 100), None, "{why}");
        }
        // A piece that holds nothing, as which a byte of 0 is read.
        let empty = [&sized(100)[..], &sized(1), &[0]].concat();
        assert_eq!(decompressed(&empty, 100), None, "nothing comes of it");
        assert_eq!(decompressed(&[&empty[..], &good[4..]].concat(), 100), None, "nothing comes of the first piece");
        assert_eq!(decompressed(&in_pieces(&[7; 100], 60)[..25], 100), None, "a piece is missing");
    }
}
