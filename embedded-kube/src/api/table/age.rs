//! How long ago something was, in few figures
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/util/duration/duration.go>).

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long ago the time of an object was; unknown, if it has none.
pub(super) fn since(time: Option<&Value>, now: Timestamp) -> String {
    timestamp(time).map_or_else(|| "<unknown>".to_owned(), |time| human(now.duration_since(time)))
}

/// A time that an object has.
pub(super) fn timestamp(time: Option<&Value>) -> Option<Timestamp> {
    time?.as_str()?.parse().ok()
}

/// A time as the API writes it, to the second.
pub(super) fn written(time: Option<&Value>) -> String {
    timestamp(time).map_or_else(
        // Go's zero time, which the API server shows for an object that has none.
        || "0001-01-01T00:00:00Z".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// A span of time in two or three figures.
pub(super) fn human(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    // The larger unit, with as much of the smaller one as is left of it.
    let both = |large: i64, (name, unit): (&str, i64), (part, smaller): (&str, i64), turn: i64| {
        let rest = seconds / smaller % turn;
        let whole = large / unit;
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}{name}{rest}{part}") }
    };
    match seconds {
        // Clocks may differ by a little.
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => both(seconds, ("m", MINUTE), ("s", 1), 60),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => both(seconds, ("h", HOUR), ("m", MINUTE), 60),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => both(seconds, ("d", DAY), ("h", HOUR), 24),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => both(seconds, ("y", YEAR), ("d", DAY), 365),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_told_in_few_figures() {
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_799, "7h59m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_199, "7d23h"),
            (691_200, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_287_999, "7y364d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human(SignedDuration::from_secs(seconds)), text, "{seconds}");
        }
        assert_eq!(human(SignedDuration::from_millis(-500)), "0s");
    }

    #[test]
    fn an_object_without_a_time_has_an_unknown_age() {
        let now: Timestamp = "2026-01-01T00:00:10Z".parse().unwrap();
        assert_eq!(since(Some(&json!("2026-01-01T00:00:00Z")), now), "10s");
        assert_eq!(since(None, now), "<unknown>");
        assert_eq!(since(Some(&Value::Null), now), "<unknown>");
        assert_eq!(written(Some(&json!("2026-01-01T00:00:00.5Z"))), "2026-01-01T00:00:00Z");
        assert_eq!(written(None), "0001-01-01T00:00:00Z");
    }
}
