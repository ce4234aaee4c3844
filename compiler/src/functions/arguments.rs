//! The columns that a function computes with, and the ways to make a column of them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, ListBuilder, PrimitiveArray,
    StringBuilder, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use datafusion_common::{Result, ScalarValue, internal_datafusion_err};
use datafusion_expr::ColumnarValue;
use jiff::Timestamp;
use jiff::civil::Date;

use super::calendar;

/// The arguments of one call on one batch. All getters fail only if planning did not coerce the types.
pub(super) struct Arguments<'a> {
    values: &'a [ColumnarValue],
    rows: usize,
}

/// An argument: the same for each row, or one value per row.
pub(super) enum Values<'a, S, A> {
    Same(Option<S>),
    Each(&'a A),
}

pub(super) type Texts<'a> = Values<'a, &'a str, StringViewArray>;
pub(super) type Numbers<'a> = Values<'a, f64, PrimitiveArray<Float64Type>>;
pub(super) type Integers<'a> = Values<'a, i64, PrimitiveArray<Int64Type>>;
pub(super) type Dates<'a> = Values<'a, i32, PrimitiveArray<Date32Type>>;

impl<'a> Texts<'a> {
    pub(super) fn at(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Same(value) => *value,
            Self::Each(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

impl<T: ArrowPrimitiveType> Values<'_, T::Native, PrimitiveArray<T>> {
    pub(super) fn at(&self, row: usize) -> Option<T::Native> {
        match self {
            Self::Same(value) => *value,
            Self::Each(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

impl Dates<'_> {
    /// The day at a row; nothing for years that the calendar does not know (beyond ±9999).
    pub(super) fn day(&self, row: usize) -> Option<Date> {
        calendar::day_of(self.at(row)?)
    }
}

/// Something compiled of a text, kept until the text changes: once for a literal, once per run of equal values else.
pub(super) struct Compiled<'a, T> {
    texts: Texts<'a>,
    compile: fn(&str) -> Option<T>,
    last: Option<(&'a str, Option<T>)>,
}

impl<'a, T> Compiled<'a, T> {
    pub(super) fn new(texts: Texts<'a>, compile: fn(&str) -> Option<T>) -> Self {
        Self { texts, compile, last: None }
    }

    pub(super) fn at(&mut self, row: usize) -> Option<&T> {
        let text = self.texts.at(row)?;
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            self.last = Some((text, (self.compile)(text)));
        }
        self.last.as_ref().and_then(|(_, compiled)| compiled.as_ref())
    }
}

impl<'a> Arguments<'a> {
    pub(super) fn new(values: &'a [ColumnarValue], rows: usize) -> Self {
        Self { values, rows }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn value(&self, index: usize) -> Result<&'a ColumnarValue> {
        self.values.get(index).ok_or_else(|| internal_datafusion_err!("argument {index} is missing"))
    }

    pub(super) fn text(&self, index: usize) -> Result<Texts<'a>> {
        match self.value(index)? {
            ColumnarValue::Scalar(ScalarValue::Null) => Some(Values::Same(None)),
            ColumnarValue::Scalar(value) => value.try_as_str().map(Values::Same),
            ColumnarValue::Array(array) => array.as_string_view_opt().map(Values::Each),
        }
        .ok_or_else(|| internal_datafusion_err!("argument {index} is not text"))
    }

    /// The argument, or `default` where the call leaves it out. (A NULL that is given stays NULL.)
    pub(super) fn text_or(&self, index: usize, default: &'static str) -> Result<Texts<'a>> {
        if index < self.len() { self.text(index) } else { Ok(Values::Same(Some(default))) }
    }

    pub(super) fn number(&self, index: usize) -> Result<Numbers<'a>> {
        match self.value(index)? {
            ColumnarValue::Scalar(ScalarValue::Float64(value)) => Some(Values::Same(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Some(Values::Same(None)),
            ColumnarValue::Scalar(_) => None,
            ColumnarValue::Array(array) => array.as_primitive_opt().map(Values::Each),
        }
        .ok_or_else(|| internal_datafusion_err!("argument {index} is not a number"))
    }

    pub(super) fn integer(&self, index: usize) -> Result<Integers<'a>> {
        match self.value(index)? {
            ColumnarValue::Scalar(ScalarValue::Int64(value)) => Some(Values::Same(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Some(Values::Same(None)),
            ColumnarValue::Scalar(_) => None,
            ColumnarValue::Array(array) => array.as_primitive_opt().map(Values::Each),
        }
        .ok_or_else(|| internal_datafusion_err!("argument {index} is not a whole number"))
    }

    pub(super) fn date(&self, index: usize) -> Result<Dates<'a>> {
        match self.value(index)? {
            ColumnarValue::Scalar(ScalarValue::Date32(value)) => Some(Values::Same(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Some(Values::Same(None)),
            ColumnarValue::Scalar(_) => None,
            ColumnarValue::Array(array) => array.as_primitive_opt().map(Values::Each),
        }
        .ok_or_else(|| internal_datafusion_err!("argument {index} is not a date"))
    }

    /// Does something for each row, for functions that build their own column.
    pub(super) fn each(&self, row: impl FnMut(usize)) {
        (0..self.rows).for_each(row);
    }

    /// The argument as an array, whatever its type.
    pub(super) fn array(&self, index: usize) -> Result<ArrayRef> {
        self.value(index)?.to_array(self.rows)
    }

    pub(super) fn booleans(&self, value: impl FnMut(usize) -> Option<bool>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(value).collect::<BooleanArray>()))
    }

    pub(super) fn integers(&self, value: impl FnMut(usize) -> Option<i64>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(value).collect::<PrimitiveArray<Int64Type>>()))
    }

    pub(super) fn numbers(&self, value: impl FnMut(usize) -> Option<f64>) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(value).collect::<PrimitiveArray<Float64Type>>()))
    }

    pub(super) fn decimals(&self, scale: i8, value: impl FnMut(usize) -> Option<i128>) -> Result<ArrayRef> {
        let array = (0..self.rows).map(value).collect::<Decimal128Array>();
        Ok(Arc::new(array.with_precision_and_scale(38, scale)?))
    }

    pub(super) fn dates(&self, mut value: impl FnMut(usize) -> Option<Date>) -> Result<ArrayRef> {
        let days = (0..self.rows).map(|row| value(row).and_then(calendar::days_of));
        Ok(Arc::new(days.collect::<PrimitiveArray<Date32Type>>()))
    }

    pub(super) fn instants(&self, mut value: impl FnMut(usize) -> Option<Timestamp>) -> Result<ArrayRef> {
        let instants = (0..self.rows).map(|row| value(row).map(Timestamp::as_microsecond));
        Ok(Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC")))
    }

    pub(super) fn texts<T: AsRef<str>>(&self, mut value: impl FnMut(usize) -> Option<T>) -> Result<ArrayRef> {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 16);
        for row in 0..self.rows {
            builder.append_option(value(row));
        }
        Ok(Arc::new(builder.finish()))
    }

    pub(super) fn lists(&self, mut value: impl FnMut(usize) -> Option<Vec<String>>) -> Result<ArrayRef> {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for row in 0..self.rows {
            builder.append_option(value(row).map(|items| items.into_iter().map(Some)));
        }
        Ok(Arc::new(builder.finish()))
    }
}
