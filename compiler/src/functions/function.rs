//! What a function of ours is: what people read about it and how it computes, in one value.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion_common::Result;
use datafusion_expr::ScalarUDF;
use serde::Serialize;

use super::arguments::Arguments;
use super::udf::Udf;
use crate::types;

/// How a function makes a column of its arguments' columns. It gives one value for each of the arguments' rows.
pub(super) type Compute = fn(&Arguments<'_>) -> Result<ArrayRef>;

/// Looks at an argument that is a literal while the query is planned; says what is wrong with it.
pub(super) type Check = fn(&str) -> std::result::Result<(), String>;

/// One scalar function. It is deterministic; what it cannot read gives NULL, never an error, and a NULL argument
/// gives NULL unless its documentation says otherwise.
#[derive(Debug)]
pub struct Function {
    /// The name in SQL.
    pub name: &'static str,
    /// Where it stands in the documentation.
    pub category: Category,
    /// What it gives, in a sentence or two.
    pub summary: &'static str,
    /// What it takes, in order: required ones, then optional ones, then at most one that repeats.
    pub parameters: &'static [Parameter],
    /// The type it gives.
    pub returns: Type,
    /// What input that it cannot read gives.
    pub bad_input: &'static str,
    /// Expressions and what they give; all are run as tests.
    pub examples: &'static [Example],
    pub(super) compute: Compute,
}

/// A shelf of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Category {
    /// Documents inside a column.
    Json,
    /// Text into values of other types.
    Parsing,
    /// Amounts and currencies.
    Money,
    /// Telephone numbers.
    Phone,
    /// E-mail addresses.
    Email,
    /// URLs.
    Url,
    /// IP addresses.
    Network,
    /// Cleaning of text.
    Text,
    /// Likeness of texts.
    Similarity,
    /// Places on the Earth.
    Geo,
    /// Hashes and fingerprints.
    Hash,
    /// Weeks, quarters, business days, ages.
    Calendar,
    /// What counts as nothing.
    Null,
}

impl Category {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Json,
        Self::Parsing,
        Self::Money,
        Self::Phone,
        Self::Email,
        Self::Url,
        Self::Network,
        Self::Text,
        Self::Similarity,
        Self::Geo,
        Self::Hash,
        Self::Calendar,
        Self::Null,
    ];

    /// The heading, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Parsing => "Parsing",
            Self::Money => "Money",
            Self::Phone => "Telephone numbers",
            Self::Email => "E-mail addresses",
            Self::Url => "URLs",
            Self::Network => "Networks",
            Self::Text => "Text cleaning",
            Self::Similarity => "Similarity",
            Self::Geo => "Geography",
            Self::Hash => "Hashing",
            Self::Calendar => "Calendar",
            Self::Null => "Nulls",
        }
    }
}

/// The types that our functions take and give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits; narrower ones are widened.
    Integer,
    /// A binary floating-point number of 64 bits; other numbers are converted.
    Number,
    /// A decimal number of 38 digits, so many of them after the point.
    Decimal(i8),
    /// Text in any of Arrow's string types; what a function gives is `Utf8`.
    Text,
    /// A list of texts.
    Texts,
    /// A day. A timestamp counts as the day it falls on in its own time zone.
    Date,
    /// An instant in microseconds, UTC.
    Instant,
    /// A value of whatever type.
    Any,
}

impl Type {
    /// The Arrow type of a column that a function gives; for [`Type::Any`], which none gives, `Null`.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Decimal(scale) => DataType::Decimal128(38, scale),
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Self::Date => DataType::Date32,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Any => DataType::Null,
        }
    }

    /// The type to which an argument of type `given` is cast for a parameter of this type; nothing where it does not fit.
    pub(super) fn accept(self, given: &DataType) -> Option<DataType> {
        let text = |given: &DataType| matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let fits = match (self, given) {
            (Self::Any, _) => return Some(given.clone()),
            (_, DataType::Null) => true,
            (Self::Text, DataType::Dictionary(_, value)) => text(value),
            (Self::Text, _) => text(given),
            (Self::Integer, _) => given.is_integer(),
            (Self::Number, _) => given.is_numeric(),
            (Self::Date, _) => matches!(given, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _)),
            (Self::Boolean | Self::Decimal(_) | Self::Texts | Self::Instant, _) => *given == self.data_type(),
        };
        let wanted = if self == Self::Text { DataType::Utf8View } else { self.data_type() };
        fits.then_some(wanted)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any type"),
            _ => formatter.write_str(&types::name(&self.data_type())),
        }
    }
}

/// How many arguments a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// One.
    Required,
    /// One or none.
    Optional,
    /// One or more.
    Repeated,
}

/// One parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in the documentation; arguments are positional.
    pub name: &'static str,
    /// What it takes.
    pub kind: Type,
    /// Whether it may be left out or repeated.
    pub need: Need,
    /// What it means.
    pub description: &'static str,
    pub(super) check: Option<Check>,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, kind: Type, description: &'static str) -> Self {
        Self { name, kind, need: Need::Required, description, check: None }
    }

    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Type::Text, description)
    }

    pub(super) const fn optional(mut self) -> Self {
        self.need = Need::Optional;
        self
    }

    pub(super) const fn repeated(mut self) -> Self {
        self.need = Need::Repeated;
        self
    }

    /// A literal that does not pass is an error of planning; a column's value that would not pass gives NULL.
    pub(super) const fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
}

/// An expression and what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The expression.
    pub sql: &'static str,
    /// What it gives, as a table shows it; `NULL` for null.
    pub result: &'static str,
}

impl Example {
    pub(super) const fn new(sql: &'static str, result: &'static str) -> Self {
        Self { sql, result }
    }
}

impl Function {
    /// How it is called, as `money_amount(text Utf8 [, decimal_mark Utf8]) → Decimal128(38, 4)`.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut signature = format!("{}(", self.name);
        for (index, parameter) in self.parameters.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (name, kind) = (parameter.name, parameter.kind);
            signature.push_str(&match parameter.need {
                Need::Required => format!("{comma}{name} {kind}"),
                Need::Optional => format!(" [{comma}{name} {kind}]"),
                Need::Repeated => format!("{comma}{name} {kind}, …"),
            });
        }
        format!("{signature}) → {}", self.returns)
    }

    /// The fewest arguments it takes.
    #[must_use]
    pub fn least_arguments(&self) -> usize {
        self.parameters.iter().filter(|parameter| parameter.need != Need::Optional).count()
    }

    /// The most arguments it takes; nothing when there is no limit.
    #[must_use]
    pub fn most_arguments(&self) -> Option<usize> {
        let repeats = self.parameters.iter().any(|parameter| parameter.need == Need::Repeated);
        (!repeats).then_some(self.parameters.len())
    }

    /// The parameter that takes the argument at `index`.
    pub(super) fn parameter(&self, index: usize) -> Option<&Parameter> {
        self.parameters.get(index).or_else(|| self.parameters.last().filter(|last| last.need == Need::Repeated))
    }

    /// It, as DataFusion registers and runs it.
    #[must_use]
    pub fn udf(&'static self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Udf::new(self)))
    }
}
