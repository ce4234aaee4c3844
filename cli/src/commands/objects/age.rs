//! How long ago something was, in two or three figures.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long a time is ago, in the largest unit of which there are two.
pub(super) fn of(time: Timestamp, now: Timestamp) -> String {
    // Clocks may differ by a little.
    let seconds = now.duration_since(time).as_secs().max(0);
    let (unit, name) =
        [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")].into_iter().find(|(unit, _)| seconds >= 2 * unit).unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn an_age_has_few_figures() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, text) in [
            (-3, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (864_000, "10d"),
        ] {
            assert_eq!(of(now - SignedDuration::from_secs(seconds), now), text, "{seconds}");
        }
    }
}
