//! When a request is sent again, and how long to wait before: decisions without effects.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest time a server may ask us to wait; more is an error that says so.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(300);

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Whether an answer with this status may be a better one next time.
pub(super) fn retryable(status: StatusCode) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        status => status.is_server_error(),
    }
}

/// How long the server asks to wait (RFC 9110 §10.2.3): seconds, or a date. None when it does not say, or not in these
/// words.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date that has passed means: now.
    Some(date.duration_since(now).unwrap_or_default())
}

/// How long to wait before the next try: doubling from 200 ms to 30 s, of which `jitter` (0 to 1) takes away up to half,
/// so that many workers do not come back at once. `tries` counts those that failed, from 1.
pub(super) fn backoff(tries: u32, jitter: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1).min(16));
    let full = FIRST_BACKOFF.saturating_mul(doubled).min(MAX_BACKOFF);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

/// A number from 0 to 1 that differs from call to call and from process to process.
pub(super) fn jitter() -> f64 {
    // RandomState is seeded by the system, and its keys differ from one instance to the next.
    let random = RandomState::new().hash_one(0_u8) >> 32;
    random as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())])
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        assert_eq!(retry_after(&header("120"), now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:49:37 GMT"), now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&header("Sunday, 06-Nov-94 08:49:37 GMT"), now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:00:00 GMT"), now), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon"), now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn backoff_doubles_to_its_limit_and_jitter_takes_at_most_half() {
        let waits: Vec<u128> = (1..=10).map(|tries| backoff(tries, 0.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(backoff(3, 1.0), Duration::from_millis(400));
        assert_eq!(backoff(u32::MAX, 0.0), MAX_BACKOFF);
    }

    #[test]
    fn jitter_is_a_share_and_varies() {
        let drawn: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)), "{drawn:?}");
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]), "{drawn:?}");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again: Vec<u16> = [400, 401, 403, 404, 408, 425, 429, 500, 501, 502, 503, 504, 505, 520]
            .into_iter()
            .filter(|code| retryable(StatusCode::from_u16(*code).unwrap()))
            .collect();
        assert_eq!(again, [408, 425, 429, 500, 502, 503, 504, 520]);
    }
}
