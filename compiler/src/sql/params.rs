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
            if bound.iter().any(|(name, _)| *name == param.name) {
                let message = format!("the parameter `{}` is declared twice", param.name);
                problems.push(Diagnostic::error("DuplicateName", message).help("rename one").at(locator.place(&path)));
                continue;
            }
            match value(param, given.get(&param.name), missing, &path, locator) {
                Ok(value) => bound.push((param.name.clone(), value)),
                Err(problem) => problems.push(problem),
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
) -> Result<ScalarValue, Diagnostic> {
    let name = &param.name;
    let data_type = types::parse(&param.data_type).map_err(|error| {
        Diagnostic::error("UnknownType", format!("`{}` is not a type", error.name))
            .help(suggest::advice(&error.name, "types", types::COMMON))
            .at(locator.place(&format!("{path}.type")))
    })?;
    let default = param
        .default
        .as_ref()
        .map(|text| {
            parse(text, &data_type).ok_or_else(|| {
                let message = format!("the default of `{name}` is not of type {}", param.data_type);
                Diagnostic::error("BadParameter", message).at(locator.place(&format!("{path}.default")))
            })
        })
        .transpose()?;
    match given {
        Some(Given::Text(text)) => parse(text, &data_type).ok_or_else(|| {
            Diagnostic::error("BadParameter", format!("{text:?} is not a value of the parameter `{name}`"))
                .help(format!("give a value of type {}", param.data_type))
                .at(locator.place(path))
        }),
        Some(Given::Value(value)) => value.cast_to(&data_type).map_err(|_| {
            let kind = types::name(&value.data_type());
            Diagnostic::error("BadParameter", format!("a value of type {kind} does not fit the parameter `{name}`"))
                .help(format!("give a value of type {}", param.data_type))
                .at(locator.place(path))
        }),
        None => match (default, missing) {
            (Some(default), _) => Ok(default),
            (None, Missing::Null) => ScalarValue::try_from(&data_type).map_err(|_| {
                Diagnostic::error("UnknownType", format!("a parameter cannot have the type {}", param.data_type))
                    .at(locator.place(&format!("{path}.type")))
            }),
            (None, Missing::Refused) => {
                Err(Diagnostic::error("MissingParameter", format!("the parameter `{name}` has no value"))
                    .help(format!("give one with --param {name}=VALUE, or declare a `default`"))
                    .at(locator.place(path)))
            }
        },
    }
}

/// A value of a type from its text; None when the text is not one.
pub(crate) fn parse(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let value = ScalarValue::Utf8(Some(text.to_owned())).cast_to(data_type).ok()?;
    (!value.is_null()).then_some(value)
}
