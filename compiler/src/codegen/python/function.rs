//! SQL functions as Python.

use datafusion_common::ScalarValue;
use datafusion_expr::Expr;

use super::code::{Code, string};
use super::dialect::Dialect;
use super::expression::Writer;
use crate::diagnostic::Diagnostic;

impl Writer<'_> {
    /// A call of a scalar function.
    pub(super) fn function(&self, whole: &Expr, name: &str, arguments: &[Expr]) -> Result<Code, Diagnostic> {
        let dialect = self.dialect;
        let refused = || self.refuse(whole);
        let method = |value: &Expr, pandas: &str, polars: &str| -> Result<Code, Diagnostic> {
            Ok(self.column(value)?.method(dialect.either(pandas, polars)))
        };
        let all = || arguments.iter().map(|argument| self.write(argument)).collect::<Result<Vec<_>, _>>();
        match (name, arguments) {
            ("upper", [text]) => method(text, "str.upper()", "str.to_uppercase()"),
            ("lower", [text]) => method(text, "str.lower()", "str.to_lowercase()"),
            ("character_length", [text]) => method(text, "str.len()", "str.len_chars()"),
            ("abs", [number]) => method(number, "abs()", "abs()"),
            ("btrim" | "ltrim" | "rtrim", [text, characters @ ..]) if characters.len() < 2 => {
                let side = match name {
                    "ltrim" => ("lstrip", "strip_chars_start"),
                    "rtrim" => ("rstrip", "strip_chars_end"),
                    _ => ("strip", "strip_chars"),
                };
                let characters = match characters.first() {
                    Some(characters) => self.one(characters).ok_or_else(refused)?,
                    None => string(" "),
                };
                method(text, &format!("str.{}({characters})", side.0), &format!("str.{}({characters})", side.1))
            }
            ("substr" | "left" | "right", [text, numbers @ ..]) => {
                let numbers: Option<Vec<i64>> = numbers.iter().map(integer).collect();
                let (begin, end) = match (name, numbers.as_deref()) {
                    ("substr", Some([start])) => ((start - 1).max(0), None),
                    ("substr", Some([start, length])) if *length >= 0 => {
                        let begin = (start - 1).max(0);
                        (begin, Some((start - 1 + length).max(begin)))
                    }
                    ("left", Some([count])) if *count >= 0 => (0, Some(*count)),
                    ("right", Some([count])) if *count > 0 => (-count, None),
                    _ => return Err(refused().help("write start and length as literals; they must not be negative")),
                };
                let pandas = end.map_or(format!("str.slice({begin})"), |end| format!("str.slice({begin}, {end})"));
                let polars =
                    end.map_or(format!("str.slice({begin})"), |end| format!("str.slice({begin}, {})", end - begin));
                method(text, &pandas, &polars)
            }
            ("replace", [text, from, to]) => {
                let (from, to) = (self.one(from).ok_or_else(refused)?, self.one(to).ok_or_else(refused)?);
                let pandas = format!("str.replace({from}, {to}, regex=False)");
                method(text, &pandas, &format!("str.replace_all({from}, {to}, literal=True)"))
            }
            ("starts_with" | "ends_with" | "contains", [text, part]) => {
                let part = self.one(part).ok_or_else(refused)?;
                let (pandas, polars) = match name {
                    "starts_with" => (format!("str.startswith({part})"), format!("str.starts_with({part})")),
                    "ends_with" => (format!("str.endswith({part})"), format!("str.ends_with({part})")),
                    _ => (format!("str.contains({part}, regex=False)"), format!("str.contains({part}, literal=True)")),
                };
                method(text, &pandas, &polars)
            }
            ("split_part", [text, separator, position]) => {
                let separator = self.one(separator).ok_or_else(refused)?;
                let position = integer(position).filter(|position| *position > 0);
                let position = position.ok_or_else(|| refused().help("write the position as a literal, from 1"))?;
                Ok(dialect.call("_split_part", &[self.column(text)?], &[separator, position.to_string()]))
            }
            ("concat", [_, ..]) => Ok(dialect.call("_concat", &all()?, &["skip_nulls=True".to_owned()])),
            ("concat_ws", [separator, parts @ ..]) if !parts.is_empty() => {
                let separator = format!("separator={}", self.one(separator).ok_or_else(refused)?);
                let parts = parts.iter().map(|part| self.write(part)).collect::<Result<Vec<_>, _>>()?;
                Ok(dialect.call("_concat", &parts, &[separator, "skip_nulls=True".to_owned()]))
            }
            ("coalesce", [_, ..]) => Ok(dialect.coalesce(&all()?)),
            ("nullif", [value, null]) => {
                let (value, null) = (self.column(value)?, self.write(null)?);
                Ok(dialect.case(&[(value.infix("==", &null), Code::value("None"))], &value))
            }
            ("round", [number, digits @ ..]) if digits.len() < 2 => {
                let digits = match digits.first() {
                    Some(digits) => integer(digits).ok_or_else(refused)?,
                    None => 0,
                };
                match dialect {
                    Dialect::Pandas => {
                        let options = format!("ndigits={digits}, round_mode=\"half_towards_infinity\"");
                        let number = self.write(number)?;
                        Ok(Code::call(format!("_arrow(df, pc.round, {}, {options})", number.text), &[number]))
                    }
                    Dialect::Polars if digits < 0 => Err(refused()),
                    Dialect::Polars => {
                        Ok(self.column(number)?.method(&format!("round({digits}, mode=\"half_away_from_zero\")")))
                    }
                }
            }
            ("ceil" | "floor", [number]) => Ok(dialect.kernel(&self.write(number)?, name, &format!("{name}()"))),
            ("sqrt", [number]) => Ok(dialect.kernel(&self.write(number)?, "sqrt", "sqrt()")),
            ("date_trunc", [unit, time]) => {
                let (pandas, polars) = unit_of(unit).ok_or_else(refused)?;
                let unit = string(dialect.either(pandas, polars));
                Ok(dialect.call("_date_trunc", &[self.column(time)?], &[unit]))
            }
            ("date_part", [field, time]) => {
                let (kernel, options, method) = field_of(field).ok_or_else(refused)?;
                let time = self.column(time)?;
                Ok(match dialect {
                    Dialect::Pandas => {
                        Code::call(format!("_date_part(df, pc.{kernel}, {}{options})", time.text), &[time])
                    }
                    Dialect::Polars => Code { atom: !method.contains(' '), ..time.method(&format!("dt.{method}")) },
                })
            }
            _ => Err(refused()),
        }
    }

    /// A single text, as Python.
    fn one(&self, expression: &Expr) -> Option<String> {
        self.write(expression).ok().filter(|code| code.value && !code.is_none()).map(|code| code.text)
    }
}

fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::Int64(number), _) => *number,
        Expr::Negative(inner) => integer(inner).map(|number| -number),
        _ => None,
    }
}

fn word(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.to_lowercase()),
        _ => None,
    }
}

/// The names of a unit of `date_trunc`.
fn unit_of(expression: &Expr) -> Option<(&'static str, &'static str)> {
    Some(match word(expression)?.as_str() {
        "second" => ("second", "1s"),
        "minute" => ("minute", "1m"),
        "hour" => ("hour", "1h"),
        "day" => ("day", "1d"),
        "week" => ("week", "1w"),
        "month" => ("month", "1mo"),
        "quarter" => ("quarter", "1q"),
        "year" => ("year", "1y"),
        _ => return None,
    })
}

/// The Arrow function, its options, and the Polars method of a field of `date_part`.
fn field_of(expression: &Expr) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match word(expression)?.as_str() {
        "year" => ("year", "", "year().cast(pl.Int32)"),
        "quarter" => ("quarter", "", "quarter().cast(pl.Int32)"),
        "month" => ("month", "", "month().cast(pl.Int32)"),
        "week" => ("iso_week", "", "week().cast(pl.Int32)"),
        "day" => ("day", "", "day().cast(pl.Int32)"),
        "doy" => ("day_of_year", "", "ordinal_day().cast(pl.Int32)"),
        "dow" => ("day_of_week", ", week_start=7", "weekday().cast(pl.Int32) % 7"),
        "hour" => ("hour", "", "hour().cast(pl.Int32)"),
        "minute" => ("minute", "", "minute().cast(pl.Int32)"),
        "second" => ("second", "", "second().cast(pl.Int32)"),
        _ => return None,
    })
}
