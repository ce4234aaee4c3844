//! Splits a chunk of whole records fast, when it is regular: plain dialect, quotes only around fields. What is not
//! regular is left to the parser, which knows every case.

use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::Dialect;

/// Where one field stands in the chunk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    start: u32,
    end: u32,
    /// Quotes inside are doubled.
    doubled: bool,
}

impl Span {
    /// A field that its record does not have.
    const NONE: Self = Self { start: u32::MAX, end: 0, doubled: false };

    /// The field's text, unless the record does not have it.
    pub(super) fn of<'a>(self, text: &'a str, quote: Option<u8>) -> Option<std::borrow::Cow<'a, str>> {
        let raw = text.get(self.start as usize..self.end as usize)?;
        Some(match quote.filter(|_| self.doubled) {
            Some(quote) => {
                let quote = char::from(quote).to_string();
                std::borrow::Cow::Owned(raw.replace(&quote.repeat(2), &quote))
            }
            None => std::borrow::Cow::Borrowed(raw),
        })
    }
}

/// The records of a chunk.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Where each record begins; blank lines before it are not its own.
    pub(super) starts: Vec<u32>,
    /// Records that have not `width` fields, by number, and how many they have.
    pub(super) ragged: Vec<(usize, usize)>,
    /// For each wanted column, its field of each record.
    pub(super) columns: Vec<Vec<Span>>,
}

/// Splits a chunk that begins with a record and ends with one. `slots` says for each field of a record which wanted column
/// it is. None when the chunk is not regular, or does not end where a record does.
pub(super) fn split(text: &[u8], dialect: &Dialect, slots: &[Option<usize>], wanted: usize) -> Option<Fields> {
    // A return that is no half of a line's end would end a record by itself.
    if memchr_iter(b'\r', text).any(|at| text.get(at + 1) != Some(&b'\n')) || u32::try_from(text.len()).is_err() {
        return None;
    }
    let (delimiter, quote) = (dialect.delimiter, dialect.quote);
    let guess = text.len() / 64;
    let mut fields = Fields { columns: (0..wanted).map(|_| Vec::with_capacity(guess)).collect(), ..Fields::default() };
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\n' => at += 1,
            b'\r' => at += 2,
            _ => at = record(text, at, delimiter, quote, slots, &mut fields)?,
        }
    }
    Some(fields)
}

/// Takes one record; gives where the next one begins.
fn record(
    text: &[u8],
    mut at: usize,
    delimiter: u8,
    quote: Option<u8>,
    slots: &[Option<usize>],
    fields: &mut Fields,
) -> Option<usize> {
    let number = fields.starts.len();
    fields.starts.push(u32::try_from(at).ok()?);
    let mut field = 0;
    loop {
        let (span, end) = if quote.is_some() && text.get(at).copied() == quote {
            quoted(text, at, quote?)?
        } else {
            bare(text, at, delimiter)
        };
        if let Some(Some(slot)) = slots.get(field) {
            fields.columns[*slot].push(span);
        }
        field += 1;
        match text.get(end) {
            Some(byte) if *byte == delimiter => at = end + 1,
            after => {
                at = match after {
                    None => end,
                    Some(b'\n') => end + 1,
                    Some(b'\r') => end + 2,
                    // Text after a closing quote.
                    Some(_) => return None,
                };
                break;
            }
        }
    }
    if field != slots.len() {
        fields.ragged.push((number, field));
        fields.columns.iter_mut().for_each(|column| column.resize(number + 1, Span::NONE));
    }
    Some(at)
}

/// A field in quotes that begins at `at`, and where what follows it begins.
fn quoted(text: &[u8], at: usize, quote: u8) -> Option<(Span, usize)> {
    let (mut from, mut doubled) = (at + 1, false);
    loop {
        let close = from + memchr(quote, &text[from..])?;
        if text.get(close + 1) != Some(&quote) {
            return Some((span(at + 1, close, doubled), close + 1));
        }
        doubled = true;
        from = close + 2;
    }
}

/// A field without quotes; a quote inside of it is text.
fn bare(text: &[u8], at: usize, delimiter: u8) -> (Span, usize) {
    let mut end = end_of_bare(text, at, delimiter);
    if text.get(end) == Some(&b'\n') && end > at && text[end - 1] == b'\r' {
        end -= 1;
    }
    (span(at, end, false), end)
}

/// Where the next delimiter or line's end is, or the text's end. Fields are short, a few words of eight bytes each: a
/// search that is made for long texts takes longer to begin than these to end.
fn end_of_bare(text: &[u8], mut at: usize, delimiter: u8) -> usize {
    let (delimiters, line_ends) = (u64::from_ne_bytes([delimiter; 8]), u64::from_ne_bytes([b'\n'; 8]));
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ delimiters) | zero_bytes(word ^ line_ends);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    memchr2(delimiter, b'\n', &text[at..]).map_or(text.len(), |length| at + length)
}

/// The highest bit of each byte that is zero, right for the lowest such byte and all below it; those above may be wrong.
fn zero_bytes(word: u64) -> u64 {
    const LOWEST: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    word.wrapping_sub(LOWEST) & !word & HIGHEST
}

#[expect(clippy::cast_possible_truncation, reason = "a chunk's length was found to fit")]
fn span(start: usize, end: usize, doubled: bool) -> Span {
    Span { start: start as u32, end: end as u32, doubled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_field_is_found_wherever_it_is() {
        // Neighbours of the delimiter and the line's end, and bytes that a carry could make look like them.
        let bytes = [b'x', b'-', b'+', b',' ^ 0x80, b'\n' ^ 0x80, b',' ^ 1, b'\n' ^ 1, 0, 0xFF];
        for length in 0..30 {
            for place in 0..=length {
                for end in *b",\n" {
                    for filler in bytes {
                        let mut text = vec![filler; length];
                        text[place..].fill(end ^ 1);
                        if place < length {
                            text[place] = end;
                        }
                        let expected = memchr2(b',', b'\n', &text).unwrap_or(length);
                        assert_eq!(end_of_bare(&text, 0, b','), expected, "{text:?}");
                    }
                }
            }
        }
    }
}
