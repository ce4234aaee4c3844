//! One made-up column: its values in any range of rows.

use std::ops::Range;
use std::sync::Arc;

use aggregator_compiler::declared::generated_field;
use aggregator_crds::connector::{GeneratedColumn, GeneratorKind};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::Field;

use super::draw::{Draws, Key};

/// The most letters of a text.
const MAX_TEXT: u32 = 1024 * 1024;

/// One made-up column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its name, type and whether it has nulls.
    pub field: Field,
    kind: Kind,
    key: Key,
    null_share: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    /// `first + step × row`.
    Sequence(Line),
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Text {
        length: u32,
    },
    Choice {
        values: Vec<String>,
    },
    Boolean,
    /// Microseconds since 1970: `first + step × row`.
    Timestamp(Line),
}

/// Values that grow evenly with the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    first: i64,
    step: i64,
}

impl Line {
    /// A line, if its last value is one too.
    fn new(first: i64, step: i64, rows: u64) -> Option<Self> {
        let last = i128::from(first) + i128::from(step) * i128::from(rows.saturating_sub(1));
        (step > 0 && i64::try_from(last).is_ok()).then_some(Self { first, step })
    }

    fn value(self, row: u64) -> i64 {
        // `new` made sure that it fits for all rows of the stream.
        self.first.wrapping_add(self.step.wrapping_mul(row as i64))
    }

    /// The first row whose value is not below this one.
    pub(super) fn first_row(self, lower: i64) -> u64 {
        let steps = -(i128::from(self.first) - i128::from(lower)).div_euclid(i128::from(self.step));
        u64::try_from(steps.max(0)).unwrap_or(u64::MAX)
    }

    /// The row behind the last one whose value is not above this one.
    pub(super) fn end_row(self, upper: i64) -> u64 {
        let steps = (i128::from(upper) - i128::from(self.first)).div_euclid(i128::from(self.step)) + 1;
        u64::try_from(steps.max(0)).unwrap_or(u64::MAX)
    }
}

impl Column {
    /// Reads what the manifest says of a column of a stream with so many rows.
    ///
    /// # Errors
    /// What cannot be made, in words.
    pub(super) fn parse(seed: u64, stream: &str, rows: u64, spec: &GeneratedColumn) -> Result<Self, String> {
        let null_share = match &spec.null_share {
            None => 0.0,
            Some(text) => match text.trim().parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => share,
                _ => return Err(format!("`nullShare: {text}` is not a share from 0 to 1")),
            },
        };
        let kind = match &spec.kind {
            GeneratorKind::Sequence { start } => {
                let line = Line::new(*start, 1, rows)
                    .ok_or_else(|| format!("{rows} values from {start} on do not fit Int64"))?;
                Kind::Sequence(line)
            }
            GeneratorKind::Integer { min, max } if min > max => return Err(above(*min, *max)),
            GeneratorKind::Integer { min, max } => Kind::Integer { min: *min, max: *max },
            GeneratorKind::Number { min, max } if min >= max => return Err(above(*min, *max)),
            GeneratorKind::Number { min, max } => Kind::Number { min: *min as f64, max: *max as f64 },
            GeneratorKind::Text { length } if *length > MAX_TEXT => {
                return Err(format!("`length: {length}` is more than {MAX_TEXT}"));
            }
            GeneratorKind::Text { length } => Kind::Text { length: *length },
            GeneratorKind::Choice { values } if values.is_empty() => return Err("`choice` has no values".into()),
            GeneratorKind::Choice { values } => Kind::Choice { values: values.clone() },
            GeneratorKind::Boolean {} => Kind::Boolean,
            GeneratorKind::Timestamp { start, step } => Kind::Timestamp(times(start, step, rows)?),
        };
        let (field, _) = generated_field(spec);
        Ok(Self { field, kind, key: Key::new(seed, stream, &spec.name), null_share })
    }

    /// How the values grow, if they do so evenly and none is missing: what a cursor's bounds can be turned into rows by.
    pub(super) fn line(&self) -> Option<Line> {
        match &self.kind {
            Kind::Sequence(line) | Kind::Timestamp(line) if self.null_share == 0.0 => Some(*line),
            _ => None,
        }
    }

    /// A bound of a cursor over this column, read from its text, as [`Self::line`] counts.
    ///
    /// # Errors
    /// What the text should be, in words.
    pub(super) fn bound(&self, text: &str) -> Result<i64, String> {
        match &self.kind {
            Kind::Timestamp(_) => text
                .parse::<jiff::Timestamp>()
                .map(jiff::Timestamp::as_microsecond)
                .map_err(|error| format!("`{text}` is not a time as RFC 3339 writes it: {error}")),
            _ => text.parse().map_err(|error| format!("`{text}` is not a whole number: {error}")),
        }
    }

    /// The bytes of a value, at most.
    pub(super) fn width(&self) -> u64 {
        match &self.kind {
            Kind::Text { length } => u64::from(*length),
            Kind::Choice { values } => values.iter().map(String::len).max().unwrap_or_default() as u64,
            Kind::Boolean => 1,
            Kind::Sequence(_) | Kind::Integer { .. } | Kind::Number { .. } | Kind::Timestamp(_) => 8,
        }
    }

    /// Whether the values are times.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.kind, Kind::Timestamp(_))
    }

    /// The values of some rows.
    pub(super) fn values(&self, rows: Range<u64>) -> ArrayRef {
        let length = (rows.end - rows.start) as usize;
        let drawn = rows.map(|row| {
            let mut draws = self.key.row(row);
            // Drawn in any case, so that the other values stay when the share changes.
            let missing = draws.share() < self.null_share;
            (row, draws, missing)
        });
        match &self.kind {
            Kind::Sequence(line) => {
                let mut builder = Int64Builder::with_capacity(length);
                drawn.for_each(|(row, _, missing)| builder.append_option((!missing).then(|| line.value(row))));
                Arc::new(builder.finish())
            }
            Kind::Timestamp(line) => {
                let mut builder = TimestampMicrosecondBuilder::with_capacity(length);
                drawn.for_each(|(row, _, missing)| builder.append_option((!missing).then(|| line.value(row))));
                Arc::new(builder.finish().with_timezone("UTC"))
            }
            Kind::Integer { min, max } => {
                let mut builder = Int64Builder::with_capacity(length);
                drawn.for_each(|(_, mut draws, missing)| {
                    builder.append_option((!missing).then(|| integer(&mut draws, *min, *max)));
                });
                Arc::new(builder.finish())
            }
            Kind::Number { min, max } => {
                let mut builder = Float64Builder::with_capacity(length);
                drawn.for_each(|(_, mut draws, missing)| {
                    builder.append_option((!missing).then(|| number(&mut draws, *min, *max)));
                });
                Arc::new(builder.finish())
            }
            Kind::Boolean => {
                let mut builder = BooleanBuilder::with_capacity(length);
                drawn.for_each(|(_, mut draws, missing)| {
                    builder.append_option((!missing).then(|| draws.next() >> 63 == 1));
                });
                Arc::new(builder.finish())
            }
            Kind::Text { length: letters } => {
                let mut builder = StringBuilder::with_capacity(length, length * *letters as usize);
                let mut text = String::with_capacity(*letters as usize);
                drawn.for_each(|(_, mut draws, missing)| {
                    if missing {
                        return builder.append_null();
                    }
                    text.clear();
                    text.extend((0..*letters).map(|_| char::from(b'a' + draws.below(26) as u8)));
                    builder.append_value(&text);
                });
                Arc::new(builder.finish())
            }
            Kind::Choice { values } => {
                let mut builder = StringBuilder::with_capacity(length, length * 8);
                drawn.for_each(|(_, mut draws, missing)| {
                    let chosen = draws.below(values.len() as u128) as usize;
                    builder.append_option((!missing).then(|| &values[chosen]));
                });
                Arc::new(builder.finish())
            }
        }
    }
}

fn integer(draws: &mut Draws, min: i64, max: i64) -> i64 {
    let width = (i128::from(max) - i128::from(min) + 1).unsigned_abs();
    (i128::from(min) + draws.below(width) as i128) as i64
}

fn number(draws: &mut Draws, min: f64, max: f64) -> f64 {
    let value = min + draws.share() * (max - min);
    // Rounding may reach the bound, which is not one of the values.
    if value < max { value } else { max.next_down() }
}

fn above(min: i64, max: i64) -> String {
    format!("`min: {min}` is not below `max: {max}`")
}

fn times(start: &jiff::Timestamp, step: &str, rows: u64) -> Result<Line, String> {
    if start.subsec_nanosecond() % 1000 != 0 {
        return Err(format!("`start: {start}` is finer than a microsecond"));
    }
    let span: jiff::SignedDuration =
        step.parse().map_err(|error| format!("`step: {step}` is not a time such as `1s`: {error}"))?;
    let microseconds = i64::try_from(span.as_micros()).map_err(|_| format!("`step: {step}` is too long"))?;
    if microseconds <= 0 || span.subsec_nanos() % 1000 != 0 {
        return Err(format!("`step: {step}` is not a whole number of microseconds above 0"));
    }
    let line = Line::new(start.as_microsecond(), microseconds, rows);
    line.filter(|line| jiff::Timestamp::from_microsecond(line.value(rows.saturating_sub(1))).is_ok())
        .ok_or_else(|| format!("{rows} rows, each later by `step: {step}`, go beyond the year 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_turns_bounds_into_rows() {
        let line = Line::new(-10, 5, 100).unwrap();
        let firsts: Vec<u64> = [-100, -10, -9, -5, 0, 1].into_iter().map(|lower| line.first_row(lower)).collect();
        assert_eq!(firsts, [0, 0, 1, 1, 2, 3]);
        let ends: Vec<u64> = [-100, -11, -10, -6, -5, 0].into_iter().map(|upper| line.end_row(upper)).collect();
        assert_eq!(ends, [0, 0, 1, 1, 2, 3]);
        for row in 0..100 {
            assert_eq!((line.first_row(line.value(row)), line.end_row(line.value(row))), (row, row + 1));
        }
    }

    #[test]
    fn a_line_that_leaves_int64_is_none() {
        assert!(Line::new(i64::MAX, 1, 1).is_some());
        assert!(Line::new(i64::MAX, 1, 2).is_none());
        assert!(Line::new(0, 1, u64::MAX).is_none());
        assert_eq!(Line::new(i64::MIN, 1, 1).unwrap().first_row(i64::MAX), u64::MAX);
    }

    #[test]
    fn integers_reach_both_bounds_and_numbers_only_the_lower() {
        let key = Key::new(1, "s", "c");
        let drawn: Vec<i64> = (0..200).map(|row| integer(&mut key.row(row), -1, 1)).collect();
        assert!([-1, 0, 1].iter().all(|value| drawn.contains(value)), "{drawn:?}");
        assert!(drawn.iter().all(|value| (-1..=1).contains(value)));
        let wide: Vec<i64> = (0..50).map(|row| integer(&mut key.row(row), i64::MIN, i64::MAX)).collect();
        assert!(wide.iter().any(|value| *value < 0) && wide.iter().any(|value| *value > 0), "{wide:?}");
        let narrow = 2_f64.powi(53);
        assert!((0..200).all(|row| number(&mut key.row(row), narrow, narrow + 2.0) < narrow + 2.0));
    }
}
