//! Texts without what differs from one run to the next: times, and names that are told from UIDs and times.

use std::sync::{Mutex, PoisonError};

/// What a time begins with: `0` stands for a digit.
const MOMENT: &str = "0000-00-00T00:00:00";
/// The ends of names that are told from UIDs and times, and what they are called; `f` stands for a hexadecimal digit.
const ENDS: [(&str, &str); 4] = [
    ("-check-ffffffff", "-check-"),
    ("-look-ffffffff", "-look-"),
    ("-test-ffffffff", "-test-"),
    ("-00000000-000000-fffff", "-fire-"),
];

/// The ends of names that were met, each once.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Vec<(&'static str, String)>>);

impl Names {
    /// A text with `<time>` for each time, and each end of a name numbered in the order in which they were met.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let (mut copied, mut from) = (0, 0);
        // Both have dashes, and little else has.
        while let Some(found) = text[from..].find('-') {
            let at = from + found;
            let year = at.checked_sub(4).filter(|begin| *begin >= copied && text.is_char_boundary(*begin));
            let masked = match year.and_then(|begin| Some((begin, moment(&text[begin..])?))) {
                Some((begin, length)) => Some((begin, length, "<time>".to_owned())),
                None => end(&text[at..]).map(|(length, word)| {
                    let found = &text[at..at + length];
                    (at, length, self.numbered(found, word))
                }),
            };
            from = at + 1;
            if let Some((begin, length, mask)) = masked {
                out.push_str(&text[copied..begin]);
                out.push_str(&mask);
                copied = begin + length;
                from = copied;
            }
        }
        out.push_str(&text[copied..]);
        out
    }

    fn numbered(&self, found: &str, word: &'static str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|(_, end)| end == found) {
            known.push((word, found.to_owned()));
        }
        let mut alike = known.iter().filter(|(other, _)| *other == word);
        let place = alike.position(|(_, end)| end == found).unwrap_or_default();
        format!("{word}#{}", place + 1)
    }
}

/// Whether a text begins so.
fn begins(text: &[u8], shape: &str) -> bool {
    let fits = |(byte, shape): (&u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        other => *byte == other,
    };
    text.len() >= shape.len() && text.iter().zip(shape.bytes()).all(fits)
}

/// How long the time is with which a text begins, with its fraction and zone.
fn moment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !begins(bytes, MOMENT) {
        return None;
    }
    let mut length = MOMENT.len();
    if bytes.get(length) == Some(&b'.') {
        length += 1 + bytes[length + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    let zone = &bytes[length..];
    if zone.first() == Some(&b'Z') {
        length += 1;
    } else if begins(zone, "+00:00") || begins(zone, "-00:00") {
        length += "+00:00".len();
    }
    Some(length)
}

/// How long the end of a name is with which a text begins, and what it is called.
fn end(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let (shape, word) = ENDS.into_iter().find(|(shape, _)| begins(bytes, shape))?;
    let goes_on = bytes.get(shape.len()).is_some_and(u8::is_ascii_alphanumeric);
    (!goes_on).then_some((shape.len(), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_of_their_own_are_masked() {
        let names = Names::default();
        for (text, masked) in [
            ("the next fire is at 2026-11-30T10:15:00+00:00, and then", "the next fire is at <time>, and then"),
            (r#"{"at":"2026-11-30T10:15:00.123456Z"}"#, r#"{"at":"<time>"}"#),
            ("files-check-0a1b2c3d", "files-check-#1"),
            ("past-20261129-040000-ab12c-plan", "past-fire-#1-plan"),
            ("past-20261129-160000-00000", "past-fire-#2"),
            ("past-20261129-040000-ab12c-2", "past-fire-#1-2"),
            ("files-check-ffffffff and files-check-0a1b2c3d", "files-check-#2 and files-check-#1"),
            ("shout-test-0a1b2c3d", "shout-test-#1"),
            ("files-check-0a1b2c3dx", "files-check-0a1b2c3dx"),
            ("größer als 20261129", "größer als 20261129"),
        ] {
            assert_eq!(names.masked(text), masked);
        }
    }
}
