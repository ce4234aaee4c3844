//! Cuts text into chunks that look like whole records: at a line's end, which in delimited text no quote may hold.
//!
//! A stray quote can mislead it; who splits a chunk finds that out, and goes on with the parser.

use memchr::{memchr_iter, memrchr, memrchr_iter};

use super::block::read_more;
use super::encoding::Utf8Reader;
use crate::connector::{MAX_ROW, Result};

/// The most that is read at once.
const READ: usize = 256 * 1024;

/// Where a chunk may end.
pub(crate) enum Ends {
    /// At any line's end, after so many lines at most; at least one.
    Lines(usize),
    /// At a line's end with an even number of quotes before it.
    Records(Option<u8>),
}

impl Ends {
    /// Where a chunk at the beginning of `text` ends; None when it takes more text to tell. `ended` says that there is no more.
    fn find(&self, text: &[u8], ended: bool) -> Option<usize> {
        match *self {
            Self::Lines(most) => match memchr_iter(b'\n', text).nth(most.saturating_sub(1)) {
                Some(at) => Some(at + 1),
                None if ended => Some(text.len()),
                None => memrchr(b'\n', text).map(|at| at + 1),
            },
            Self::Records(_) if ended => Some(text.len()),
            Self::Records(quote) => outside_quotes(text, quote),
        }
    }

    /// How many lines of `text` count.
    fn lines_of(&self, text: &[u8]) -> usize {
        match self {
            Self::Lines(_) => memchr_iter(b'\n', text).count(),
            Self::Records(_) => 0,
        }
    }

    /// Whether a chunk takes no more lines than that.
    fn is_full(&self, lines: usize) -> bool {
        matches!(self, Self::Lines(most) if lines >= *most)
    }
}

/// After the last line's end with an even number of quotes before it.
fn outside_quotes(text: &[u8], quote: Option<u8>) -> Option<usize> {
    let quotes = |part: &[u8]| quote.map_or(0, |quote| memchr_iter(quote, part).count());
    let mut before = quotes(text);
    let mut end = text.len();
    for at in memrchr_iter(b'\n', text) {
        before -= quotes(&text[at..end]);
        end = at;
        if before % 2 == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// A piece of the text; never empty.
pub(crate) struct Chunk {
    pub(crate) text: Vec<u8>,
    /// It ends where a record seems to end. Otherwise it is cut anywhere, since its last record seems to be longer than one
    /// may be.
    pub(crate) whole: bool,
}

/// Cuts the text of one file.
pub(crate) struct Chunks {
    input: Utf8Reader,
    location: String,
    ends: Ends,
    /// What was read. What is before `taken` was given out.
    text: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl Chunks {
    /// Goes on with `input` after `rest`.
    pub(crate) fn new(input: Utf8Reader, rest: Vec<u8>, ends: Ends, location: String) -> Self {
        Self { input, location, ends, text: rest, taken: 0, ended: false }
    }

    /// The next chunk, of about `size` bytes, or of more when a record is longer; None at the end.
    pub(crate) fn next(&mut self, size: usize) -> Result<Option<Chunk>> {
        let mut wanted = size.max(1);
        loop {
            self.read(wanted)?;
            let left = &self.text[self.taken..];
            let length = left.len();
            if let Some(end) = self.ends.find(left, self.ended) {
                let text = self.give(end);
                return Ok((!text.is_empty()).then_some(Chunk { text, whole: true }));
            }
            if length > MAX_ROW {
                // Whoever splits it says so.
                return Ok(Some(Chunk { text: self.give(length), whole: false }));
            }
            // No more than tells that the record is too long.
            wanted = (length * 2).min(MAX_ROW + 1);
        }
    }

    /// Reads until there are so many bytes, or as many lines as a chunk may have.
    fn read(&mut self, wanted: usize) -> Result<()> {
        if self.text.len() - self.taken >= wanted || self.ended {
            return Ok(());
        }
        self.text.drain(..self.taken);
        self.taken = 0;
        // A record of many megabytes takes no more than it needs.
        self.text.reserve_exact(wanted - self.text.len());
        let mut lines = self.ends.lines_of(&self.text);
        while self.text.len() < wanted && !self.ended && !self.ends.is_full(lines) {
            let before = self.text.len();
            let most = READ.min(wanted - before);
            self.ended = !read_more(&mut self.input, &mut self.text, most, &self.location)?;
            lines += self.ends.lines_of(&self.text[before..]);
        }
        Ok(())
    }

    /// The next bytes of what was read, so many. Of these and what is left, the shorter part is copied.
    fn give(&mut self, length: usize) -> Vec<u8> {
        let end = self.taken + length;
        if length < self.text.len() - end {
            let text = self.text[self.taken..end].to_vec();
            self.taken = end;
            return text;
        }
        let rest = self.text.split_off(end);
        let mut text = std::mem::replace(&mut self.text, rest);
        text.drain(..self.taken);
        self.taken = 0;
        text
    }
}

#[cfg(test)]
mod tests {
    use aggregator_tests::random::Random;

    use super::*;

    fn chunks(text: &[u8], ends: Ends, mut size: impl FnMut() -> usize) -> Vec<Vec<u8>> {
        let mut chunks = Chunks::new(Utf8Reader::decoded(text.to_vec()), Vec::new(), ends, "t".into());
        let mut found = Vec::new();
        while let Some(Chunk { text, whole }) = chunks.next(size()).unwrap() {
            assert!(whole && !text.is_empty());
            found.push(text);
        }
        found
    }

    #[test]
    fn chunks_are_the_text_and_end_where_lines_do() {
        let mut random = Random::seeded("chunks_are_the_text_and_end_where_lines_do");
        let mut several = 0;
        for _ in 0..500 {
            let text: Vec<u8> = (0..random.below(200)).map(|_| *random.pick(b"\n\nabcd\"")).collect();
            let most = 1 + random.below(5);
            for ends in [Ends::Lines(most), Ends::Records(Some(b'"')), Ends::Records(None)] {
                let by_lines = matches!(ends, Ends::Lines(_));
                let found = chunks(&text, ends, || random.below(40));
                assert_eq!(found.concat(), text);
                several += usize::from(found.len() > 2);
                let lines = |chunk: &[u8]| chunk.split_inclusive(|byte| *byte == b'\n').count();
                assert!(!by_lines || found.iter().all(|chunk| lines(chunk) <= most), "{found:?}");
                let before = &found[..found.len().saturating_sub(1)];
                assert!(before.iter().all(|chunk| chunk.ends_with(b"\n")), "{found:?}");
            }
        }
        assert!(several > 500, "{several} of several chunks are no test");
    }

    #[test]
    fn a_chunk_ends_outside_of_quotes_where_there_are_any() {
        let text = b"a,\"b\nccc\"\nd,e\n\"f\n";
        let found = chunks(text, Ends::Records(Some(b'"')), || 1);
        assert_eq!(found, [&b"a,\"b\nccc\"\nd,e\n"[..], b"\"f\n"]);
        let found = chunks(text, Ends::Records(None), || 1);
        assert_eq!(found, [&b"a,\"b\n"[..], b"ccc\"\n", b"d,e\n", b"\"f\n"]);
    }
}
