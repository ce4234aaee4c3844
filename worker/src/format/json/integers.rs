//! Integers that no 64 bits hold: `serde_json` would make a double of them, and round. They are read as text, which
//! keeps every digit, and which a column of decimals takes.

use serde_json::Value;

use crate::format::cell::Cell;

/// 2⁶³. What fits 64 bits, with a sign or without, is never read as a double; so a double from here on may have been an
/// integer that does not.
const LARGE: f64 = 9_223_372_036_854_775_808.0;

/// Parses a JSON text.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    let value: Value = serde_json::from_slice(text)?;
    if !holds_large(&value) {
        return Ok(value);
    }
    serde_json::from_slice(&in_quotes(text))
}

/// Whether a number may have been an integer that does not fit.
pub(super) fn is_large(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Float(float) => float.abs() >= LARGE,
        Cell::Nested(value) => holds_large(value),
        _ => false,
    }
}

fn holds_large(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|float| float.abs() >= LARGE),
        Value::Array(elements) => elements.iter().any(holds_large),
        Value::Object(fields) => fields.values().any(holds_large),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The JSON text with quotes around every integer that 64 bits do not hold.
pub(super) fn in_quotes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut at = 0;
    while at < text.len() {
        let end = match text[at] {
            b'"' => end_of_text(text, at),
            b'-' | b'0'..=b'9' => {
                let rest = &text[at..];
                let length = rest.iter().position(|byte| !is_of_number(*byte)).unwrap_or(rest.len());
                at + length
            }
            _ => at + 1,
        };
        let token = &text[at..end];
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        let integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let fits = |text: &str| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
        let large = integer && std::str::from_utf8(token).is_ok_and(|token| !fits(token));
        if large {
            out.push(b'"');
        }
        out.extend_from_slice(token);
        if large {
            out.push(b'"');
        }
        at = end;
    }
    out
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// The end of a text that begins at a quote.
pub(super) fn end_of_text(text: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_that_do_not_fit_keep_their_digits() {
        let text = br#"{"a": 18446744073709551616, "b": [-9223372036854775809, 1e300, 1.5], "c": "99999999999999999999 \" 1", "d": 18446744073709551615, "e": -9223372036854775808}"#;
        let wanted = json!({
            "a": "18446744073709551616",
            "b": ["-9223372036854775809", 1e300, 1.5],
            "c": "99999999999999999999 \" 1",
            "d": 18_446_744_073_709_551_615_u64,
            "e": i64::MIN,
        });
        assert_eq!(parse(text).unwrap(), wanted);
        assert_eq!(parse(b"1e19").unwrap(), json!(1e19), "a double is written as one");
        assert!(parse(b"18446744073709551616, 2").is_err());
    }
}
