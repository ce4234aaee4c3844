//! One line of a log, in the form that container runtimes give it: time, stream, whether the line ends, text.

use jiff::Timestamp;

/// The longest text of one record; a longer line is several records.
pub(super) const LONGEST: usize = 16 * 1024;

/// A record as it is kept.
pub(super) fn format(now: Timestamp, stream: &str, ends: bool, text: &[u8]) -> Vec<u8> {
    let mark = if ends { 'F' } else { 'P' };
    let mut record = format!("{now:.9} {stream} {mark} ").into_bytes();
    record.extend_from_slice(text);
    record.push(b'\n');
    record
}

/// A record that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) time: &'a str,
    /// The text, with the line's end if it has one.
    pub(super) text: Vec<u8>,
}

/// Reads a record, without its last byte; nothing for what is none.
pub(super) fn parse(line: &[u8]) -> Option<Record<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let (_, mark) = (parts.next()?, parts.next()?);
    let mut text = parts.next()?.to_vec();
    if mark == b"F" {
        text.push(b'\n');
    }
    Some(Record { time, text })
}

/// Cuts bytes into lines: each with whether it ends there. What is left is for the next call.
pub(super) fn lines(bytes: &mut Vec<u8>, last: bool) -> Vec<(bool, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let window = &rest[..rest.len().min(LONGEST + 1)];
        if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
            lines.push((true, rest[..end].to_vec()));
            start += end + 1;
        } else if rest.len() > LONGEST {
            lines.push((false, rest[..LONGEST].to_vec()));
            start += LONGEST;
        } else {
            break;
        }
    }
    bytes.drain(..start);
    if last && !bytes.is_empty() {
        lines.push((false, std::mem::take(bytes)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let now: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        let record = format(now, "stdout", true, b"a b  c");
        assert_eq!(record, b"2026-01-02T03:04:05.500000000Z stdout F a b  c\n");
        let record = &record[..record.len() - 1];
        let expected = Record { time: "2026-01-02T03:04:05.500000000Z", text: b"a b  c\n".to_vec() };
        assert_eq!(parse(record), Some(expected));
        assert_eq!(parse(b"x stderr P ").unwrap().text, b"");
        assert_eq!(parse(b"x"), None);
    }

    #[test]
    fn lines_end_at_their_ends_and_where_they_are_too_long() {
        let mut bytes = b"a\n\nb".to_vec();
        assert_eq!(lines(&mut bytes, false), [(true, b"a".to_vec()), (true, Vec::new())]);
        bytes.extend(b"c\nd");
        assert_eq!(lines(&mut bytes, true), [(true, b"bc".to_vec()), (false, b"d".to_vec())]);
        assert!(bytes.is_empty());

        let mut bytes = vec![b'x'; LONGEST];
        bytes.push(b'\n');
        assert_eq!(lines(&mut bytes, false), [(true, vec![b'x'; LONGEST])]);
        let mut bytes = vec![b'x'; LONGEST + 2];
        assert_eq!(lines(&mut bytes, false), [(false, vec![b'x'; LONGEST])]);
        assert_eq!(lines(&mut bytes, true), [(false, b"xx".to_vec())]);
    }
}
