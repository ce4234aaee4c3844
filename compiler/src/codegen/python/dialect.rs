//! What pandas and Polars say differently.

use arrow::datatypes::{DataType, TimeUnit};

use super::code::{Code, string, strings};
use super::module::Item;
use crate::codegen::{not_translatable, sql};
use crate::diagnostic::Diagnostic;

/// A library of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codegen) enum Dialect {
    /// pandas, with Arrow's types.
    Pandas,
    /// Polars.
    Polars,
}

impl Dialect {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        self.either("pandas", "Polars")
    }

    /// One of two texts.
    pub(super) fn either<T>(self, pandas: T, polars: T) -> T {
        match self {
            Self::Pandas => pandas,
            Self::Polars => polars,
        }
    }

    /// A column of the frame.
    pub(super) fn column(self, name: &str) -> Code {
        let name = string(name);
        Code::column(self.either(format!("df[{name}]"), format!("pl.col({name})")))
    }

    /// A single value as a column.
    pub(super) fn lifted(self, code: &Code) -> Code {
        if !code.value {
            return code.clone();
        }
        Code {
            value: false,
            atom: true,
            text: self.either(format!("_column(df, {})", code.text), format!("pl.lit({})", code.text)),
            ..code.clone()
        }
    }

    /// An argument of a call: Polars takes bare texts for names of columns.
    fn argument(self, code: &Code) -> String {
        self.either(code.text.clone(), self.lifted(code).text)
    }

    /// A call of one of the module's own functions.
    pub(super) fn call(self, name: &str, parts: &[Code], options: &[String]) -> Code {
        let arguments = parts.iter().map(|part| match name {
            "_default" if part.value => part.text.clone(),
            _ => self.argument(part),
        });
        let all: Vec<String> =
            std::iter::once("df".to_owned()).chain(arguments).chain(options.iter().cloned()).collect();
        Code::call(format!("{name}({})", all.join(", ")), parts)
    }

    /// A call of a function of `pyarrow.compute`, or the method that Polars has for it.
    pub(super) fn kernel(self, of: &Code, kernel: &str, method: &str) -> Code {
        match self {
            Self::Pandas => Code::call(format!("_arrow(df, pc.{kernel}, {})", of.text), std::slice::from_ref(of)),
            Self::Polars => self.lifted(of).method(method),
        }
    }

    pub(super) fn is_null(self, code: &Code) -> Code {
        self.lifted(code).method(self.either("isna()", "is_null()"))
    }

    pub(super) fn is_not_null(self, code: &Code) -> Code {
        self.lifted(code).method(self.either("notna()", "is_not_null()"))
    }

    /// The truth value, with one in place of null.
    pub(super) fn known(self, code: &Code, null: &str) -> Code {
        self.lifted(code).method(&format!("{}({null})", self.either("fillna", "fill_null")))
    }

    pub(super) fn coalesce(self, values: &[Code]) -> Code {
        match self {
            Self::Pandas => self.call("_coalesce", values, &[]),
            Self::Polars => {
                let list: Vec<String> = values.iter().map(|value| self.argument(value)).collect();
                Code::call(format!("pl.coalesce({})", list.join(", ")), values)
            }
        }
    }

    pub(super) fn case(self, branches: &[(Code, Code)], otherwise: &Code) -> Code {
        let list: Vec<String> = branches
            .iter()
            .map(|(condition, value)| format!("({}, {})", self.argument(condition), self.argument(value)))
            .collect();
        let mut parts: Vec<Code> =
            branches.iter().flat_map(|(condition, value)| [condition.clone(), value.clone()]).collect();
        parts.push(otherwise.clone());
        Code::call(format!("_case(df, [{}], {})", list.join(", "), self.argument(otherwise)), &parts)
    }

    pub(super) fn cast(self, code: &Code, target: &str, strict: bool) -> Code {
        let options: Vec<String> = strict.then(|| "strict=True".to_owned()).into_iter().collect();
        let target: Vec<String> = std::iter::once(target.to_owned()).chain(options).collect();
        self.call("_cast", std::slice::from_ref(code), &target)
    }

    /// The library's name of a type; None when there is no faithful one.
    pub(super) fn type_name(self, data_type: &DataType) -> Option<String> {
        let (pandas, polars) = match data_type {
            DataType::Boolean => ("pa.bool_()", "pl.Boolean"),
            DataType::Int8 => ("pa.int8()", "pl.Int8"),
            DataType::Int16 => ("pa.int16()", "pl.Int16"),
            DataType::Int32 => ("pa.int32()", "pl.Int32"),
            DataType::Int64 => ("pa.int64()", "pl.Int64"),
            DataType::UInt8 => ("pa.uint8()", "pl.UInt8"),
            DataType::UInt16 => ("pa.uint16()", "pl.UInt16"),
            DataType::UInt32 => ("pa.uint32()", "pl.UInt32"),
            DataType::UInt64 => ("pa.uint64()", "pl.UInt64"),
            DataType::Float32 => ("pa.float32()", "pl.Float32"),
            DataType::Float64 => ("pa.float64()", "pl.Float64"),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ("pa.string()", "pl.String"),
            DataType::Date32 => ("pa.date32()", "pl.Date"),
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => {
                ("pa.timestamp(\"us\")", "pl.Datetime(\"us\")")
            }
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, Some(zone)) if sql::is_utc(zone) => {
                ("pa.timestamp(\"us\", tz=\"UTC\")", "pl.Datetime(\"us\", \"UTC\")")
            }
            _ => return None,
        };
        Some(self.either(pandas, polars).to_owned())
    }

    /// The statement that keeps the rows for which a condition is true.
    pub(super) fn filter(self, condition: &Code) -> String {
        let condition = self.lifted(condition);
        self.either(format!("df = df[{}]", condition.text), format!("df = df.filter({})", condition.text))
    }

    /// The expression of a frame with these columns, after `return`.
    pub(super) fn select(self, items: &[Item]) -> Result<String, Diagnostic> {
        Ok(format!("return {}", self.frame(items)?))
    }

    /// The expression of a frame with these columns.
    pub(super) fn frame(self, items: &[Item]) -> Result<String, Diagnostic> {
        let fed = |item: &Item| !matches!(item, Item::Column(_, code) if code.constant);
        if !items.iter().any(fed) {
            let help = "copy or compute at least one column from the input";
            return Err(not_translatable("a result that reads no column", self.name(), help));
        }
        let lines = items.iter().map(|item| match (self, item) {
            (Self::Pandas, Item::Column(name, code)) => {
                let code = if code.is_none() { self.lifted(code) } else { code.clone() };
                format!("        {}: {},\n", string(name), code.text)
            }
            (Self::Pandas, Item::All { but }) if but.is_empty() => "        **df,\n".to_owned(),
            (Self::Pandas, Item::All { but }) => {
                format!("        **df.drop(columns=[{}], errors=\"ignore\"),\n", strings(but))
            }
            (Self::Polars, Item::Column(name, code)) => {
                format!("    {}.alias({}),\n", self.lifted(code).operand(), string(name))
            }
            (Self::Polars, Item::All { but }) if but.is_empty() => "    pl.all(),\n".to_owned(),
            (Self::Polars, Item::All { but }) => format!("    pl.exclude({}),\n", strings(but)),
        });
        let lines: String = lines.collect();
        Ok(self.either(
            format!("pd.DataFrame(\n    {{\n{lines}    }},\n    index=df.index,\n)"),
            format!("df.select(\n{lines})"),
        ))
    }
}
