//! DataFusion's view of a function of ours: types at planning, columns at execution.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::arguments::Arguments;
use super::function::{Function, Type};

#[derive(Debug)]
pub(super) struct Udf {
    function: &'static Function,
    signature: Signature,
}

impl Udf {
    pub(super) fn new(function: &'static Function) -> Self {
        // `UserDefined` leaves the coercion to us: messages name the parameter, and every string type ends as a view.
        let signature = Signature::new(TypeSignature::UserDefined, Volatility::Immutable);
        Self { function, signature }
    }
}

/// Names are unique in the registry, so they stand for the whole.
impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.data_type())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        for (index, literal) in arguments.scalar_arguments.iter().enumerate() {
            let literal = literal.and_then(|value| value.try_as_str().flatten());
            let parameter = self.function.parameter(index);
            if let (Some(literal), Some(parameter)) = (literal, parameter)
                && let Some(check) = parameter.check
                && let Err(problem) = check(literal)
            {
                return plan_err!("{} of {}: {problem}", parameter.name, self.function.name);
            }
        }
        Ok(Arc::new(Field::new(self.name(), self.function.returns.data_type(), true)))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let least = self.function.least_arguments();
        if given.len() < least || self.function.most_arguments().is_some_and(|most| given.len() > most) {
            return plan_err!("it takes {}, not {} arguments", self.function.signature(), given.len());
        }
        let coerced = given.iter().enumerate().map(|(index, given)| {
            let Some(parameter) = self.function.parameter(index) else {
                return internal_err!("{} has no parameter for argument {index}", self.function.name);
            };
            match parameter.kind.accept(given) {
                Some(data_type) => Ok(data_type),
                None => plan_err!(
                    "`{}` must be {}, but it is {given}; {} (it takes {})",
                    parameter.name,
                    parameter.kind,
                    remedy(parameter.kind),
                    self.function.signature()
                ),
            }
        });
        coerced.collect()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let array = (self.function.compute)(&Arguments::new(&arguments.args, rows))?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn remedy(wanted: Type) -> &'static str {
    match wanted {
        Type::Text => "write CAST(… AS VARCHAR)",
        Type::Integer => "write CAST(… AS BIGINT), or parse_decimal(…) first if it is text",
        Type::Number => "write TRY_CAST(… AS DOUBLE)",
        Type::Date => "write DATE '2026-01-31' for a fixed day, parse_date(…, '%Y-%m-%d') for text",
        _ => "cast it",
    }
}
