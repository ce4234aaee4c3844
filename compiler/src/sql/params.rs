//! Parameters: declared with a type, given as text, bound as values. Never spliced into SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_crds::pipeline::Param;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{ParamValues, ScalarValue};

use crate::diagnostic::Diagnostic;
use crate::manifest::Locator;
use crate::{suggest, types};

/// The parameters of one Pipeline or one use of a Transformation, each with its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    bound: Vec<(String, ScalarValue)>,
}

/// Whether every parameter must have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is an error.
    Refused,
    /// It is null: for checks without a run.
    Null,
}

/// A value that a run or a use sets.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// Text of the parameter's type.
    Text(String),
    /// A value of another parameter.
    Value(ScalarValue),
}

impl Params {
    /// Binds given values to declared parameters (`spec.params` of `locator`'s object).
    pub(crate) fn bind(
        declared: &[Param],
        given: &BTreeMap<String, Given>,
        missing: Missing,
        locator: &Locator,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut bound: Vec<(String, ScalarValue)> = Vec::new();
        for (index, param) in declared.iter().enumerate() {
            let path = format!("spec.params[{index}]");
            match value(param, given.get(&param.name), missing, &path, locator) {
                Ok(value) => bound.push((param.name.clone(), value)),
                Err(found) => problems.extend(found),
            }
        }
        for name in given.keys().filter(|name| !declared.iter().any(|param| param.name == **name)) {
            problems.push(
                Diagnostic::error("UnknownParameter", format!("there is no parameter `{name}`"))
                    .help(suggest::advice(name, "parameters", declared.iter().map(|param| param.name.as_str())))
                    .at(locator.place("spec.params")),
            );
        }
        if problems.is_empty() { Ok(Self { bound }) } else { Err(problems) }
    }

    /// The declared names with nulls for values, for checks that go on after a parameter was found wrong.
    pub(crate) fn names_only(declared: &[Param]) -> Self {
        let null = |param: &Param| {
            let data_type = types::parse(&param.data_type).ok()?;
            Some((param.name.clone(), ScalarValue::try_from(&data_type).ok()?))
        };
        let bound = declared.iter().map(|param| null(param).unwrap_or((param.name.clone(), ScalarValue::Null)));
        Self { bound: bound.collect() }
    }

    /// The names, in the order of their declaration.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.bound.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&ScalarValue> {
        self.bound.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The types, for planning.
    pub(super) fn fields(&self) -> Vec<FieldRef> {
        self.bound.iter().map(|(name, value)| Arc::new(Field::new(name, value.data_type(), true)) as FieldRef).collect()
    }

    /// The values, for plans.
    pub(super) fn values(&self) -> ParamValues {
        ParamValues::from(self.bound.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>())
    }
}

/// The value of one parameter: what was given, else its default.
fn value(
    param: &Param,
    given: Option<&Given>,
    missing: Missing,
    path: &str,
    locator: &Locator,
) -> Result<ScalarValue, Vec<Diagnostic>> {
    let name = &param.name;
    let wrong = |code, message: String, help: String, field: &str| {
        vec![Diagnostic::error(code, message).help(help).at(locator.place(&format!("{path}{field}")))]
    };
    let of_type = || format!("give a value of type {}", param.data_type);
    let data_type = types::parse(&param.data_type)
        .map_err(|error| vec![unknown_type(&error).at(locator.place(&format!("{path}.type")))])?;
    let default = match &param.default {
        Some(text) => Some(parse(text, &data_type).ok_or_else(|| {
            let message = format!("the default of `{name}` is not of type {}", param.data_type);
            wrong("BadParameter", message, "write a value of that type, or change the type".into(), ".default")
        })?),
        None => None,
    };
    match given {
        Some(Given::Text(text)) => parse(text, &data_type).ok_or_else(|| {
            wrong("BadParameter", format!("{text:?} is not a value of the parameter `{name}`"), of_type(), "")
        }),
        Some(Given::Value(value)) => value.cast_to(&data_type).map_err(|_| {
            let kind = types::name(&value.data_type());
            wrong("BadParameter", format!("a value of type {kind} does not fit the parameter `{name}`"), of_type(), "")
        }),
        None => match (default, missing) {
            (Some(default), _) => Ok(default),
            (None, Missing::Null) => ScalarValue::try_from(&data_type).map_err(|_| {
                let message = format!("a parameter cannot have the type {}", param.data_type);
                wrong("UnknownType", message, "choose a type of single values, as Utf8 or Int64".into(), ".type")
            }),
            (None, Missing::Refused) => {
                let help = format!("give one with --param {name}=VALUE, or declare a `default`");
                Err(wrong("MissingParameter", format!("the parameter `{name}` has no value"), help, ""))
            }
        },
    }
}

/// A value of a type from its text; None when the text is not one.
pub(crate) fn parse(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let value = ScalarValue::Utf8(Some(text.to_owned())).cast_to(data_type).ok()?;
    (!value.is_null()).then_some(value)
}

/// What is said of a type's name that is not known, with the one that may be meant.
pub(crate) fn unknown_type(error: &types::UnknownType) -> Diagnostic {
    let word = error.name.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let meant = match word.as_str() {
        "int" | "integer" | "bigint" | "long" | "i64" => Some("Int64"),
        "smallint" | "short" | "i16" => Some("Int16"),
        "i32" | "int4" => Some("Int32"),
        "float" | "double" | "real" | "number" | "f64" => Some("Float64"),
        "string" | "str" | "text" | "varchar" | "char" => Some("Utf8"),
        "bool" => Some("Boolean"),
        "date" => Some("Date32"),
        "time" => Some("Time64(Microsecond)"),
        "timestamptz" => Some("Timestamp(Microsecond, UTC)"),
        "timestamp" | "datetime" => Some("Timestamp(Microsecond)"),
        "decimal" | "numeric" => Some("Decimal128(38, 9)"),
        "list" | "array" => Some("List(Utf8)"),
        "bytes" | "blob" | "bytea" => Some("Binary"),
        _ => suggest::closest(&error.name, types::COMMON),
    };
    let types = suggest::list(types::COMMON);
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`? types: {types}"),
        None => format!("types: {types}"),
    };
    Diagnostic::error("UnknownType", format!("`{}` is not a type", error.name)).help(help)
}
