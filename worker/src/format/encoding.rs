//! Bytes of any encoding become UTF-8 text as they stream by. What no character stands for becomes a byte that is
//! never UTF-8, so that just the row around it is refused.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, REPLACEMENT, UTF_8};

use crate::connector::{ConnectorError, ErrorKind, Result};

/// Never part of UTF-8.
pub(crate) const UNDECODABLE: u8 = 0xFF;

const CHUNK: usize = 64 * 1024;

/// The encoding of that WHATWG label.
pub(crate) fn by_label(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).filter(|encoding| *encoding != REPLACEMENT).ok_or_else(|| {
        ConnectorError::new(ErrorKind::Config, "read the format", format!("`{label}` is not an encoding")).remedy(
            "give a label of the WHATWG Encoding Standard: `utf-8`, `windows-1252`, `iso-8859-15`, `utf-16le`, `shift_jis`",
        )
    })
}

/// Text as UTF-8, without a byte order mark.
pub(crate) struct Utf8Reader {
    input: Box<dyn Read + Send>,
    /// None for UTF-8, which passes as it is: its rows are checked where they are split.
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    decoded: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Utf8Reader {
    /// Reads text of the declared encoding; a byte order mark wins over it.
    pub(crate) fn new(mut input: Box<dyn Read + Send>, declared: &'static Encoding) -> io::Result<Self> {
        let mut head = Vec::with_capacity(3);
        input.by_ref().take(3).read_to_end(&mut head)?;
        let encoding = match Encoding::for_bom(&head) {
            Some((encoding, length)) => {
                head.drain(..length);
                encoding
            }
            None => declared,
        };
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let input = Box::new(io::Cursor::new(head).chain(input));
        Ok(Self { input, decoder, raw: Vec::new(), decoded: Vec::new(), given: 0, ended: false })
    }

    /// Gives text on that has been decoded before, as it is: what looks like a byte order mark is none there.
    pub(crate) fn decoded(text: Vec<u8>) -> Self {
        let input = Box::new(io::Cursor::new(text));
        Self { input, decoder: None, raw: Vec::new(), decoded: Vec::new(), given: 0, ended: false }
    }
}

impl Read for Utf8Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return self.input.read(buffer) };
        while self.given == self.decoded.len() && !self.ended {
            self.decoded.clear();
            self.given = 0;
            self.raw.resize(CHUNK, 0);
            let read = self.input.read(&mut self.raw)?;
            self.ended = read == 0;
            decode(decoder, &self.raw[..read], self.ended, &mut self.decoded);
        }
        let count = buffer.len().min(self.decoded.len() - self.given);
        buffer[..count].copy_from_slice(&self.decoded[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn decode(decoder: &mut Decoder, mut raw: &[u8], last: bool, decoded: &mut Vec<u8>) {
    let mut part = vec![0; CHUNK];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut part, last);
        decoded.extend_from_slice(&part[..written]);
        raw = &raw[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => decoded.push(UNDECODABLE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], label: &str) -> Vec<u8> {
        let mut text = Vec::new();
        let input = Box::new(io::Cursor::new(bytes.to_vec()));
        Utf8Reader::new(input, by_label(label).unwrap()).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn a_byte_order_mark_wins_and_is_not_text() {
        assert_eq!(read(b"\xEF\xBB\xBFa,b\n", "windows-1252"), b"a,b\n");
        assert_eq!(read(b"\xFF\xFEa\0\xE4\0", "utf-8"), "aä".as_bytes());
        assert_eq!(read(b"\xEF\xBB\xBF", "utf-8"), b"");
        assert_eq!(read(b"a", "utf-8"), b"a");
    }

    #[test]
    fn what_is_no_character_is_marked() {
        assert_eq!(read(b"Z\xFCrich", "windows-1252"), "Zürich".as_bytes());
        assert_eq!(read(b"a\x82", "shift_jis"), [b'a', UNDECODABLE]);
        assert_eq!(read(b"a\0b", "utf-16le"), [b'a', UNDECODABLE]);
    }

    #[test]
    fn characters_split_between_two_reads_are_whole() {
        let text = "äöü€".repeat(CHUNK / 4);
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&bytes, "utf-16le"), text.as_bytes());
    }

    #[test]
    fn an_unknown_label_is_refused_with_examples() {
        let error = by_label("latin-99").expect_err("no such encoding");
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.remedy.unwrap().contains("windows-1252"));
    }
}
