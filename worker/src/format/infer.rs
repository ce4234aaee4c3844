//! Guessing a column's type from its values: the narrowest type that keeps every value exactly, otherwise text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::Value;

use super::cell::{Cell, has_offset, significant_digits};

/// What the values of a column have been so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Guess {
    /// No value yet.
    #[default]
    Nothing,
    /// `true` and `false`.
    Boolean,
    /// Integers of 64 bits; whether a double holds each exactly.
    Integer { exact_double: bool },
    /// Numbers.
    Float,
    /// `2026-01-31`.
    Date,
    /// Timestamps without an offset.
    Timestamp,
    /// Timestamps with an offset.
    TimestampUtc,
    /// Arrays.
    List(Box<Guess>),
    /// Anything else.
    Text,
}

impl Guess {
    /// What a JSON value is.
    pub(crate) fn of_json(value: &Value) -> Self {
        match (value, Cell::from(value)) {
            (Value::Array(elements), _) => {
                Self::List(Box::new(elements.iter().map(Self::of_json).fold(Self::Nothing, Self::merge)))
            }
            (_, Cell::Null) => Self::Nothing,
            (_, Cell::Bool(_)) => Self::Boolean,
            (_, cell @ Cell::Int(_)) => Self::Integer { exact_double: cell.double().is_ok() },
            (_, Cell::Float(_)) => Self::Float,
            (_, Cell::Text(text)) => Self::of_time(&text),
            (_, Cell::UInt(_) | Cell::Nested(_)) => Self::Text,
        }
    }

    /// What a field of delimited text is. Leading zeros and plus signs are text: they mean something.
    pub(crate) fn of_text(text: &str) -> Self {
        let cell = Cell::Text(text.into());
        if cell.boolean().is_ok() {
            return Self::Boolean;
        }
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        let plain = match digits {
            [b'0'] => digits.len() == text.len(),
            [b'0', second, ..] => !second.is_ascii_digit(),
            [first, ..] => first.is_ascii_digit() || *first == b'.',
            [] => false,
        };
        if !plain {
            return Self::of_time(text);
        }
        if digits.iter().all(u8::is_ascii_digit) {
            return match cell.integer::<i64>() {
                Ok(_) => Self::Integer { exact_double: cell.double().is_ok() },
                Err(_) => Self::Text,
            };
        }
        match cell.double() {
            // Seventeen digits name every double; of more, some would be lost.
            Ok(float) if float.is_finite() && significant_digits(text) <= 17 => Self::Float,
            _ => Self::of_time(text),
        }
    }

    fn of_time(text: &str) -> Self {
        if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return Self::Text;
        }
        let cell = Cell::Text(text.into());
        if cell.date().is_ok() {
            return Self::Date;
        }
        let Ok(utc) = "+00:00".parse::<Tz>() else { return Self::Text };
        // A space before the offset, a missing colon or a named zone are not RFC 3339.
        let shaped = text.len() >= 19 && text.as_bytes()[13] == b':' && text.as_bytes()[16] == b':';
        if shaped && cell.timestamp(TimeUnit::Microsecond, Some(&utc), &utc).is_ok() {
            return if has_offset(text) { Self::TimestampUtc } else { Self::Timestamp };
        }
        Self::Text
    }

    /// What values are that were one and the other.
    pub(crate) fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, guess) | (guess, Self::Nothing) => guess,
            (Self::Integer { exact_double: one }, Self::Integer { exact_double: two }) => {
                Self::Integer { exact_double: one && two }
            }
            (Self::Integer { exact_double: true }, Self::Float)
            | (Self::Float, Self::Integer { exact_double: true }) => Self::Float,
            (Self::List(one), Self::List(two)) => Self::List(Box::new(one.merge(*two))),
            (one, two) if one == two => one,
            _ => Self::Text,
        }
    }

    /// The Arrow type that keeps all of them.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Nothing | Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer { .. } => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampUtc => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(element) => DataType::List(Arc::new(Field::new("item", element.data_type(), true))),
        }
    }
}

/// Guesses by column, in the order of first appearance.
#[derive(Clone, Default)]
pub(crate) struct Guesses {
    columns: Vec<(String, Guess)>,
    places: HashMap<String, usize>,
}

impl Guesses {
    /// Takes one more value of a column into account.
    pub(crate) fn merge(&mut self, column: &str, guess: Guess) {
        match self.places.get(column) {
            Some(place) => {
                let known = &mut self.columns[*place].1;
                *known = std::mem::take(known).merge(guess);
            }
            None => {
                self.places.insert(column.to_owned(), self.columns.len());
                self.columns.push((column.to_owned(), guess));
            }
        }
    }

    /// Refuses more columns than a stream may have; `location` is where they were found.
    #[cfg(feature = "formats")]
    pub(crate) fn check(&self, location: &str) -> crate::connector::Result<()> {
        crate::connector::check_columns(location, self.columns.len())
    }

    /// The schema that keeps every value; every column may be null.
    pub(crate) fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> =
            self.columns.iter().map(|(name, guess)| Field::new(name, guess.data_type(), true)).collect();
        Arc::new(Schema::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> DataType {
        values.iter().map(|value| Guess::of_text(value)).fold(Guess::Nothing, Guess::merge).data_type()
    }

    #[test]
    fn text_is_guessed_without_losing_anything() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (values, expected) in [
            (&["1", "-2", "0"][..], DataType::Int64),
            (&["007", "1"], DataType::Utf8),
            (&["+49", "1"], DataType::Utf8),
            (&["-0"], DataType::Utf8),
            (&["9223372036854775808"], DataType::Utf8),
            (&["1", "2.5"], DataType::Float64),
            (&["9007199254740993", "2.5"], DataType::Utf8),
            (&["0.1234567890123456789"], DataType::Utf8),
            (&["0.5", "-0.5", ".5", "1e-3"], DataType::Float64),
            (&["true", "FALSE"], DataType::Boolean),
            (&["true", "1"], DataType::Utf8),
            (&["2026-01-31"], DataType::Date32),
            (&["2026-01-31", "2026-01-31T10:00:00Z"], DataType::Utf8),
            (&["2026-01-31T10:00:00Z", "2026-01-31T10:00:00.123456+02:00"], utc),
            (&["2026-01-31 10:00:00"], DataType::Timestamp(TimeUnit::Microsecond, None)),
            (&["2026-01-31 10:00:00", "2026-01-31 10:00:00Z"], DataType::Utf8),
            (&["2026-01-31T10:00:00.1234567Z"], DataType::Utf8),
            (&["nan", "1.5"], DataType::Utf8),
            (&["1e400"], DataType::Utf8),
            (&[], DataType::Utf8),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }
}
