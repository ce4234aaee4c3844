//! Cuts text into chunks that look like whole records: at a line's end that no quote seems to hold.
//!
//! A stray quote can mislead it; who splits a chunk finds that out, and goes on with the parser.

use memchr::{memchr_iter, memrchr_iter};

use crate::connector::{MAX_ROW, Result};
use crate::format::block::read_more;
use crate::format::encoding::Utf8Reader;

const READ: usize = 256 * 1024;

/// Cuts the text of one file.
pub(super) struct Chunks {
    input: Utf8Reader,
    location: String,
    quote: Option<u8>,
    /// Read, and not given out.
    rest: Vec<u8>,
    ended: bool,
}

impl Chunks {
    /// Goes on with `input` after `rest`.
    pub(super) fn new(input: Utf8Reader, rest: Vec<u8>, quote: Option<u8>, location: String) -> Self {
        Self { input, location, quote, rest, ended: false }
    }

    /// The next chunk, of about `size` bytes, or of more when a record is longer; never empty.
    pub(super) fn next(&mut self, size: usize) -> Result<Option<Vec<u8>>> {
        let mut text = std::mem::take(&mut self.rest);
        let mut wanted = size;
        loop {
            // A record of many megabytes takes no more than it needs.
            text.reserve_exact((wanted + READ).saturating_sub(text.len()));
            while text.len() < wanted && !self.ended {
                self.ended = !read_more(&mut self.input, &mut text, READ, &self.location)?;
            }
            if self.ended {
                return Ok((!text.is_empty()).then_some(text));
            }
            if let Some(end) = self.cut(&text) {
                self.rest = text.split_off(end);
                return Ok(Some(text));
            }
            if text.len() > MAX_ROW {
                // Whoever splits it says so.
                return Ok(Some(text));
            }
            // No more than tells that the record is too long.
            wanted = (text.len() * 2).min(MAX_ROW + 1);
        }
    }

    /// Whether the chunk that was given out last is the file's last one.
    pub(super) fn ended(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    /// After the last line's end with an even number of quotes before it.
    fn cut(&self, text: &[u8]) -> Option<usize> {
        let quotes = |part: &[u8]| self.quote.map_or(0, |quote| memchr_iter(quote, part).count());
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
}
