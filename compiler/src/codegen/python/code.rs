//! Pieces of Python.

use datafusion_common::ScalarValue;

/// A Python expression.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) text: String,
    /// It stands beside operators without brackets.
    pub(super) atom: bool,
    /// It is one Python value; otherwise a column.
    pub(super) value: bool,
    /// It needs no column of the input.
    pub(super) constant: bool,
}

impl Code {
    /// A column, written as a name, a call or an index.
    pub(super) fn column(text: impl Into<String>) -> Self {
        Self { text: text.into(), atom: true, value: false, constant: false }
    }

    /// A single value.
    pub(super) fn value(text: impl Into<String>) -> Self {
        Self { text: text.into(), atom: true, value: true, constant: true }
    }

    /// A call whose result depends on these.
    pub(super) fn call(text: String, of: &[Self]) -> Self {
        Self { text, atom: true, value: false, constant: of.iter().all(|part| part.constant) }
    }

    /// The expression, in brackets where an operator needs them.
    pub(super) fn operand(&self) -> String {
        if self.atom { self.text.clone() } else { format!("({})", self.text) }
    }

    /// `self operator other`.
    pub(super) fn infix(&self, operator: &str, other: &Self) -> Self {
        Self {
            text: format!("{} {operator} {}", self.operand(), other.operand()),
            atom: false,
            value: false,
            constant: self.constant && other.constant,
        }
    }

    /// `sign self`.
    pub(super) fn prefix(&self, sign: &str) -> Self {
        Self { text: format!("{sign}{}", self.operand()), atom: false, ..self.clone() }
    }

    /// `self.method`.
    pub(super) fn method(&self, method: &str) -> Self {
        Self { text: format!("{}.{method}", self.operand()), atom: true, value: false, constant: self.constant }
    }

    /// Whether it is None.
    pub(super) fn is_none(&self) -> bool {
        self.value && self.text == "None"
    }
}

/// A Python string; JSON's are.
pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A Python list of strings.
pub(super) fn strings<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| string(text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The Python value of a scalar; None when Python has no faithful one.
pub(super) fn literal(scalar: &ScalarValue) -> Option<Code> {
    if scalar.is_null() {
        return Some(Code::value("None"));
    }
    let float = |number: f64| match number.is_finite() {
        true => format!("{number:?}"),
        false => format!("float(\"{number}\")"),
    };
    let text = match scalar {
        ScalarValue::Boolean(Some(truth)) => if *truth { "True" } else { "False" }.to_owned(),
        ScalarValue::Float64(Some(number)) => float(*number),
        ScalarValue::Float32(Some(number)) => float(f64::from(*number)),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            string(text)
        }
        ScalarValue::Date32(_) => format!("datetime.date.fromisoformat({})", string(&scalar.to_string())),
        ScalarValue::TimestampMicrosecond(..) => {
            let text = scalar.cast_to(&arrow::datatypes::DataType::Utf8).ok()?;
            format!("datetime.datetime.fromisoformat({})", string(&text.to_string()))
        }
        integer if integer.data_type().is_integer() => integer.to_string(),
        _ => return None,
    };
    Some(Code { atom: !text.starts_with('-'), ..Code::value(text) })
}
