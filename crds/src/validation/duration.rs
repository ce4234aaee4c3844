//! Durations, as `10s`, `10m` or `1h30m`.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, SpanRelativeTo};
use thiserror::Error;

use super::path::Path;
use super::report::Report;

/// Text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a duration: write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`")]
pub struct InvalidDuration {
    /// The text.
    pub text: String,
}

/// Reads a duration: numbers with units from `ns` to `w`, as `10s`, `10m`, `1h30m` or `7d`. A day has 24 hours.
///
/// # Errors
/// When the text is no duration, is negative, or has units without a fixed length (months, years).
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration { text: text.to_owned() };
    // The parser also takes prose, as `2 hours, 00:30:00`; one way to write a duration is enough.
    if !text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | 'µ')) {
        return Err(invalid());
    }
    let span = SpanParser::new().parse_span(text).map_err(|_| invalid())?;
    let signed: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| invalid())?;
    Duration::try_from(signed).map_err(|_| invalid())
}

/// The longest duration of a field, a hundred years: Kubernetes counts three times as many nanoseconds, and no more.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

impl Report {
    /// A duration that may be zero. Returns it when it is one.
    pub(super) fn duration(&mut self, path: &Path, text: &str) -> Option<Duration> {
        match parse_duration(text) {
            Ok(duration) if duration > LONGEST => {
                self.add(path, format!("`{text}` is too long"), "use 36500d or less");
                None
            }
            Ok(duration) => Some(duration),
            Err(_) => {
                self.add(
                    path,
                    format!("`{text}` is not a duration"),
                    "write a number and its unit, as `500ms`, `10s`, `10m`, `1h30m` or `7d`",
                );
                None
            }
        }
    }

    /// A duration of at least a given length.
    pub(super) fn duration_from(&mut self, path: &Path, text: &str, least: Duration) -> Option<Duration> {
        let duration = self.duration(path, text)?;
        if duration < least {
            let help = format!("use {:#} or more", SignedDuration::try_from(least).unwrap_or(SignedDuration::MAX));
            self.add(path, format!("`{text}` is too short"), help);
        }
        Some(duration)
    }
}
