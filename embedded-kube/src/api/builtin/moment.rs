//! Times as the API server reads them.

use jiff::Timestamp;
use jiff::fmt::strtime;

use crate::api::schema::go;

/// The time in UTC, of whole seconds or of millionths.
pub(crate) fn read(text: &str, fine: bool) -> Result<String, String> {
    parts(text, fine)?;
    let Ok(time) = text.parse::<Timestamp>() else {
        return Err(format!("parsing time {}: day out of range", go::quoted(text)));
    };
    let format = if fine { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    strtime::format(format, time).map_err(|error| error.to_string())
}

/// Looks at one part after the other, and says which is wrong.
fn parts(text: &str, fine: bool) -> Result<(), String> {
    let layout = if fine { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let mut rest = text;
    let wrong = |rest: &str, part: &str| {
        let (text, rest) = (go::quoted(text), go::quoted(rest));
        Err(format!("parsing time {text} as \"{layout}\": cannot parse {rest} as \"{part}\""))
    };
    let elements = [
        ("2006", "-", 9999, ""),
        ("01", "-", 12, "month"),
        ("02", "T", 31, "day"),
        ("15", ":", 23, "hour"),
        ("04", ":", 59, "minute"),
        ("05", "", 59, "second"),
    ];
    for (element, behind, most, name) in elements {
        let digits = rest.get(..element.len()).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(digits) = digits else { return wrong(rest, element) };
        let number: u32 = digits.parse().unwrap_or(u32::MAX);
        if number > most || (number == 0 && matches!(name, "month" | "day")) {
            return Err(format!("parsing time {}: {name} out of range", go::quoted(text)));
        }
        rest = &rest[element.len()..];
        match rest.strip_prefix(behind) {
            Some(behind) => rest = behind,
            None => return wrong(rest, behind),
        }
    }
    if fine {
        let digits = rest.strip_prefix('.').and_then(|rest| rest.get(..6));
        if !digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
            return wrong(rest, ".000000");
        }
        rest = &rest[7..];
    } else if let Some(fraction) = rest.strip_prefix('.') {
        let behind = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if behind.len() == fraction.len() {
            return wrong(rest, "Z07:00");
        }
        rest = behind;
    }
    let offset = rest.strip_prefix(['+', '-']).is_some_and(|offset| {
        let bytes = offset.as_bytes();
        bytes.len() >= 5 && bytes[2] == b':' && [0, 1, 3, 4].iter().all(|place: &usize| bytes[*place].is_ascii_digit())
    });
    let behind = match rest.strip_prefix('Z') {
        Some(behind) => behind,
        None if offset => &rest[6..],
        None => return wrong(rest, "Z07:00"),
    };
    if !behind.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", go::quoted(text), go::quoted(behind)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(read("2026-11-29T21:00:00+02:00", false).unwrap(), "2026-11-29T19:00:00Z");
        assert_eq!(read("2026-11-29T21:00:00.9Z", false).unwrap(), "2026-11-29T21:00:00Z");
        assert_eq!(read("2026-11-29T21:00:00.123456Z", true).unwrap(), "2026-11-29T21:00:00.123456Z");
    }

    #[test]
    fn other_texts_are_refused() {
        let layout = "2006-01-02T15:04:05Z07:00";
        for (text, refusal) in [
            ("x", format!("parsing time \"x\" as \"{layout}\": cannot parse \"x\" as \"2006\"")),
            ("2026-11-29", format!("parsing time \"2026-11-29\" as \"{layout}\": cannot parse \"\" as \"T\"")),
            ("2026-13-29T00:00:00Z", "parsing time \"2026-13-29T00:00:00Z\": month out of range".to_owned()),
            ("2026-02-30T00:00:00Z", "parsing time \"2026-02-30T00:00:00Z\": day out of range".to_owned()),
        ] {
            assert_eq!(read(text, false), Err(refusal), "{text}");
        }
        assert!(read("2026-11-29T21:00:00Z", true).unwrap_err().ends_with("cannot parse \"Z\" as \".000000\""));
    }
}
